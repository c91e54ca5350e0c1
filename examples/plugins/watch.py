"""Watching a run: what begins, what is logged, what ended; a remark on the plan; a command of one's own."""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from xfer.api import Phase, Plan, Problem, hookimpl

DIARY = Path(os.environ.get("XFER_DIARY", "diary.jsonl"))


def _write(**entry: Any) -> None:
    with DIARY.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(entry) + "\n")


@hookimpl
def xfer_check_plan(plan: Plan) -> Iterable[Problem]:
    """A remark that is printed before anything runs, and stored with the run."""
    trained = [phase for phase in plan.phases if phase.phase.does == "train"]
    if len(trained) > 3:
        yield Problem(stage="plan", message=f"{len(trained)} phases train: mind the electricity")


@hookimpl
def xfer_phase_started(phase: Phase) -> None:
    """A phase begins."""
    _write(event="started", phase=phase.name)


@hookimpl
def xfer_step_logged(phase: Phase, snapshot: Any) -> None:
    """The training loop logs a step."""
    _write(event="step", phase=phase.name, step=snapshot.step, loss=snapshot.loss)


@hookimpl
def xfer_phase_finished(phase: Phase, outcome: Any) -> None:
    """A phase ended, was found in the store, or failed."""
    _write(event="finished", phase=phase.name)


@hookimpl
def xfer_commands(app: Any) -> None:
    """`xfer diary` prints what was written."""

    @app.command()
    def diary() -> None:
        """Print the diary of the runs that were watched."""
        print(DIARY.read_text(encoding="utf-8"), end="")
