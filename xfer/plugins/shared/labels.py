"""Labels by name, whatever a copy of the data set stores."""

from collections.abc import Mapping, Sequence
from typing import Any

from xfer.api import DataError, TextExample, accuracy

NLI = ("entailment", "neutral", "contradiction")
"""Ids 0, 1, 2 of the hub's SNLI, MultiNLI, ANLI and XNLI. (XTREME and jiant count in another order.)"""

_UNLABELLED = (None, -1, "", "-")
"""-1 in the hub's copies, "-" in the original SNLI, "" in test sets without gold."""


def label_name(value: Any, names: Sequence[str]) -> str | None:
    """The label's name; None for rows without one.

    A name stays itself (core checks that it is known); an id stands for the name that the data set documents
    for it. Raises `DataError` for an id out of range.
    """
    if value in _UNLABELLED:
        return None
    if not isinstance(value, int):
        return value  # type: ignore[no-any-return]  # core refuses what is not a name
    if not 0 <= value < len(names):
        raise DataError(f"label {value} is out of range", fix=f"ids count from 0: {', '.join(names)}")
    return names[value]


def score_accuracy(predictions: Sequence[Any], examples: Sequence[Any], language: str) -> dict[str, float]:
    """Accuracy in points, of label names or choices."""
    return {"accuracy": accuracy(predictions, [example.label for example in examples])}


def right_or_wrong(prediction: Any, example: Any, language: str) -> float:
    """100 for the right label, else 0."""
    return 100.0 if prediction == example.label else 0.0


def pair_example(
    language: str, texts: tuple[str, str], label: Any, names: Sequence[str], id: str = ""
) -> TextExample:
    """Two texts and the name of their label. Raises `DataError` when the second is null."""
    first, second = texts
    if second is None:
        raise DataError("the second text is empty (null)", fix="every row needs two texts")
    return TextExample(id, language, first, second, label_name(label, names))


def nli_example(row: Mapping[str, Any], language: str) -> TextExample:
    """Premise, hypothesis and label, in the columns of the hub's NLI sets."""
    return pair_example(language, (row["premise"], row["hypothesis"]), row["label"], NLI)


def choice_number(value: Any) -> int | None:
    """The number of the right choice, which some copies store as text; None for rows without one."""
    if value in _UNLABELLED:
        return None
    if isinstance(value, int):
        return value
    if not str(value).isdecimal():
        raise DataError(f"label {value!r} is not the number of a choice")
    return int(value)


def text_of(row: Mapping[str, Any], column: str) -> str:
    """A cell that must hold text, for texts that are joined. Raises `DataError` otherwise."""
    value = row[column]
    if not isinstance(value, str):
        raise DataError(f"{column} is {'empty (null)' if value is None else repr(value)}", fix="it must hold text")
    return value


def in_language(row: Mapping[str, Any], language: str) -> bool:
    """Whether a row is in a language, where one config holds all of them."""
    return bool(row["language"] == language)


def fixture_rows(columns: Sequence[str], *rows: Sequence[Any]) -> tuple[dict[str, Any], ...]:
    """Rows of a fixture from their cells."""
    return tuple(dict(zip(columns, cells, strict=True)) for cells in rows)
