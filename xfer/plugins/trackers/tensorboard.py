"""TensorBoard: event files in `runs/<name>/tensorboard/<phase>` of the store."""

from collections.abc import Mapping
from typing import Any

from xfer.plugins.shared.tracking import Tracked


class PhaseWriter:
    """One phase's event file."""

    def __init__(self, writer: Any) -> None:
        self._writer = writer

    def log(self, values: Mapping[str, float], step: int) -> None:
        """One scalar a number."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def close(self, failed: bool) -> None:
        """Close the file."""
        self._writer.close()


def open_phase(phase: Tracked) -> PhaseWriter:
    """Open the event file of a phase; its settings stand in it as a text."""
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(log_dir=str(phase.folder / "tensorboard" / phase.name))
    lines = "\n".join(f"    {name} = {value}" for name, value in phase.config.items())
    writer.add_text("settings", lines)
    return PhaseWriter(writer)
