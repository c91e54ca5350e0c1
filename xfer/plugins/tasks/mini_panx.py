"""Miniature named-entity recognition in six languages; names unseen in training."""

from collections.abc import Sequence
from typing import Any

from xfer.api import Row, TaggedExample, TaskSpec, chunk_f1, hookimpl
from xfer.plugins.mini.specs import mini_task
from xfer.plugins.shared.tags import gold_tags, share_of_right_tags


def example(row: Row, language: str) -> TaggedExample:
    """Words with a tag each."""
    return TaggedExample(row["id"], language, tuple(row["tokens"]), tuple(row["tags"]))


def score(predictions: Sequence[Any], examples: Sequence[Any], language: str) -> dict[str, float]:
    """Precision, recall and F1 of entities."""
    return chunk_f1(predictions, gold_tags(examples))


TASK = mini_task(
    "panx",
    summary="miniature named-entity recognition in six languages; names unseen in training",
    format="tagging",
    target=True,
    labels=("B-LOC", "B-ORG", "B-PER", "I-LOC", "I-ORG", "I-PER", "O"),
    example=example,
    score=score,
    main_score="f1",
    score_one=share_of_right_tags,
)


@hookimpl
def xfer_tasks() -> list[TaskSpec]:
    """The task of this module."""
    return [TASK]
