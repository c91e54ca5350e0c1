"""How much the commands say on stderr: `xfer -q COMMAND` and `xfer -v COMMAND`. Results and errors always come."""

import errno
import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

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


class _Left(io.FileIO):
    """A file descriptor that takes what nobody reads any more (a pipe whose reader has left)."""

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            return memoryview(data).nbytes


def outlive_the_reader() -> None:
    """From now on a reader of stdout that leaves, as `head` does, changes neither the work nor the exit status."""
    out = sys.stdout
    if not isinstance(out, io.TextIOWrapper) or not isinstance(getattr(out.buffer, "raw", out.buffer), io.FileIO):
        return  # a console of Windows, or not the process's own
    out.flush()
    left = _Left(out.fileno(), "wb", closefd=False)
    buffer: Any = io.BufferedWriter(left) if isinstance(out.buffer, io.BufferedWriter) else left
    sys.stdout = io.TextIOWrapper(
        buffer, out.encoding, out.errors, line_buffering=out.line_buffering, write_through=out.write_through
    )


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
