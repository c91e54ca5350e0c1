"""QQP: whether two questions ask the same."""

from collections.abc import Mapping, Sequence
from typing import Any

from xfer.api import Source, TaskSpec, TextExample, accuracy, binary_f1, hookimpl
from xfer.plugins.shared import revisions
from xfer.plugins.shared.labels import pair_example, right_or_wrong

LABELS = ("not_duplicate", "duplicate")


def example(row: Mapping[str, Any], language: str) -> TextExample:
    """A pair of questions."""
    return pair_example(language, (row["question1"], row["question2"]), row["label"], LABELS)


def score(predictions: Sequence[Any], examples: Sequence[Any], language: str) -> dict[str, float]:
    """Accuracy, and F1 of the duplicates, as GLUE reports both."""
    gold = [item.label for item in examples]
    return {"accuracy": accuracy(predictions, gold), "f1": binary_f1(predictions, gold, "duplicate")}


TASK = TaskSpec(
    name="qqp",
    summary="paraphrase identification: questions asked on Quora",
    citation="Iyer et al. 2017, First Quora Dataset Release: Question Pairs; GLUE (Wang et al. 2019)",
    licence="Quora's terms of service, non-commercial",
    format="classification",
    languages=("en",),
    train_languages=("en",),
    labels=LABELS,
    source=Source(
        hub="nyu-mll/glue",
        revision=revisions.GLUE,
        configs={"en": "qqp"},
        splits={"train": ("train",), "dev": ("validation",)},
        columns=("question1", "question2", "label"),
        counts={"train/en": 363846, "dev/en": 40430},
    ),
    example=example,
    score=score,
    main_score="accuracy",
    score_one=right_or_wrong,
    eval_split="dev",
    traps=("GLUE withholds the labels of the test set.",),
    fixture=(
        {"question1": "How do I dry herbs?", "question2": "How are herbs dried?", "label": 1, "idx": 0},
        {"question1": "Why is rust red?", "question2": "Why is blood red?", "label": 0, "idx": 1},
    ),
)


@hookimpl
def xfer_tasks() -> list[TaskSpec]:
    """The task of this module."""
    return [TASK]
