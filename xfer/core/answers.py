"""Core's own answers to hooks, asked last. Heavy modules are imported when they are needed."""

from collections.abc import Sequence
from typing import Any

from xfer.core.formats import BUILTIN_FORMATS
from xfer.core.hookspecs import hookimpl
from xfer.core.records import Format, PlannedPhase


@hookimpl(trylast=True)
def xfer_formats() -> Sequence[Format]:
    """The six formats of XTREME and of the intermediate tasks."""
    return BUILTIN_FORMATS


@hookimpl(trylast=True)
def xfer_run_phase(phase: PlannedPhase, run: Any) -> bool | None:
    """Phases that train or evaluate."""
    from xfer.core.engine import run_core_phase

    return run_core_phase(phase, run)
