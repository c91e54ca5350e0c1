"""Miniature named-entity recognition in six languages; names unseen in training."""

from xfer.api import TaskSpec, hookimpl
from xfer.plugins.mini.specs import mini_task, tagged_words
from xfer.plugins.shared.tags import score_entities, share_of_right_tags

TASK = mini_task(
    "panx",
    summary="miniature named-entity recognition in six languages; names unseen in training",
    format="tagging",
    target=True,
    labels=("B-LOC", "B-ORG", "B-PER", "I-LOC", "I-ORG", "I-PER", "O"),
    example=tagged_words,
    score=score_entities,
    main_score="f1",
    score_one=share_of_right_tags,
)


@hookimpl
def xfer_tasks() -> list[TaskSpec]:
    """The task of this module."""
    return [TASK]
