"""Miniature question answering over other stories, in six languages."""

from xfer.api import TaskSpec, hookimpl
from xfer.plugins.mini.specs import mini_task
from xfer.plugins.shared.qa import score_squad, score_squad_one, squad_example

TASK = mini_task(
    "mlqa",
    summary="miniature question answering over other stories, in six languages",
    format="span",
    target=True,
    example=squad_example,
    score=score_squad,
    main_score="mean_f1_em",
    score_one=score_squad_one,
)


@hookimpl
def xfer_tasks() -> list[TaskSpec]:
    """The task of this module."""
    return [TASK]
