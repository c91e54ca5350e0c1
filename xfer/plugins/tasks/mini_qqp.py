"""Miniature paraphrase detection by content, for intermediate training."""

from xfer.api import TaskSpec, hookimpl
from xfer.plugins.mini.specs import mini_task, paraphrase_example
from xfer.plugins.shared.labels import right_or_wrong, score_accuracy

TASK = mini_task(
    "qqp",
    summary="miniature paraphrase detection by content, for intermediate training",
    format="classification",
    target=False,
    labels=("different", "same"),
    example=paraphrase_example,
    score=score_accuracy,
    main_score="accuracy",
    score_one=right_or_wrong,
)


@hookimpl
def xfer_tasks() -> list[TaskSpec]:
    """The task of this module."""
    return [TASK]
