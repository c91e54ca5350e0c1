"""A task in one file: is a review warm or cold? Its rows are made here; a `source` would name files instead."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from xfer.api import Row, TaskSpec, TextExample, accuracy, hookimpl

LABELS = ("warm", "cold")
WORDS = {"en": ("kind", "rude", "The host was"), "de": ("nett", "grob", "Der Wirt war")}


def rows(split: str, language: str) -> Iterable[Row]:
    """Sixteen rows a split; the number at the end tells the splits apart."""
    warm, cold, start = WORDS[language]
    for number in range(16):
        word, label = ((warm, "warm"), (cold, "cold"))[number % 2]
        yield {"id": f"{split}-{number}", "text": f"{start} {word}, {split} {number}.", "label": label}


def example(row: Mapping[str, Any], language: str) -> TextExample:
    """One row of the data set."""
    return TextExample(row["id"], language, row["text"], label=row["label"])


def score(predictions: Sequence[Any], examples: Sequence[Any], language: str) -> dict[str, float]:
    """Accuracy in points."""
    return {"accuracy": accuracy(predictions, [example.label for example in examples])}


def score_one(prediction: Any, example: Any, language: str) -> float:
    """100 for the right label, else 0: lets xfer compare strategies example by example."""
    return 100.0 if prediction == example.label else 0.0


MOOD = TaskSpec(
    name="mood",
    summary="is a review warm or cold",
    citation="none: invented for the documentation",
    licence="CC0-1.0",
    format="classification",
    languages=tuple(WORDS),
    train_languages=("en",),
    labels=LABELS,
    rows=rows,
    example=example,
    score=score,
    main_score="accuracy",
    score_one=score_one,
    fixture=tuple(rows("test", "en"))[:2],
)


@hookimpl
def xfer_tasks() -> Sequence[TaskSpec]:
    """One task."""
    return [MOOD]
