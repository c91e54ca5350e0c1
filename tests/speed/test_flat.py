"""AdamW over flat buffers, bfloat16 working weights and the compact embedding, beside torch's AdamW."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch  # noqa: TID253

from tests.engine.conftest import Kit, calm_encoder, kit, training
from tests.engine.test_train import farthest, losses, weights
from xfer.core.encoders.compact import CompactEmbedding
from xfer.core.engine.flat_adamw import ALIGNMENT, FlatAdamW
from xfer.core.engine.job import Job, State, optimizer_tensors
from xfer.core.engine.train import resume, train
from xfer.core.engine.train_phase import prepare
from xfer.core.errors import NonFinite, Stopped

__all__ = ["calm_encoder", "kit"]
MIXTURE = {"name": "intermediate", "strategy": "english-stilts", "intermediate": "toy-more,toy-tag"}
BASE = {"train.max_steps": 8, "train.weight_decay": 0.1, "train.lr": 5e-3, "engine.log_seconds": 1e-9}


def trained(kit: Kit, name: str = "target", **options: Any) -> tuple[Job, State]:
    options["set"] = {**BASE, **options.pop("set", {})}
    prepared = kit.prepare(**options)
    job = prepare(training(prepared, name), prepared.run)
    return job, train(job, prepared.run, State())


@pytest.mark.parametrize("seed", [0, 1])
def test_flat_adamw_is_adamw_with_clipping(seed: int) -> None:
    """Parameters of all shapes, some of which now and then have no gradient, over several accumulated parts."""
    torch.manual_seed(seed)
    shapes = {
        "encoder.a": (7, 9),
        "encoder.b": (5,),
        "encoder.c": (64, 3),
        "heads.x.w": (4, 4),
        "heads.y.w": (3, 2),
    }
    make = {name: torch.randn(shape) for name, shape in shapes.items()}

    def groups(parameters: dict[str, torch.nn.Parameter]) -> list[dict[str, Any]]:
        matrices = [p for p in parameters.values() if p.dim() > 1]
        vectors = [p for p in parameters.values() if p.dim() == 1]
        return [{"params": matrices, "weight_decay": 0.3}, {"params": vectors, "weight_decay": 0.0}]

    common = {"lr": 1e-2, "betas": (0.9, 0.98), "eps": 1e-6}
    own = {name: torch.nn.Parameter(value.clone()) for name, value in make.items()}
    flat = {name: torch.nn.Parameter(value.clone()) for name, value in make.items()}
    reference = torch.optim.AdamW(groups(own), **common)  # type: ignore[arg-type]
    optimizer = FlatAdamW(groups(flat), flat, **common)  # type: ignore[arg-type]
    for step in range(12):
        rate = 1e-2 / (step + 1)
        absent = {"heads.x.w", "heads.y.w"} - {("heads.x.w", "heads.y.w")[step % 3 > 0]} if step % 4 else set()
        parts = [{n: torch.randn(s) for n, s in shapes.items() if n not in absent} for _ in range(1 + step % 2)]
        for name, parameter in own.items():
            parameter.grad = sum(part[name] for part in parts) if name not in absent else None
        norm = torch.nn.utils.clip_grad_norm_(own.values(), 1.0)
        for group in reference.param_groups:
            group["lr"] = rate
        reference.step()
        for number, part in enumerate(parts):
            for name, gradient in part.items():
                flat[name].grad = gradient.clone()
            active = optimizer.collect(more=number > 0)
        ranges = optimizer.ranges(active)
        assert all(part.start % ALIGNMENT == 0 for part in ranges)
        torch.testing.assert_close(optimizer.norm(ranges), norm)
        scalars = optimizer.scalars(ranges, active, rate)
        optimizer.update(ranges, scalars, (1.0 / (norm + 1e-6)).clamp(max=1.0))
    for name in own:
        torch.testing.assert_close(flat[name], own[name], atol=3e-7, rtol=1e-6)
        assert flat[name].data_ptr() == optimizer.master(flat[name]).data_ptr()
    optimizer.describe()
    for name, parameter in own.items():
        assert reference.state[parameter]["step"] == optimizer.state[flat[name]]["step"]


def test_an_update_that_is_not_good_changes_nothing() -> None:
    parameter = torch.nn.Parameter(torch.ones(3, 3))
    group = {"params": [parameter], "weight_decay": 0.1}
    optimizer = FlatAdamW([group], {"encoder.a": parameter}, lr=0.1, betas=(0.9, 0.999), eps=1e-8)
    for good, moved in ((False, False), (True, True)):
        parameter.grad = torch.ones(3, 3) if good else torch.full((3, 3), float("nan"))
        active = optimizer.collect(more=False)
        ranges = optimizer.ranges(active)
        scalars = optimizer.scalars(ranges, active, 0.1)
        optimizer.update(ranges, scalars, torch.tensor(1.0), torch.tensor(good))
        assert bool((parameter != 1).all()) is moved
        assert bool((parameter == 1).all()) is not moved


@pytest.mark.parametrize(
    "options", [{"target": "toy-class"}, {"target": "toy-text"}, MIXTURE], ids=["class", "masked", "mixture"]
)
def test_flat_training_is_plain_training(kit: Kit, options: dict[str, Any]) -> None:
    name = options.get("name", "target")
    rest = {key: value for key, value in options.items() if key != "name"}
    settings = {"train.adam_epsilon": 1e-4}  # or Adam would turn rounding of zero gradients into steps
    plain, flat = (trained(kit, name, **rest, set={**settings, "engine.step": way}) for way in ("plain", "flat"))
    assert isinstance(flat[0].optimizer, FlatAdamW)
    assert not isinstance(plain[0].optimizer, FlatAdamW)
    assert losses(flat[1]) == pytest.approx(losses(plain[1]), abs=1e-5)
    assert farthest(weights(flat[0]), weights(plain[0])) < 1e-5


def test_bfloat16_working_weights_give_what_autocast_gives(kit: Kit) -> None:
    """Autocast rounds the matrices in every pass; here they lie there rounded. In several micro-batches too."""
    settings = {"engine.precision": "bfloat16", "train.micro_batch_tokens": 64, "train.adam_epsilon": 1e-4}
    plain, flat = (trained(kit, set={**settings, "engine.step": way}) for way in ("plain", "flat"))
    assert losses(flat[1]) == pytest.approx(losses(plain[1]), abs=2e-3)
    assert farthest(weights(flat[0]), weights(plain[0])) < 1e-3
    assert {p.dtype for p in flat[0].parameters.values()} == {torch.float32}  # what is stored is whole again
    whole = trained(kit, set={"engine.step": "plain", "train.adam_epsilon": 1e-4})
    assert farthest(weights(plain[0]), weights(whole[0])) > 1e-4  # the comparison can fail


@pytest.mark.parametrize("way", ["plain", "flat"])
@pytest.mark.parametrize("target", ["toy-class", "toy-tag"])
def test_a_compact_embedding_gives_the_weights_of_the_full_one(kit: Kit, target: str, way: str) -> None:
    """Rows that never occur shrink by weight decay alone, and are compared like all others."""
    options = {"target": target, "strategy": "none"}
    settings = {"engine.step": way, "train.adam_epsilon": 1e-6}
    full, compact = (
        trained(kit, **options, set={**settings, "engine.embedding": rows}) for rows in ("full", "compact")
    )
    name = next(name for name in full[0].parameters if name.endswith("word_embeddings.weight"))
    one, other = weights(full[0])[name], weights(compact[0])[name]
    assert one.shape == other.shape
    start = kit.prepare(target=target)
    before = prepare(training(start), start.run).parameters[name].detach()
    unused = np.flatnonzero(~np.isin(np.arange(len(one)), full[0].parts[0].features.tokens))
    assert len(unused) > 50
    assert not torch.equal(one[unused], before[unused])
    torch.testing.assert_close(other[unused], one[unused], atol=1e-7, rtol=1e-6)
    assert losses(compact[1]) == pytest.approx(losses(full[1]), abs=1e-6)
    assert farthest(weights(compact[0]), weights(full[0])) < 2e-6
    assert not isinstance(compact[0].encoder.word_embeddings, CompactEmbedding)


def test_only_rows_that_occur_are_trained_and_masked_lm_trains_all(kit: Kit) -> None:
    compact = {"engine.embedding": "compact", "train.keep": "best", "train.eval_every": 4}
    prepared = kit.prepare(set=compact)
    job = prepare(training(prepared), prepared.run)
    assert job.compact is not None
    features = [job.parts[0].features.tokens, job.parts[0].dev_features.tokens]  # type: ignore[union-attr]
    assert set(np.concatenate(features).tolist()) <= set(job.compact.rows.tolist())
    assert len(job.compact.rows) == len(job.encoder.word_embeddings.weight) < 200
    assert 1 in job.compact.rows  # the pad token, though nothing is padded
    train(job, prepared.run, State())
    masked = kit.prepare(target="toy-text", set=compact)
    assert prepare(training(masked), masked.run).compact is None
    frozen = kit.prepare(set={**compact, "train.frozen_layers": 0})
    assert prepare(training(frozen), frozen.run).compact is None


@pytest.mark.parametrize("way", ["plain", "flat"])
@pytest.mark.parametrize("rows", ["full", "compact"])
def test_resuming_is_bitwise_whichever_way(kit: Kit, tmp_path: Path, way: str, rows: str) -> None:
    settings = {"engine.step": way, "engine.embedding": rows, "engine.checkpoint_seconds": 0, "train.max_steps": 5}
    extra = {"train.keep": "best", "train.eval_every": 2}

    def attempt(store: str, stop_after: int | None) -> tuple[Job, State]:
        prepared = kit.prepare(store=tmp_path / store, set={**BASE, **settings, **extra})
        job = prepare(training(prepared), prepared.run)
        state = resume(job, prepared.run)
        prepared.run.stop_requested = lambda: stop_after is not None and state.step >= stop_after
        return job, train(job, prepared.run, state)

    whole, _ = attempt("whole", None)
    for step in (1, 3):
        with pytest.raises(Stopped):
            attempt(f"cut-{step}", step)
        again, _ = attempt(f"cut-{step}", None)
        assert farthest(weights(whole), weights(again)) == 0.0


def test_a_checkpoint_may_be_continued_another_way(kit: Kit, tmp_path: Path) -> None:
    """It holds the full table, float32 weights and moments by parameter, whatever wrote it."""
    ways = [("plain", "full"), ("flat", "compact")]

    def attempt(store: str, way: tuple[str, str], stop_after: int | None) -> tuple[Job, dict[str, torch.Tensor]]:
        settings = {"engine.step": way[0], "engine.embedding": way[1], "engine.checkpoint_seconds": 0}
        settings |= {"train.adam_epsilon": 1e-5}
        prepared = kit.prepare(store=tmp_path / store, set={**BASE, **settings})
        job = prepare(training(prepared), prepared.run)
        state = resume(job, prepared.run)
        before = {name: value.clone() for name, value in optimizer_tensors(job).items()}
        prepared.run.stop_requested = lambda: stop_after is not None and state.step >= stop_after
        train(job, prepared.run, state)
        return job, before

    found = []
    for first, second in (ways, ways[::-1]):
        with pytest.raises(Stopped):
            attempt(first[0], first, 4)
        job, moments = attempt(first[0], second, None)
        found.append((weights(job), moments))
    assert farthest(found[0][0], found[1][0]) < 1e-5
    assert found[0][1].keys() == found[1][1].keys()
    assert farthest(found[0][1], found[1][1]) < 1e-5


def test_flat_training_stops_at_what_is_not_finite(kit: Kit) -> None:
    with pytest.raises(NonFinite, match=r"at step [2-8] of 8"):
        trained(kit, set={"train.lr": 1e30, "train.warmup": 0.0, "engine.step": "flat"})
