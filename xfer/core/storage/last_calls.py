"""Which plugin's code a process is in, where another process can read it after this one ended without a word.

A page of memory backed by a file in xfer's own cache: an entry costs no system call, and what stands there outlives
`os._exit`, a crash in native code and SIGKILL. The file goes when the process ends well. Where it cannot be made,
nobody learns the name, and nothing else changes.
"""

import atexit
import json
import mmap
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from xfer.core.storage import disk
from xfer.core.storage.process import is_alive, this_process

VARIABLE = "XFER_CACHE"
_SIZE = 4096
_NAME = re.compile(r"([0-9a-f]{8})-(\d{1,9})-(\d{1,20})")
_FOREIGN_LIFETIME = 7 * 24 * 3600.0
"""Seconds after which the note of another machine's process is removed unread."""
_page: tuple[int, mmap.mmap | None] = (0, None)


def cache_folder() -> Path:
    """Where xfer keeps what it knows about installed plugins: XFER_CACHE, or `xfer` in the user's cache folder."""
    given = os.environ.get(VARIABLE)
    return Path(given) if given else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "xfer"


@dataclass(frozen=True)
class LastCall:
    """Code of a plugin in which a process ended that said nothing more."""

    plugin: str
    distribution: str
    version: str
    doing: str
    pid: int
    when: float
    """Seconds since 1970."""
    path: Path


@contextmanager
def calling(plugin: str, distribution: str, version: str, doing: str) -> Iterator[None]:
    """Note that the block runs a plugin's code; inside another such block, that one counts again afterwards."""
    page = _own_page()
    if page is None:
        yield
        return
    before = page[:]
    note = json.dumps([plugin[:64], distribution[:200], version[:64], doing[:200]]).encode() + b"\n"
    page[: len(note)] = note
    try:
        yield
    finally:
        page[:] = before


def last_calls() -> list[LastCall]:
    """Notes of processes of this machine that ended without a word, the newest last; empty ones are removed."""
    found = []
    folder = cache_folder() / "calls"
    with suppress(OSError):
        for path in folder.iterdir() if folder.is_dir() else ():
            match = _NAME.fullmatch(path.name)
            alive = is_alive(match[1], int(match[2]), match[3]) if match else True
            when = path.lstat().st_mtime
            if alive is None and time.time() - when > _FOREIGN_LIFETIME:
                forget(path)
            if match is None or alive is not False or path.is_symlink():
                continue
            note = _read(path)
            if note is None:
                forget(path)
            else:
                found.append(LastCall(*note, int(match[2]), when, path))
    return sorted(found, key=lambda call: call.when)


def forget(path: Path) -> None:
    """Remove a note, if it is there and may go."""
    disk.discard(path, quietly=True)


def _read(path: Path) -> tuple[str, str, str, str] | None:
    line = path.read_bytes()[:_SIZE].partition(b"\n")[0]
    with suppress(ValueError, TypeError, RecursionError):
        plugin, distribution, version, doing = map(str, json.loads(line))
        return plugin, distribution, version, doing
    return None


def _own_page() -> mmap.mmap | None:
    """This process's page, made when it is first asked for; a forked process makes its own."""
    global _page
    if _page[0] != os.getpid():
        me = this_process()
        path = cache_folder() / "calls" / f"{me.tag}-{me.pid}-{me.started}"
        page = None
        with suppress(OSError):
            page = disk.shared_page(path, _SIZE)
            atexit.register(_close, path, me.pid)
        _page = me.pid, page
    return _page[1]


def _close(path: Path, pid: int) -> None:
    if os.getpid() == pid:
        forget(path)
