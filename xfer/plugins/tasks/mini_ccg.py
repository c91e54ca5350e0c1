"""Miniature CCG supertagging, for intermediate training."""

from xfer.api import TaskSpec, hookimpl
from xfer.plugins.mini.specs import mini_task, tagged_words
from xfer.plugins.shared.tags import score_words, share_of_right_tags

TASK = mini_task(
    "ccg",
    summary="miniature CCG supertagging, for intermediate training",
    format="tagging",
    target=False,
    example=tagged_words,
    score=score_words,
    main_score="accuracy",
    score_one=share_of_right_tags,
    english_only=True,
)


@hookimpl
def xfer_tasks() -> list[TaskSpec]:
    """The task of this module."""
    return [TASK]
