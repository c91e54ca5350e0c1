"""Walking a plan: what is reused, rebuilt and released."""

from pathlib import Path
from typing import Any

import pytest

from tests.engine.conftest import QUICK, Kit, rows
from xfer import commands
from xfer.core.encoders.encoder import Encoder
from xfer.core.errors import UserError
from xfer.core.storage.store import Store


def test_a_finished_phase_never_runs_again(kit: Kit) -> None:
    first = kit.run(set=QUICK)
    assert kit.diary() == ["target toy-class", "evaluate toy-class"]
    second = kit.run(set=QUICK, name="again")
    assert kit.diary() == []
    assert rows(first) == rows(second)
    assert [row.run for row in second.results] == ["again"] * len(first.results)


def test_adding_extends(kit: Kit) -> None:
    kit.run(set=QUICK)
    kit.diary()
    kit.run(set=QUICK, target=("toy-class", "toy-pairs"))
    assert kit.diary() == ["evaluate toy-pairs"]
    kit.run(set=QUICK, target=("toy-class", "toy-pairs"), seeds=(0, 1))
    assert kit.diary() == ["target toy-class", "evaluate toy-class"]
    result = kit.run(set=QUICK, target=("toy-class", "toy-pairs"), strategy=("none", "english-stilts"))
    assert kit.diary() == [
        "intermediate toy-more",
        "target toy-class",
        "evaluate toy-class",
        "evaluate toy-pairs",
    ]
    assert {row.label for row in result.results} == {"none", "english-stilts"}


def test_one_training_serves_two_targets_and_all_seeds_of_an_untrained_one(kit: Kit) -> None:
    result = kit.run(set=QUICK, target=("toy-span", "toy-span-too"))
    assert kit.diary() == ["target toy-span", "evaluate toy-span", "evaluate toy-span-too"]
    assert {row.task for row in result.results} == {"toy-span", "toy-span-too"}
    seeds = kit.run(target="toy-pairs", seeds=(0, 1, 2))
    assert kit.diary() == ["evaluate toy-pairs"]
    assert sorted(row.seed for row in seeds.results) == [0, 1, 2]
    assert len({row.value for row in seeds.results}) == 1


def test_rows_say_what_was_measured(kit: Kit) -> None:
    result = kit.run(set=QUICK, limit={"test": 12})
    assert {(row.task, row.language, row.metric, row.main) for row in result.results} == {
        ("toy-class", "en", "accuracy", True),
        ("toy-class", "de", "accuracy", True),
    }
    for row in result.results:
        assert (row.n, row.split, row.suite, row.model, row.seed) == (12, "test", "toy", "xlm-roberta", 0)
        assert (row.device, row.dtype, row.run) == ("cpu", "float32", "run")
        assert row.chance is not None
        assert row.heuristic is not None
        assert row.signature == "task=toy-class-v1;split=test;via=original;limit=12;max_length=128"
        assert row.plugin_versions.keys() == {"toy"}
        assert row.phase == result.plan.cells[0].phase


def test_a_limit_cuts_the_queries_and_never_the_index(kit: Kit) -> None:
    full, cut = kit.run(target="toy-pairs"), kit.run(target="toy-pairs", limit={"test": 5})
    assert (full.results[0].n, cut.results[0].n) == (20, 5)
    import pyarrow.parquet as pq

    def predictions(result: commands.RunResult) -> list[Any]:
        folder = kit.store / "phases" / result.results[0].phase / "predictions"
        return list(pq.read_table(folder / "toy-pairs.de.parquet")["prediction"].to_pylist())

    assert predictions(cut)[:5] == predictions(full)[:5]
    assert predictions(cut)[5:] == ["null"] * 15
    # five queries give steps of 20 points, also where nothing was learned
    assert {row.chance % 20 + row.heuristic % 20 for row in cut.results if row.chance is not None} == {0.0}


@pytest.mark.parametrize("target", ["toy-class", "toy-choice", "toy-span", "toy-tag", "toy-pairs"])
def test_how_an_evaluation_is_cut_into_batches_does_not_show(kit: Kit, target: str) -> None:
    whole = kit.run(set=QUICK, target=target, keep="all")
    phase = kit.store / "phases" / whole.results[0].phase
    options = {
        "suite": "toy",
        "plugin": kit.flags()["plugin"],
        "store": kit.store.with_name("other"),
        "target": target,
    }
    model = phase.parent / whole.plan.phases[0].id if len(whole.plan.phases) > 1 else kit.model
    cut = commands.evaluate(model, **options, set={"engine.evaluation_tokens": 64})
    assert [row.value for row in cut.results] == [row.value for row in whole.results]


