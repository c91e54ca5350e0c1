"""Miniature multiple choice about kinds and properties of things."""

from xfer.api import TaskSpec, hookimpl
from xfer.plugins.mini.specs import choice_example, mini_task
from xfer.plugins.shared.labels import right_or_wrong, score_accuracy

TASK = mini_task(
    "commonsenseqa",
    summary="miniature multiple choice about kinds and properties of things",
    format="multiple-choice",
    target=False,
    example=choice_example,
    score=score_accuracy,
    main_score="accuracy",
    score_one=right_or_wrong,
)


@hookimpl
def xfer_tasks() -> list[TaskSpec]:
    """The task of this module."""
    return [TASK]
