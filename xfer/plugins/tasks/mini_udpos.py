"""Miniature part-of-speech tagging in six languages."""

from xfer.api import TaskSpec, hookimpl
from xfer.plugins.mini.specs import mini_task, tagged_words
from xfer.plugins.shared.tags import UPOS, score_pos, share_of_right_tags

TASK = mini_task(
    "udpos",
    summary="miniature part-of-speech tagging in six languages",
    format="tagging",
    target=True,
    labels=UPOS,
    example=tagged_words,
    score=score_pos,
    main_score="f1",
    score_one=share_of_right_tags,
)


@hookimpl
def xfer_tasks() -> list[TaskSpec]:
    """The task of this module."""
    return [TASK]
