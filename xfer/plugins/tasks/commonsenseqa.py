"""CommonsenseQA: multiple choice among five answers."""

from collections.abc import Mapping
from typing import Any

from xfer.api import ChoiceExample, DataError, Source, TaskSpec, hookimpl
from xfer.plugins.shared import releases, revisions
from xfer.plugins.shared.labels import right_or_wrong, score_accuracy


def entry(id: str, question: str, key: str, *texts: str) -> dict[str, Any]:
    """A row in the hub's columns."""
    choices = {"label": list("ABCDE"), "text": list(texts)}
    return {"id": id, "question": question, "question_concept": id, "choices": choices, "answerKey": key}


def example(row: Mapping[str, Any], language: str) -> ChoiceExample:
    """The question is the prompt; the letter of the answer becomes its number."""
    choices, key = row["choices"], row["answerKey"]
    if key and key not in choices["label"]:
        raise DataError(f"unknown answer {key!r}", fix=f"the choices are: {', '.join(choices['label'])}")
    label = choices["label"].index(key) if key else None
    return ChoiceExample(row["id"], language, row["question"], tuple(choices["text"]), label)


TASK = TaskSpec(
    name="commonsenseqa",
    summary="multiple choice: everyday knowledge, five answers",
    citation="Talmor et al. 2019, CommonsenseQA: A Question Answering Challenge Targeting Commonsense Knowledge",
    licence="MIT",
    format="multiple-choice",
    languages=("en",),
    train_languages=("en",),
    source=releases.commonsenseqa(
        Source(
            hub="tau/commonsense_qa",
            revision=revisions.COMMONSENSEQA,
            configs={"en": "default"},
            splits={"train": ("train",), "dev": ("validation",)},
            columns=("id", "question", "choices", "answerKey"),
            counts={"train/en": 9741, "dev/en": 1221},
        )
    ),
    example=example,
    score=score_accuracy,
    main_score="accuracy",
    score_one=right_or_wrong,
    eval_split="dev",
    traps=("The test set was released without answers.",),
    fixture=(
        entry("ladder", "Where would you lean a ladder for apples?", "A", "tree", "cellar", "canoe", "well", "rug"),
        entry("letter", "What does a letter need?", "B", "whistle", "stamp", "anchor", "spoon", "hedge"),
    ),
)


@hookimpl
def xfer_tasks() -> list[TaskSpec]:
    """The task of this module."""
    return [TASK]
