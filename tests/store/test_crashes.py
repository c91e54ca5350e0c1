"""Old or new, never else: each change is killed, or finds the disk full, at every one of its file operations."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import xfer
from xfer.core.errors import ExitStatus
from xfer.core.storage import files
from xfer.core.storage.store import Store

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


def run_all(root: Path, name: str) -> dict[str, list[int]]:
    environment = os.environ | {"PYTHONPATH": str(Path(xfer.__file__).parents[1]), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, scenarios.__file__, str(root), name]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    ends: dict[str, list[int]] = json.loads(done.stdout)
    return ends


def leftovers(root: Path) -> list[str]:
    return [path.name for path in root.rglob("*") if path.name.startswith((".tmp-", ".old-"))]


def check(root: Path, name: str, folder: Path) -> bool:
    """A store is old or new in each part, and the change can be made again; whether it was new."""
    scenario = scenarios.SCENARIOS[name]
    old, new, seen = (scenario.state(Store(each)) for each in (root / "old", root / "new", folder))
    assert set(seen) == set(old)
    for part, value in seen.items():
        assert value in (old[part], new[part]), (folder, part)
    scenario.change(Store(folder))
    again = scenario.state(Store(folder))
    if name == "append":
        again["rows"] = [*old["rows"], again["rows"][-1]]
    assert again == new
    for below in folder.rglob(""):
        files.sweep(below)
    assert leftovers(folder) == []
    return seen == new


@pytest.mark.parametrize("name", NAMES)
def test_a_fault_at_any_file_operation_leaves_old_or_new(tmp_path: Path, name: str) -> None:
    ends = run_all(tmp_path, name)
    assert set(ends["kill"]) == {-signal.SIGKILL}
    assert set(ends["enospc"]) == {ExitStatus.RESOURCES}
    assert len(ends["kill"]) == len(ends["enospc"]) >= LEAST[name]
    if name == "first":
        assert leftovers(tmp_path / "enospc") == []
    # What fails puts back what it had put aside; only a kill needs somebody else to do so.
    assert not [left for left in leftovers(tmp_path / "enospc") if left.startswith(".old-")]
    for action, each in ends.items():
        news = [check(tmp_path, name, tmp_path / action / str(number)) for number in range(1, len(each) + 1)]
        assert len(news) == len(each)
        # The first operation comes too early and, where there is cleaning up to do, the last one too late.
        assert not news[0] or name in ("lock", "same-checkpoint")
