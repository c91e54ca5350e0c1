"""`phase.json`: what a stored phase did, on what and where. Written here for every kind of phase."""

from pathlib import Path
from typing import Any

from xfer.core.records import PlannedPhase
from xfer.core.run import Run
from xfer.core.storage import files


def describe(folder: Path, planned: PlannedPhase, run: Run, **more: Any) -> None:
    """Write `phase.json` into a folder that is to be committed; `more` is what its kind adds or says instead."""
    about = {
        "id": planned.id,
        "does": planned.phase.does,
        "identity": planned.identity,
        "model": run.model.name,
        "device": run.device.kind,
        **more,
    }
    files.write_json(folder / "phase.json", about)
