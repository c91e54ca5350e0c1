"""Walk a plan with an executor: hand over what is ready, take back what is over, look into the store.

    until every phase is done or lost:
        hand over ready phases that nobody works on, as many as the executor takes, what most waits for first
        of the jobs that are over: done if the store holds the phase; else again, or lost with what waits for it

The scheduler's word counts for nothing but that a job is over. Exit status 75 begins a job anew without a count
(it was pre-empted and saved its state); 2 and 8 are never tried again, for they would fail alike.
"""

import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xfer.core.engine.execute import Outcome, begin, release_weights, result_rows
from xfer.core.errors import ExitStatus, Stopped, XferError
from xfer.core.grid.graph import Waits, by_dependants, dependants, ready, waits
from xfer.core.grid.jobs import Ended, Executor, JobReport, make_job, read_report, report_file
from xfer.core.records import Plan, Problem
from xfer.core.run import Run, Snapshot
from xfer.core.storage import files
from xfer.core.storage.locks import worker

POLL = 0.5
"""Seconds between two looks at what changed."""
LEAVE = 600.0
"""Seconds that jobs have to save their state when the driver stops."""
AGAIN = (ExitStatus.STOPPED, ExitStatus.INTERRUPTED, ExitStatus.LOCKED)
"""A job that leaves so goes on later, and that is no failure."""
FINAL = (ExitStatus.USER, ExitStatus.NON_FINITE)
"""A job that leaves so would leave so again."""


def drive(plan: Plan, run: Run, executor: Executor) -> Outcome:
    """Run all phases of a plan that are needed as jobs; the same outcome as `execute`.

    Raises Stopped when a stop is asked for: jobs under way have saved their state by then.
    """
    needed = begin(plan, run)
    outcome = Outcome(rows=[], problems=run.problems)
    for planned in plan.phases:
        if planned.id not in needed:
            outcome.reused += 1
            run.reporter.phase_finished(planned, 0.0, reused=True)
            run.toolkit.manager.observe(
                "xfer_phase_finished", run=run, phase=planned.phase, planned=planned, outcome="reused"
            )
    driver = _Driver(plan, run, executor, by_dependants(waits(plan, needed)), outcome)
    try:
        driver.walk()
    finally:
        executor.close()
    outcome.rows = result_rows(plan, run, outcome.failed)
    return outcome


