"""`xfer status` and the live view: what a run tells while it works, and what its files tell afterwards."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import xfer
from xfer import progress, status
from xfer.core.errors import NonFinite, Stopped
from xfer.core.records import Problem
from xfer.core.run import Reporter, Snapshot
from xfer.core.storage.process import Process, this_process
from xfer.status_commands import text
from xfer.testing.pytest_plugin import Outcome

Run = Callable[..., Outcome]


@pytest.fixture
def options(tmp_path: Path, tiny_encoder: Callable[[str], Path]) -> dict[str, Any]:
    return {
        "model": str(tiny_encoder("xlm-roberta")),
        "store": tmp_path / "store",
        "target": ("mini-xnli", "mini-tatoeba"),
        "language": ("de",),
        "limit": {"train": 16, "test": 6},
        "set": {"train.max_steps": 3, "engine.log_seconds": 1e-9},
    }


class Looking(Reporter):
    """Asks for the status while the run is at work; ends the run at a step, if one is given."""

    def __init__(self, folder: Path, stop_at: int = 0) -> None:
        self.folder, self.stop_at, self.seen = folder, stop_at, list[status.RunStatus]()

    def step_logged(self, planned: Any, snapshot: Snapshot) -> None:
        # It is told before the file is written: what the file says is the step before.
        self.seen.append(status.run_status(self.folder))
        if snapshot.step == self.stop_at:
            raise Stopped("enough")


def test_another_process_sees_the_phase_at_work(options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status, "WRITE_SECONDS", 0.0)
    looking = Looking(options["store"] / "runs" / "one")
    xfer.run("none", **options, name="one", reporter=looking)
    assert [one.state for one in looking.seen] == ["running"] * 3
    assert looking.seen[0].counts == {"running": 1, "waiting": 2}
    assert looking.seen[0].process.startswith(f"process {os.getpid()} on ")
    steps = [(one.phases[0].step, one.phases[0].total_steps) for one in looking.seen]
    assert steps == [(None, None), (1, 3), (2, 3)]
    assert looking.seen[2].phases[0].loss > 0
    assert looking.seen[2].phases[0].tokens_per_second > 0
    assert " 2/3 steps, loss " in text(looking.seen[2])
    after = status.run_status(looking.folder)
    assert (after.state, after.counts, after.process) == ("finished", {"done": 3}, "")
    assert all(phase.seconds is not None and phase.labels == ("none",) for phase in after.phases)


def test_what_was_reused_is_told_and_the_command_prints_it(run_xfer: Run, options: dict[str, Any]) -> None:
    xfer.run("none", **options, name="one")
    xfer.run(["none", "english-stilts"], **options, name="two")
    outcome = run_xfer("status", options["store"] / "runs" / "two")
    assert (outcome.status, outcome.err) == (0, "")
    assert "two: finished; 7 phases: 3 reused, 4 done" in outcome.out
    assert "train intermediate mini-mnli (seed 0) [english-stilts]: in 0:0" in outcome.out
    (document,) = json.loads(run_xfer("status", options["store"], "--json").out)
    assert (document["run"], document["state"], document["counts"]) == ("two", "finished", {"reused": 3, "done": 4})
    watched = run_xfer("status", options["store"], "--watch")
    assert watched.out == outcome.out
    assert json.loads(run_xfer("status", options["store"], "--watch", "--json").out)["run"] == "two"


def test_a_run_that_stopped_says_so_and_where_it_goes_on(options: dict[str, Any]) -> None:
    looking = Looking(options["store"] / "runs" / "one", stop_at=2)
    options["set"] |= {"engine.checkpoint_seconds": 0}
    with pytest.raises(Stopped):
        xfer.run("none", **options, name="one", reporter=looking)
    found = status.run_status(looking.folder)
    assert (found.state, found.counts) == ("stopped", {"interrupted": 1, "waiting": 2})
    assert found.phases[0].note == "continues from step 1"
    assert status.run_folders(str(options["store"]), Path("elsewhere")) == [looking.folder]


def test_a_phase_whose_failure_ended_the_run_says_why(options: dict[str, Any]) -> None:
    options["set"] |= {"train.lr": 1e30, "train.warmup": 0.0, "train.max_steps": 5}
    with pytest.raises(NonFinite):
        xfer.run("none", **options, name="one")
    found = status.run_status(options["store"] / "runs" / "one")
    assert (found.state, found.counts) == ("stopped", {"failed": 1, "waiting": 2})
    assert "gradient norm" in found.phases[0].note


def document(folder: Path, **changes: Any) -> None:
    path = folder / status.FILE
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_a_process_that_died_leaves_an_interrupted_phase(options: dict[str, Any]) -> None:
    folder = options["store"] / "runs" / "one"
    with pytest.raises(Stopped):
        xfer.run("none", **options, name="one", reporter=Looking(folder, stop_at=1))
    id = status.run_status(folder).phases[0].id
    me = this_process()
    dead = {"host": "here", "tag": me.tag, "pid": me.pid, "started": "1"}
    document(folder, ended=False, process=dead, phases={id: {"state": "running", "step": 1}})
    found = status.run_status(folder)
    assert (found.state, found.phases[0].state, found.process) == ("stopped", "interrupted", "")
    document(folder, process={**dead, "started": me.started})
    assert status.run_status(folder).state == "running"
    # On a machine that cannot be asked: the lock's owner file, renewed lately, says that it lives.
    document(folder, process={**dead, "tag": "ffffffff"})
    assert status.run_status(folder).state == "stopped"
    lock(options["store"], id, Process("another machine", 7, "1"))
    assert status.run_status(folder).state == "running"


def lock(store: Path, id: str, owner: Process) -> None:
    (store / "locks").mkdir(exist_ok=True)
    fields = {"host": owner.host, "pid": owner.pid, "started": owner.started}
    (store / "locks" / f"{id}.owner").write_text(json.dumps(fields))


def test_what_another_process_works_on_is_named(options: dict[str, Any]) -> None:
    folder = options["store"] / "runs" / "one"
    with pytest.raises(Stopped):
        xfer.run("none", **options, name="one", reporter=Looking(folder, stop_at=1))
    lock(options["store"], status.run_status(folder).phases[0].id, this_process())
    found = status.run_status(folder)
    assert (found.state, found.phases[0].state) == ("running", "running")
    assert found.phases[0].note.startswith(f"process {os.getpid()} on ")


@pytest.mark.parametrize(
    "damage", ["", "no json", "[]", '{"phases": [1]}', '{"phases": {"x": 3}}', "NaN", "unknown"]
)
def test_a_progress_file_that_is_absent_or_broken_leaves_what_is_stored(
    options: dict[str, Any], damage: str
) -> None:
    folder = options["store"] / "runs" / "one"
    xfer.run("none", **options, name="one")
    path = folder / status.FILE
    if damage == "unknown":
        ids = [phase.id for phase in status.run_status(folder).phases]
        document(folder, process={"pid": "x"}, ended=False, phases={ids[0]: {"state": "odd", "new": 1}})
    elif damage:
        path.write_text(damage)
    else:
        path.unlink()
    found = status.run_status(folder)
    assert [phase.state for phase in found.phases[1:]] == ["done", "done"]
    assert found.process == ""


def test_no_damage_to_a_progress_file_does_harm(options: dict[str, Any]) -> None:
    """Advisory, and so without a checksum: flipped bits, cuts and foreign values change only what it says."""
    folder = options["store"] / "runs" / "one"
    before = xfer.run("none", **options, name="one")
    path = folder / status.FILE
    good = path.read_bytes()
    damaged = [good[:length] for length in range(0, len(good), 5)]
    for bit in range(0, 8 * len(good), 13):
        flipped = bytearray(good)
        flipped[bit // 8] ^= 1 << bit % 8
        damaged.append(bytes(flipped))
    fields = json.loads(good)
    for name in fields:
        for value in (None, 3, "x", [], {}, [1], {"x": 1}, {"x": {"state": "running"}}):
            damaged += [json.dumps({**fields, name: value, "ended": name != "process"}).encode()]
    for data in damaged:
        path.write_bytes(data)
        found = status.run_status(folder)
        assert [phase.id for phase in found.phases] == [phase.id for phase in before.plan.phases], data
    print(f"\n{len(damaged)} of {len(damaged)} damaged progress files were harmless")
    assert len(damaged) > 300
    path.write_bytes(damaged[-1])
    again = xfer.run("none", **options, name="one")
    assert again.results == before.results
    assert json.loads(path.read_bytes())["ended"] is True, "the next run writes it anew"


def test_failed_phases_say_why() -> None:
    failed = {"state": "failed", "note": "its parent failed", "id": "a", "does": "train", "text": "train x"}
    made = [status.PhaseStatus(**failed, labels=("none", "other"))]
    made += [status.PhaseStatus(state="waiting", id=f"{n}", does="evaluate", text=f"evaluate {n}", labels=())
             for n in range(50)]  # fmt: skip
    run = status.RunStatus(run="r", folder="runs/r", state="failed", phases=tuple(made))
    whole = text(run).splitlines()
    assert len(whole) == 52
    assert whole[1] == "  failed      a  train x: its parent failed"
    short = text(run, 10).splitlines()
    assert len(short) == 10
    assert short[1] == whole[1]
    assert short[-1] == "  … and 43 more"


def test_what_a_failure_says_cannot_drive_the_terminal() -> None:
    said = status.PhaseStatus(
        state="failed", note="\x1b[2J\x1b]0;owned\x07", id="a", does="train", text="train x", labels=()
    )
    shown = text(status.RunStatus(run="r", folder="runs/r", state="failed", phases=(said,)))
    assert "\x1b" not in shown
    assert "\\x1b[2J" in shown


def test_a_place_without_runs_is_refused(run_xfer: Run, tmp_path: Path) -> None:
    outcome = run_xfer("status", tmp_path)
    assert (outcome.status, outcome.out) == (2, "")
    assert outcome.err.startswith("error: no run here")
    folder = tmp_path / "runs" / "one"
    folder.mkdir(parents=True)
    (folder / "plan.json").write_text('{"phases": 3}')
    outcome = run_xfer("status", tmp_path)
    assert outcome.status == 7
    assert "the plan cannot be read" in outcome.err


def test_status_loads_nothing_heavy(options: dict[str, Any]) -> None:
    xfer.run("none", **{**options, "target": "mini-tatoeba"}, name="one")
    code = "import sys; from xfer.cli import run_command; run_command(sys.argv[1:]); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code, "status", str(options["store"])], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert "one: finished" in done.stdout
    assert not {"torch", "numpy", "transformers", "datasets", "pyarrow"} & set(done.stdout.split())


# ---------------------------------------------------------------- what a terminal shows


def planned(options: dict[str, Any]) -> Any:
    from xfer import commands

    return commands.prepare({**options, "strategy": "none"}).plan.phases


def snapshot(step: int) -> Snapshot:
    return Snapshot(
        step=step, total_steps=3, task="x", loss=0.5, learning_rate=1e-5, tokens_per_second=1234.5, seconds_left=61
    )


def shown(view: progress.BarReporter) -> str:
    """What the live part of the view shows now."""
    from rich.console import Console

    console = Console(width=160, file=open(os.devnull, "w"))  # noqa: SIM115
    with console.capture() as captured:
        console.print(*view._progress.get_renderables(), sep="\n")
    return captured.get()


def test_the_live_view_tells_phases_steps_loss_pace_time_left_and_reuse(
    options: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    train, score, other = planned(options)
    view = progress.BarReporter()
    view.run_started((train, score, other))
    assert "3 phases: none done" in shown(view)
    view.phase_finished(other, 0.0, reused=True)
    view.phase_started(train, 1, 3)
    view.step_logged(train, snapshot(2))
    live = shown(view)
    assert "3 phases: 1 reused" in live
    assert "2/3 steps, loss 0.500, 1,234 tokens/s, 1:01 left" in live
    assert "then evaluate mini-xnli" in live
    view.phase_finished(train, 2.0, reused=False)
    view.phase_started(score, 2, 3)
    view.evaluated(score, 1000, 20_000)
    assert "1,000/20,000 tokens" in shown(view)
    view.phase_failed(score, "no memory")
    assert "1 reused, 1 done, 1 failed" in shown(view)
    view.close()
    told = capsys.readouterr().err
    assert "[1/3] train target mini-xnli (seed 0): 2.0 s" in told
    assert "failed: evaluate mini-xnli: no memory" in told
    assert told.rstrip().endswith("reused from the store: 1 phase")


def test_plain_lines_without_a_terminal(options: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    train, score, other = planned(options)
    lines = progress.LineReporter(seconds=0)
    for reused in (other, score):
        lines.phase_finished(reused, 0.0, reused=True)
    lines.phase_started(train, 3, 3)
    lines.step_logged(train, snapshot(1))
    lines.phase_failed(train, "no memory")
    lines.problem(Problem(stage="data", message="rows are missing"))
    lines.close()
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "reused from the store: 2 phases",
        "[3/3] train target mini-xnli (seed 0)",
        "[3/3] train target mini-xnli (seed 0): 1/3 steps, loss 0.500, 1,234 tokens/s, 1:01 left",
        "failed: train target mini-xnli (seed 0): no memory",
        "note: rows are missing",
    ]
