"""Miniature paraphrase detection with swapped words, in six languages."""

from xfer.api import TaskSpec, hookimpl
from xfer.plugins.mini.specs import mini_task, paraphrase_example
from xfer.plugins.shared.labels import right_or_wrong, score_accuracy

TASK = mini_task(
    "pawsx",
    summary="miniature paraphrase detection with swapped words, in six languages",
    format="classification",
    target=True,
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
