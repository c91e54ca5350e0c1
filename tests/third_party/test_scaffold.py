"""`xfer plugins new` and `--plugin FILE`: a plugin of one's own, first as a file, then as a package."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from xfer.core.errors import UnknownName, UserError
from xfer.scaffold import KINDS, new_package

ROOT = Path(__file__).parents[2]
PYTEST = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]


def pytest_in(folder: Path) -> subprocess.CompletedProcess[str]:
    installed = subprocess.run(
        [sys.executable, "-c", "import importlib.metadata as m; m.distribution('xfer-stilts')"],
        capture_output=True, cwd=folder, check=False,
    )  # fmt: skip
    kit = [] if installed.returncode == 0 else ["-p", "xfer.testing.pytest_plugin"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run([*PYTEST, *kit], cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("kind", "tests"), [("task", 3), ("strategy", 2)])
def test_a_new_package_passes_its_own_tests(kind: str, tests: int, tmp_path: Path) -> None:
    folder = new_package(kind, "two-way", tmp_path)
    assert folder == tmp_path / "xfer-two-way"
    found = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    assert found == ["README.md", "pyproject.toml", "tests/test_two_way.py", "xfer_two_way.py"]
    assert not [path for path in folder.rglob("*") if path.is_file() and "${" in path.read_text(encoding="utf-8")]
    done = pytest_in(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{tests} passed" in done.stdout


def test_the_example_package_passes_its_own_tests() -> None:
    done = pytest_in(ROOT / "examples" / "xfer-belebele")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 passed" in done.stdout


def test_every_kind_has_its_templates() -> None:
    folders = {path.name for path in (ROOT / "xfer" / "templates").iterdir() if path.is_dir()}
    assert folders == set(KINDS)


@pytest.mark.parametrize("name", ["", "Two", "2way", "two_way", "two--way", "../two", "a" * 41])
def test_names_that_cannot_be_modules_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot name a plugin"):
        new_package("task", name, tmp_path)
    assert not list(tmp_path.iterdir())


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "xfer-mine").mkdir()
    with pytest.raises(UserError, match="there already"):
        new_package("task", "mine", tmp_path)
    with pytest.raises(UnknownName, match="no kind of plugin named 'tasks'"):
        new_package("tasks", "mine", tmp_path)


def test_from_the_command_line(run_xfer: Callable[..., object], tmp_path: Path) -> None:
    outcome = run_xfer("plugins", "new", "strategy", "mine", "--output", tmp_path)
    assert outcome == (0, f"{tmp_path / 'xfer-mine'}\n", outcome[2])  # type: ignore[index]
    assert (tmp_path / "xfer-mine" / "xfer_mine.py").is_file()


def test_a_loose_file_runs(
    run_xfer: Callable[..., object], tiny_encoder: Callable[[str], Path], tmp_path: Path
) -> None:
    file = new_package("strategy", "mine", tmp_path) / "xfer_mine.py"
    task = new_package("task", "mood", tmp_path) / "xfer_mood.py"
    for split, count in (("train", 8), ("validation", 4), ("test", 4)):
        for language in ("en", "de"):
            rows = [
                f'{{"id": "{place}", "text": "a {language} text", "label": "{label}"}}\n'
                for place, label in enumerate(["positive", "negative"] * (count // 2))
            ]
            path = tmp_path / "data" / "my" / "mood" / language / f"{split}.jsonl"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("".join(rows), encoding="utf-8")
    outcome = run_xfer(
        "run", "--plugin", file, "--plugin", task, "--strategy", "mine[budget=8]", "--target", "mood",
        "--target", "mini-tatoeba", "--language", "en,de", "--model", tiny_encoder("xlm-roberta"),
        "--limit", "test=8",
        "--data-root", tmp_path / "data", "--store", tmp_path / "store", "--set", "train.epochs=1", "--json",
    )  # fmt: skip
    status, out, err = outcome  # type: ignore[misc]
    assert status == 0, err
    assert '"label": "mine[budget=8]"' in out
    assert '"task": "mood"' in out
    assert '"sees": []' in out
    assert "xfer_mine.py sha256:" in out, "the version of a loose file is the start of its hash"
