"""Progress on stderr: bars in a terminal, plain lines elsewhere. Results never go this way."""

import sys
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from xfer import verbosity
from xfer.core.records import PlannedPhase, Problem
from xfer.core.run import Reporter, Snapshot

LINE_SECONDS = 10.0
"""Without a terminal: seconds between lines of one phase."""
NEXT = 3
"""Phases that the live view names before they begin."""


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


def _head(planned: PlannedPhase, position: int, total: int) -> str:
    return f"[{position}/{total}] {describe(planned)}"


class LineReporter(Reporter):
    """One line when a phase begins and ends, and every so many seconds between."""

    def __init__(self, seconds: float = LINE_SECONDS) -> None:
        self._seconds = seconds
        self._last: dict[str, float] = {}
        """By phase: when its last line was."""
        self._heads: dict[str, str] = {}
        self._reused = 0

    def _say(self, text: str) -> None:
        if self._reused:
            print(_reused_text(self._reused), file=sys.stderr, flush=True)
            self._reused = 0
        if text:
            print(text, file=sys.stderr, flush=True)

    def phase_started(self, planned: PlannedPhase, position: int, total: int) -> None:
        """A phase begins."""
        self._heads[planned.id], self._last[planned.id] = _head(planned, position, total), time.monotonic()
        self._say(self._heads[planned.id])

    def step_logged(self, planned: PlannedPhase, snapshot: Snapshot) -> None:
        """A line every few seconds."""
        self._now_and_then(planned, _snapshot_text(snapshot))

    def evaluated(self, planned: PlannedPhase, done: int, total: int) -> None:
        """A line every few seconds."""
        if done < total:
            self._now_and_then(planned, evaluation_text(done, total))

    def _now_and_then(self, planned: PlannedPhase, text: str) -> None:
        if time.monotonic() - self._last.get(planned.id, 0.0) >= self._seconds:
            self._last[planned.id] = time.monotonic()
            self._say(f"{self._heads.get(planned.id, '')}: {text}")

    def phase_finished(self, planned: PlannedPhase, seconds: float, reused: bool) -> None:
        """A phase ended; those that were stored are counted and told together."""
        if reused:
            self._reused += 1
        else:
            self._say(f"{self._heads[planned.id]}: done in {seconds:.1f} s")

    def phase_failed(self, planned: PlannedPhase, reason: str) -> None:
        """Told at once."""
        self._say(f"failed: {describe(planned)}: {reason}")

    def problem(self, problem: Problem) -> None:
        """Told at once."""
        self._say(f"note: {problem.message}")

    def close(self) -> None:
        """Tell of stored phases that nothing came after."""
        self._say("")


class BarReporter(Reporter):
    """A live view: how the run stands, a bar for each phase at work, what comes next.

    Finished phases stay as lines above it.
    """

    def __init__(self) -> None:
        from rich.console import Console

        self._bars: dict[str, tuple[str, Any]] = {}
        """Of the phases at work, by id: the head and rich's number of the bar."""
        self._waiting: dict[str, str] = {}
        """Phases that are not done, by id, in the order of the plan."""
        self._counts = Counter[str]()
        self._total = 0
        self._begun = time.monotonic()
        self._progress = _board(self, Console(stderr=True))

    def run_started(self, phases: Sequence[PlannedPhase]) -> None:
        """Everything is still to be done."""
        self._waiting = {planned.id: describe(planned) for planned in phases}
        self._total = len(phases)

    def summary(self) -> str:
        """How the run stands, in a line."""
        counts = ", ".join(f"{number} {state}" for state, number in self._counts.items()) or "none done"
        return f"{self._total} phases: {counts}; {duration(time.monotonic() - self._begun)} since the start"

    def following(self) -> str:
        """What comes next, in a line; "" at the end."""
        names = list(self._waiting.values())
        more = f"; {len(names) - NEXT} more" if len(names) > NEXT else ""
        return f"then {'; '.join(names[:NEXT])}{more}" if names else ""

    def phase_started(self, planned: PlannedPhase, position: int, total: int) -> None:
        """A new bar."""
        self._waiting.pop(planned.id, None)
        self._progress.start()
        head = _head(planned, position, total)
        self._bars[planned.id] = head, self._progress.add_task(head, total=None, text="")

    def step_logged(self, planned: PlannedPhase, snapshot: Snapshot) -> None:
        """The bar moves on."""
        self._update(planned, snapshot.step, snapshot.total_steps, _snapshot_text(snapshot))

    def evaluated(self, planned: PlannedPhase, done: int, total: int) -> None:
        """The bar counts tokens."""
        self._update(planned, done, total, evaluation_text(done, total))

    def _update(self, planned: PlannedPhase, done: int, total: int, text: str) -> None:
        if planned.id in self._bars:
            self._progress.update(self._bars[planned.id][1], completed=done, total=total, text=text)

    def phase_finished(self, planned: PlannedPhase, seconds: float, reused: bool) -> None:
        """The bar gives way to a line; phases that were stored are only counted."""
        self._waiting.pop(planned.id, None)
        self._counts["reused" if reused else "done"] += 1
        if not reused:
            self._ended(planned, f"{self._bars[planned.id][0]}: {seconds:.1f} s")

    def phase_failed(self, planned: PlannedPhase, reason: str) -> None:
        """The bar gives way to a line."""
        self._waiting.pop(planned.id, None)
        self._counts["failed"] += 1
        self._ended(planned, f"failed: {describe(planned)}: {reason}")

    def _ended(self, planned: PlannedPhase, line: str) -> None:
        if planned.id in self._bars:
            self._progress.remove_task(self._bars.pop(planned.id)[1])
        self._progress.console.print(line, markup=False, highlight=False)

    def problem(self, problem: Problem) -> None:
        """Told above the bar."""
        self._progress.console.print(f"note: {problem.message}", markup=False, highlight=False)

    def close(self) -> None:
        """Give the terminal its cursor back, also where a phase was cut short; say what was reused."""
        self._progress.stop()
        if reused := self._counts.pop("reused", 0):
            self._progress.console.print(_reused_text(reused), markup=False, highlight=False)


def _board(view: BarReporter, console: Any) -> Any:
    """rich's progress bars between the summary of a run and what comes next; rich loads here."""
    from rich.progress import BarColumn, Progress, TextColumn
    from rich.text import Text

    class Board(Progress):
        def get_renderables(self) -> Any:
            width: Any = {"no_wrap": True, "overflow": "ellipsis"}
            yield Text(view.summary(), style="bold", **width)
            yield from super().get_renderables()
            yield Text(view.following(), style="dim", **width)

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[text]}", markup=False),
    )
    return Board(*columns, console=console, transient=True)


def training_text(step: int, total: int, loss: float, tokens_per_second: float, seconds_left: float) -> str:
    """How far a training phase is."""
    pace = f"{tokens_per_second:,.0f} tokens/s, {duration(seconds_left)} left"
    return f"{step}/{total} steps, loss {loss:.3f}, {pace}"


def evaluation_text(done: int, total: int) -> str:
    """How far an evaluation is."""
    return f"{done:,}/{total:,} tokens"


def duration(seconds: float) -> str:
    """Seconds as minutes and seconds, or hours, minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _snapshot_text(snapshot: Snapshot) -> str:
    return training_text(
        snapshot.step, snapshot.total_steps, snapshot.loss, snapshot.tokens_per_second, snapshot.seconds_left
    )


def _reused_text(count: int) -> str:
    return f"reused from the store: {count} phase{'s' if count > 1 else ''}"
