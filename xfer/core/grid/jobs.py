"""One job: what an executor is handed, what it answers, and what a job leaves beside its run.

runs/<name>/jobs/<id>.json  how far a job is; in the end its problems, and why it failed
runs/<name>/jobs/<id>.log   what it said on stderr, over all attempts
"""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from pydantic import ValidationError

from xfer.core.errors import Damaged
from xfer.core.records import PlannedPhase, Problem, Record
from xfer.core.storage import files

FOLDER = "jobs"
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS")
"""Variables that say how many threads a process may have."""
TAIL = 2000
"""Characters of a job's last words."""


@dataclass(frozen=True)
class Job:
    """One phase as a plain command, which may be issued any number of times, anywhere that the store is seen."""

    id: str
    """The phase's."""
    name: str
    """For queues and boards: letters, digits, "-"; not unique."""
    command: tuple[str, ...]
    folder: str
    """The working folder: relative paths of the run's settings hold there."""
    log: Path
    """Where what it says on stderr goes."""


@dataclass(frozen=True)
class Ended:
    """A job that is over. Whether it did its work, the store alone says."""

    handle: Any
    status: int
    """The exit status; negative: the signal that ended it."""
    tail: str = ""
    """Its last words, for the report of a failure."""


class Executor(Protocol):
    """What runs jobs: `xfer_executor` answers one. It may forget handles that `wait` has given back."""

    jobs: int
    """How many jobs may be under way at once, those in its queue with them."""

    def submit(self, jobs: Sequence[Job]) -> Sequence[Any]:
        """Begin jobs that are ready together; a handle for each, in order: anything that can be a key."""

    def wait(self, handles: Sequence[Any], timeout: float) -> Sequence[Ended]:
        """Those of the handles that are over; after so many seconds none."""

    def cancel(self, handles: Sequence[Any]) -> None:
        """Ask jobs to save their state and leave (SIGTERM or SIGUSR1); `wait` gives them back."""

    def close(self) -> None:
        """The end: whatever is still there is removed."""


# ---------------------------------------------------------------- what a job leaves


class JobError(Record):
    """Why a job failed."""

    what: str
    message: str
    status: int


class JobReport(Record):
    """What a job says of itself in `jobs/<id>.json`."""

    phases: Mapping[str, Mapping[str, Any]] = {}
    """The measure of its phase, as `progress.json` holds it."""
    problems: tuple[Problem, ...] = ()
    error: JobError | None = None

    @property
    def state(self) -> str:
        """The state of its phase; "" before it began."""
        return next((str(held.get("state", "")) for held in self.phases.values()), "")


def report_file(run_folder: Path, id: str) -> Path:
    """Where a job of a run writes about itself."""
    return run_folder / FOLDER / f"{id}.json"


def read_report(run_folder: Path, id: str) -> JobReport:
    """What a job wrote; an empty report where it wrote nothing, or nothing that can be read."""
    try:
        document = files.read_json(report_file(run_folder, id))
        return JobReport.model_validate(
            {name: document[name] for name in JobReport.model_fields if name in document}
        )
    except (Damaged, ValidationError, TypeError):
        return JobReport()


def make_job(planned: PlannedPhase, run_folder: Path, program: Sequence[str] = ()) -> Job:
    """The job of a phase, by the Python that asks or by `program`."""
    parts = [planned.phase.does, *(use.task for use in planned.phase.uses[:1])]
    parts += [] if planned.seed is None else [f"seed{planned.seed}"]
    folder = run_folder.absolute()
    return Job(
        id=planned.id,
        name=re.sub(r"[^A-Za-z0-9-]+", "-", "-".join([*parts, planned.id[:6]])),
        command=(*(program or (sys.executable, "-m", "xfer")), "grid", "job", str(folder), planned.id),
        folder=os.getcwd(),
        log=folder / FOLDER / f"{planned.id}.log",
    )


# ---------------------------------------------------------------- processes


def job_threads(jobs: int) -> dict[str, str]:
    """Variables for so many jobs on this machine, a share of its cores each; none where the user set one."""
    from xfer.core.encoders.device import available_cores

    if any(name in os.environ for name in THREADS):
        return {}
    return dict.fromkeys(THREADS, str(max(1, available_cores() // max(1, jobs))))


@dataclass(eq=False)
class JobProcess:
    """A job as a process of this machine, in a session of its own: Ctrl-C in the terminal passes it by."""

    job: Job
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables besides those of this process."""
    dies_with_parent: bool = False
    """Whether it is told to stop when the thread that began it ends (Linux)."""
    stdin: int = subprocess.DEVNULL
    """What it reads; `subprocess.PIPE`: nothing, until this process ends."""

    def __post_init__(self) -> None:
        descriptor = files.open_log(self.job.log)
        self._start = os.fstat(descriptor).st_size
        try:
            self._process = subprocess.Popen(
                self.job.command,
                cwd=self.job.folder,
                env={**os.environ, **self.environment},
                stdin=self.stdin,
                stdout=subprocess.DEVNULL,
                stderr=descriptor,
                start_new_session=True,
                preexec_fn=_end_with_parent() if self.dies_with_parent else None,
            )
        finally:
            os.close(descriptor)

    def poll(self, timeout: float = 0.0) -> Ended | None:
        """How it ended, with itself as the handle; None while it runs, after so many seconds."""
        try:
            status = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None
        return Ended(self, status, self.tail())

    def tail(self) -> str:
        """The last of what it said on stderr, of this attempt."""
        with suppress(OSError), self.job.log.open("rb") as log:
            log.seek(max(self._start, log.seek(0, os.SEEK_END) - TAIL))
            return log.read(TAIL).decode("utf-8", "replace").strip()
        return ""

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Ask it to save its state and leave."""
        self._process.send_signal(number)

    def kill(self) -> None:
        """End it, and all that it began, at once."""
        if self._process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    def hang_up(self) -> None:
        """End what it reads."""
        if self._process.stdin is not None:
            self._process.stdin.close()


def _end_with_parent() -> Callable[[], object] | None:
    """For a child between fork and exec: SIGTERM is to come when its parent ends. Nothing is imported there."""
    import ctypes

    death_signal = 1  # PR_SET_PDEATHSIG
    control = getattr(ctypes.CDLL(None), "prctl", None)
    return control and (lambda: control(death_signal, int(signal.SIGTERM)))
