"""`xfer doctor NAME`: the kit's checks from the shell."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from xfer.testing.pytest_plugin import Outcome

Run = Callable[..., Outcome]
FAULTY = """
from xfer.api import NoParams, Phase, Strategy, TaskSpec, TextExample, accuracy, hookimpl

def example(row, language):
    return TextExample(row["id"], language, row["text"], label=row["label"])

def score(values, examples, language):
    return {"accuracy": 50.0}

@hookimpl
def xfer_tasks():
    rows = ({"id": "1", "text": "a", "label": "x"}, {"id": "2", "text": "b", "label": "y"})
    return [TaskSpec(
        name="faulty-task", summary="s", citation="", licence="l", format="classification", languages=("en",),
        labels=("x", "y"), example=example, score=score, main_score="accuracy", fixture=rows,
    )]

@hookimpl
def xfer_strategies():
    return [Strategy(name="faulty-plan", summary="s", plan=lambda context, params: [Phase(name="only")])]
"""


def test_builtins_pass(run_xfer: Run) -> None:
    done = run_xfer("doctor", "xnli", "udpos", "bucc", "english-stilts", "--json")
    assert done.status == 0, done.out
    found = json.loads(done.out)
    assert [one["check"] for one in found] == ["task xnli", "task udpos", "task bucc", "strategy english-stilts"]
    assert all(one["ok"] for one in found)
    assert "turned into features" in found[0]["detail"]


def test_faults_of_a_file_are_told_by_task_strategy_and_plugin(run_xfer: Run, tmp_path: Path) -> None:
    file = tmp_path / "faulty.py"
    file.write_text(FAULTY)
    done = run_xfer("doctor", "faulty", "--plugin", file)
    assert done.status == 3
    for part in ("FAIL  task faulty-task", "citation is empty", "gold values score 50 accuracy, not 100",
                 "FAIL  strategy faulty-plan", "the last phase does not evaluate"):  # fmt: skip
        assert part in done.out, part
    assert run_xfer("doctor", "none", "--plugin", file).status == 0


def test_a_plugin_that_does_not_load_and_one_with_nothing_to_check(run_xfer: Run, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("import nothing_of_this_name\n")
    (tmp_path / "watcher.py").write_text(
        "from xfer.api import hookimpl\n\n@hookimpl\ndef xfer_phase_started(phase):\n    pass\n"
    )
    done = run_xfer(
        "doctor", "broken", "watcher", "--plugin", tmp_path / "broken.py", "--plugin", tmp_path / "watcher.py"
    )
    assert done.status == 3
    assert "FAIL  plugin broken: import failed" in done.out
    assert "ok    plugin watcher: loads; it brings no task" in done.out


def test_a_name_that_nothing_has_is_told(run_xfer: Run) -> None:
    done = run_xfer("doctor", "xnil")
    assert done.status == 2
    assert "no task, strategy or plugin named 'xnil'" in done.err
    assert "did you mean xnli" in done.err


@pytest.mark.parametrize("kind", ["tasks", "strategies"])
def test_every_builtin_has_what_the_doctor_needs(run_xfer: Run, kind: str) -> None:
    from xfer import bootstrap

    names = getattr(bootstrap.load(), kind).names()
    assert len(names) >= 12
    done = run_xfer("doctor", *names)
    assert [line for line in done.out.splitlines() if not line.startswith("ok")] == []
