"""Miniature English question answering with unanswerable questions."""

from xfer.api import TaskSpec, hookimpl
from xfer.plugins.mini.specs import mini_task
from xfer.plugins.shared.qa import score_squad_v2, score_squad_v2_one, squad_v2_example

TASK = mini_task(
    "squad_v2",
    summary="miniature English question answering with unanswerable questions",
    format="span",
    target=False,
    example=squad_v2_example,
    score=score_squad_v2,
    main_score="mean_f1_em",
    score_one=score_squad_v2_one,
    options={"unanswerable": True},
)


@hookimpl
def xfer_tasks() -> list[TaskSpec]:
    """The task of this module."""
    return [TASK]