@dataclass
class _Driver:
    plan: Plan
    run: Run
    executor: Executor
    graph: Waits
    outcome: Outcome
    done: set[str] = field(default_factory=set)
    running: dict[Any, str] = field(default_factory=dict)
    """Ids by their jobs' handles."""
    begun: dict[str, float] = field(default_factory=dict)
    """When a phase under way was seen to begin."""
    failures: Counter[str] = field(default_factory=Counter)
    attempts: Counter[str] = field(default_factory=Counter)
    halted: bool = False

    def __post_init__(self) -> None:
        self.folder: Path = self.run.store.run_folder(self.run.name)
        self.phases = {planned.id: planned for planned in self.plan.phases}
        self.places = {planned.id: place for place, planned in enumerate(self.plan.phases, start=1)}

    def walk(self) -> None:
        while True:
            if self.run.stop_requested():
                self._stop()
            if not self.halted:
                self._hand_over()
            if not self.running and (self.halted or len(self.done) + len(self.outcome.failed) >= len(self.graph)):
                return
            if self.running:
                for ended in self.executor.wait(list(self.running), POLL):
                    self._take(ended)
            else:
                time.sleep(POLL)  # others work on what is left
            self._look()

    def _hand_over(self) -> None:
        room = self.executor.jobs - len(self.running)
        taken = {*self.running.values(), *self.outcome.failed}
        batch: list[str] = []
        for id in ready(self.graph, self.done, taken):
            if self._stored(id):
                self._finished(id, reused=True)  # another run's job did it
            elif len(batch) < room and worker(self.run.store, id) is None:
                batch.append(id)
        if not batch:
            return
        for id in batch:
            files.remove(report_file(self.folder, id))
        handles = self.executor.submit([make_job(self.phases[id], self.folder) for id in batch])
        self.running.update(zip(handles, batch, strict=True))
        for id in batch:
            self.attempts[id] += 1
            self.run.reporter.phase_submitted(self.phases[id], self.attempts[id])

    def _stored(self, id: str) -> bool:
        return self.run.store.has_phase(id) and not self.run.store.dropped_weights(id)

    def _take(self, ended: Ended) -> None:
        id = self.running.pop(ended.handle)
        report = read_report(self.folder, id)
        for problem in report.problems:
            self.run.tell(problem)
        status = report.error.status if report.error else ended.status
        if self._stored(id):
            self._begin(id)
            self._finished(id, reused=False)
        elif status not in AGAIN:
            self._failed(id, status, report, ended)
        self.begun.pop(id, None)

    def _finished(self, id: str, reused: bool) -> None:
        seconds = 0.0 if reused else time.monotonic() - self.begun[id]
        told = read_report(self.folder, id).phases.get(id, {}).get("seconds")
        self.run.reporter.phase_finished(self.phases[id], seconds if reused or told is None else told, reused)
        self.done.add(id)
        self.outcome.reused += reused
        self.outcome.computed += not reused
        release_weights(self.plan, self.run, set(self.graph) - self.done, ended=self.phases[id])

    def _failed(self, id: str, status: int, report: JobReport, ended: Ended) -> None:
        last = ended.tail.splitlines()[-1] if ended.tail else ""
        ending = f"was ended by signal {-status}" if status < 0 else f"left with exit status {status}"
        what = report.error.what if report.error else f"its job {ending}{f': {last}' if last else ''}"
        message = report.error.message if report.error else what
        self.failures[id] += 1
        again = status not in FINAL and self.failures[id] <= self.run.settings.retries
        self._tell(id, f"{message}{' (tried again)' if again else ''}", detail="" if report.error else ended.tail)
        if again:
            return
        self._lost(id, what)
        for other in dependants(self.graph, id):
            if other not in self.outcome.failed:
                self._lost(other, f"its parent {id} failed")
        self.outcome.causes.append(XferError(what))
        if not self.run.settings.keep_going:
            self.halted = True
            left = len(self.graph) - len(self.done) - len(self.outcome.failed) - len(self.running)
            if left:
                self._tell(id, f"{left} phases were not begun after this failure", detail="")

    def _lost(self, id: str, reason: str) -> None:
        self.outcome.failed[id] = reason
        self.run.reporter.phase_failed(self.phases[id], reason)

    def _tell(self, id: str, message: str, detail: str) -> None:
        stage = self.phases[id].phase.does
        self.run.tell(Problem(stage=stage, message=message, where=f"phase {id}", detail=detail))

    def _look(self) -> None:
        """Tell the reporter of jobs that began and how far they are."""
        for id in self.running.values():
            report = read_report(self.folder, id)
            if report.state != "running":
                continue
            self._begin(id)
            held = report.phases[id]
            if "loss" in held:
                shown = {name: held.get(name, 0) for name in _SHOWN}
                self.run.reporter.step_logged(self.phases[id], Snapshot(task="", learning_rate=0.0, **shown))
            elif "tokens" in held:
                self.run.reporter.evaluated(self.phases[id], held["tokens"], held.get("total_tokens", 0))

    def _begin(self, id: str) -> None:
        if id not in self.begun:
            self.begun[id] = time.monotonic()
            self.run.reporter.phase_started(self.phases[id], self.places[id], len(self.plan.phases))

    def _stop(self) -> None:
        """Let jobs under way save their state, take back what they finished, and raise Stopped."""
        self.executor.cancel(list(self.running))
        until = time.monotonic() + LEAVE
        while self.running and time.monotonic() < until:
            for ended in self.executor.wait(list(self.running), POLL):
                id = self.running.pop(ended.handle)
                for problem in read_report(self.folder, id).problems:
                    self.run.tell(problem)
        raise Stopped(
            f"stopped with {len(self.done)} of {len(self.graph)} phases done; what was computed is stored",
            fix="issue the same command again to continue",
        )


_SHOWN = ("step", "total_steps", "loss", "tokens_per_second", "seconds_left")
