"""Phases that make weights out of weights, snapshots, and poolings: what is stored is what was asked for."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch  # noqa: TID253

from xfer import commands
from xfer.core.encoders.encoder import Encoder
from xfer.core.encoders.pooling import LayerAttention, make_pooling
from xfer.core.encoders.weights import load_encoder
from xfer.core.engine.train import snapshot_number
from xfer.core.engine.train_phase import prepare
from xfer.core.errors import Stopped, UserError
from xfer.core.records import PlannedPhase
from xfer.core.storage.checkpoints import load_weights
from xfer.core.storage.store import Store

Run = Callable[..., commands.RunResult]
Planned = Callable[..., commands.Prepared]
Tensors = Mapping[str, torch.Tensor]


def phases(result: commands.RunResult) -> dict[str, PlannedPhase]:
    return {planned.phase.name: planned for planned in result.plan.phases}


def weights(store: Path, id: str) -> Tensors:
    return Encoder.load(Store(store).phase_folder(id)).state_dict()


def heads(store: Path, id: str) -> Tensors:
    return load_weights(Store(store).phase_folder(id) / "heads.safetensors")


@pytest.mark.parametrize(("total", "count"), [(10, 5), (7, 3), (3, 3), (100, 1)])
def test_snapshots_are_even_and_end_with_the_run(total: int, count: int) -> None:
    found = {number: step for step in range(1, total + 1) if (number := snapshot_number(step, total, count))}
    assert list(found) == list(range(1, count + 1))
    assert found[count] == total
    gaps = [b - a for a, b in zip([0, *found.values()], found.values(), strict=False)]
    assert max(gaps) - min(gaps) <= 1


def test_no_snapshots_unless_asked_for() -> None:
    assert not any(snapshot_number(step, 10, 0) for step in range(11))


def test_the_average_of_snapshots(run: Run, shared_store: Path) -> None:
    result = run("checkpoint-average[snapshots=2]", keep="all")
    found = phases(result)
    folder = Store(shared_store).phase_folder(found["target"].id)
    snapshots = [load_weights(folder / f"snapshot-{number}.safetensors") for number in (1, 2)]
    last = weights(shared_store, found["target"].id)
    mean = weights(shared_store, found["target-average"].id)
    checked = 0
    for name, tensor in snapshots[0].items():
        kind, _, rest = name.partition(".")
        expected = (tensor.double() + snapshots[1][name].double()).float() / 2
        stored = mean if kind == "encoder" else heads(shared_store, found["target-average"].id)
        torch.testing.assert_close(stored[rest], expected, rtol=0, atol=1e-7)
        if kind == "encoder":
            assert torch.equal(last[rest], snapshots[1][name]), "the last snapshot is the end of the run"
            checked += 1
    assert checked > 10
    assert any(not torch.equal(mean[name], last[name]) for name in mean)
    assert {row.label for row in result.results} == {"checkpoint-average[snapshots=2]"}


def test_snapshots_survive_an_interruption(planned: Planned, run: Run, shared_store: Path, tmp_path: Path) -> None:
    whole = phases(run("checkpoint-average[snapshots=2]", keep="all"))["target"]
    changes = {"store": tmp_path / "store", "keep": "all", "set": {"engine.checkpoint_seconds": 0}}
    prepared = planned("checkpoint-average[snapshots=2]", **changes)
    asked = iter([False, True])
    prepared.run.stop_requested = lambda: next(asked, False)
    from xfer.core.engine import execute as engine

    with pytest.raises(Stopped):
        engine.execute(prepared.plan, prepared.run)
    engine.execute(prepared.plan, planned("checkpoint-average[snapshots=2]", **changes).run)
    for number in (1, 2):
        one, other = (
            load_weights(Store(store).phase_folder(whole.id) / f"snapshot-{number}.safetensors")
            for store in (shared_store, tmp_path / "store")
        )
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in one)


def test_snapshots_are_let_go_with_the_weights(run: Run, tmp_path: Path) -> None:
    result = run("checkpoint-average[snapshots=2]", store=tmp_path, keep="none")
    folder = Store(tmp_path).phase_folder(phases(result)["target"].id)
    assert not list(folder.glob("*.safetensors"))
    assert not result.failed


@pytest.mark.parametrize(("to", "base"), [("intermediate", "intermediate"), ("target", "target")])
def test_task_vectors_add_a_difference(
    run: Run, shared_store: Path, tiny_encoder: Callable[[str], Path], to: str, base: str
) -> None:
    found = phases(run(f"task-vectors[scale=0.5,languages=de,to={to}]", keep="all"))
    pretrained = Encoder.load(tiny_encoder("xlm-roberta")).state_dict()
    trained, language = (weights(shared_store, found[name].id) for name in (base, "language"))
    combined = weights(shared_store, found["combine"].id)
    for name in combined:
        expected = trained[name] + 0.5 * (language[name] - pretrained[name])
        torch.testing.assert_close(combined[name], expected, rtol=0, atol=1e-6)
    assert any(not torch.equal(combined[name], trained[name]) for name in combined)
    kept = heads(shared_store, found["combine"].id)
    assert all(torch.equal(kept[name], one) for name, one in heads(shared_store, found[base].id).items())


def test_weights_that_add_up_to_one_parent_give_it_back(run: Run, shared_store: Path) -> None:
    found = phases(run("task-vectors[scale=0,languages=de]", keep="all"))
    one, other = (weights(shared_store, found[name].id) for name in ("combine", "intermediate"))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_the_best_rate_on_english_dev_goes_on(run: Run, shared_store: Path) -> None:
    result = run("lr-sweep[rates=1e-09,1e-02]", keep="all")
    found = phases(result)
    about = Store(shared_store).phase_info(found["target-select"].id)
    parents = found["target-select"].parents
    assert parents == (found["target-1e-09"].id, found["target-0.01"].id)
    assert [id for id, _ in about["scores"]] == list(parents)
    best = max(score for _, score in about["scores"])
    assert about["chosen"] == next(id for id, score in about["scores"] if score == best)
    chosen, went_on = (weights(shared_store, id) for id in (about["chosen"], found["target-select"].id))
    assert all(torch.equal(chosen[name], went_on[name]) for name in chosen)
    assert found["evaluate"].parents == (found["target-select"].id,)
    assert result.results[0].sees == ()


def test_select_scores_as_evaluate_does(run: Run, shared_store: Path, tmp_path: Path) -> None:
    found = phases(run("lr-sweep[rates=1e-09,1e-02]", keep="all"))
    about = Store(shared_store).phase_info(found["target-select"].id)
    parent = found["target-select"].parents[0]
    folder = Store(shared_store).phase_folder(parent)
    from xfer.core.engine.merging import _use_score
    from xfer.core.records import TaskUse

    use, select = TaskUse(task="mini-xnli", split="dev", cap=8), found["target-select"]
    result = commands.evaluate(
        folder, target="mini-xnli", language="en", store=tmp_path, limit={"test": 8}, name="one"
    )
    prepared = commands.prepare({"model": str(folder), "limit": {"dev": 8}, "store": tmp_path, "name": "dev"})
    assert _use_score(select, folder, use, prepared.run) == dict(about["scores"])[parent]
    test = use.model_copy(update={"split": "test"})
    assert _use_score(select, folder, test, prepared.run) == result.results[0].value


def test_attention_over_one_kind_of_state_is_that_state() -> None:
    from xfer.core.formats.base import EncoderShape

    shape = EncoderShape(hidden_size=8, layers=3, vocabulary=10, dropout=0.0, initializer_range=0.5)
    attention = LayerAttention(shape)
    state = torch.randn(5, 8)
    torch.testing.assert_close(attention([state] * 4), state)
    states = [torch.randn(5, 8) for _ in range(4)]
    mixed = attention(states)
    stacked = torch.stack(states)
    assert bool((mixed <= stacked.amax(0) + 1e-5).all())
    assert bool((mixed >= stacked.amin(0) - 1e-5).all())
    one_token = attention([layer[2:3] for layer in states])
    torch.testing.assert_close(one_token, mixed[2:3])  # tokens do not see each other
    with torch.no_grad():
        attention.query.weight.zero_()
    torch.testing.assert_close(attention(states), stacked.mean(0))


@pytest.mark.parametrize("pooling", ["attention", "1"])
def test_poolings_are_trained_stored_and_evaluated(run: Run, shared_store: Path, pooling: str) -> None:
    result = run(f"layer-attention[pooling={pooling}]", keep="all")
    assert len({row.language for row in result.results}) == 2
    target = phases(result)["target"]
    about = Store(shared_store).phase_info(target.id)["heads"]["mini-xnli"]
    assert about["pooling"] == pooling
    names = {name for name in heads(shared_store, target.id) if ".pooling." in name}
    assert names == (
        {"mini-xnli.pooling.query.weight", "mini-xnli.pooling.key.weight"} if pooling == "attention" else set()
    )
    plain = phases(run("none", keep="all"))["target"]
    assert plain.id != target.id


def test_evaluation_reads_what_training_read(run: Run, planned: Planned, shared_store: Path) -> None:
    from xfer.core.engine.evaluate import head_of_task

    found = phases(run("layer-attention", keep="all"))
    prepared = planned("layer-attention")
    folder = Store(shared_store).phase_folder(found["target"].id)
    encoder = load_encoder(found["evaluate"], prepared.run)
    task = prepared.run.toolkit.tasks.get("mini-xnli")
    _, _, pooling = head_of_task(task, folder, found["evaluate"].options["mini-xnli"], encoder, prepared.run)
    assert isinstance(pooling, LayerAttention)
    stored = heads(shared_store, found["target"].id)
    assert torch.equal(pooling.query.weight, stored["mini-xnli.pooling.query.weight"])
    fresh = make_pooling("attention", encoder.shape)
    assert isinstance(fresh, LayerAttention)
    assert not torch.equal(pooling.query.weight, fresh.query.weight)


def test_a_layer_that_is_not_there_is_refused(run: Run, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="layer 7 of an encoder with 2"):
        run("layer-attention[pooling=7]", store=tmp_path)


def test_a_phase_that_averages_nothing_is_told(planned: Planned, tmp_path: Path) -> None:
    from xfer.core.engine.merging import run_average_phase, run_combine_phase

    prepared = planned("task-vectors[languages=de]", store=tmp_path)
    combine = {one.phase.name: one for one in prepared.plan.phases}["combine"]
    bare = combine.model_copy(update={"phase": combine.phase.model_copy(update={"params": {"weights": [1]}})})
    with pytest.raises(UserError, match="1 weights for 3 parents"):
        run_combine_phase(bare, prepared.run)
    snapshots = combine.phase.model_copy(update={"params": {"snapshots": True}})
    with pytest.raises(UserError, match="averages snapshots of one phase"):
        run_average_phase(combine.model_copy(update={"phase": snapshots}), prepared.run)


def test_kept_heads_keep_their_pooling(run: Run, planned: Planned, shared_store: Path, tmp_path: Path) -> None:
    file = tmp_path / "again.py"
    file.write_text(
        "from xfer.api import Phase, Strategy, TaskUse, hookimpl, target_phases\n"
        "def plan(context, params):\n"
        "    first, last = target_phases(context, after=None)\n"
        "    first = first.model_copy(update={'pooling': 'attention'})\n"
        "    again = first.model_copy(update={'name': 'again', 'starts_from': ('target',), 'heads': 'keep'})\n"
        "    return first, again, last.model_copy(update={'starts_from': ('again',)})\n"
        "@hookimpl\n"
        "def xfer_strategies():\n"
        "    return [Strategy(name='again', summary='invented', plan=plan)]\n",
        encoding="utf-8",
    )
    found = phases(run("again", plugin=(file,), keep="all"))
    job = prepare(found["again"], planned("again", plugin=(file,)).run)
    (part,) = job.parts
    assert isinstance(part.pooling, LayerAttention)
    assert part.head is not None
    stored = heads(shared_store, found["target"].id)
    assert torch.equal(part.pooling.key.weight, stored["mini-xnli.pooling.key.weight"])
    assert torch.equal(dict(part.head.named_parameters())["out.weight"], stored["mini-xnli.out.weight"])
    assert found["target"].id == phases(run("layer-attention", keep="all"))["target"].id, "equal phases are one"
