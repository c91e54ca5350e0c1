"""One run in many processes: a run made again from its folder, one of its phases as a job, its end.

What `xfer grid` does, as functions. The driver is in `xfer.core.grid`; `xfer.commands.execute` calls it.
"""

import signal
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xfer import commands
from xfer.core.errors import Damaged, ExitStatus, Stopped, UnknownName, UserError, XferError
from xfer.core.records import Plan, PlannedPhase, Problem
from xfer.core.run import Reporter
from xfer.core.settings import RunSettings
from xfer.core.storage import files


def reopen(folder: Path, reporter: Reporter | None = None, computing: bool = True) -> commands.Prepared:
    """The run of a folder, as its settings give it here and now.

    Where nothing is to be computed, the device does not matter, nor how many processes share the work: the plan is
    made with the precision that is written down. Raises UserError where the folder holds no run, or where its plan
    is another one here: other data, another version of xfer or of a plugin, another precision.
    """
    document, stored = _read(folder)
    flags = {name: value for name, value in document.items() if name in RunSettings.model_fields}
    flags |= {"store": folder.absolute().parent.parent, "name": folder.absolute().name}
    if not computing:
        flags |= {"device": "cpu", "launcher": "", "nproc": None, "executor": "", "jobs": None}
        for planned in stored.phases[:1]:
            flags["set"] = {**flags.get("set", {}), "engine.precision": planned.identity["precision"]}
    prepared = commands.prepare(flags, None, reporter)
    prepared.origin = document.get("origin", {})
    _check_same(stored, prepared.plan, folder)
    return prepared


def _read(folder: Path) -> tuple[dict[str, Any], Plan]:
    try:
        document = tomllib.loads((folder / "run.toml").read_text(encoding="utf-8"))
        return document, Plan.model_validate(files.read_json(folder / "plan.json"))
    except (FileNotFoundError, NotADirectoryError):
        raise UserError("no run here", where=str(folder), fix="give the folder of a run: STORE/runs/NAME") from None
    except (OSError, ValueError, Damaged) as error:
        raise Damaged(f"the run cannot be read: {error}", where=str(folder)) from error


def _check_same(stored: Plan, now: Plan, folder: Path) -> None:
    if [planned.id for planned in stored.phases] == [planned.id for planned in now.phases]:
        return
    known = {planned.id for planned in now.phases}
    raise UserError(
        f"the plan that was written down is not the one that its settings give here{_difference(stored, now)}",
        where=str(folder / "plan.json"),
        fix="use the same data, versions and plugins as where it was planned; where a node without a GPU plans for "
        "those that have one, give --set engine.precision=bfloat16"
        if any(planned.id not in known for planned in stored.phases)
        else "issue its `xfer run` again with the same --name",
    )


def _difference(stored: Plan, now: Plan) -> str:
    """Where the first phase that differs does so, in words."""
    for before, after in zip(stored.phases, now.phases, strict=False):
        if before.id != after.id and (found := _differing(before.identity, after.identity, before.phase.name)):
            return f": {found}"
    return f": {len(stored.phases)} phases there, {len(now.phases)} here"


