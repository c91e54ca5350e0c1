import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from xfer.testing import fake_distribution

TASK = """
from xfer.api import TaskSpec, TextExample, accuracy, hookimpl

def example(row, language):
    return TextExample(row["id"], language, row["text"], label=row["label"])

def score(values, examples, language):
    return {{"accuracy": accuracy(values, [example.label for example in examples])}}

TASK = TaskSpec(
    name="{name}", summary="invented", citation="none", licence="CC0-1.0", format="classification",
    languages=("en",), labels=("a", "b"), example=example, score=score, main_score="accuracy",
)

@hookimpl
def xfer_tasks():
    return [TASK]
"""
"""A plugin with one task."""

Install = Callable[[str, str, Mapping[str, str], Mapping[str, str]], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """`install(name, version, entry_points, files)` makes a package that discovery finds."""
    site = tmp_path / "site"
    monkeypatch.syspath_prepend(str(site))
    for variable in ("XFER_NO_PLUGINS", "XFER_DISABLE_PLUGINS", "XFER_ALLOW_PLUGINS", "XFER_STRICT_PLUGINS"):
        monkeypatch.delenv(variable, raising=False)
    before = set(sys.modules)

    def put(name: str, version: str, entry_points: Mapping[str, str], files: Mapping[str, str]) -> None:
        fake_distribution(site, name, version, entry_points, files)

    yield put
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]
