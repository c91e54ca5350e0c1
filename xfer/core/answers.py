"""Core's own answers to hooks, asked last. Heavy modules are imported when they are needed."""

from collections.abc import Iterable, Sequence
from typing import Any

from xfer.core.examples import Row
from xfer.core.formats import BUILTIN_FORMATS
from xfer.core.hookspecs import hookimpl
from xfer.core.records import Format, PlannedPhase, TaskSpec


@hookimpl(trylast=True)
def xfer_formats() -> Sequence[Format]:
    """The six formats of XTREME and of the intermediate tasks."""
    return BUILTIN_FORMATS


@hookimpl(trylast=True)
def xfer_run_phase(phase: PlannedPhase, run: Any) -> bool | None:
    """Phases that train or evaluate."""
    from xfer.core.engine import run_core_phase

    return run_core_phase(phase, run)


@hookimpl(trylast=True)
def xfer_load_rows(task: TaskSpec, split: str, language: str, via: str, settings: Any) -> Iterable[Row] | None:
    """Original rows, from the task itself, the data root or the hub."""
    from xfer.core.data import load_rows

    return load_rows(task, split, language, data_root=settings.data_root) if via == "original" else None


@hookimpl(trylast=True)
def xfer_render_report(comparison: Any, format: str) -> str | None:
    """Reports in the built-in formats."""
    from xfer.core import reports

    return reports.render(comparison, format) if format in reports.FORMATS else None
