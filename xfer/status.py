"""Where a run stands, for whoever asks from another process: written by the run, read from files alone.

A run keeps `runs/<name>/progress.json` beside its plan: what became of each phase, and how far the phase at work
is. The reader joins it with the plan, the stored phases and the locks.
"""

import os
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, ValidationError

from xfer.core.errors import Damaged, UserError, XferError
from xfer.core.grid.jobs import report_file
from xfer.core.records import Plan, PlannedPhase, Problem, Record
from xfer.core.run import Reporter, Snapshot
from xfer.core.storage import files
from xfer.core.storage.locks import worker
from xfer.core.storage.process import is_alive, this_process
from xfer.core.storage.store import Store
from xfer.progress import describe

FILE = "progress.json"
WRITE_SECONDS = 2.0
"""Seconds between two writings while a phase is at work; its begin and end are written at once."""
State = Literal["done", "reused", "running", "submitted", "waiting", "failed", "interrupted"]
"""A "submitted" phase is in an executor's queue, or its job starts."""


class Measure(Record):
    """What is known of one phase of a run. Fields that do not apply are None."""

    state: State = "waiting"
    step: int | None = None
    total_steps: int | None = None
    loss: float | None = None
    """Mean over the steps since the last logged one."""
    tokens_per_second: float | None = None
    tokens: int | None = None
    """Tokens evaluated, of `total_tokens`."""
    total_tokens: int | None = None
    seconds_left: float | None = None
    """Of this phase, at the pace so far."""
    seconds: float | None = None
    """What a finished phase took."""
    attempt: int | None = None
    """On a grid: how often it was handed to the executor."""
    note: str = ""
    """Why it failed, or who works on it."""


class PhaseStatus(Measure):
    """One planned phase and what is known of it."""

    id: str
    does: str
    text: str
    labels: tuple[str, ...]
    """The start points whose scores need it."""


class RunStatus(Record):
    """One run: how it stands as a whole, and its phases in the order of the plan."""

    run: str
    folder: str
    state: Literal["running", "finished", "failed", "stopped"]
    """"finished": nothing is left to do; "failed": only what failed; "stopped": phases wait and nobody works."""
    process: str = ""
    executor: str = ""
    """What runs its phases as jobs; "": its own process does."""
    started: float | None = None
    """Seconds since 1970, as `updated` is."""
    updated: float | None = None
    phases: tuple[PhaseStatus, ...]

    @property
    def counts(self) -> dict[str, int]:
        """How many phases are in each state that occurs."""
        return dict(Counter(phase.state for phase in self.phases))


class _Document(Record):
    """The progress file. It is advisory and has no checksum: one that is no such document counts as absent."""

    model_config = ConfigDict(extra="ignore")

    process: dict[str, str | int]
    started: float
    updated: float
    ended: bool
    phases: dict[str, dict[str, Any]]
    executor: str = ""


# ---------------------------------------------------------------- writing


