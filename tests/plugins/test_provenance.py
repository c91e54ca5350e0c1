"""Result rows say which third-party packages were loaded, by name and version, wherever rows are read."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.plugins.conftest import TASK, Install
from xfer.testing.pytest_plugin import Outcome

ROWS = """
def rows(split, language):
    return [{{"id": f"{{split}}-{{n}}", "text": "the cat", "label": "ab"[n % 2]}} for n in range(8)]
"""
BOTH = TASK.replace("def example", ROWS + "\ndef example").replace(
    "example=example", "example=example, rows=rows, train_languages=('en',)"
)
LOADED = {"mood": "xfer-mood 2.1.0rc1", "other": "Other_Things 0.0.1"}


def test_every_row_of_a_run_with_a_third_party_task_names_its_package(
    install: Install,
    run_xfer: Callable[..., Outcome],
    tiny_encoder: Callable[[str], Path],
    tmp_path: Path,
) -> None:
    install("xfer-mood", "2.1.0rc1", {"mood": "mood_plugin"}, {"mood_plugin.py": BOTH.format(name="mood-task")})
    install("Other_Things", "0.0.1", {"other": "other_plugin"}, {"other_plugin.py": TASK.format(name="idle-task")})
    line: list[Any] = [
        "run", "--strategy", "english-stilts", "--target", "mood-task", "--intermediate", "mini-qqp", "--model",
        tiny_encoder("xlm-roberta"), "--store", tmp_path / "store", "--name", "r", "--set", "train.max_steps=1",
        "--limit", "train=8,test=4,dev=4", "--dev-languages", "all", "--json", "--quiet",
    ]  # fmt: skip
    outcome = run_xfer(*line)
    assert outcome.status == 0, outcome.err
    told = json.loads(outcome.out)["results"]
    path = tmp_path / "store" / "runs" / "r" / "results.jsonl"
    kept = [json.loads(text) for text in path.read_text(encoding="utf-8").splitlines()]
    assert kept == told
    assert {row["split"] for row in kept} == {"dev", "test"}
    assert [row["plugin_versions"] for row in kept] == [LOADED] * len(kept)
    assert {row["task"] for row in kept} == {"mood-task"}
    compared = json.loads(run_xfer("compare", tmp_path / "store", "--json").out)
    assert "xfer-mood 2.1.0rc1" in json.dumps(compared)
