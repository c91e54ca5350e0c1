"""Who wrote this? Names a process so that another one can tell whether it still lives."""

import os
import socket
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path


@dataclass(frozen=True)
class Process:
    """A process: its machine, its number there, and when it started (numbers are used again)."""

    host: str
    pid: int
    started: str

    @property
    def tag(self) -> str:
        """Eight hexadecimal digits that stand for the machine in file names."""
        return sha256(self.host.encode()).hexdigest()[:8]


def this_process() -> Process:
    """The process that asks."""
    return Process(_host(), os.getpid(), _started(os.getpid()) or "0")


def is_alive(tag: str, pid: int, started: str) -> bool | None:
    """Whether a process still runs; None if it ran where its number says nothing: on another machine."""
    me = this_process()
    if tag != me.tag:
        return None
    now = _started(pid)
    if now is not None and Path("/proc/self/stat").exists():
        return now == started
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not Path("/proc/self/stat").exists()


@lru_cache(maxsize=1)
def _host() -> str:
    """Host name, boot and process number space: containers and restarts count as other machines."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    parts = [socket.gethostname(), boot.read_text().strip() if boot.exists() else ""]
    try:
        parts.append(os.readlink("/proc/self/ns/pid"))
    except OSError:
        parts.append("")
    return " ".join(parts)


def _started(pid: int) -> str | None:
    """Start time in clock ticks since boot; None for a process that is gone, a zombie, or unknown."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]
