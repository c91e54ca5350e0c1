"""Memory that runs out: smaller micro-batches, then activations computed again; the result stays."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch  # noqa: TID253

from tests.engine.conftest import Kit, calm_encoder, kit, training
from tests.engine.test_train import farthest, losses, weights
from tests.speed.formats import make
from xfer.core.encoders.device import Device
from xfer.core.encoders.encoder import Encoder
from xfer.core.engine import memory, step
from xfer.core.engine.flat_adamw import FlatAdamW
from xfer.core.engine.job import Job, State
from xfer.core.engine.predict import predict
from xfer.core.engine.train import resume, train
from xfer.core.engine.train_phase import prepare
from xfer.core.errors import Stopped

__all__ = ["calm_encoder", "kit"]
ERRORS: dict[str, Callable[[], BaseException]] = {
    "card": lambda: torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB"),
    "allocator": lambda: RuntimeError(
        "[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to "
        "allocate 99999999999 bytes. Error code 12 (Cannot allocate memory)"
    ),
    "python": MemoryError,
}
CALM = {"train.max_steps": 4, "train.adam_epsilon": 0.1, "train.lr": 0.01, "engine.log_seconds": 1e-9}


def fail_beyond(
    monkeypatch: pytest.MonkeyPatch, error: Callable[[], BaseException], tokens: int, after: int = 0
) -> list[int]:
    """Let the forward pass of training fail for more than so many tokens; returns the sizes that passed."""
    seen: list[int] = []
    own = step.hidden_states

    def limited(encoder: Encoder, batch: Any, pooling: Any) -> torch.Tensor:
        if batch.real_tokens > tokens and len(seen) >= after:
            raise error()
        seen.append(batch.real_tokens)
        return own(encoder, batch, pooling)

    monkeypatch.setattr(step, "hidden_states", limited)
    return seen


def trained(kit: Kit, **changes: Any) -> tuple[Job, State, list[str]]:
    prepared = kit.prepare(model=str(kit.calm), set={**CALM, **changes})
    job = prepare(training(prepared), prepared.run)
    state = train(job, prepared.run, State())
    return job, state, [problem.message for problem in prepared.run.problems]


def test_errors_that_mean_memory_are_known_and_others_are_not() -> None:
    assert all(memory.ran_out(make()) for make in ERRORS.values())
    with pytest.raises(RuntimeError) as huge:
        torch.empty(2**60)
    assert memory.ran_out(huge.value)
    assert not memory.ran_out(RuntimeError("shapes do not fit"))
    assert not memory.ran_out(KeyError("memory"))


@pytest.mark.parametrize("way", ["plain", "flat"])
@pytest.mark.parametrize("kind", ERRORS)
def test_the_step_is_cut_until_it_fits_and_the_result_stays(
    kit: Kit, monkeypatch: pytest.MonkeyPatch, kind: str, way: str
) -> None:
    whole, state, told = trained(kit, **{"engine.step": way})
    assert told == []
    seen = fail_beyond(monkeypatch, ERRORS[kind], tokens=40)
    cut, tight, told = trained(kit, **{"engine.step": way})
    assert max(seen) <= 40
    assert len(seen) > 8  # several micro-batches in every step
    assert tight.micro_batch_tokens is not None
    assert 16 <= tight.micro_batch_tokens <= 40
    assert farthest(weights(whole), weights(cut)) < 1e-6
    assert losses(state) == pytest.approx(losses(tight), abs=1e-5)
    assert told[-1] == f"memory ran out: micro-batches of {tight.micro_batch_tokens} tokens from step 1 on"
    assert len(told) <= 3  # once each, not every step


def test_half_a_step_leaves_nothing_behind(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second micro-batch fails when the first has left its gradient."""
    whole, _, _ = trained(kit, **{"train.micro_batch_tokens": 64})
    fail_beyond(monkeypatch, ERRORS["card"], tokens=30, after=1)
    cut, state, _ = trained(kit, **{"train.micro_batch_tokens": 64})
    assert state.micro_batch_tokens is not None
    assert farthest(weights(whole), weights(cut)) < 1e-6


