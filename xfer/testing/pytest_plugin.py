"""pytest fixtures: the command in this process, a plugin manager without installed plugins, a tiny encoder.

xfer is imported inside the fixtures, so that pytest starts fast and coverage sees every line.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from xfer.core.manager import PluginManager
    from xfer.testing.encoders import Kind


class Outcome(NamedTuple):
    """What a command left behind."""

    status: int
    out: str
    err: str


@pytest.fixture
def run_xfer(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """`run_xfer("run", "--dry-run")` runs the command in this process."""

    def run(*arguments: object) -> Outcome:
        from xfer.cli import run_command

        capsys.readouterr()
        status = int(run_command([str(argument) for argument in arguments]))
        return Outcome(status, *capsys.readouterr())

    return run


@pytest.fixture
def xfer_manager() -> "PluginManager":
    """A fresh manager with core's answers and the built-ins, and nothing that is installed."""
    from xfer.core import answers
    from xfer.core.discovery import Switches
    from xfer.core.manager import PluginManager
    from xfer.plugins import builtin_modules

    return PluginManager([answers, *builtin_modules()], switches=Switches(off=True))


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Callable[["Kind"], Path]:
    """`tiny_encoder(kind)` gives the folder of a two-layer encoder with random weights, made once a session."""
    made: dict[Kind, Path] = {}

    def folder(kind: "Kind") -> Path:
        from xfer.testing.encoders import tiny_encoder as make

        if kind not in made:
            made[kind] = make(kind, tmp_path_factory.mktemp("encoders") / kind)
        return made[kind]

    return folder
