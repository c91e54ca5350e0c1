"""Walk a plan: reuse what is stored, run the rest, gather result rows. One way in: `execute`.

A phase is run when it is not in the store, or when a phase that must run starts from its weights and these
were let go (`--keep`). Whatever was computed stays: re-issuing a command continues it.
"""

import hashlib
import json
import time
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from xfer.core.engine import memory
from xfer.core.engine.ahead import tokenising_ahead
from xfer.core.errors import (
    ExitStatus,
    Locked,
    NonFinite,
    OutOfResources,
    PluginError,
    Stopped,
    UserError,
    XferError,
)
from xfer.core.loading import load_object
from xfer.core.records import Cell, Plan, PlannedPhase, Problem, ResultRow
from xfer.core.registry import BUILTIN
from xfer.core.run import Run
from xfer.core.storage.locks import phase_lock
from xfer.version import __version__

FATAL = (UserError, NonFinite, OutOfResources, Stopped)
"""Failures that end a run; any other fails its cells only."""


@dataclass
class Outcome:
    """What a run ended with."""

    rows: list[ResultRow]
    problems: list[Problem]
    failed: dict[str, str] = field(default_factory=dict)
    """Phase ids that failed, with the reason."""
    causes: list[XferError] = field(default_factory=list)
    reused: int = 0
    computed: int = 0

    @property
    def status(self) -> ExitStatus:
        """DONE; LOCKED when cells are missing only for what other processes work on; else SOME_FAILED."""
        if not self.failed:
            return ExitStatus.DONE
        locked = all(isinstance(cause, Locked) for cause in self.causes)
        return ExitStatus.LOCKED if locked else ExitStatus.SOME_FAILED


def execute(plan: Plan, run: Run) -> Outcome:
    """Run all phases of a plan that are needed and return the result rows of all its cells.

    Raises the errors in FATAL; other failures are recorded and leave their cells empty.
    """
    needed = begin(plan, run)
    outcome = Outcome(rows=[], problems=run.problems)
    with tokenising_ahead(plan, run, needed):
        _walk(plan, run, needed, outcome)
    outcome.rows = result_rows(plan, run, outcome.failed)
    return outcome


def _walk(plan: Plan, run: Run, needed: Set[str], outcome: Outcome) -> None:
    pending = set(needed)
    for position, planned in enumerate(plan.phases, start=1):
        if planned.id not in needed:
            outcome.reused += 1
            run.reporter.phase_finished(planned, 0.0, reused=True)
            _observe("xfer_phase_finished", planned, run, outcome="reused")
            continue
        required = (*planned.needs, *planned.parents)
        broken = next((parent for parent in required if parent in outcome.failed), None)
        if broken is not None:
            outcome.failed[planned.id] = f"its parent {broken} failed"
            run.reporter.phase_failed(planned, outcome.failed[planned.id])
            continue
        if run.stop_requested():
            raise Stopped(
                f"stopped before phase {position} of {len(plan.phases)}; what was computed is stored",
                fix="issue the same command again to continue",
            )
        try:
            run_phase(planned, run, position, len(plan.phases))
            outcome.computed += 1
        except FATAL:
            raise
        except XferError as error:
            outcome.failed[planned.id] = error.what
            outcome.causes.append(error)
            run.tell(Problem(stage=planned.phase.does, message=str(error), where=f"phase {planned.id}"))
        pending.discard(planned.id)
        release_weights(plan, run, pending, ended=planned)
    release_weights(plan, run, pending)


def begin(plan: Plan, run: Run) -> set[str]:
    """Clear up after crashes, tell what is known to be wrong, and say which phases must be computed (ids)."""
    run.store.sweep()
    for problem in plan.problems:
        run.tell(problem)
    needed = phases_to_run(plan, run)
    for problem in run.store.problems:
        run.tell(problem)
    run.reporter.run_started(plan.phases)
    return needed


