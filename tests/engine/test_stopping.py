"""Signals and observers: what stops a run, and how it goes on."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.engine.conftest import QUICK, Kit, rows
from xfer import commands, results
from xfer.core.errors import Stopped
from xfer.core.records import PlannedPhase
from xfer.core.run import Reporter


class Sending(Reporter):
    """Sends a signal to this process when a phase of the given kind starts."""

    def __init__(self, does: str, number: signal.Signals) -> None:
        self.does, self.number = does, number

    def phase_started(self, planned: PlannedPhase, position: int, total: int) -> None:
        if planned.phase.does == self.does:
            os.kill(os.getpid(), self.number)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 75), (signal.SIGINT, 130)])
def test_a_signal_stops_after_the_step_with_a_status_of_its_own(
    kit: Kit, number: signal.Signals, status: int
) -> None:
    prepared = commands.prepare(kit.flags(set={"train.max_steps": 9}), reporter=Sending("train", number))
    with pytest.raises(Stopped, match="after step 1 of 9; the state is saved") as caught:
        commands.execute(prepared)
    assert caught.value.status == status
    assert "same command" in caught.value.fix
    assert (kit.store / "runs" / "run" / "results.jsonl").read_text() == ""
    resumed = kit.run(set={"train.max_steps": 9})
    assert rows(resumed) == rows(kit.run(set={"train.max_steps": 9}, store=kit.store.with_name("other")))


def test_a_signal_while_evaluating_stops_before_the_next_phase(kit: Kit) -> None:
    flags = kit.flags(set=QUICK, target=("toy-pairs", "toy-class"))
    with pytest.raises(Stopped, match="before phase 2 of 3"):
        commands.execute(commands.prepare(flags, reporter=Sending("evaluate", signal.SIGTERM)))
    assert kit.diary() == ["evaluate toy-pairs"]
    stored = results.load_results(kit.store)
    assert {row.task for row in stored} == {"toy-pairs"}


class SendingMidway(Reporter):
    """Sends SIGTERM after the first batch of an evaluation."""

    def evaluated(self, planned: PlannedPhase, done: int, total: int) -> None:
        os.kill(os.getpid(), signal.SIGTERM)


def test_a_long_evaluation_stops_between_batches(kit: Kit) -> None:
    flags = kit.flags(target="toy-pairs", set={"engine.evaluation_tokens": 64})
    with pytest.raises(Stopped, match=r"after \d+ of \d+ tokens of an evaluation"):
        commands.execute(commands.prepare(flags, reporter=SendingMidway()))
    assert not list(kit.store.glob("phases/*"))
    assert kit.run(target="toy-pairs").status == 0


OBSERVERS = """
from xfer.api import StopRun, hookimpl

@hookimpl
def xfer_step_logged(run, phase, snapshot):
    with (run.store.root / "steps.txt").open("a") as stream:
        print(phase.name, snapshot.step, snapshot.total_steps, file=stream)
    if snapshot.step == {stop}:
        raise StopRun("enough for today")

@hookimpl
def xfer_phase_finished(run, phase, outcome):
    with (run.store.root / "steps.txt").open("a") as stream:
        print(phase.name, outcome, file=stream)
    raise RuntimeError("observers may fail")
"""


def observed(kit: Kit, tmp_path: Path, stop: int) -> Callable[..., commands.RunResult]:
    (tmp_path / "watcher.py").write_text(OBSERVERS.replace("{stop}", str(stop)))
    plugins = (kit.flags()["plugin"], tmp_path / "watcher.py")
    settings = {"train.max_steps": 3, "engine.log_seconds": 1e-9}
    return lambda: kit.run(set=settings, plugin=plugins)


def test_observers_see_steps_and_phases_and_may_fail(kit: Kit, tmp_path: Path) -> None:
    run = observed(kit, tmp_path, stop=0)
    result = run()
    assert result.status == 0
    lines = (kit.store / "steps.txt").read_text().splitlines()
    assert lines == ["target 1 3", "target 2 3", "target 3 3", "target computed", "evaluate computed"]
    run()
    assert (kit.store / "steps.txt").read_text().splitlines()[5:] == ["target reused", "evaluate reused"]


def test_an_observer_may_end_the_run_which_then_continues(kit: Kit, tmp_path: Path) -> None:
    with pytest.raises(Stopped, match="stopped as asked after step 2 of 3") as caught:
        observed(kit, tmp_path, stop=2)()
    assert caught.value.status == 75
    resumed = observed(kit, tmp_path, stop=0)()
    steps = (kit.store / "steps.txt").read_text().splitlines()
    assert [line for line in steps if line.startswith("target") and line.endswith("3")] == [
        "target 1 3", "target 2 3", "target 3 3",
    ]  # fmt: skip
    assert resumed.status == 0
