"""Miniature natural language inference in six languages."""

from xfer.api import TaskSpec, hookimpl
from xfer.plugins.mini.rows import VERSION
from xfer.plugins.mini.specs import mini_task
from xfer.plugins.shared.labels import NLI, nli_example, right_or_wrong, score_accuracy

TASK = mini_task(
    "xnli",
    version=VERSION + 1,
    summary="miniature natural language inference in six languages",
    format="classification",
    target=True,
    labels=NLI,
    example=nli_example,
    parallel=True,
    score=score_accuracy,
    main_score="accuracy",
    score_one=right_or_wrong,
)


@hookimpl
def xfer_tasks() -> list[TaskSpec]:
    """The task of this module."""
    return [TASK]
