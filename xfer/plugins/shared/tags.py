"""Word tags: their names, and XTREME's chunk F1."""

from collections.abc import Mapping, Sequence
from typing import Any

from xfer.api import DataError, TaggedExample, chunk_f1, token_accuracy
from xfer.plugins.shared.labels import label_name

_UPOS = "ADJ ADP ADV AUX CCONJ DET INTJ NOUN NUM PART PRON PROPN PUNCT SCONJ SYM VERB X"
UPOS = tuple(_UPOS.split())
"""The universal part-of-speech tags, in alphabetical order, as XTREME and the hub count them."""


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


def score_pos(predictions: Sequence[Any], examples: Sequence[Any], language: str) -> dict[str, float]:
    """XTREME's chunk F1 over bare tags (not a token F1), and token accuracy."""
    gold = gold_tags(examples)
    return {"f1": chunk_f1(predictions, gold)["f1"], "accuracy": token_accuracy(predictions, gold)}


def score_entities(predictions: Sequence[Any], examples: Sequence[Any], language: str) -> dict[str, float]:
    """Precision, recall and F1 of entities, a span that begins with I counting as one (seqeval's lenient sense)."""
    return chunk_f1(predictions, gold_tags(examples))


def score_words(predictions: Sequence[Any], examples: Sequence[Any], language: str) -> dict[str, float]:
    """Share of words with the right tag."""
    return {"accuracy": token_accuracy(predictions, gold_tags(examples))}
