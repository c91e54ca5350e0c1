"""HellaSwag: the right continuation of a description among four."""

from collections.abc import Mapping
from typing import Any

from xfer.api import ChoiceExample, Source, TaskSpec, hookimpl
from xfer.plugins.shared import releases, revisions
from xfer.plugins.shared.labels import choice_number, fixture_rows, right_or_wrong, score_accuracy, text_of

COLUMNS = ("ctx_a", "ctx_b", "endings", "label")


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
            revision=revisions.HELLASWAG,
            configs={"en": "default"},
            splits={"train": ("train",), "dev": ("validation",)},
            columns=COLUMNS,
            counts={"train/en": 39905, "dev/en": 10042},
        )
    ),
    example=example,
    score=score_accuracy,
    main_score="accuracy",
    score_one=right_or_wrong,
    eval_split="dev",
    traps=("The test set was released without labels; labels are text.",),
    fixture=fixture_rows(
        COLUMNS,
        ("A man fills a kettle.", "he", ["lights the gas.", "paints it.", "swims ashore.", "folds it."], "0"),
        ("How to mend a tyre.", "", ["Sing loudly.", "Bake it.", "Look for the hole.", "Sell the bicycle."], "2"),
    ),
)


@hookimpl
def xfer_tasks() -> list[TaskSpec]:
    """The task of this module."""
    return [TASK]
