"""Small runs of the bundled suite with a random encoder, each made once a session."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from xfer import commands


@pytest.fixture(scope="session")
def shared_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("strategies") / "store"


@pytest.fixture(scope="session")
def small(tiny_encoder: Callable[[str], Path], shared_store: Path) -> Callable[..., dict[str, Any]]:
    """`small("none", …, target=…)` gives the options of a run that takes a second or two."""

    def options(*strategies: str, **changes: Any) -> dict[str, Any]:
        settings: Mapping[str, Any] = {"train.epochs": 1, "train.batch_size": 8, "train.max_length": 64}
        fields: dict[str, Any] = {
            "strategy": strategies,
            "model": str(tiny_encoder("xlm-roberta")),
            "store": shared_store,
            "target": ("mini-xnli",),
            "language": ("en", "de"),
            "limit": {"train": 16, "dev": 8, "test": 8},
        }
        return {**fields, **changes, "set": {**settings, **changes.get("set", {})}}

    return options


@pytest.fixture(scope="session")
def planned(small: Callable[..., dict[str, Any]]) -> Callable[..., commands.Prepared]:
    """`planned("mlm-stilts")` prepares a run without starting it."""

    def prepare(*strategies: str, **changes: Any) -> commands.Prepared:
        return commands.prepare(small(*strategies, **{"name": "planned", **changes}))

    return prepare


@pytest.fixture(scope="session")
def run(small: Callable[..., dict[str, Any]]) -> Callable[..., commands.RunResult]:
    """`run("none", "mlm-stilts")` runs them and gives the result."""

    def start(*strategies: str, **changes: Any) -> commands.RunResult:
        fields = small(*strategies, **changes)
        return commands.run(fields.pop("strategy"), **fields)

    return start
