"""Two processes against one: the same weights up to rounding, the same order, the same predictions."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.distributed.conftest import farthest, flags, logged, several, weights
from xfer import commands

SHARDS = {"engine.parallel": "fsdp"}
BEST = {"train.keep": "best", "train.eval_every": 2}


@dataclass(frozen=True)
class Both:
    """Stores of one process and of two, and what the two answered."""

    folder: Path
    ranks: list[dict[str, Any]]
    rows: list[dict[str, Any]]

    def store(self, name: str) -> Path:
        return self.folder / name


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, model: Path) -> Both:
    folder = tmp_path_factory.mktemp("both")
    alone = commands.run(**flags(model, folder / "one"))
    target = next(p for p in alone.plan.phases if p.phase.does == "train" and p.phase.role == "target")
    checkpoint = str(folder / "one" / "phases" / target.id)
    scored = {"suite": "toy", "plugin": flags(model, folder)["plugin"], "target": ["toy-class"], "name": "eval"}
    commands.evaluate(checkpoint, **scored, store=folder / "eval-one")
    commands.run(**flags(model, folder / "best-one", intermediate=(), strategy="none", set=BEST))
    best = {"intermediate": [], "strategy": "none"}
    calls = [
        ("ddp", "run", flags(model, folder / "ddp"), {}),
        ("fsdp", "run", flags(model, folder / "fsdp", set=SHARDS), {}),
        ("best", "run", flags(model, folder / "best", **best, set=BEST), {}),
        (
            "fsdp-best",
            "run",
            flags(model, folder / "fsdp-best", **best, set={**BEST, **SHARDS}),
            {},
        ),
        ("eval", "evaluate", {"checkpoint": checkpoint, **scored, "store": folder / "eval"}, {}),
        ("wild", "run", flags(model, folder / "wild", set={"train.lr": 1e30}), {}),
        (
            "stopped",
            "run",
            flags(model, folder / "stopped", set={"engine.checkpoint_seconds": 0}),
            {"XFER_TEST_SIGNAL": "target:3:TERM"},
        ),
        ("unlike", "run", {**flags(model, folder / "unlike"), "nproc": 3}, {}),
        ("flat", "run", flags(model, folder / "flat", set={"engine.step": "flat"}), {}),
    ]
    rows = [{**row.model_dump(mode="json"), "seconds": 0, "run": ""} for row in alone.results]
    return Both(folder, several(calls, folder), rows)


@pytest.mark.parametrize("way", ["ddp", "fsdp"])
def test_the_same_weights_up_to_rounding(both: Both, way: str) -> None:
    assert len(weights(both.store("one"))) > 80
    assert farthest(both.store("one"), both.store(way)) < 1e-6


@pytest.mark.parametrize("way", ["ddp", "fsdp"])
def test_the_same_items_in_the_same_order(both: Both, way: str) -> None:
    expected, found = logged(both.store("one")), logged(both.store(way))
    assert found.keys() == expected.keys()
    for phase, lines in expected.items():
        assert len(lines) == 5
        assert [line["loss"] for line in found[phase]] == pytest.approx([line["loss"] for line in lines], rel=1e-4)


@pytest.mark.parametrize("way", ["ddp", "fsdp"])
def test_both_ranks_answer_with_the_rows_of_one_process(both: Both, way: str) -> None:
    for rank in both.ranks:
        assert rank[way]["status"] == 0
        assert rank[way]["rows"] == both.rows


def test_predictions_of_the_same_weights_are_the_same(both: Both) -> None:
    found = sorted(both.store("eval").glob("phases/*/predictions/*.parquet"))
    assert len(found) == 2
    for path in found:
        other = both.store("eval-one") / path.relative_to(both.store("eval"))
        assert path.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("way", ["best", "fsdp-best"])
def test_english_dev_chooses_the_same_step(both: Both, way: str) -> None:
    def chosen(store: Path) -> list[tuple[int, float]]:
        infos = [json.loads(path.read_text()) for path in sorted(store.glob("phases/*/phase.json"))]
        return [(info["best_step"], info["best_score"]) for info in infos if info["does"] == "train"]

    assert chosen(both.store(way)) == chosen(both.store("best-one"))
    assert farthest(both.store("best-one"), both.store(way)) < 1e-6


def test_the_record_says_how_many_processes_and_which_way(both: Both) -> None:
    for way in ("ddp", "fsdp"):
        infos = [json.loads(path.read_text()) for path in both.store(way).glob("phases/*/phase.json")]
        trained = [info for info in infos if info["does"] == "train"]
        assert [(info["processes"], info["parallel"]) for info in trained] == [([2], way)] * 2
        assert {info["processes"] for info in infos if info["does"] == "evaluate"} == {2}
    alone = [json.loads(path.read_text()) for path in both.store("one").glob("phases/*/phase.json")]
    assert len(alone) == 4
    assert not any("processes" in info for info in alone)


def test_a_failure_of_all_ends_all_in_the_same_way_and_the_group_goes_on(both: Both) -> None:
    for rank in both.ranks:
        assert rank["wild"]["status"] == 8
        assert "the optimizer step was not taken" in rank["wild"]["error"]
        assert rank["unlike"]["status"] == 2
        assert "3 processes were asked for, and 2 began this run" in rank["unlike"]["error"]
        assert rank["flat"]["status"] == 2
        assert "works in one process, not in 2" in rank["flat"]["error"]


def test_a_stop_on_one_rank_stops_all_and_one_process_goes_on(both: Both, model: Path) -> None:
    for rank in both.ranks:
        assert rank["stopped"]["status"] == 75
        assert "stopped as asked after step 3 of 5" in rank["stopped"]["error"]
    store = both.store("stopped")
    assert len(list(store.glob("phases/*.partial/step-*"))) == 2
    result = commands.run(**flags(model, store, set={"engine.checkpoint_seconds": 0}))
    assert [{**row.model_dump(mode="json"), "seconds": 0, "run": ""} for row in result.results] == both.rows
    assert farthest(both.store("one"), store) < 1e-6
    infos = [json.loads(path.read_text()) for path in store.glob("phases/*/phase.json")]
    assert sorted(info["processes"] for info in infos if info["does"] == "train") == [[2], [2, 1]]
