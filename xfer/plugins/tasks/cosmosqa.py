"""Cosmos QA: what lies behind a short story from a blog, four answers."""

from collections.abc import Mapping
from typing import Any

from xfer.api import ChoiceExample, Source, TaskSpec, hookimpl
from xfer.plugins.shared import releases, revisions
from xfer.plugins.shared.labels import choice_number, right_or_wrong, score_accuracy, text_of

ANSWERS = ("answer0", "answer1", "answer2", "answer3")


def example(row: Mapping[str, Any], language: str) -> ChoiceExample:
    """Prompt: context and question, as in jiant."""
    choices = tuple(row[column] for column in ANSWERS)
    prompt = f"{text_of(row, 'context')} {text_of(row, 'question')}"
    return ChoiceExample(row["id"], language, prompt, choices, choice_number(row["label"]))


TASK = TaskSpec(
    name="cosmosqa",
    summary="multiple choice: reading between the lines of blog stories",
    citation="Huang et al. 2019, Cosmos QA: Machine Reading Comprehension with Contextual Commonsense Reasoning",
    licence="CC BY 4.0",
    format="multiple-choice",
    languages=("en",),
    train_languages=("en",),
    source=releases.cosmosqa(
        Source(
            hub="allenai/cosmos_qa",
            revision=revisions.COSMOSQA_PARQUET,
            configs={"en": "default"},
            splits={"train": ("train",), "dev": ("validation",)},
            columns=("id", "context", "question", *ANSWERS, "label"),
            counts={"train/en": 25262, "dev/en": 2985},
        )
    ),
    example=example,
    score=score_accuracy,
    main_score="accuracy",
    score_one=right_or_wrong,
    eval_split="dev",
    traps=("The test set was released without labels.",),
    fixture=tuple(
        {"id": f"boat-{label}", "context": "We missed the boat.", "question": question, "label": label}
        | dict(zip(ANSWERS, ("We ran late.", "We own it.", "It sank.", "Nothing."), strict=True))
        for label, question in enumerate(("Why did they miss it?", "Which boat was it?"))
    ),
)


@hookimpl
def xfer_tasks() -> list[TaskSpec]:
    """The task of this module."""
    return [TASK]
