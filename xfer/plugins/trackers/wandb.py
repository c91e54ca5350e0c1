"""Weights & Biases: a run a phase, by its own settings (WANDB_MODE=offline keeps all on this machine)."""

from collections.abc import Mapping
from typing import Any

from xfer.plugins.shared.tracking import PROJECT, Tracked


class PhaseWriter:
    """One phase's run."""

    def __init__(self, run: Any) -> None:
        self._run = run

    def log(self, values: Mapping[str, float], step: int) -> None:
        """All numbers of a step."""
        self._run.log(dict(values), step=step)

    def close(self, failed: bool) -> None:
        """Finish the run."""
        self._run.finish(exit_code=int(failed))


def open_phase(phase: Tracked) -> PhaseWriter:
    """Begin a run of project "xfer" (or WANDB_PROJECT), in the group of the xfer run; files lie in its folder."""
    import os

    import wandb

    run = wandb.init(
        project=os.environ.get("WANDB_PROJECT", PROJECT), group=phase.run, name=phase.name,
        config=dict(phase.config), dir=str(phase.folder), reinit="finish_previous",
    )  # fmt: skip
    return PhaseWriter(run)