def test_at_the_smallest_size_activations_are_computed_again(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, _, _ = trained(kit)
    own = step.hidden_states

    def greedy(encoder: Encoder, batch: Any, pooling: Any) -> torch.Tensor:
        if not encoder.model.is_gradient_checkpointing:
            raise ERRORS["card"]()
        return own(encoder, batch, pooling)

    monkeypatch.setattr(step, "hidden_states", greedy)
    saved, state, told = trained(kit)
    assert state.checkpointing
    assert told[-1] == "memory ran out: activations computed again in the backward pass from step 1 on"
    assert farthest(weights(whole), weights(saved)) < 1e-6


def test_when_nothing_helps_the_error_passes(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_beyond(monkeypatch, ERRORS["card"], tokens=0)
    with pytest.raises(torch.OutOfMemoryError):
        trained(kit)


def test_other_errors_pass_at_once(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = fail_beyond(monkeypatch, lambda: RuntimeError("shapes do not fit"), tokens=40)
    with pytest.raises(RuntimeError, match="shapes"):
        trained(kit)
    assert calls == []


@pytest.mark.parametrize("kind", ["xlm-roberta", "bert", "deberta-v2"])
def test_computing_activations_again_changes_no_bit(tiny_encoder: Callable[[str], Path], kind: str) -> None:
    """With dropout: the backward pass draws again what the forward pass drew."""
    setting = make("tagging", tiny_encoder("xlm-roberta"))
    encoder = Encoder.load(tiny_encoder(kind))
    found = []
    for again in (False, True):
        if again:
            assert encoder.checkpoint_activations()
        encoder.train()
        encoder.zero_grad()
        torch.manual_seed(3)
        encoder(setting.batch()).square().mean().backward()
        found.append({name: p.grad.clone() for name, p in encoder.named_parameters() if p.grad is not None})
    assert found[0].keys() == found[1].keys()
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])


def test_what_was_found_is_remembered_over_a_restart(
    kit: Kit, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fail_beyond(monkeypatch, ERRORS["card"], tokens=40)

    def attempt(store: str, stop_after: int | None) -> tuple[Job, State, list[str]]:
        changes = {**CALM, "engine.checkpoint_seconds": 0}
        prepared = kit.prepare(store=tmp_path / store, set=changes)  # with dropout: its draws follow the cuts
        job = prepare(training(prepared), prepared.run)
        state = resume(job, prepared.run)
        prepared.run.stop_requested = lambda: stop_after is not None and state.step >= stop_after
        train(job, prepared.run, state)
        return job, state, [problem.message for problem in prepared.run.problems]

    whole, end, _ = attempt("whole", None)
    with pytest.raises(Stopped):
        attempt("cut", 2)
    again, state, told = attempt("cut", None)
    assert told == []  # it did not have to fail again
    assert state.micro_batch_tokens == end.micro_batch_tokens is not None
    assert farthest(weights(whole), weights(again)) == 0.0


def test_evaluation_goes_on_with_smaller_batches(
    tiny_encoder: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    setting = make("classification", tiny_encoder("xlm-roberta"))
    own, sizes, told = setting.code.outputs, [], []

    def limited(head: Any, hidden: torch.Tensor, batch: Any) -> dict[str, torch.Tensor]:
        if batch.real_tokens > 50:
            raise ERRORS["allocator"]()
        sizes.append(batch.real_tokens)
        return own(head, hidden, batch)

    device = Device(torch.device("cpu"), "float32")
    given = (setting.code, setting.encoder, setting.head, setting.features, setting.tokeniser, device, 16384)
    expected = predict(*given)
    monkeypatch.setattr(setting.code, "outputs", limited)
    got = predict(*given, tell=told.append)
    assert sum(sizes) == len(setting.features.tokens)
    assert abs(got["logits"] - expected["logits"]).max() < 1e-5
    assert told[-1].startswith("memory ran out: evaluation batches of ")
    monkeypatch.setattr(setting.code, "outputs", lambda *_: (_ for _ in ()).throw(MemoryError()))
    with pytest.raises(MemoryError):
        predict(*given)


@pytest.mark.parametrize("way", ["plain", "flat"])
def test_a_step_whose_update_fails_is_not_taken_twice(kit: Kit, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    """Moments and step counts of part of the weights may have moved by then."""
    optimizer, method = (torch.optim.AdamW, "step") if way == "plain" else (FlatAdamW, "update")
    own, calls = getattr(optimizer, method), []

    def torn(*arguments: Any, **named: Any) -> Any:
        own(*arguments, **named)
        calls.append(way)
        raise ERRORS["card"]()

    monkeypatch.setattr(optimizer, method, torn)
    with pytest.raises(torch.OutOfMemoryError):
        trained(kit, **{"engine.step": way})
    assert calls == [way]
