"""How much the commands say on stderr: `xfer -q COMMAND` and `xfer -v COMMAND`. Results and errors always come."""

import sys
from dataclasses import dataclass


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
