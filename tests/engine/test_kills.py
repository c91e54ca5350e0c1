"""Runs that end by force, and the same command again: the same rows, bit for bit."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.engine.conftest import TOY, Kit
from xfer import commands
from xfer.core.storage import faults
from xfer.testing.pytest_plugin import Outcome

KILLER = Path(__file__).parent / "killer.py"
Run = Callable[..., Outcome]


def command(kit: Kit, store: Path) -> list[str]:
    """One seed, two targets, a mixture as intermediate phase; a checkpoint after every step."""
    return [
        "run", "--suite", "toy", "--plugin", str(TOY), "--plugin", str(KILLER), "--model", str(kit.model),
        "--strategy", "english-stilts", "--intermediate", "toy-more,toy-tag", "--target", "toy-class,toy-pairs",
        "--set", "train.max_steps=5", "--set", "engine.checkpoint_seconds=0", "--set", "engine.log_seconds=1e-9",
        "--store", str(store), "--name", "killed", "--json",
    ]  # fmt: skip


def process(arguments: list[str], **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "xfer", *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def final(outcome: Outcome) -> list[dict[str, Any]]:
    assert outcome.status == 0, outcome.err
    return [{**row, "seconds": 0} for row in json.loads(outcome.out)["results"]]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, tiny_encoder: Callable[[str], Path]) -> list[dict[str, Any]]:
    """Rows of an uninterrupted run."""
    result = commands.run(
        "english-stilts",
        suite="toy",
        plugin=(TOY, KILLER),
        model=str(tiny_encoder("xlm-roberta")),
        intermediate="toy-more,toy-tag",
        target=("toy-class", "toy-pairs"),
        set={"train.max_steps": 5},
        store=tmp_path_factory.mktemp("whole") / "store",
        name="killed",
    )
    rows = result.document()["results"]
    assert {row["task"] for row in rows} == {"toy-class", "toy-pairs"}
    return [{**row, "seconds": 0} for row in rows]


def test_killed_while_training_in_either_phase(kit: Kit, whole: list[dict[str, Any]], run_xfer: Run) -> None:
    arguments = command(kit, kit.store)
    for place in ("intermediate:3", "target:4"):
        killed = process(arguments, XFER_TEST_SIGNAL=f"{place}:KILL")
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        assert killed.stdout == ""
        assert len(list(kit.store.glob("phases/*.partial/step-*"))) == 2, place
    again = run_xfer(*arguments)
    assert final(again) == whole
    assert "intermediate" not in again.err  # it was stored before the second kill
    assert not list(kit.store.glob("phases/*.partial"))


@pytest.mark.parametrize("share", [0.35, 0.8])
def test_killed_while_writing(kit: Kit, share: float, run_xfer: Run) -> None:
    before = faults.operations()
    rows = final(run_xfer(*command(kit, kit.store.with_name("whole"))))
    number = int((faults.operations() - before) * share)
    killed = process(command(kit, kit.store), XFER_FAULT=f"write:{number}:kill")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert final(run_xfer(*command(kit, kit.store))) == rows
    left = [path.name for path in kit.store.rglob("*") if path.name.startswith(".tmp-") or ".old-" in path.name]
    assert left == []


def test_a_full_disk_ends_the_run_and_loses_nothing(
    kit: Kit, whole: list[dict[str, Any]], run_xfer: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XFER_FAULT", f"write:{faults.operations() + 60}:enospc")
    full = run_xfer(*command(kit, kit.store))
    assert full.status == 9
    assert full.out == ""
    assert "error: " in full.err
    monkeypatch.delenv("XFER_FAULT")
    assert final(run_xfer(*command(kit, kit.store))) == whole


@pytest.mark.parametrize(("signals", "status"), [("TERM", 75), ("USR1", 75), ("INT", 130), ("INT,INT", 130)])
def test_signals_stop_the_command_with_a_status_and_it_continues(
    kit: Kit,
    whole: list[dict[str, Any]],
    run_xfer: Run,
    monkeypatch: pytest.MonkeyPatch,
    signals: str,
    status: int,
) -> None:
    monkeypatch.setenv("XFER_TEST_SIGNAL", f"target:2:{signals}")
    stopped = run_xfer(*command(kit, kit.store))
    assert stopped.status == status, stopped.err
    assert stopped.out == ""
    if "," not in signals:
        assert "error: stopped as asked after step 2 of 5" in stopped.err
        assert "issue the same command again" in stopped.err
    monkeypatch.delenv("XFER_TEST_SIGNAL")
    assert final(run_xfer(*command(kit, kit.store))) == whole
