"""Miniature part-of-speech tagging in six languages."""

from collections.abc import Sequence
from typing import Any

from xfer.api import Row, TaggedExample, TaskSpec, chunk_f1, hookimpl, token_accuracy
from xfer.plugins.mini.specs import mini_task
from xfer.plugins.shared.tags import gold_tags, share_of_right_tags

UPOS = (
    "ADJ",
    "ADP",
    "ADV",
    "AUX",
    "CCONJ",
    "DET",
    "INTJ",
    "NOUN",
    "NUM",
    "PART",
    "PRON",
    "PROPN",
    "PUNCT",
    "SCONJ",
    "SYM",
    "VERB",
    "X",
)


def example(row: Row, language: str) -> TaggedExample:
    """Words with a tag each."""
    return TaggedExample(row["id"], language, tuple(row["tokens"]), tuple(row["tags"]))


def score(predictions: Sequence[Any], examples: Sequence[Any], language: str) -> dict[str, float]:
    """XTREME's chunk F1 over bare tags, and token accuracy."""
    gold = gold_tags(examples)
    return {"f1": chunk_f1(predictions, gold)["f1"], "accuracy": token_accuracy(predictions, gold)}


TASK = mini_task(
    "udpos",
    summary="miniature part-of-speech tagging in six languages",
    format="tagging",
    target=True,
    labels=UPOS,
    example=example,
    score=score,
    main_score="f1",
    score_one=share_of_right_tags,
)


@hookimpl
def xfer_tasks() -> list[TaskSpec]:
    """The task of this module."""
    return [TASK]
