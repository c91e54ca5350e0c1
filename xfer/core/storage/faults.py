"""Faults on demand: the n-th file operation of the process is killed, or fails, so that tests reach every one.

`XFER_FAULT=write:17:kill` kills the process (SIGKILL) at its 17th file operation, `write:17:enospc` makes that
operation fail. All kinds of operations (folders, writes, syncs, renames, removals) share one counter.
"""

import errno
import os
import signal
from collections.abc import Callable

from xfer.core.errors import UserError

VARIABLE = "XFER_FAULT"
_FAILURES = {"enospc": errno.ENOSPC, "edquot": errno.EDQUOT, "eio": errno.EIO, "erofs": errno.EROFS}
_count = 0


def operations() -> int:
    """How many file operations this process has begun."""
    return _count


def operation(half: Callable[[], object] | None = None) -> None:
    """Count one file operation, about to happen; `half` does part of it before a fault strikes.

    Raises:
        OSError: the fault that `XFER_FAULT` asks for.
        UserError: `XFER_FAULT` is not understood.
    """
    global _count
    _count += 1
    asked = os.environ.get(VARIABLE)
    if not asked:
        return
    number, action = _parsed(asked)
    if number != _count:
        return
    if half is not None:
        half()
    if action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    raise OSError(_FAILURES[action], os.strerror(_FAILURES[action]))


def _parsed(asked: str) -> tuple[int, str]:
    kind, _, rest = asked.partition(":")
    number, _, action = rest.partition(":")
    if kind != "write" or not number.isdecimal() or action not in (*_FAILURES, "kill"):
        raise UserError(
            f"{VARIABLE}={asked!r} is not understood",
            fix=f"write:<n>:<action>, with an action among kill, {', '.join(_FAILURES)}",
        )
    return int(number), action
