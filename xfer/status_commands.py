"""`xfer status`: where runs stand, once or again and again."""

import json
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xfer.core.errors import printable
from xfer.options import store_folder

if TYPE_CHECKING:
    from xfer.status import PhaseStatus, RunStatus

SECONDS = 2.0
"""Between two looks of `--watch`."""


def add(app: typer.Typer) -> None:
    """Add `xfer status`."""
    app.command(short_help="Show where runs stand.")(status)


def status(
    place: Annotated[
        str, typer.Argument(metavar="[RUN|STORE]", help="A run's name or folder, or a store. [default: ./runs]")
    ] = "",
    watch: Annotated[
        bool, typer.Option("--watch", help="Look again every two seconds until the run ends.")
    ] = False,
    json_: Annotated[
        bool, typer.Option("--json", help="Print one JSON document on stdout, with --watch a line each.")
    ] = False,
) -> None:
    """Show where runs stand, from another terminal: phases, steps, loss, time left, what was reused."""
    from xfer.status import run_folders, run_status

    folders = run_folders(place, store_folder())

    def look() -> "list[RunStatus]":
        return [run_status(folder) for folder in folders]

    if not watch:
        found = look()
        documents = [document(one) for one in found]
        print(json.dumps(documents, indent=2) if json_ else "\n\n".join(map(text, found)))
    elif json_ or not sys.stdout.isatty():
        _watch_lines(look, json_)
    else:
        _watch_screen(look)


def document(status: "RunStatus") -> dict[str, Any]:
    """A run's status as data, with the number of phases in each state."""
    return {**status.model_dump(mode="json"), "counts": status.counts}


def text(status: "RunStatus", most: int | None = None) -> str:
    """A headline and a line a phase; with `most`, so many lines at most, those at work or failed before others."""
    counts = ", ".join(f"{number} {state}" for state, number in status.counts.items())
    who = ", ".join(filter(None, (status.process, status.executor and f"executor {status.executor}")))
    who = f" ({who})" if who else ""
    lines = [f"{status.folder}: {status.state}{who}; {len(status.phases)} phases: {counts}"]
    shown = set(range(len(status.phases)))
    if most is not None and len(shown) > most - 2:
        urgent = [
            at for at, phase in enumerate(status.phases) if phase.state in ("running", "failed", "interrupted")
        ]
        first = urgent[0] if urgent else 0
        near = sorted(shown - set(urgent), key=lambda at: abs(at - first - 1))
        shown = set([*urgent, *near][: max(1, most - 2)])
    lines += [_line(phase) for at, phase in enumerate(status.phases) if at in shown]
    if hidden := len(status.phases) - len(shown):
        lines.append(f"  … and {hidden} more")
    return printable("\n".join(lines))  # what failed may say anything


def _line(phase: "PhaseStatus") -> str:
    from xfer.progress import duration, evaluation_text, training_text

    parts = []
    if phase.state == "running" and phase.loss is not None:
        step, total = phase.step or 0, phase.total_steps or 0
        rate, left = phase.tokens_per_second or 0.0, phase.seconds_left or 0.0
        parts.append(training_text(step, total, phase.loss, rate, left))
    elif phase.state == "running" and phase.tokens is not None:
        parts.append(evaluation_text(phase.tokens, phase.total_tokens or 0))
    elif phase.state == "done" and phase.seconds is not None:
        parts.append(f"in {duration(phase.seconds)}")
    parts += [f"attempt {phase.attempt}"] if (phase.attempt or 0) > 1 else []
    parts += [phase.note] if phase.note else []
    told = f": {', '.join(parts)}" if parts else ""
    whose = f" [{phase.labels[0]}]" if len(phase.labels) == 1 else ""
    return f"  {phase.state:<11} {phase.id}  {phase.text}{whose}{told}"


def _watch_lines(look: "Callable[[], list[RunStatus]]", json_: bool) -> None:
    """Print what changed, for files and pipes."""
    before = None
    while True:
        found = look()
        now = "\n".join(json.dumps(document(one)) if json_ else text(one) for one in found)
        if now != before:
            print(now, flush=True)
            before = now
        if not any(one.state == "running" for one in found):
            return
        time.sleep(SECONDS)


def _watch_screen(look: "Callable[[], list[RunStatus]]") -> None:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    console = Console()
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        while True:
            found = look()
            room = max(6, (console.height - 1) // len(found))
            live.update(
                Text("\n\n".join(text(one, room) for one in found), no_wrap=True, overflow="ellipsis"), refresh=True
            )
            if not any(one.state == "running" for one in found):
                return
            time.sleep(SECONDS)
