"""Miniature adversarial inference: negation and word overlap do not help."""

from xfer.api import TaskSpec, hookimpl
from xfer.plugins.mini.specs import mini_task
from xfer.plugins.shared.labels import NLI, nli_example, right_or_wrong, score_accuracy

TASK = mini_task(
    "anli",
    summary="miniature adversarial inference: negation and word overlap do not help",
    format="classification",
    target=False,
    labels=NLI,
    example=nli_example,
    score=score_accuracy,
    main_score="accuracy",
    score_one=right_or_wrong,
)


@hookimpl
def xfer_tasks() -> list[TaskSpec]:
    """The task of this module."""
    return [TASK]
