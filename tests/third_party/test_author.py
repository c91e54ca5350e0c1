"""A plugin author's path by commands: new package, at most forty lines changed, tests, pip, run, compare."""

import difflib
import json
import os
import subprocess
import sysconfig
import time
import venv
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
XFER = ("-c", "from xfer.cli import main; main()")
Python = Callable[..., subprocess.CompletedProcess[str]]

pytestmark = pytest.mark.slow

EDITS = {
    "one label for a text": "is a review of a host kind or rude",
    "your data set's paper": "none: invented for a test",
    "your data set's licence": "CC0-1.0",
    'LABELS = ("positive", "negative")': 'LABELS = ("kind", "rude")',
    '"label": "positive"': '"label": "kind"',
    '"label": "negative"': '"label": "rude"',
    'hub="my/hosts"': 'hub="hosts"',
    "DATA_ROOT/my/hosts": "DATA_ROOT/hosts",
    'columns=("id", "text", "label")': 'columns=("id", "review", "verdict")',
    'row["text"]': 'row["review"]',
    'row["label"]': 'row["verdict"]',
    '"text": "A warm': '"review": "A warm',
    '"text": "The lift': '"review": "The lift',
    '"label": "kind"': '"verdict": "kind"',
    '"label": "rude"': '"verdict": "rude"',
}
"""What the author changes in the module: names of columns and labels, citation, licence, place of the data."""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Python:
    """Python of a clean environment that sees the packages of this one, but installs into its own."""
    folder = tmp_path_factory.mktemp("author") / "venv"
    venv.create(folder, with_pip=True, symlinks=os.name != "nt")
    binary = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    site = subprocess.run(
        [binary, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    Path(site, "outer.pth").write_text(f"{ROOT}\n{sysconfig.get_path('purelib')}\n", encoding="utf-8")
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("XFER_", "PYTHONPATH"))
    }
    environment |= {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PIP_NO_INDEX": "1"}
    environment["XFER_CACHE"] = str(folder.parent / "cache")

    def run(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(binary), *map(str, arguments)],
            cwd=cwd,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def write_data(root: Path) -> None:
    for language, words in {"en": ("kind", "rude"), "de": ("nett", "grob")}.items():
        for split, count in {"train": 32, "validation": 8, "test": 16}.items():
            path = root / "hosts" / language / f"{split}.jsonl"
            path.parent.mkdir(parents=True, exist_ok=True)
            rows = [
                {"id": f"{split}-{n}", "review": f"{words[n % 2]} {n}", "verdict": ("kind", "rude")[n % 2]}
                for n in range(count)
            ]
            path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def test_from_nothing_to_a_comparison(python: Python, tmp_path: Path) -> None:
    seconds: dict[str, float] = {}

    def step(name: str, *arguments: object, cwd: Path = tmp_path) -> str:
        started = time.monotonic()
        done = python(*arguments, cwd=cwd)
        seconds[name] = time.monotonic() - started
        assert done.returncode == 0, (name, done.stdout, done.stderr)
        return done.stdout

    step("new", *XFER, "plugins", "new", "task", "hosts")
    package = tmp_path / "xfer-hosts"
    module, test = package / "xfer_hosts.py", package / "tests" / "test_hosts.py"
    before = {path: path.read_text(encoding="utf-8") for path in (module, test)}
    text = before[module]
    for old, new in EDITS.items():
        assert old in text, old
        text = text.replace(old, new)
    module.write_text(text, encoding="utf-8")
    test.write_text(before[test].replace('"positive"', '"kind"'), encoding="utf-8")
    changed = sum(
        line.startswith("+") and not line.startswith("+++")
        for path in (module, test)
        for line in difflib.unified_diff(before[path].splitlines(), path.read_text().splitlines(), lineterm="")
    )
    assert 10 <= changed <= 40, changed

    kit = () if finds_the_kit(python, tmp_path) else ("-p", "xfer.testing.pytest_plugin")
    assert "3 passed" in step("test", "-m", "pytest", "-q", "-p", "no:cacheprovider", *kit, cwd=package)
    step("install", "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-index", package)
    assert "ok    task hosts" in step("doctor", *XFER, "doctor", "hosts")
    write_data(tmp_path / "data")
    step(
        "run", *XFER, "run", "--target", "hosts", "--strategy", "none", "--strategy", "english-stilts",
        "--data-root", "data", "--set", "train.max_steps=5", "--limit", "train=64,dev=8", "-q",
    )  # fmt: skip
    rows = json.loads(step("compare", *XFER, "compare", "--json"))
    assert list(rows["strategies"]) == ["none", "english-stilts"]
    assert list(rows["targets"]) == ["hosts"]
    told = ", ".join(f"{name} {value:.1f}" for name, value in seconds.items())
    print(f"\nseconds: {told}; {changed} lines changed")
    assert sum(seconds.values()) < 180


def finds_the_kit(python: Python, folder: Path) -> bool:
    """Whether pytest finds xfer's fixtures by itself: only where xfer is installed, not just on the path."""
    code = "import importlib.metadata as m; print(len(m.entry_points(group='pytest11', name='xfer')))"
    told = python("-c", code, cwd=folder)
    assert told.returncode == 0, told.stderr
    return told.stdout.strip() != "0"
