"""How much the commands say on stderr: `xfer -q COMMAND` and `xfer -v COMMAND`. Results and errors always come."""

import errno
import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from xfer.core.errors import OutOfResources


@dataclass
class Verbosity:
    """What this process was asked for."""

    quiet: bool = False
    verbose: bool = False


asked = Verbosity()


def choose(quiet: bool = False, verbose: bool = False) -> None:
    """Say so little or so much from now on."""
    asked.quiet, asked.verbose = quiet, verbose


def note(message: str) -> None:
    """A line on stderr, unless all was to be quiet."""
    if not asked.quiet:
        print(message, file=sys.stderr)


@contextmanager
def printing() -> Iterator[None]:
    """A command that prints: what the terminal's alphabet lacks is escaped.

    Raises OutOfResources where the output goes to a disk that is full.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        yield
        sys.stdout.flush()
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        sys.stdout = io.StringIO()  # the rest would fail again when the process ends
        raise OutOfResources(
            "disk full: what the command prints does not fit",
            where="standard output",
            fix="make room where it goes and issue the command again; what was computed is stored",
        ) from error
