"""Recorded steps give the weights of steps computed one by one. On CPU the body is called instead of replayed."""

from pathlib import Path
from typing import Any

import pytest
import torch  # noqa: TID253

from tests.engine.conftest import Kit, calm_encoder, kit, training
from tests.engine.test_train import farthest, losses, weights
from xfer.core.engine import recorded
from xfer.core.engine.job import Job, State
from xfer.core.engine.recorded import Recorder
from xfer.core.engine.train import resume, train
from xfer.core.engine.train_phase import prepare
from xfer.core.errors import NonFinite, Stopped

__all__ = ["calm_encoder", "kit"]
BASE = {"train.max_steps": 8, "train.adam_epsilon": 1e-4, "train.lr": 5e-3, "engine.log_seconds": 1e-9}
MIXTURE = {"name": "intermediate", "strategy": "english-stilts", "intermediate": "toy-more,toy-tag"}
JOBS: dict[str, dict[str, Any]] = {
    "classification": {"target": "toy-pair-class"},
    "multiple-choice": {"target": "toy-choice"},
    "span": {"target": "toy-span"},
    "tagging": {"target": "toy-tag"},
    "mixture": MIXTURE,
}


def trained(kit: Kit, name: str = "target", **options: Any) -> tuple[Job, State]:
    options["set"] = {**BASE, **options.pop("set", {})}
    prepared = kit.prepare(model=str(kit.calm), **options)
    job = prepare(training(prepared, name), prepared.run)
    return job, train(job, prepared.run, State())


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each step was taken by the recorder."""
    own, found = Recorder.take, []

    def spy(*arguments: Any) -> Any:
        result = own(*arguments)
        found.append(result is not None)
        return result

    monkeypatch.setattr(Recorder, "take", spy)
    return found


@pytest.mark.parametrize("name", JOBS)
@pytest.mark.parametrize("rows", ["full", "compact"])
def test_recorded_training_is_plain_training(kit: Kit, taken: list[bool], name: str, rows: str) -> None:
    plain = trained(kit, **JOBS[name], set={"engine.step": "plain"})
    assert taken == []
    replayed = trained(kit, **JOBS[name], set={"engine.step": "recorded", "engine.embedding": rows})
    assert taken == [True] * 8
    assert losses(replayed[1]) == pytest.approx(losses(plain[1]), abs=1e-5)
    assert farthest(weights(replayed[0]), weights(plain[0])) < 1e-5


def test_few_shapes_are_recorded_and_the_longest_first(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    own = Recorder._record

    def spy(self: Recorder, part: Any, batch: Any) -> Any:
        sizes.append(len(batch.input_ids))
        return own(self, part, batch)

    monkeypatch.setattr(Recorder, "_record", spy)
    trained(kit, target="toy-choice", set={"engine.step": "recorded", "train.max_steps": 16})
    assert sizes[0] == max(sizes)
    assert len(sizes) == len(set(sizes)) < 5
    assert all(size % 128 == 0 for size in sizes)


def test_what_cannot_be_recorded_is_computed_step_by_step(
    kit: Kit, taken: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    trained(kit, target="toy-text", set={"engine.step": "recorded", "train.max_steps": 2})
    assert taken == [False, False]
    taken.clear()
    small = {"engine.step": "recorded", "train.micro_batch_tokens": 64, "train.max_steps": 4}
    cut, _ = trained(kit, set=small)
    assert not all(taken)
    whole, _ = trained(kit, set={**small, "engine.step": "plain"})
    assert farthest(weights(cut), weights(whole)) < 1e-5
    taken.clear()
    monkeypatch.setattr(recorded, "SHAPES", 0)
    none, _ = trained(kit, set={**small, "train.micro_batch_tokens": 16384})
    assert taken == [False] * 4
    assert farthest(weights(none), weights(whole)) < 1e-5


def test_memory_that_runs_out_while_recording_leaves_the_shape_to_plain_steps(
    kit: Kit, taken: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Recorder, "_body", fail)
    monkeypatch.setattr(Recorder, "_warm_up", fail)
    job, _ = trained(kit, set={"engine.step": "recorded"})
    assert taken == [False] * 8
    whole, _ = trained(kit, set={"engine.step": "plain"})
    assert farthest(weights(job), weights(whole)) < 1e-5


def test_a_step_that_is_not_finite_changes_nothing_and_is_told_later(kit: Kit) -> None:
    """The learning rate spoils the weights in some step; the ones after it are not taken."""
    settings = {"engine.step": "recorded", "train.lr": 1e30, "train.warmup": 0.0, "engine.log_seconds": 1e9}
    prepared = kit.prepare(model=str(kit.calm), set={**BASE, **settings})
    job = prepare(training(prepared), prepared.run)
    with pytest.raises(NonFinite, match=r"toy-class: loss .* at step [2-7] of 8") as caught:
        train(job, prepared.run, State())
    assert "examples [" in caught.value.where
    assert all(torch.isfinite(p).all() for p in job.parameters.values())


def test_a_recorded_run_resumes_bitwise(kit: Kit, tmp_path: Path) -> None:
    settings = {**BASE, "engine.step": "recorded", "engine.embedding": "compact", "engine.checkpoint_seconds": 0}

    def attempt(store: str, stop_after: int | None) -> Job:
        prepared = kit.prepare(store=tmp_path / store, set=settings)  # with dropout
        job = prepare(training(prepared), prepared.run)
        state = resume(job, prepared.run)
        prepared.run.stop_requested = lambda: stop_after is not None and state.step >= stop_after
        train(job, prepared.run, state)
        return job

    whole = attempt("whole", None)
    for step in (1, 5):
        with pytest.raises(Stopped):
            attempt(f"cut-{step}", step)
        assert farthest(weights(whole), weights(attempt(f"cut-{step}", None))) == 0.0


@pytest.mark.cuda
@pytest.mark.parametrize("name", JOBS)
def test_graphs_replay_what_was_recorded(kit: Kit, taken: list[bool], name: str) -> None:
    """On a card, in bfloat16: recorded steps beside flat ones, whose arithmetic is the same."""
    flat, replayed = (
        trained(kit, **JOBS[name], device="cuda", set={"engine.step": way}) for way in ("flat", "recorded")
    )
    assert taken == [True] * 8
    assert losses(replayed[1]) == pytest.approx(losses(flat[1]), abs=2e-2)
    assert farthest(weights(replayed[0]), weights(flat[0])) < 2e-2


@pytest.mark.cuda
def test_filler_that_is_long_gives_no_nan_on_a_card(kit: Kit) -> None:
    """The kernel writes no row beyond the longest sequence it is told of."""
    _, state = trained(kit, target="toy-tag", device="cuda", set={"engine.step": "recorded", "train.batch_size": 3})
    assert all(torch.isfinite(torch.tensor(losses(state))))
