"""A task is one module: a new one is found by being there, and nothing else is edited."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import xfer
from xfer.bootstrap import load

MODULE = '''
"""Whether a greeting is polite."""

from xfer.api import TaskSpec, TextExample, accuracy, hookimpl


def rows(split, language):
    words = {"en": ("hello, sir", "oi"), "de": ("guten Tag", "he")}[language]
    return [{"id": f"{n}", "text": f"{words[n % 2]} {n}", "label": ("polite", "rude")[n % 2]} for n in range(8)]


def example(row, language):
    return TextExample(row["id"], language, row["text"], label=row["label"])


def score(predictions, examples, language):
    return {"accuracy": accuracy(predictions, [one.label for one in examples])}


TASK = TaskSpec(
    name="greetings", summary="polite or rude", citation="invented", licence="CC0-1.0", format="classification",
    languages=("en", "de"), train_languages=("en",), labels=("polite", "rude"), rows=rows, example=example,
    score=score, main_score="accuracy",
)


@hookimpl
def xfer_tasks():
    return [TASK]
'''


def test_a_loose_module_is_trained_and_scored(
    tmp_path: Path, run_xfer: Callable[..., Any], tiny_encoder: Callable[..., Path]
) -> None:
    (tmp_path / "greetings.py").write_text(MODULE, encoding="utf-8")
    done = run_xfer(
        "run", "--plugin", tmp_path / "greetings.py", "--strategy", "english-stilts", "--target", "greetings",
        "--intermediate", "mini-mnli", "--model", tiny_encoder("xlm-roberta"), "--store", tmp_path / "runs",
        "--limit", "train=8,dev=4", "--set", "train.max_steps=1", "--json", "--quiet",
    )  # fmt: skip
    assert done.status == 0, done.err
    assert '"language": "de"' in done.out
    assert "greetings" not in load().tasks.names()


def test_a_module_in_the_folder_of_tasks_is_a_built_in_one(tmp_path: Path) -> None:
    """A copy of the package with one file more: nothing that was there is edited."""
    package = tmp_path / "xfer"
    shutil.copytree(
        Path(xfer.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__", "*.safetensors")
    )
    (package / "plugins/tasks/greetings.py").write_text(MODULE, encoding="utf-8")
    asked = (
        "from xfer.bootstrap import load; print(len(load().tasks.names()), load().tasks.get('greetings').summary)"
    )
    done = subprocess.run(
        [sys.executable, "-c", asked], cwd=tmp_path, capture_output=True, text=True, check=True,
        env={"PATH": "", "PYTHONPATH": str(tmp_path), "XFER_NO_PLUGINS": "1"},
    )  # fmt: skip
    assert done.stdout.split(maxsplit=1) == [str(len(built_in()) + 1), "polite or rude\n"]


def built_in() -> list[str]:
    return [name for name, task in load().tasks.items() if load().tasks.owner(task) == "xfer"]
