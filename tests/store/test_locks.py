import errno
import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import xfer
from xfer.core.errors import ExitStatus, Locked, UserError
from xfer.core.storage import locks
from xfer.core.storage.locks import phase_lock
from xfer.core.storage.process import this_process
from xfer.core.storage.store import Store

from . import lock_worker


def start(root: Path, *arguments: str) -> "subprocess.Popen[str]":
    environment = os.environ | {"PYTHONPATH": str(Path(xfer.__file__).parents[1])}
    command = [sys.executable, lock_worker.__file__, str(root), *arguments]
    return subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def is_free(store: Store) -> bool:
    try:
        with phase_lock(store, "a1"):
            return True
    except Locked:
        return False


def test_two_processes_contend(tmp_path: Path) -> None:
    store = Store(tmp_path)
    first = start(tmp_path, "hold")
    assert line(first).startswith("held")
    second = start(tmp_path, "hold")
    told = second.communicate()[0]
    assert second.returncode == ExitStatus.LOCKED
    assert f"process {first.pid} on " in told
    with pytest.raises(Locked, match=f"phase a1 is being worked on by process {first.pid}"):
        phase_lock(store, "a1").__enter__()
    with phase_lock(store, "b2"):
        pass
    waiting = start(tmp_path, "hold", "wait")
    first.communicate()
    assert first.returncode == 0
    assert line(waiting).startswith("held")
    assert not is_free(store)
    waiting.kill()
    waiting.wait()
    assert is_free(store)
    assert [path.name for path in (tmp_path / "locks").glob("*.owner")] == []


def test_a_lock_ends_with_its_process_though_its_children_live(tmp_path: Path) -> None:
    owner = start(tmp_path, "fork")
    child = int(line(owner).split()[1])
    try:
        assert not is_free(Store(tmp_path))
        owner.send_signal(signal.SIGKILL)
        owner.wait()
        os.kill(child, 0)
        assert is_free(Store(tmp_path))
    finally:
        os.kill(child, signal.SIGKILL)


def test_eight_processes_and_one_winner(tmp_path: Path) -> None:
    racing = start(tmp_path, "race")
    rounds = json.loads(racing.communicate()[0])
    assert rounds == [1] * 10


def test_threads_of_one_process_exclude_each_other(tmp_path: Path) -> None:
    store = Store(tmp_path)
    seen = []
    with phase_lock(store, "a1"):
        thread = threading.Thread(target=lambda: seen.append(is_free(store)))
        thread.start()
        thread.join()
        assert not is_free(Store(tmp_path))
        # Closing any descriptor of a file ends the record lock on it: those who were refused must not have.
        (tmp_path / "locks" / "a1.owner").unlink()
        other = start(tmp_path, "hold")
        assert "worked on by another process" in other.communicate()[0]
    assert seen == [False]
    assert is_free(store)


def test_an_error_lets_go(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(KeyboardInterrupt), phase_lock(store, "a1"):
        raise KeyboardInterrupt
    assert is_free(store)


def forge(root: Path, age: float = 0.0, **fields: Any) -> None:
    me = this_process()
    (root / "locks").mkdir(exist_ok=True)
    record = {"host": me.host, "pid": me.pid, "started": me.started} | fields
    (root / "locks" / "a1.owner").write_text(json.dumps(record))
    os.utime(root / "locks" / "a1.owner", (time.time() - age,) * 2)


def started(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]


def test_stale_owners_are_replaced_and_live_ones_are_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "_SETTLE", 0.01)
    dead = subprocess.Popen(["true"])
    dead.wait()
    zombie = subprocess.Popen(["sleep", "60"])
    since = started(zombie.pid)
    zombie.kill()
    os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
    parent = os.getppid()
    cases: list[tuple[bool, float, dict[str, Any]]] = [
        (True, 0, {"pid": dead.pid}),
        (True, 0, {"pid": zombie.pid, "started": since}),
        (True, 0, {"pid": parent, "started": "1"}),  # the number was used again
        (False, 0, {"pid": parent, "started": started(parent)}),
        (False, 999, {"pid": parent, "started": started(parent)}),  # stopped, perhaps, but it lives
        (False, 0, {"host": "elsewhere"}),
        (False, 60, {"host": "elsewhere"}),
        (False, -3600, {"host": "elsewhere"}),  # its clock is ahead
        (True, 121, {"host": "elsewhere"}),
        (True, 0, {"host": 7, "pid": "x"}),
    ]
    for free, age, fields in cases:
        forge(tmp_path, age, **fields)
        assert is_free(Store(tmp_path)) == free, (age, fields)
    zombie.wait()
    (tmp_path / "locks" / "a1.owner").write_text('{"torn')
    assert is_free(Store(tmp_path))


def test_of_two_machines_that_take_over_the_first_gives_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forge(tmp_path, 500, host="elsewhere")
    monkeypatch.setattr(locks, "_SETTLE", 0.0)
    monkeypatch.setattr(time, "sleep", lambda seconds: forge(tmp_path, 0, host="third"))
    assert not is_free(Store(tmp_path))
    assert json.loads((tmp_path / "locks" / "a1.owner").read_text())["host"] == "third"


def test_owners_exclude_each_other_without_record_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(*arguments: object) -> None:
        raise OSError(errno.ENOLCK, "no locks here")

    owner = start(tmp_path, "hold")
    line(owner)
    monkeypatch.setattr(fcntl, "lockf", unsupported)
    assert not is_free(Store(tmp_path))
    owner.kill()
    owner.wait()
    assert is_free(Store(tmp_path))


def test_the_owner_shows_that_it_lives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "HEARTBEAT", 0.02)
    with phase_lock(Store(tmp_path), "a1"):
        owner = tmp_path / "locks" / "a1.owner"
        os.utime(owner, (1, 1))
        until = time.monotonic() + 10
        while owner.stat().st_mtime < 2 and time.monotonic() < until:
            time.sleep(0.01)
        assert time.time() - owner.stat().st_mtime < 60
    assert not owner.exists()


def test_a_store_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "locks").write_text("a file")
    with pytest.raises(UserError, match="cannot write"):
        phase_lock(Store(tmp_path), "a1").__enter__()
