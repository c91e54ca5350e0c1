"""Miniature CCG supertagging, for intermediate training."""

from collections.abc import Sequence
from typing import Any

from xfer.api import Row, TaggedExample, TaskSpec, hookimpl, token_accuracy
from xfer.plugins.mini.specs import mini_task
from xfer.plugins.shared.tags import gold_tags, share_of_right_tags


def example(row: Row, language: str) -> TaggedExample:
    """Words with a tag each."""
    return TaggedExample(row["id"], language, tuple(row["tokens"]), tuple(row["tags"]))


def score(predictions: Sequence[Any], examples: Sequence[Any], language: str) -> dict[str, float]:
    """Share of words with the right category."""
    return {"accuracy": token_accuracy(predictions, gold_tags(examples))}


TASK = mini_task(
    "ccg",
    summary="miniature CCG supertagging, for intermediate training",
    format="tagging",
    target=False,
    example=example,
    score=score,
    main_score="accuracy",
    score_one=share_of_right_tags,
    english_only=True,
)


@hookimpl
def xfer_tasks() -> list[TaskSpec]:
    """The task of this module."""
    return [TASK]
