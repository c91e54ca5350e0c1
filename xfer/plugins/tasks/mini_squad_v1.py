"""Miniature English question answering, for intermediate training."""

from xfer.api import TaskSpec, hookimpl
from xfer.plugins.mini.specs import mini_task
from xfer.plugins.shared.qa import score_squad, score_squad_one, squad_example

TASK = mini_task(
    "squad_v1",
    summary="miniature English question answering, for intermediate training",
    format="span",
    target=False,
    example=squad_example,
    score=score_squad,
    main_score="mean_f1_em",
    score_one=score_squad_one,
)


@hookimpl
def xfer_tasks() -> list[TaskSpec]:
    """The task of this module."""
    return [TASK]
