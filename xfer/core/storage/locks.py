"""One process a phase: a lock that ends with its owner, and says who that is.

Two means together. The system's record lock on `locks/<id>.lock` excludes processes of one machine, and of
several where the file system supports it; it ends when its process does, and forked workers do not inherit it.
`locks/<id>.owner` names the owner; its modification time is renewed every ten seconds, so that machines whose
file system grants record locks to everybody still see each other.
"""

import fcntl
import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from xfer.core.errors import Locked
from xfer.core.storage import disk, files
from xfer.core.storage.process import Process, is_alive, this_process
from xfer.core.storage.store import Store

HEARTBEAT = 10.0
"""Seconds between renewals."""
STALE = 120.0
"""Seconds without renewal after which an owner on another machine is taken for dead."""
_SETTLE = 1.0
"""Seconds in which another machine may have taken over the same dead owner's lock."""
_POLL = 0.2
_held: set[Path] = set()
_held_guard = threading.Lock()


@contextmanager
def phase_lock(store: Store, id: str, wait: bool = False) -> Iterator[None]:
    """Hold a phase of the store. With `wait`, until it is free; look into the store again after that.

    Raises:
        Locked: another process, or another thread of this one, holds it.
    """
    path = (store.root / "locks" / store.phase_folder(id).name).absolute()
    files.ensure_folder(path.parent)
    while True:
        try:
            descriptor = _acquire(path)
            break
        except Locked:
            if not wait:
                raise
            time.sleep(_POLL)
    done = threading.Event()
    threading.Thread(target=_renew, args=(_owner_file(path), done), daemon=True).start()
    try:
        yield
    finally:
        done.set()
        _release(path, descriptor)


def worker(store: Store, id: str) -> Process | None:
    """Who works on a phase now; None for nobody, or one that died."""
    owner_file = _owner_file((store.root / "locks" / id).absolute())
    owner = _read_owner(owner_file)
    if owner is None:
        return None
    alive = is_alive(owner.tag, owner.pid, owner.started)
    try:
        fresh = time.time() - owner_file.stat().st_mtime < STALE
    except OSError:
        return None
    return owner if alive or (alive is None and fresh) else None


def _acquire(path: Path) -> int:
    """The open lock file, locked and owned; raises Locked."""
    with _held_guard:  # record locks do not tell threads of one process apart
        if path in _held:
            raise _locked(path)
        _held.add(path)
    descriptor = -1
    try:
        with files.disk_errors(path):
            descriptor = disk.open_lock(path.with_suffix(".lock"))
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError) as error:  # systems differ
            raise _locked(path) from error
        except OSError:
            pass  # no record locks on this file system: the owner file decides
        _take_over(path, descriptor)
        return descriptor
    except BaseException:
        _let_go(path, descriptor)
        raise


def _take_over(path: Path, descriptor: int) -> None:
    """Become the owner, in place of none or a dead one; raises Locked."""
    owner_file = _owner_file(path)
    contested = False
    now = os.fstat(descriptor).st_mtime  # the file system's clock, which also stamps the renewals
    with suppress(FileNotFoundError):
        renewed = owner_file.stat().st_mtime
        owner = _read_owner(owner_file)
        # An unreadable one was torn by a crash, for owners write it while they hold the record lock.
        if owner is not None:
            alive = is_alive(owner.tag, owner.pid, owner.started)
            if alive or (alive is None and now - renewed < STALE):
                raise _locked(path)
            contested = alive is None
        files.remove(owner_file)
    me = this_process()
    data = json.dumps({"host": me.host, "pid": me.pid, "started": me.started}).encode()
    try:
        files.create_bytes(owner_file, data)
    except FileExistsError as error:
        raise _locked(path) from error
    if contested:
        time.sleep(_SETTLE)
        if _read_owner(owner_file) != me:
            raise _locked(path)


def _release(path: Path, descriptor: int) -> None:
    if _read_owner(_owner_file(path)) == this_process():
        files.remove(_owner_file(path))
    _let_go(path, descriptor)


def _let_go(path: Path, descriptor: int) -> None:
    if descriptor >= 0:
        os.close(descriptor)
    with _held_guard:
        _held.discard(path)


def _renew(owner_file: Path, done: threading.Event) -> None:
    while not done.wait(HEARTBEAT):
        with suppress(OSError):
            disk.renew(owner_file)


def _owner_file(path: Path) -> Path:
    return path.with_suffix(".owner")


def _read_owner(owner_file: Path) -> Process | None:
    try:
        fields = json.loads(owner_file.read_bytes())
        return Process(str(fields["host"]), int(fields["pid"]), str(fields["started"]))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _locked(path: Path) -> Locked:
    owner = _read_owner(_owner_file(path))
    who = f"process {owner.pid} on {owner.host.split()[0]}" if owner else "another process"
    return Locked(
        f"phase {path.name} is being worked on by {who}",
        where=str(_owner_file(path)),
        fix="wait for it, or stop it and issue the same command again",
    )
