"""A plugin that sends signals to its own process: `XFER_TEST_SIGNAL=target:3:KILL` in step 3 of phase `target`."""

import os
import signal
from typing import Any

from xfer.api import Phase, hookimpl


@hookimpl
def xfer_step_logged(phase: Phase, snapshot: Any) -> None:
    """Strike, where asked for; several signals are sent one after the other."""
    name, _, rest = os.environ.get("XFER_TEST_SIGNAL", "").partition(":")
    step, _, numbers = rest.partition(":")
    if phase.name == name and str(snapshot.step) == step:
        for number in numbers.split(","):
            os.kill(os.getpid(), signal.Signals[f"SIG{number}"])
