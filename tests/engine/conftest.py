"""The toy suite on tiny encoders: plans, jobs and whole runs in this process."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from xfer import commands
from xfer.core.records import PlannedPhase, ResultRow

TOY = Path(__file__).parent / "toy.py"
Make = Callable[..., commands.Prepared]


@dataclass(frozen=True)
class Kit:
    """What tests of the engine start from."""

    store: Path
    model: Path
    calm: Path
    """The same encoder without dropout."""

    def flags(self, **options: Any) -> dict[str, Any]:
        """Options of a run on the toy suite, quick and without network."""
        fixed = {"suite": "toy", "plugin": TOY, "model": str(self.model), "store": self.store, "strategy": "none"}
        return {**fixed, "target": "toy-class", "name": "run", **options}

    def prepare(self, **options: Any) -> commands.Prepared:
        """A planned run."""
        return commands.prepare(self.flags(**options))

    def run(self, **options: Any) -> commands.RunResult:
        """A run to its end."""
        return commands.execute(self.prepare(**options))

    def diary(self) -> list[str]:
        """Names and tasks of the phases that started in the store, and forget them."""
        path = self.store / "diary.txt"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return lines


@pytest.fixture
def kit(tmp_path: Path, tiny_encoder: Callable[..., Path], calm_encoder: Path) -> Kit:
    """A kit with a store of its own."""
    return Kit(tmp_path / "store", tiny_encoder("xlm-roberta"), calm_encoder)


@pytest.fixture(scope="session")
def calm_encoder(tmp_path_factory: pytest.TempPathFactory, tiny_encoder: Callable[..., Path]) -> Path:
    """A tiny encoder without dropout."""
    folder = tmp_path_factory.mktemp("calm") / "calm"
    shutil.copytree(tiny_encoder("xlm-roberta"), folder)
    config = json.loads((folder / "config.json").read_text())
    config |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def training(prepared: commands.Prepared, name: str = "target") -> PlannedPhase:
    """The first training phase of that name."""
    return next(planned for planned in prepared.plan.phases if planned.phase.name == name)


QUICK = {"train.max_steps": 2}


def rows(result: commands.RunResult) -> list[ResultRow]:
    """Result rows without what may differ between two runs of the same work."""
    return [row.model_copy(update={"seconds": 0.0, "run": ""}) for row in result.results]