# ---------------------------------------------------------------- weights


@pytest.mark.parametrize(
    ("keep", "kept"), [("intermediate", {"intermediate"}), ("all", {"intermediate", "target"}), ("none", set())]
)
def test_weights_are_kept_as_asked(kit: Kit, keep: str, kept: set[str]) -> None:
    result = kit.run(set=QUICK, strategy="english-stilts", keep=keep)
    store = Store(kit.store)
    found = {p.phase.name for p in result.plan.phases if store.has_weights(p.id)}
    assert found == kept
    assert all(store.has_phase(planned.id) for planned in result.plan.phases)
    assert len(list(kit.store.glob("phases/*/model.safetensors"))) == len(kept)
    assert not list(kit.store.glob("phases/*.partial"))


def test_weights_that_were_dropped_are_rebuilt_when_needed(kit: Kit, tmp_path: Path) -> None:
    kit.run(set=QUICK, strategy="english-stilts", keep="none")
    kit.diary()
    grown = kit.run(set=QUICK, strategy="english-stilts", keep="none", target=("toy-class", "toy-pairs"))
    assert kit.diary() == ["intermediate toy-more", "evaluate toy-pairs"]
    fresh = kit.run(
        set=QUICK, strategy="english-stilts", target=("toy-class", "toy-pairs"), store=tmp_path / "fresh"
    )
    assert rows(grown) == rows(fresh)


@pytest.mark.parametrize("file", ["results.jsonl", "predictions/toy-class.de.parquet"])
def test_a_damaged_phase_is_moved_aside_told_and_computed_again(kit: Kit, file: str) -> None:
    first = kit.run(set=QUICK, keep="all")
    kit.diary()
    path = kit.store / "phases" / first.results[0].phase / file
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    second = kit.run(set=QUICK, keep="all")
    assert kit.diary() == ["evaluate toy-class"]
    assert rows(second) == rows(first)
    assert second.status == 0
    told = [problem.message for problem in second.problems if problem.stage == "store"]
    assert len(told) == 1
    assert "is damaged and was moved to" in told[0]
    assert [path.name.endswith(".damaged-1") for path in kit.store.glob("phases/*damaged*")] == [True]


def test_damaged_weights_are_trained_again(kit: Kit) -> None:
    first = kit.run(set=QUICK, strategy="english-stilts", keep="all")
    kit.diary()
    weights = kit.store / "phases" / training_id(first, "intermediate") / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    second = kit.run(set=QUICK, strategy="english-stilts", keep="all", target=("toy-class", "toy-pairs"))
    assert kit.diary() == ["intermediate toy-more", "evaluate toy-pairs"]
    assert [row for row in rows(second) if row.task == "toy-class"] == rows(first)


def training_id(result: commands.RunResult, name: str) -> str:
    return next(planned.id for planned in result.plan.phases if planned.phase.name == name)


def test_a_stored_phase_folder_is_a_checkpoint_for_eval_and_for_transformers(kit: Kit) -> None:
    from transformers import AutoModel

    result = kit.run(set=QUICK, keep="all")
    folder = kit.store / "phases" / training_id(result, "target")
    options = {"suite": "toy", "plugin": kit.flags()["plugin"], "store": kit.store, "target": "toy-class"}
    scored = commands.evaluate(folder, **options)
    assert [row.value for row in scored.results] == [row.value for row in result.results]
    assert {row.label for row in scored.results} == {"eval"}
    loaded = AutoModel.from_pretrained(folder)
    ours = Encoder.load(folder).model.state_dict()
    assert all((loaded.state_dict()[name] == ours[name]).all() for name in ours)


def test_eval_without_a_head_says_so(kit: Kit) -> None:
    options = {"suite": "toy", "plugin": kit.flags()["plugin"], "store": kit.store}
    with pytest.raises(UserError, match="no head for toy-class is stored with these weights"):
        commands.evaluate(kit.model, target="toy-class", **options)
    assert commands.evaluate(kit.model, target="toy-pairs", **options).status == 0


def test_a_chain_whose_weights_were_let_go_is_made_anew_link_by_link(kit: Kit) -> None:
    kit.run(set=QUICK, strategy="english-stilts", keep="none")
    again = kit.run(set=QUICK, strategy="english-stilts", keep="none", limit={"test": 7})
    assert again.failed == {}
    assert {row.n for row in again.results} == {7}