class Recorder(Reporter):
    """Hands on what it is told, and keeps the progress file of a run, or of one of its jobs, with `more` in it.

    A file that cannot be written stops nothing.
    """

    def __init__(self, inner: Reporter, path: Path, **more: Any) -> None:
        self._inner, self._path, self.more = inner, path, more
        self._phases: dict[str, dict[str, Any]] = {}
        """As they are written: a run may have thousands."""
        self._started, self._written = time.time(), 0.0

    def run_started(self, phases: Sequence[PlannedPhase]) -> None:
        """Nothing is done yet."""
        self._inner.run_started(phases)
        self._write()

    def phase_submitted(self, planned: PlannedPhase, attempt: int) -> None:
        """Written at once."""
        self._inner.phase_submitted(planned, attempt)
        self._note(planned, Measure(state="submitted", attempt=attempt))

    def phase_started(self, planned: PlannedPhase, position: int, total: int) -> None:
        """Written at once."""
        self._inner.phase_started(planned, position, total)
        self._note(planned, self._running(planned))

    def step_logged(self, planned: PlannedPhase, snapshot: Snapshot) -> None:
        """Written every few seconds."""
        self._inner.step_logged(planned, snapshot)
        kept = {name: value for name, value in asdict(snapshot).items() if name in Measure.model_fields}
        self._note(planned, self._running(planned, **kept), at_once=False)

    def evaluated(self, planned: PlannedPhase, done: int, total: int) -> None:
        """Written every few seconds."""
        self._inner.evaluated(planned, done, total)
        self._note(planned, self._running(planned, tokens=done, total_tokens=total), at_once=False)

    def phase_finished(self, planned: PlannedPhase, seconds: float, reused: bool) -> None:
        """Written at once, unless it was found in the store."""
        self._inner.phase_finished(planned, seconds, reused)
        before = Measure.model_validate(self._phases.get(planned.id, {}))
        kept = (
            {"state": "reused"} if reused else {"state": "done", "seconds": round(seconds, 3), "seconds_left": None}
        )
        self._note(planned, before.model_copy(update=kept), at_once=not reused)

    def phase_failed(self, planned: PlannedPhase, reason: str) -> None:
        """Written at once."""
        self._inner.phase_failed(planned, reason)
        self._note(planned, self._running(planned, state="failed", note=reason))

    def problem(self, problem: Problem) -> None:
        """Handed on."""
        self._inner.problem(problem)

    def close(self) -> None:
        """The run is over: what it was doing is left undone."""
        self._inner.close()
        for held in self._phases.values():
            if held["state"] in ("running", "submitted"):
                held["state"] = "interrupted"
        self._write(ended=True)

    def _running(self, planned: PlannedPhase, state: State = "running", **fields: Any) -> Measure:
        return Measure(state=state, attempt=self._phases.get(planned.id, {}).get("attempt"), **fields)

    def _note(self, planned: PlannedPhase, measure: Measure, at_once: bool = True) -> None:
        self._phases[planned.id] = measure.model_dump(mode="json", exclude_defaults=True)
        if at_once or time.monotonic() - self._written >= WRITE_SECONDS:
            self._write()

    def _write(self, ended: bool = False) -> None:
        self._written = time.monotonic()
        me = this_process()
        document = {
            "process": {"host": me.host.split()[0], "tag": me.tag, "pid": me.pid, "started": me.started},
            "started": round(self._started, 3),
            "updated": round(time.time(), 3),
            "ended": ended,
            "phases": self._phases,
            **self.more,
        }
        with suppress(OSError, XferError):
            files.write_text(self._path, files.json_line(document))  # one line is written four times as fast


# ---------------------------------------------------------------- reading


def run_folders(place: str, store: Path) -> list[Path]:
    """The run that `place` names: a folder, or a run of `store`; of a store (or with "") those that are under way.

    Where none is under way, the one that was written last. Raises UserError for a place that holds no run.
    """
    named = Path(place) if place else store
    for folder in (named, store / "runs" / place if place else named):
        if (folder / "plan.json").is_file():
            return [folder]
    found = sorted(named.glob("runs/*/plan.json"), key=lambda path: (_changed(path.parent), path))
    if not found:
        raise UserError(
            "no run here", where=str(named), fix="give a run's name, its folder, or a store (the folder of --store)"
        )
    folders = [path.parent for path in found]
    return [folder for folder in folders if _document(folder / FILE).get("ended") is False] or folders[-1:]


