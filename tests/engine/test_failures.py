"""What a failing phase leaves, and runs that are refused."""

import multiprocessing
from pathlib import Path
from typing import Any

import pytest

from tests.engine.conftest import QUICK, Kit, rows, training
from xfer import commands
from xfer.core.engine import evaluate
from xfer.core.engine import execute as engine
from xfer.core.errors import ExitStatus, Locked, OutOfResources
from xfer.core.records import PlannedPhase
from xfer.core.storage.locks import phase_lock
from xfer.core.storage.store import Store

BROKEN = """
from xfer.api import hookimpl, TaskSpec, TextExample

def example(row, language):
    return TextExample(row["id"], language, row["text"], label="cat")

def score(values, examples, language):
    raise ValueError("cannot count")

@hookimpl
def xfer_tasks():
    rows = lambda split, language: [{"id": str(n), "text": "the cat"} for n in range(8)]
    return [TaskSpec(name="broken", version=3, summary="s", citation="c", licence="l", format="classification",
        languages=("en",), train_languages=("en",), labels=("cat", "dog"), rows=rows, example=example, score=score,
        main_score="accuracy")]
"""


def test_a_failing_cell_leaves_the_rest(kit: Kit, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text(BROKEN)
    plugins = (kit.flags()["plugin"], tmp_path / "broken.py")
    result = kit.run(set=QUICK, plugin=plugins, target=("broken", "toy-class"))
    assert result.status == ExitStatus.SOME_FAILED == 3
    assert {row.task for row in result.results} == {"toy-class"}
    assert len(result.failed) == 1
    told = next(problem for problem in result.problems if problem.stage == "evaluate")
    assert "task broken of plugin broken (broken.py sha256:" in told.message
    assert "ValueError: cannot count" in told.message
    assert "broken.py:8" in told.message
    document = result.document()
    assert [problem["stage"] for problem in document["problems"]] == ["evaluate"]


def test_what_starts_from_a_failed_phase_fails_with_it_and_stored_rows_stay(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = kit.run(set=QUICK, strategy="english-stilts", keep="none")

    def fail(phase: PlannedPhase, run: Any) -> None:
        raise Locked("somebody else has it")

    monkeypatch.setattr(engine, "run_core_phase", fail)
    result = kit.run(set=QUICK, strategy="english-stilts", target=("toy-class", "toy-pairs"))
    assert rows(result) == rows(stored)
    assert len(result.failed) == 2
    assert any("its parent" in reason for reason in result.failed.values())


def test_memory_that_runs_out_ends_the_run(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise MemoryError

    monkeypatch.setattr("xfer.core.engine.train_phase.prepare", fail)
    with pytest.raises(OutOfResources, match="memory ran out") as caught:
        kit.run(set=QUICK)
    assert caught.value.status == 9
    assert "micro_batch_tokens" in caught.value.fix


def test_a_bug_in_a_builtin_passes_as_it_is(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(evaluate, "predict", fail)
    with pytest.raises(ZeroDivisionError):
        kit.run(suite="mini", target="mini-tatoeba")
    assert (kit.store / "runs" / "run" / "plan.json").is_file()


def test_a_run_that_cannot_fit_is_refused_beforehand(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil

    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9 - 10**5, 10**5))  # type: ignore[attr-defined]
    with pytest.raises(OutOfResources, match=r"the run needs up to .* of disk and 100 kB are free"):
        kit.run(set=QUICK)
    assert not kit.store.exists()


def _hold(store: Path, id: str, held: Any, done: Any) -> None:
    with phase_lock(Store(store), id):
        held.set()
        done.wait(60)


def test_a_phase_that_another_process_works_on_is_left_to_it(kit: Kit) -> None:
    prepared = kit.prepare(set=QUICK, target=("toy-class", "toy-pairs"))
    context = multiprocessing.get_context("spawn")
    held, done = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(kit.store, training(prepared).id, held, done))
    other.start()
    try:
        assert held.wait(60)
        result = commands.execute(prepared)
    finally:
        done.set()
        other.join()
    assert result.status == ExitStatus.LOCKED == 6
    assert {row.task for row in result.results} == {"toy-pairs"}
    assert f"process {other.pid}" in "".join(problem.message for problem in result.problems)
    assert kit.run(set=QUICK, target=("toy-class", "toy-pairs")).status == 0


def test_a_score_that_is_no_number_fails_its_cell(kit: Kit, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text(
        BROKEN.replace('raise ValueError("cannot count")', "return {'accuracy': float('nan')}")
    )
    result = kit.run(
        set=QUICK, plugin=(kit.flags()["plugin"], tmp_path / "broken.py"), target=("broken", "toy-class")
    )
    assert result.status == 3
    assert list(result.failed.values()) == ["task broken scores accuracy as nan in en"]
    assert {row.task for row in result.results} == {"toy-class"}
