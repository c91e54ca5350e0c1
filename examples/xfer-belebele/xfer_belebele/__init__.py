"""Belebele and `reading-stilts` for xfer."""

from collections.abc import Sequence

from xfer.api import Strategy, TaskSpec, hookimpl
from xfer_belebele.strategy import READING_STILTS
from xfer_belebele.task import BELEBELE


@hookimpl
def xfer_tasks() -> Sequence[TaskSpec]:
    """One task."""
    return [BELEBELE]


@hookimpl
def xfer_strategies() -> Sequence[Strategy]:
    """One strategy."""
    return [READING_STILTS]
