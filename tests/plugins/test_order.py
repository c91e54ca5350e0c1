"""The order in which hooks are called in a run, as one golden list."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from xfer.core import hookspecs
from xfer.testing.pytest_plugin import Outcome

GOLDEN = Path(__file__).parent / "golden" / "order.txt"
LISTENER = """
from xfer.api import hookimpl

HEARD = {heard!r}

def _hear(*words):
    with open(HEARD, "a") as stream:
        print(*words, file=stream)

"""


def listener(folder: Path) -> Path:
    """A plugin that writes down every hook as it is called and answers nothing."""
    text = LISTENER.format(heard=str(folder / "heard.txt"))
    collected = ("tasks", "strategies", "suites", "models", "formats", "transforms", "check_plan")
    for hook in (name for name in dir(hookspecs) if name.startswith("xfer_")):
        about = {"xfer_load_rows": "task.name, split, language", "xfer_run_phase": "phase.phase.does"}.get(hook, "")
        arguments = {"xfer_load_rows": "task, split, language", "xfer_run_phase": "phase"}.get(hook, "")
        answer = "[]" if hook.removeprefix("xfer_") in collected else "None"
        text += f"@hookimpl\ndef {hook}({arguments}):\n    _hear({hook!r}, {about})\n    return {answer}\n\n"
    (folder / "listener.py").write_text(text)
    return folder / "listener.py"


def test_the_order_of_hooks_in_a_run(
    run_xfer: Callable[..., Outcome],
    tiny_encoder: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    plugin = listener(tmp_path)
    done = run_xfer(
        "run", "--plugin", plugin, "--strategy", "none", "--target", "mini-xnli", "--language", "de", "--model",
        tiny_encoder("xlm-roberta"), "--limit", "train=8,test=4", "--set", "train.max_steps=2", "-q", "--json",
    )  # fmt: skip
    assert done.status == 0, done.err
    lines: list[str] = []
    for line in (tmp_path / "heard.txt").read_text().splitlines():
        name = line.strip()
        if not lines or lines[-1] != name:
            lines.append(name)
    if os.environ.get("XFER_UPDATE_GOLDEN"):
        GOLDEN.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert lines == GOLDEN.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "xfer_tasks"
    assert lines[-1] == "xfer_phase_finished"


def test_the_order_names_what_a_run_calls() -> None:
    heard = {line.split()[0] for line in GOLDEN.read_text(encoding="utf-8").splitlines()}
    hooks: set[Any] = {name for name in dir(hookspecs) if name.startswith("xfer_")}
    # Called by other commands, by plans that translate, and on a grid.
    assert hooks - heard == {"xfer_commands", "xfer_executor", "xfer_render_report", "xfer_translate"}
