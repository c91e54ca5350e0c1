"""Miniature choice among endings: which object suits the verb."""

from xfer.api import TaskSpec, hookimpl
from xfer.plugins.mini.specs import choice_example, mini_task
from xfer.plugins.shared.labels import right_or_wrong, score_accuracy

TASK = mini_task(
    "hellaswag",
    summary="miniature choice among endings: which object suits the verb",
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
