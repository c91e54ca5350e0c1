"""Old or new, never else: each change is killed, or finds the disk full, at every one of its file operations."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import xfer
from xfer.core import files
from xfer.core.errors import ExitStatus
from xfer.core.store import Store

from . import scenarios

# File operations that each change has at least; more are welcome, fewer mean that some are not counted.
LEAST = {
    "commit": 18,
    "first": 22,
    "replace": 21,
    "drop": 7,
    "run": 20,
    "first-run": 26,
    "append": 3,
    "lock": 9,
    "checkpoint": 21,
    "same-checkpoint": 22,
}


NAMES = [pytest.param(name, marks=pytest.mark.slow if name == "same-checkpoint" else ()) for name in LEAST]


def run_all(root: Path, name: str, action: str) -> list[int]:
    environment = os.environ | {"PYTHONPATH": str(Path(xfer.__file__).parents[1]), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, scenarios.__file__, str(root), name, action]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["operations"] == len(told["ends"]) >= LEAST[name]
    ends: list[int] = told["ends"]
    return ends


def leftovers(root: Path) -> list[str]:
    return [path.name for path in root.rglob("*") if path.name.startswith((".tmp-", ".old-"))]


def check(root: Path, name: str, count: int) -> int:
    """Every store is old or new in each part, and the change can be made again; how many were new."""
    scenario = scenarios.SCENARIOS[name]
    old, new = scenario.state(Store(root / "old")), scenario.state(Store(root / "new"))
    finished = 0
    for number in range(1, count + 1):
        seen = scenario.state(Store(root / str(number)))
        assert set(seen) == set(old)
        for part, value in seen.items():
            assert value in (old[part], new[part]), (number, part)
        finished += seen == new
        again = Store(root / str(number))
        scenario.change(again)
        seen = scenario.state(Store(root / str(number)))
        assert seen == new or name == "append"
        for folder in (root / str(number)).rglob(""):
            files.sweep(folder)
        assert leftovers(root / str(number)) == []
    return finished


@pytest.mark.parametrize("name", NAMES)
def test_a_kill_at_any_file_operation_leaves_old_or_new(tmp_path: Path, name: str) -> None:
    ends = run_all(tmp_path, name, "kill")
    assert set(ends) == {-signal.SIGKILL}
    finished = check(tmp_path, name, len(ends))
    assert finished < len(ends) or name in ("lock", "same-checkpoint")


@pytest.mark.parametrize("name", NAMES)
def test_a_full_disk_at_any_file_operation_leaves_old_or_new(tmp_path: Path, name: str) -> None:
    ends = run_all(tmp_path, name, "enospc")
    assert set(ends) == {ExitStatus.RESOURCES}
    if name == "first":
        assert leftovers(tmp_path) == []
    check(tmp_path, name, len(ends))
