"""A failure in words, from one process of a group to another: kind, message and status."""

from collections.abc import Mapping
from typing import Any

from xfer.core import errors
from xfer.core.errors import ExitStatus, Stopped, XferError


class Lost(Stopped):
    """A rank ended, so that the others cannot go on. What was stored stays; the same command continues."""


def described(error: BaseException) -> dict[str, Any]:
    """A failure as JSON."""
    if not isinstance(error, XferError):
        what = f"{type(error).__name__}: {error}"
        return {"kind": "", "what": what, "where": "", "fix": "", "status": int(ExitStatus.INTERNAL)}
    kind, status = type(error).__name__, int(error.status)
    return {"kind": kind, "what": error.what, "where": error.where, "fix": error.fix, "status": status}


def rebuilt(about: Mapping[str, Any], rank: int = 0) -> XferError:
    """The failure that `described` put into words; a follower's says its rank."""
    known = {"Lost": Lost, **vars(errors)}
    kind = known.get(about["kind"])
    plain = isinstance(kind, type) and issubclass(kind, XferError) and kind.__init__ is XferError.__init__
    what = f"rank {rank}: {about['what']}" if rank else str(about["what"])
    error = (kind if plain else XferError)(what, about["where"], about["fix"])  # type: ignore[misc]
    error.status = ExitStatus(about["status"])
    return error
