"""What can go wrong, and the one list of exit statuses.

A user's mistake is a `UserError`: it says what, where and how to mend it, and the command line prints it
without a stack trace. Anything that is not an `XferError` is a bug in xfer and leaves with status 1.
"""

import difflib
from collections.abc import Iterable, Sequence
from enum import IntEnum

_JOINERS = "\u200c\u200d\u00a0\u3000"
"""Not printable by Python's count, harmless, and part of texts in Persian, Hindi, French and Chinese."""


class ExitStatus(IntEnum):
    """The exit statuses of every `xfer` command."""

    DONE = 0
    INTERNAL = 1
    """A bug in xfer."""
    USER = 2
    """The user's mistake: arguments, configuration, data rows."""
    SOME_FAILED = 3
    """Finished, but some cells failed."""
    PLUGIN = 5
    """A plugin failed."""
    LOCKED = 6
    """Another process works on the same phase."""
    DAMAGED = 7
    """Stored state is damaged and cannot be recovered."""
    NON_FINITE = 8
    """A loss or gradient was not finite."""
    RESOURCES = 9
    """Disk or memory ran out."""
    STOPPED = 75
    """Stopped by a signal: issue the same command again to continue."""
    INTERRUPTED = 130
    """Ctrl-C."""


class XferError(Exception):
    """A failure that xfer understands. `what` went wrong, `where`, and how to `fix` it."""

    status = ExitStatus.INTERNAL

    def __init__(self, what: str, where: str = "", fix: str = "") -> None:
        super().__init__(what)
        self.what, self.where, self.fix = what, where, fix

    def __str__(self) -> str:
        parts = [self.what]
        if self.where:
            parts.append(f"  where: {self.where}")
        if self.fix:
            parts.append(f"  mend:  {self.fix}")
        return "\n".join(parts)


class UserError(XferError):
    """A mistake in arguments, configuration or data rows."""

    status = ExitStatus.USER


class DataError(UserError):
    """A fault in data rows: the message names file and row."""


class UnknownName(UserError):
    """A name that nothing answers to; near names are suggested."""

    def __init__(self, kind: str, name: str, known: Iterable[str], extra: str = "") -> None:
        names = sorted(known)
        close = near(name, names)
        fix = f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(names) or 'none'}"
        super().__init__(f"no {kind} named {name!r}", fix=f"{fix} {extra}".strip())
        self.kind, self.name = kind, name


class PluginError(XferError):
    """A plugin failed where its answer was needed."""

    status = ExitStatus.PLUGIN


class Locked(XferError):
    """Another process works on the same phase or run."""

    status = ExitStatus.LOCKED


class Damaged(XferError):
    """Stored state does not verify and cannot be computed again."""

    status = ExitStatus.DAMAGED


class NonFinite(XferError):
    """A loss or gradient norm is NaN or infinite."""

    status = ExitStatus.NON_FINITE


class OutOfResources(XferError):
    """Disk or memory ran out."""

    status = ExitStatus.RESOURCES


class Stopped(XferError):
    """A signal asked for a stop; the state is saved."""

    status = ExitStatus.STOPPED


class Problems(UserError):
    """Several mistakes, told in one go."""

    def __init__(self, problems: Sequence[UserError]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


def printable(text: str) -> str:
    """`text` as a terminal may show it: control characters, and those that turn the line round, are escaped."""
    return "".join(
        char if char == "\n" or char.isprintable() or char in _JOINERS else char.encode("unicode_escape").decode()
        for char in text
    )


def near(name: str, known: Iterable[str], limit: int = 3) -> list[str]:
    """Names close to `name`, best first."""
    return difflib.get_close_matches(name, list(known), n=limit, cutoff=0.5)


def raise_all(problems: Sequence[UserError]) -> None:
    """Raise what was collected: nothing, the one error, or all of them in one message."""
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise Problems(problems)
