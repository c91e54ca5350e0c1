"""The engine's toy suite on a grid: an executor that runs jobs in this process, and whole runs with a driver."""

import json
import signal
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.engine.conftest import Kit, calm_encoder, kit
from xfer import commands, grid
from xfer.core.engine.execute import Outcome
from xfer.core.errors import XferError
from xfer.core.grid.drive import drive
from xfer.core.grid.jobs import Ended, Job

__all__ = ["calm_encoder", "kit"]
TWO = {"strategy": ("none", "english-stilts"), "set": {"train.max_steps": 2}}
"""Five phases: two start points of one target, one of them with an intermediate task."""


@dataclass
class Here:
    """Runs jobs in this process, one after the other, while it is waited for."""

    jobs: int = 2
    falls: dict[str, list[int]] = field(default_factory=dict)
    """By the beginning of a job's name: statuses with which it ends before it did anything, in turn."""
    batches: list[list[str]] = field(default_factory=list)
    """Names of the jobs that were submitted together."""
    cancelled: int = 0
    closed: bool = False

    def submit(self, jobs: Sequence[Job]) -> list[Job]:
        self.batches.append([job.name for job in jobs])
        return list(jobs)

    def wait(self, handles: Sequence[Any], timeout: float) -> list[Ended]:
        job = handles[0]
        planned = next((falls for name, falls in self.falls.items() if job.name.startswith(name) and falls), None)
        if planned or self.cancelled:
            return [Ended(job, planned.pop(0) if planned else -signal.SIGTERM, "first\nlast words")]
        try:
            grid.job(Path(job.command[-2]), job.id)
        except XferError as error:
            return [Ended(job, error.status, str(error))]
        return [Ended(job, 0)]

    def cancel(self, handles: Sequence[Any]) -> None:
        self.cancelled += len(handles)

    def close(self) -> None:
        self.closed = True


Driven = tuple[Outcome, commands.Prepared]


@pytest.fixture
def driven(kit: Kit) -> Callable[..., Driven]:
    """Plan a run of the kit, hand it to an executor, and give back the outcome and what was planned."""

    def do(executor: Any, stop: Callable[[], bool] = lambda: False, **options: Any) -> Driven:
        prepared = kit.prepare(**{**TWO, **options})
        prepared.run.stop_requested = stop
        commands.start(prepared)
        return drive(prepared.plan, prepared.run, executor), prepared

    return do


def parent_of_job(run_folder: Path, id: str) -> int:
    """The process that began a job which works now: the worker of an executor."""
    job = json.loads((run_folder / "jobs" / f"{id}.json").read_text())["process"]["pid"]
    status = dict(line.split(":", 1) for line in Path(f"/proc/{job}/status").read_text().splitlines())
    return int(status["PPid"])


def plain(found: Iterable[Any]) -> list[dict[str, Any]]:
    """Result rows without what differs between runs of the same work."""
    return [row.model_dump(exclude={"seconds", "run"}) for row in found]
