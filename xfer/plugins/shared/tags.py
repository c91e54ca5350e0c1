"""Word tags: their names, and XTREME's chunk F1."""

from collections.abc import Mapping, Sequence
from typing import Any

from xfer.api import DataError, TaggedExample
from xfer.plugins.shared.labels import label_name


def tagged_example(row: Mapping[str, Any], language: str, column: str, names: Sequence[str]) -> TaggedExample:
    """Words and the tags of `column`, by name. An id out of range raises `DataError`."""
    tokens, tags = row["tokens"], row[column]
    if not isinstance(tokens, list | tuple) or not isinstance(tags, list | tuple):
        raise DataError(f"tokens and {column} must be lists, one entry a word")
    named = tuple(label_name(tag, names) for tag in tags)
    if any(name is None for name in named):
        return TaggedExample("", language, tuple(tokens), None)
    return TaggedExample("", language, tuple(tokens), tuple(str(name) for name in named))


def gold_tags(examples: Sequence[TaggedExample]) -> list[tuple[str, ...]]:
    """The gold tags of every sentence."""
    return [example.tags or () for example in examples]


def share_of_right_tags(prediction: Sequence[str], example: Any, language: str) -> float:
    """Share of words with the right tag, in points; a sentence without words has none wrong."""
    right = sum(guess == tag for guess, tag in zip(prediction, example.tags, strict=True))
    return 100 * right / len(example.tags) if example.tags else 100.0