def phases_to_run(plan: Plan, run: Run) -> set[str]:
    """Ids of the phases that must be computed: what cells lack, and the weights which that starts from."""
    by_id = {planned.id: planned for planned in plan.phases}
    needed: set[str] = set()

    def need(id: str, weights: bool) -> None:
        complete = run.store.has_phase(id) and not (weights and run.store.dropped_weights(id))
        if complete or id in needed:
            return
        needed.add(id)
        for parent in by_id[id].parents:
            need(parent, weights=True)
        for other in by_id[id].needs:
            need(other, weights=False)

    for cell in plan.cells:
        for id in filter(None, (cell.phase, cell.dev_phase)):
            need(id, weights=False)
    return needed


def run_phase(planned: PlannedPhase, run: Run, position: int, total: int) -> None:
    """Run one phase of a plan's `total`, unless it is stored by now. What it fails with is told and raised."""
    try:
        _run_one(planned, run, position, total)
    except XferError as error:
        if not isinstance(error, Stopped):
            run.reporter.phase_failed(planned, error.what)
        _observe("xfer_phase_finished", planned, run, outcome=error)
        raise


def _run_one(planned: PlannedPhase, run: Run, position: int, total: int) -> None:
    manager = run.toolkit.manager
    with phase_lock(run.store, planned.id):
        if run.store.has_phase(planned.id) and not run.store.dropped_weights(planned.id):
            run.reporter.phase_finished(planned, 0.0, reused=True)
            return  # another process finished it since the plan was looked at
        run.reporter.phase_started(planned, position, total)
        _observe("xfer_phase_started", planned, run)
        started = time.monotonic()
        with attributed(planned, run):
            if manager.first("xfer_run_phase", phase=planned, run=run) is None:
                raise PluginError(f"nobody runs phases of the kind {planned.phase.does!r}")
        run.reporter.phase_finished(planned, time.monotonic() - started, reused=False)
        _observe("xfer_phase_finished", planned, run, outcome="computed")


def _observe(hook: str, planned: PlannedPhase, run: Run, **more: Any) -> None:
    run.toolkit.manager.observe(hook, run=run, phase=planned.phase, planned=planned, **more)


@contextmanager
def attributed(planned: PlannedPhase, run: Run) -> Iterator[None]:
    """What fails in core's own work is put down to memory, or to the plugin whose task it works on.

    Raises OutOfResources and PluginError; a failure over built-in tasks is a bug and passes as it is.
    """
    tasks = [run.toolkit.tasks.get(use.task) for use in planned.phase.uses]
    foreign = [task for task in tasks if run.toolkit.tasks.owner(task) != BUILTIN]
    owner = run.toolkit.tasks.owner(foreign[0]) if foreign else BUILTIN
    try:
        with run.toolkit.manager.working_for(owner, f"phase {planned.id}"):
            yield
    except (XferError, OSError):
        raise
    except (Exception, SystemExit) as error:
        if memory.ran_out(error):
            raise OutOfResources(
                f"memory ran out: {str(error).splitlines()[0] if str(error) else 'no more of it'}",
                where=f"phase {planned.id}",
                fix="--set train.micro_batch_tokens=4096, --set engine.evaluation_tokens=4096, or a smaller model",
            ) from error
        if not foreign:
            raise
        raise PluginError(
            f"task {foreign[0].name} of plugin {owner} ({run.toolkit.manager.versions().get(owner, '')}) failed: "
            f"{type(error).__name__}: {error}",
            where=_place(error),
        ) from error


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""


KINDS = {
    "train": "xfer.core.engine.train_phase:run_train_phase",
    "evaluate": "xfer.core.engine.evaluate:run_evaluate_phase",
    "average": "xfer.core.engine.merging:run_average_phase",
    "combine": "xfer.core.engine.merging:run_combine_phase",
    "select": "xfer.core.engine.merging:run_select_phase",
    "translate": "xfer.core.data.translation:run_translate_phase",
}
"""What runs each of core's kinds of phases."""
SHARED = frozenset({"train", "evaluate"})
"""Kinds that all ranks of a group work on; the others, and those of plugins, run on the leading rank alone."""