def _differing(before: Any, after: Any, path: str) -> str:
    """The first place where two documents differ; "" where they are alike, or in parents alone."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        names = [name for name in dict.fromkeys([*before, *after]) if name != "parents"]
        places = (
            _differing(before.get(name), after.get(name), f"{path}.{name}" if name else path) for name in names
        )
        return next(filter(None, places), "")
    if isinstance(before, list | tuple) and isinstance(after, list | tuple) and len(before) == len(after):
        return next(filter(None, (_differing(*pair, path) for pair in zip(before, after, strict=True))), "")
    return "" if before == after else f"{path} was {str(before)[:60]} and is {str(after)[:60]}"


def job(folder: Path, id: str, reporter: Reporter | None = None) -> None:
    """Run one phase of a run, unless it is stored: what `xfer grid job` does, any number of times, anywhere.

    Raises Stopped when asked to stop (the state is saved), Locked while another process works on the phase,
    UserError where a phase that it starts from is not there; otherwise what the phase itself fails with.
    """
    from xfer.core.engine.signals import StopFlag
    from xfer.core.grid.jobs import report_file
    from xfer.status import Recorder

    places = [planned.id for planned in _read(folder)[1].phases]
    if id not in places:
        raise UnknownName("phase", id, places, extra=f"(of run {folder.absolute().name})")
    recorder = Recorder(reporter or Reporter(), report_file(folder, id))
    with StopFlag() as flag:
        try:
            prepared = reopen(folder, recorder)
            prepared.run.stop_requested = lambda: flag.requested
            try:
                _run(places.index(id), prepared)
            finally:
                problems = (*prepared.run.problems, *prepared.run.toolkit.manager.problems)
                recorder.more["problems"] = [problem.model_dump(mode="json") for problem in problems]
        except XferError as error:
            if isinstance(error, Stopped) and flag.signal is signal.SIGINT:
                error.status = ExitStatus.INTERRUPTED
            recorder.more["error"] = {"what": error.what, "message": str(error), "status": int(error.status)}
            raise
        finally:
            recorder.close()


def _run(place: int, prepared: commands.Prepared) -> None:
    from xfer.core.engine.execute import run_phase

    planned, run = prepared.plan.phases[place], prepared.run
    if run.stop_requested():
        raise Stopped(f"stopped before phase {planned.id} began", fix="issue the same command again")
    if not _wanted(planned, prepared):
        run.reporter.phase_finished(planned, 0.0, reused=True)
        return
    _check_parents(planned, prepared)
    run_phase(planned, run, place + 1, len(prepared.plan.phases))


def _wanted(planned: PlannedPhase, prepared: commands.Prepared) -> bool:
    """Whether a phase is to be run: it is not stored, or its weights were let go and something needs them."""
    from xfer.core.engine.execute import phases_to_run

    store = prepared.run.store
    if not store.has_phase(planned.id):
        return True
    return store.dropped_weights(planned.id) and planned.id in phases_to_run(prepared.plan, prepared.run)


def _check_parents(planned: PlannedPhase, prepared: commands.Prepared) -> None:
    store = prepared.run.store
    absent = [id for id in (*planned.parents, *planned.needs) if not store.has_phase(id)]
    absent += [id for id in planned.parents if id not in absent and store.dropped_weights(id)]
    if absent:
        raise UserError(
            f"phase {planned.id} needs {' and '.join(absent)}, which is not stored"
            f"{' with its weights' if store.has_phase(absent[0]) else ''}",
            where=str(store.root),
            fix=f"first: xfer grid job {store.run_folder(prepared.run.name)} {absent[0]}",
        )


def finish(folder: Path) -> commands.RunResult:
    """Gather what the jobs of a run have stored into its result rows: what `xfer grid finish` does."""
    from xfer.core.engine.execute import phases_to_run, release_weights, result_rows
    from xfer.core.grid.jobs import read_report

    prepared = reopen(folder)
    run, plan = prepared.run, prepared.plan
    for problem in (*plan.problems, *run.toolkit.manager.problems):
        run.tell(problem)
    missing = phases_to_run(plan, run)
    failed = {}
    for planned in plan.phases:
        report = read_report(folder, planned.id)
        for problem in report.problems:
            run.tell(problem)
        if planned.id in missing:
            failed[planned.id] = report.error.what if report.error else "it was not run"
            message = report.error.message if report.error else "it was not run"
            run.tell(Problem(stage=planned.phase.does, message=message, where=f"phase {planned.id}"))
    release_weights(plan, run, missing)
    rows = result_rows(plan, run, failed)
    document: dict[str, Any] = commands.settings_document(prepared)
    run.store.write_run(run.name, document, plan, rows, run.problems)
    status = ExitStatus.SOME_FAILED if failed else ExitStatus.DONE
    return commands.RunResult(run.name, run.store.root, rows, run.problems, failed, plan, status)


def export(prepared: commands.Prepared, to: str) -> str:
    """What must run of a prepared run, which is written down, for another scheduler."""
    from xfer.core.engine.execute import phases_to_run
    from xfer.core.grid.export import FORMATS, grid_of
    from xfer.core.grid.export import export as write

    if to not in FORMATS:
        raise UnknownName("scheduler", to, FORMATS)
    commands.start(prepared)
    run, plan = prepared.run, prepared.plan
    grid = grid_of(plan, phases_to_run(plan, run), run.store, run.store.run_folder(run.name))
    return write(grid, to)
