"""Tokenise a run's data beforehand, made again from its folder: what `xfer data tokenise` does, as a function."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from xfer import grid
from xfer.core.errors import ExitStatus, Stopped

if TYPE_CHECKING:
    from xfer.core.engine.beforehand import Tokenised, Undone

GRACE = 5.0
"""Seconds that a process whose parent ended has to clear up."""
NICENESS = 10
"""How much a process that works ahead of another yields to it."""


def tokenise(folder: Path, ahead: bool = False) -> "Iterator[Tokenised | Undone]":
    """Tokenise what the phases of a run need that are still to run, whichever device they are planned for.

    With `ahead`, as the process that a run starts beside itself: of lower priority, and ended with standard input.
    Raises UserError as `grid.reopen` does, Stopped for a signal, OutOfResources.
    """
    with _stopping():
        if ahead:
            with suppress(OSError):
                os.nice(NICENESS)
            threading.Thread(target=_end_with_input, daemon=True).start()
        from xfer.core.engine.beforehand import tokenise as work

        prepared = grid.reopen(folder, computing=False)
        yield from work(prepared.plan, prepared.run, ahead)


@contextmanager
def _stopping() -> Iterator[None]:
    """Within the block, a signal that asks to stop raises Stopped at once: what is half made is cleared away."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise Stopped("stopped as asked; what was tokenised is stored", fix="issue the same command again")

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGUSR1)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_with_input() -> None:
    """End this process when standard input ends, which it does with whoever holds its other end."""
    with suppress(OSError):
        while os.read(0, 1):
            pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE)
    os._exit(ExitStatus.STOPPED)
