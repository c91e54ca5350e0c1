"""Progress on stderr: bars in a terminal, plain lines elsewhere. Results never go this way."""

import sys
import time
from typing import Any

from xfer import verbosity
from xfer.core.records import PlannedPhase, Problem
from xfer.core.run import Reporter, Snapshot

LINE_SECONDS = 10.0
"""Without a terminal: seconds between lines of one phase."""


def reporter(quiet: bool = False) -> Reporter:
    """The reporter that fits stderr."""
    if quiet or verbosity.asked.quiet:
        return Reporter()
    if verbosity.asked.verbose:
        return LineReporter(seconds=0)
    return BarReporter() if sys.stderr.isatty() else LineReporter()


def describe(planned: PlannedPhase) -> str:
    """A phase in a few words: what it does on which tasks, and its seed."""
    phase = planned.phase
    tasks = ", ".join(dict.fromkeys(use.task for use in phase.uses if not use.counts_only)) or phase.name
    seed = "" if planned.seed is None else f" (seed {planned.seed})"
    role = f"{phase.role} " if phase.does == "train" else ""
    return f"{phase.does} {role}{tasks}{seed}"


class LineReporter(Reporter):
    """One line when a phase begins and ends, and every so many seconds between."""

    def __init__(self, seconds: float = LINE_SECONDS) -> None:
        self._seconds = seconds
        self._last = 0.0
        self._head = ""

    def _say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    def phase_started(self, planned: PlannedPhase, position: int, total: int) -> None:
        """A phase begins."""
        self._head, self._last = f"[{position}/{total}] {describe(planned)}", time.monotonic()
        self._say(self._head)

    def step_logged(self, planned: PlannedPhase, snapshot: Snapshot) -> None:
        """A line every few seconds."""
        if time.monotonic() - self._last >= self._seconds:
            self._last = time.monotonic()
            self._say(f"{self._head}: {_progress_text(snapshot)}")

    def phase_finished(self, planned: PlannedPhase, seconds: float, reused: bool) -> None:
        """A phase ended."""
        if not reused:
            self._say(f"{self._head}: done in {seconds:.1f} s")

    def problem(self, problem: Problem) -> None:
        """Told at once."""
        self._say(f"note: {problem.message}")


class BarReporter(Reporter):
    """A progress bar for the phase at work; finished phases stay as lines above it."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[text]}", markup=False),
            console=Console(stderr=True),
            transient=True,
        )
        self._bar: Any = None
        self._head = ""

    def phase_started(self, planned: PlannedPhase, position: int, total: int) -> None:
        """A new bar."""
        self._progress.start()
        self._head = f"[{position}/{total}] {describe(planned)}"
        self._bar = self._progress.add_task(self._head, total=None, text="")

    def step_logged(self, planned: PlannedPhase, snapshot: Snapshot) -> None:
        """The bar moves on."""
        self._progress.update(
            self._bar, completed=snapshot.step, total=snapshot.total_steps, text=_progress_text(snapshot)
        )

    def evaluated(self, planned: PlannedPhase, done: int, total: int) -> None:
        """The bar counts tokens."""
        if self._bar is not None:
            self._progress.update(self._bar, completed=done, total=total, text=f"{done:,}/{total:,} tokens")

    def phase_finished(self, planned: PlannedPhase, seconds: float, reused: bool) -> None:
        """The bar gives way to a line."""
        if reused:
            return
        self._progress.remove_task(self._bar)
        self._bar = None
        self._progress.console.print(f"{self._head}: {seconds:.1f} s", markup=False, highlight=False)
        self._progress.stop()

    def problem(self, problem: Problem) -> None:
        """Told above the bar."""
        self._progress.console.print(f"note: {problem.message}", markup=False, highlight=False)

    def close(self) -> None:
        """Give the terminal its cursor back, also where a phase was cut short."""
        self._progress.stop()


def _progress_text(snapshot: Snapshot) -> str:
    return (
        f"{snapshot.step}/{snapshot.total_steps} steps, loss {snapshot.loss:.3f}, "
        f"{snapshot.tokens_per_second:,.0f} tokens/s, {_duration(snapshot.seconds_left)} left"
    )


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
