"""Core's own answers to hooks, asked last. Heavy modules are imported when they are needed."""

from collections.abc import Iterable, Sequence
from typing import Any

from xfer.core.examples import Row
from xfer.core.formats import BUILTIN_FORMATS
from xfer.core.hookspecs import hookimpl
from xfer.core.records import Format, Plan, PlannedPhase, Problem, TaskSpec


@hookimpl(trylast=True)
def xfer_formats() -> Sequence[Format]:
    """The six formats of XTREME and of the intermediate tasks."""
    return BUILTIN_FORMATS


@hookimpl(trylast=True)
def xfer_run_phase(phase: PlannedPhase, run: Any) -> bool | None:
    """Phases that train or evaluate."""
    from xfer.core.engine.execute import run_core_phase

    return run_core_phase(phase, run)


@hookimpl(trylast=True)
def xfer_load_rows(task: TaskSpec, split: str, language: str, via: str, settings: Any) -> Iterable[Row] | None:
    """Original rows, from the task itself, the data root or the hub; rows made otherwise, from files."""
    from xfer.core.data.load import MissingData, load_rows
    from xfer.core.data.sources import revised
    from xfer.core.data.translation import made_task
    from xfer.core.plans.strategy_steps import MACHINE

    if via == "original":
        task = revised(task, settings.revisions, settings.streams)
        return load_rows(task, split, language, data_root=settings.data_root)
    if via not in task.made or language not in task.made[via].configs:
        return None
    try:
        return load_rows(made_task(task, via), split, language, data_root=settings.data_root)
    except MissingData:
        if via == MACHINE:
            return None  # what no file holds is to be translated
        raise


@hookimpl(trylast=True)
def xfer_check_plan(plan: Plan, settings: Any) -> list[Problem]:
    """The licence of weights that a plan translates with."""
    from xfer.core.data.translation import licence_notes

    return [Problem(stage="plan", message=note) for note in licence_notes(plan.phases, settings)]


@hookimpl(trylast=True)
def xfer_translate(texts: Sequence[str], source: str, target: str, settings: Any) -> list[str] | None:
    """Translations by the model of `translate.model`, from English only."""
    if source != "en" or not settings.translation.model:
        return None
    if not texts:
        return []
    from xfer.core.data.seq2seq import translate

    return translate(texts, target, settings.translation, settings.device)


@hookimpl(trylast=True)
def xfer_render_report(comparison: Any, format: str) -> str | None:
    """Reports in the built-in formats."""
    from xfer.core import reports

    return reports.render(comparison, format) if format in reports.FORMATS else None
