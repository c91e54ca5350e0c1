"""What every tracker is told of a phase, and what one must answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

PROJECT = "xfer"
"""Project, or experiment, that runs are filed under."""


@dataclass(frozen=True)
class Tracked:
    """A phase as trackers see it: one run of theirs."""

    run: str
    """Name of the xfer run, which groups its phases."""
    folder: Path
    """The run's folder in the store."""
    name: str
    """Kind, tasks, seed and the first characters of the id: unlike any other phase's."""
    config: Mapping[str, Any]
    """What the phase does, flat: id, tasks, languages, seed, settings by dotted name."""


class Writer(Protocol):
    """Where one phase is written to."""

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Numbers by name at an optimizer step; scores come at step 0."""

    def close(self, failed: bool) -> None:
        """The phase is over."""


def tracked(run: Any, planned: Any) -> Tracked:
    """A planned phase of a run as trackers see it."""
    phase = planned.phase
    tasks = list(dict.fromkeys(use.task for use in phase.uses))
    seed = "" if planned.seed is None else f"-seed{planned.seed}"
    settings = {
        f"{task or 'phase'}.{name}": value
        for task, held in planned.settings.items()
        for name, value in held.model_dump(mode="json").items()
        if isinstance(value, int | float | str)
    }
    config = {
        "id": planned.id,
        "does": phase.does,
        "role": phase.role,
        "tasks": ",".join(tasks),
        "languages": ",".join(dict.fromkeys(code for use in phase.uses for code in use.languages)),
        "seed": planned.seed if planned.seed is not None else "",
        "model": run.model.name,
        "suite": run.suite.name,
        "device": run.device.kind,
    }
    name = f"{phase.does}-{'-'.join(tasks) or phase.name}{seed}-{planned.id[:8]}".replace("/", ".")
    return Tracked(run.name, run.store.run_folder(run.name), name, {**config, **settings})
