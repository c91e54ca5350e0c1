"""What every command says about itself, and that saying it loads nothing heavy.

`XFER_UPDATE_GOLDEN=1 pytest tests/cli/test_help.py` writes the golden texts anew.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from xfer.core.errors import ExitStatus

GOLDEN = Path(__file__).parent / "golden"
HEAVY = ("torch", "transformers", "datasets", "pyarrow", "tokenizers", "safetensors", "numpy", "sklearn", "pandas")
HELP = """
import contextlib, io, json, sys
import typer
from xfer import cli

def walk(command, path):
    yield path
    for name, one in getattr(command, "commands", {}).items():
        yield from walk(one, [*path, name])

found = {}
for path in walk(typer.main.get_command(cli.app), []):
    with contextlib.redirect_stdout(io.StringIO()) as out:
        status = cli.run_command([*path, "--help"])
    found[" ".join(path)] = [status, out.getvalue()]
print(json.dumps({"help": found, "modules": list(sys.modules)}))
"""
LISTINGS = """
import contextlib, io, json, sys
from xfer import cli

status, lengths = [], []
for line in json.loads(sys.argv[1]):
    with contextlib.redirect_stdout(io.StringIO()) as out:
        status.append(cli.run_command(line.split()))
    lengths.append(len(out.getvalue()))
print(json.dumps({"status": status, "lengths": lengths, "modules": list(sys.modules)}))
"""


def fresh(script: str, *arguments: str) -> dict[str, object]:
    """The JSON that a script prints in a new process without installed plugins, on a terminal of 80 columns."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "COLUMNS": "80", "XFER_NO_PLUGINS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], env=environment, capture_output=True, text=True, check=True
    )
    return dict(json.loads(done.stdout))


@pytest.fixture(scope="module")
def told() -> dict[str, object]:
    return fresh(HELP)


def heavy(modules: object) -> list[str]:
    assert isinstance(modules, list)
    return sorted({name.partition(".")[0] for name in modules} & set(HEAVY))


def test_every_command_has_its_golden_help(told: dict[str, dict[str, tuple[int, str]]]) -> None:
    commands = told["help"]
    assert {"", "run", "eval", "compare", "pretrain", "doctor", "tasks", "tasks list", "plugins show"} <= set(
        commands
    )
    texts = {f"help{'-' * bool(name)}{name.replace(' ', '-')}.txt": text for name, (_, text) in commands.items()}
    assert {status for status, _ in commands.values()} == {0}
    if os.environ.get("XFER_UPDATE_GOLDEN"):
        GOLDEN.mkdir(exist_ok=True)
        for old in GOLDEN.glob("help*.txt"):
            old.unlink()
        for name, text in texts.items():
            (GOLDEN / name).write_text(text, encoding="utf-8")
    assert texts == {path.name: path.read_text(encoding="utf-8") for path in GOLDEN.glob("help*.txt")}


def test_the_first_page_cuts_no_sentence(told: dict[str, dict[str, tuple[int, str]]]) -> None:
    commands = told["help"][""][1].partition("Commands:")[2].split("\n")
    assert len(commands) > 15
    assert not [line for line in commands if line.endswith("...")]


def test_help_loads_nothing_heavy(told: dict[str, object]) -> None:
    assert heavy(told["modules"]) == []


def test_help_says_something_about_every_option(told: dict[str, dict[str, tuple[int, str]]]) -> None:
    for name, (_, text) in told["help"].items():
        assert text.startswith(f"Usage: xfer {name}".rstrip()), name
        for line in text.splitlines():
            if line.startswith("  -"):
                option, _, described = line.strip().partition("  ")
                following = text.split(line + "\n", 1)[1].split("\n", 1)[0]
                assert described.strip() or following.startswith("    "), (name, option)


def test_listings_load_nothing_heavy() -> None:
    kinds = {"tasks": "xnli", "strategies": "none", "suites": "mini", "models": "mbert"}
    lines = [f"{kind}{rest}" for kind in (*kinds, "plugins") for rest in ("", " list", " --json", " list --json")]
    lines += [f"{kind} show {name}{rest}" for kind, name in kinds.items() for rest in ("", " --json")]
    lines += ["tasks show mini-xnli", "--version"]
    found = fresh(LISTINGS, json.dumps(lines))
    assert found["status"] == [0] * 30
    assert heavy(found["modules"]) == []
    lengths = dict(zip(lines, found["lengths"], strict=True))  # type: ignore[call-overload]
    assert [line for line, length in lengths.items() if not length] == ["plugins", "plugins list"]


def test_the_statuses_are_the_documented_ones() -> None:
    assert {status.name: int(status) for status in ExitStatus} == {
        "DONE": 0, "INTERNAL": 1, "USER": 2, "SOME_FAILED": 3, "PLUGIN": 5, "LOCKED": 6, "DAMAGED": 7,
        "NON_FINITE": 8, "RESOURCES": 9, "STOPPED": 75, "INTERRUPTED": 130,
    }  # fmt: skip