def run_core_phase(phase: PlannedPhase, run: Run) -> bool | None:
    """Core's answer to `xfer_run_phase`: the kinds in `KINDS`; None for others."""
    path = KINDS.get(phase.phase.does)
    if path is None:
        return None
    if phase.phase.does not in SHARED:
        load_object(path)(phase, run)
        return True
    run.group.order(phase.id)
    run_shared_phase(phase, run)
    return True


def run_shared_phase(phase: PlannedPhase, run: Run) -> None:
    """Work on a phase of one of the kinds in `SHARED`, as one rank of those that do so at the same time."""
    with run.group.together(), attributed(phase, run), run.group.watched():
        load_object(KINDS[phase.phase.does])(phase, run)


def release_weights(plan: Plan, run: Run, pending: Set[str], ended: PlannedPhase | None = None) -> None:
    """Let weights go that `--keep` does not keep, once everything that starts from them is stored.

    Phases that are `pending` will be run, though they may be stored without weights. Where one has just `ended`,
    only its own weights and its parents' are looked at: those of others wait for what they waited for.
    """
    keep = run.settings.keep
    if keep == "all":
        return
    near = None if ended is None else {ended.id, *ended.parents}
    children: dict[str, list[str]] = {}
    for planned in plan.phases:
        for parent in planned.parents:
            children.setdefault(parent, []).append(planned.id)
    for planned in plan.phases:
        if planned.id in pending or (near is not None and planned.id not in near):
            continue
        if planned.phase.does == "evaluate" or (keep == "intermediate" and planned.phase.role == "intermediate"):
            continue
        waiting = any(child in pending or not run.store.has_phase(child) for child in children.get(planned.id, ()))
        if not waiting and run.store.has_weights(planned.id):
            run.store.drop_weights(planned.id)


def result_rows(plan: Plan, run: Run, failed: Iterable[str] = ()) -> list[ResultRow]:
    """Result rows of every cell whose scoring phase is stored."""
    missing = set(failed)
    versions = run.toolkit.manager.versions()
    by_id = {planned.id: planned for planned in plan.phases}
    rows = []
    for cell in plan.cells:
        for id in filter(None, (cell.phase, cell.dev_phase)):
            if id not in missing and run.store.has_phase(id):
                rows += [_row(line, cell, by_id[id], by_id, run, versions) for line in run.store.results(id)]
    return rows


def _row(
    line: dict[str, Any],
    cell: Cell,
    planned: PlannedPhase,
    by_id: Mapping[str, PlannedPhase],
    run: Run,
    versions: dict[str, str],
) -> ResultRow:
    layer = line.pop("layer", None)
    used = [use["task"] for use in planned.identity["uses"]].index(line["task"])
    line["task"] = planned.phase.uses[used].task  # the full name where the stored short one is ambiguous
    return ResultRow(
        run=run.name,
        label=cell.label,
        strategy=cell.strategy,
        params=cell.params,
        intermediate=cell.intermediate,
        suite=run.suite.name,
        model=run.model.name,
        model_fingerprint=run.model.fingerprint,
        seed=cell.seed,
        phase=planned.id,
        signature=_signature(line, planned, used, layer),
        training=_training([by_id[id] for id in cell.chain]),
        xfer_version=__version__,
        plugin_versions=versions,
        sees=cell.sees,
        **line,
    )


def _training(chain: Sequence[PlannedPhase]) -> str:
    """What the weights depend on besides the seed. Ids of parents hold the seed and are left out."""
    kept = [
        {key: value for key, value in planned.identity.items() if key not in ("seed", "parents")}
        for planned in chain
        if planned.phase.does != "evaluate"
    ]
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()[:12]


def _signature(line: dict[str, Any], planned: PlannedPhase, used: int, layer: int | None) -> str:
    """Everything of the evaluation protocol that changes the number, readable."""
    use = planned.identity["uses"][used]
    options = dict(planned.options[planned.phase.uses[used].task])
    if layer is not None:
        options["layer"] = layer
    fields = {"task": f"{use['task']}-v{line['task_version']}", "split": line["split"], "via": use["via"]}
    fields |= {"limit": use["limit"], **options}
    return ";".join(f"{key}={value}" for key, value in fields.items())
