"""HellaSwag: the right continuation of a description among four."""

from collections.abc import Mapping
from typing import Any

from xfer.api import ChoiceExample, Source, TaskSpec, hookimpl
from xfer.plugins.shared import releases
from xfer.plugins.shared.labels import choice_number, right_or_wrong, score_accuracy, text_of


def example(row: Mapping[str, Any], language: str) -> ChoiceExample:
    """Prompt: `ctx_a`; choices: `ctx_b` and an ending, as in jiant."""
    choices = tuple(f"{text_of(row, 'ctx_b')} {ending}".strip() for ending in row["endings"])
    return ChoiceExample("", language, row["ctx_a"], choices, choice_number(row["label"]))


TASK = TaskSpec(
    name="hellaswag",
    summary="multiple choice: what happens next in a video caption or how-to article",
    citation="Zellers et al. 2019, HellaSwag: Can a Machine Really Finish Your Sentence?",
    licence="MIT",
    format="multiple-choice",
    languages=("en",),
    train_languages=("en",),
    source=releases.hellaswag(
        Source(
            hub="Rowan/hellaswag",
            configs={"en": "default"},
            splits={"train": ("train",), "dev": ("validation",)},
            columns=("ctx_a", "ctx_b", "endings", "label"),
            counts={"train/en": 39905, "dev/en": 10042},
        )
    ),
    example=example,
    score=score_accuracy,
    main_score="accuracy",
    score_one=right_or_wrong,
    eval_split="dev",
    traps=("The test set was released without labels; labels are text.",),
    fixture=(
        {
            "ctx_a": "A man fills a kettle and sets it on the stove.",
            "ctx_b": "he",
            "endings": ["lights the gas.", "paints the stove.", "swims to shore.", "folds the kettle."],
            "label": "0",
        },
        {
            "ctx_a": "How to mend a tyre. Find the hole first.",
            "ctx_b": "",
            "endings": ["Sing loudly.", "Bake it.", "Listen for hissing air.", "Sell the bicycle."],
            "label": "2",
        },
    ),
)


@hookimpl
def xfer_tasks() -> list[TaskSpec]:
    """The task of this module."""
    return [TASK]