def run_status(folder: Path) -> RunStatus:
    """Where the run in a folder stands. Reads files only. Raises Damaged where its plan cannot be read."""
    try:
        plan = Plan.model_validate(files.read_json(folder / "plan.json"))
    except ValidationError as error:
        raise Damaged(f"the plan cannot be read: {error.errors()[0]['msg']}", where=str(folder)) from error
    document = _document(folder / FILE)
    store = Store(folder.absolute().parent.parent)
    alive = _works(document, store)
    labels: dict[str, dict[str, None]] = defaultdict(dict)
    for cell in plan.cells:
        for id in cell.chain:
            labels[id][cell.label] = None
    told = {id: dict(held) for id, held in document.get("phases", {}).items()}
    for id, held in _told_by_jobs(folder, plan, store):
        before = told.get(id, {})
        finished = before.get("state") in ("done", "reused", "failed")
        told[id] = {**held, **before} if finished else {**before, **held}
    phases = tuple(_phase(planned, labels[planned.id], told, store, alive) for planned in plan.phases)
    states = {phase.state for phase in phases}
    busy = alive or any(phase.state == "running" for phase in phases)
    over: Any = "stopped" if states & {"waiting", "interrupted"} else "failed" if "failed" in states else "finished"
    return RunStatus(
        run=folder.name,
        folder=str(folder),
        state="running" if busy else over,
        process="process {pid} on {host}".format(**{"host": "?", **document["process"]}) if alive else "",
        executor=document.get("executor", ""),
        started=document.get("started"),
        updated=document.get("updated"),
        phases=phases,
    )


def _works(document: Any, store: Store) -> bool:
    """Whether the process lives that wrote a progress file."""
    owner = document.get("process", {})
    alive = _alive(owner) if owner and not document.get("ended") else False
    if alive is None:  # on another machine: it works if it holds a phase that it says it works on
        return any(worker(store, id) for id, held in document["phases"].items() if held.get("state") == "running")
    return alive


def _told_by_jobs(folder: Path, plan: Plan, store: Store) -> Iterator[tuple[str, dict[str, Any]]]:
    """What the jobs of a run say of their phases; of a job that died, that it was interrupted."""
    for planned in plan.phases:
        if not (path := report_file(folder, planned.id)).is_file():
            continue
        document = _document(path)
        held = dict(document.get("phases", {}).get(planned.id, {}))
        if held.get("state") == "running":
            works = _works(document, store)
            owner = document.get("process", {})
            note = f"process {owner.get('pid')} on {owner.get('host')}"
            held |= {"note": note} if works else {"state": "interrupted"}
        if held:
            yield planned.id, held


def _phase(planned: PlannedPhase, labels: Iterable[str], told: Any, store: Store, alive: bool) -> PhaseStatus:
    fields: dict[str, Any] = dict(told.get(planned.id, {}))
    state = fields.get("state", "waiting")
    if state in ("running", "submitted") and not (alive or worker(store, planned.id)):
        fields["state"] = state = "interrupted" if state == "running" else "waiting"
    if state in ("waiting", "failed", "interrupted"):
        if files.is_committed(store.phase_folder(planned.id)):
            fields = {"state": "done"}
        elif other := worker(store, planned.id):
            fields = {"state": "running", "note": f"process {other.pid} on {other.host.split()[0]}"}
    if fields.get("state", "waiting") in ("waiting", "interrupted") and (step := _saved_step(store, planned.id)):
        fields |= {"step": step, "note": f"continues from step {step}"}
    common = {"id": planned.id, "does": planned.phase.does, "text": describe(planned), "labels": tuple(labels)}
    try:
        return PhaseStatus(**common, **fields)
    except (ValidationError, TypeError):  # written by another version
        return PhaseStatus(**common)


def _saved_step(store: Store, id: str) -> int:
    """The step of the newest checkpoint of an unfinished phase; 0 without one."""
    names = (path.name.removeprefix("step-") for path in store.partial_folder(id).glob("step-*"))
    return max((int(name) for name in names if name.isdecimal()), default=0)


def _document(path: Path) -> dict[str, Any]:
    """A progress file; empty where there is none, or none that can be read."""
    try:
        return _Document.model_validate(files.read_json(path)).model_dump()
    except (Damaged, ValidationError):
        return {}


def _alive(owner: Any) -> bool | None:
    try:
        return is_alive(str(owner["tag"]), int(owner["pid"]), str(owner["started"]))
    except (KeyError, TypeError, ValueError):
        return False


def _changed(folder: Path) -> float:
    """When a run's folder was last written to."""
    with suppress(OSError):
        return max(os.stat(path).st_mtime for path in (folder / FILE, folder / "plan.json") if path.is_file())
    return 0.0
