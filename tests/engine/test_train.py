"""The training loop: what it learns, and that how a step is cut up, padded or interrupted does not show."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch  # noqa: TID253

from tests.engine.conftest import Kit, training
from xfer.core.engine.train import Job, State, learning_rate, resume, train
from xfer.core.engine.train_phase import prepare, run_train_phase
from xfer.core.errors import NonFinite, Stopped
from xfer.core.records import TrainSettings

EVERY_STEP = {"engine.log_seconds": 1e-9}
CALM = {"train.warmup": 0.0, "train.decay": "constant"}


def trained(kit: Kit, name: str = "target", **options: Any) -> tuple[Job, State]:
    options["set"] = {**EVERY_STEP, **options.pop("set", {})}
    prepared = kit.prepare(**options)
    job = prepare(training(prepared, name), prepared.run)
    return job, train(job, prepared.run, State())


def weights(job: Job) -> dict[str, torch.Tensor]:
    return {name: parameter.detach().clone() for name, parameter in job.parameters.items()}


def losses(state: State) -> list[float]:
    return [entry["loss"] for entry in state.log if "loss" in entry]


def farthest(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    assert one.keys() == other.keys()
    return max(float((one[name] - other[name]).abs().max()) for name in one)


@pytest.mark.parametrize(
    ("task", "share"),
    [("toy-class", 0.5), ("toy-choice", 0.6), ("toy-span", 0.6), ("toy-tag", 0.5), ("toy-text", 0.9)],
)
def test_the_loss_falls_in_every_trainable_format(kit: Kit, task: str, share: float) -> None:
    _, state = trained(kit, target=task, set={"train.max_steps": 60})
    found = losses(state)
    assert len(found) == 60
    assert sum(found[-10:]) < share * sum(found[:10]), (found[:10], found[-10:])


@pytest.mark.parametrize("task", ["toy-class", "toy-span", "toy-tag"])
def test_accumulated_gradients_equal_one_batch(kit: Kit, task: str) -> None:
    # A large epsilon, or Adam would turn the rounding of gradients that are zero into whole steps.
    settings = {"train.max_steps": 4, "train.adam_epsilon": 0.1, "train.lr": 0.01}
    whole, cut = (
        trained(kit, target=task, model=str(kit.calm), set={**settings, "train.micro_batch_tokens": tokens})
        for tokens in (16384, 64)
    )
    start, _ = trained(kit, target=task, model=str(kit.calm), set={"train.max_steps": 1, "train.lr": 1e-12})
    assert farthest(weights(start), weights(whole[0])) > 1e-4
    assert farthest(weights(whole[0]), weights(cut[0])) < 1e-6
    assert losses(whole[1]) == pytest.approx(losses(cut[1]), abs=1e-5)


@pytest.mark.parametrize("task", ["toy-class", "toy-choice", "toy-span", "toy-tag"])
def test_padding_does_not_show_in_the_loss(kit: Kit, task: str) -> None:
    packed, padded = (
        trained(kit, target=task, model=str(kit.calm), set={"train.max_steps": 4, "engine.padding": padding})
        for padding in ("none", "max")
    )
    assert packed[0].encoder.stream
    assert not padded[0].encoder.stream
    assert padded[0].encoder.pad_to == 32
    assert losses(packed[1]) == pytest.approx(losses(padded[1]), abs=1e-4)


def test_the_gradient_is_clipped_once_a_step(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    norms: list[float] = []

    def watch(clip: float) -> None:
        prepared = kit.prepare(set={"train.max_steps": 1, "train.clip_norm": clip})
        job = prepare(training(prepared), prepared.run)
        step = job.optimizer.step

        def spy(*arguments: Any) -> Any:
            gradients = [p.grad for p in job.parameters.values() if p.grad is not None]
            norms.append(float(torch.nn.utils.get_total_norm(gradients)))
            return step(*arguments)

        monkeypatch.setattr(job.optimizer, "step", spy)
        train(job, prepared.run, State())

    for clip in (1e-3, 1e9):
        watch(clip)
    assert norms[0] == pytest.approx(1e-3, rel=1e-3)
    assert norms[1] > 1e-1


def test_dropout_is_on_from_the_first_step(kit: Kit) -> None:
    lively, calm = (trained(kit, model=str(model), set={"train.max_steps": 1}) for model in (kit.model, kit.calm))
    assert farthest(weights(lively[0]), weights(calm[0])) > 1e-4
    assert losses(lively[1]) != pytest.approx(losses(calm[1]), abs=1e-4)


def test_learning_rates() -> None:
    settings = TrainSettings(learning_rate=1.0, warmup=0.2)
    rates = [learning_rate(settings, step, 10) for step in range(10)]
    assert rates == pytest.approx([0.5, 1.0, 1.0, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125])
    constant = settings.model_copy(update={"decay": "constant", "warmup": 0.0})
    assert {learning_rate(constant, step, 10) for step in range(10)} == {1.0}
    assert learning_rate(settings.model_copy(update={"warmup": 1.0}), 9, 10) == pytest.approx(1.0)


def test_the_optimizer_gets_these_rates_and_decays_matrices_only(kit: Kit) -> None:
    job, state = trained(kit, set={"train.max_steps": 3, "train.warmup": 0.0, "train.weight_decay": 0.3})
    assert [entry["learning_rate"] for entry in state.log] == pytest.approx([2e-3, 2e-3 * 2 / 3, 2e-3 / 3])
    matrices, vectors = job.optimizer.param_groups
    assert (matrices["weight_decay"], vectors["weight_decay"]) == (0.3, 0.0)
    assert {p.dim() for p in vectors["params"]} == {1}
    assert len(matrices["params"]) + len(vectors["params"]) == len(job.parameters)


@pytest.mark.parametrize(("frozen", "still"), [(0, ("embeddings",)), (1, ("embeddings", "layer.0."))])
def test_frozen_layers_do_not_move(kit: Kit, frozen: int, still: tuple[str, ...]) -> None:
    prepared = kit.prepare(set={"train.max_steps": 2, "train.frozen_layers": frozen})
    job = prepare(training(prepared), prepared.run)
    before = {name: p.detach().clone() for name, p in job.encoder.named_parameters()}
    train(job, prepared.run, State())
    after = dict(job.encoder.named_parameters())
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    frozen_names = {name for name in before if any(part in name for part in still)}
    assert frozen_names
    assert moved == set(before) - frozen_names
    assert moved


def test_a_loss_that_is_not_finite_stops_before_the_step(kit: Kit) -> None:
    prepared = kit.prepare(set={"train.max_steps": 5, "train.lr": 1e30, "train.warmup": 0.0})
    planned = training(prepared)
    job = prepare(planned, prepared.run)
    with pytest.raises(NonFinite, match=r"toy-class: loss .* at step [2-5] of 5") as caught:
        train(job, prepared.run, State())
    assert planned.id in caught.value.where
    assert caught.value.status == 8
    assert all(torch.isfinite(p).all() for p in job.parameters.values())
    assert not prepared.run.store.has_phase(planned.id)


def test_poisoned_weights_stop_at_the_first_step(kit: Kit) -> None:
    prepared = kit.prepare(set={"train.max_steps": 5})
    job = prepare(training(prepared), prepared.run)
    with torch.no_grad():
        next(iter(job.parameters.values())).fill_(float("nan"))
    with pytest.raises(NonFinite, match="at step 1 of 5"):
        train(job, prepared.run, State())


def test_weights_that_overflow_in_the_last_step_are_not_stored(kit: Kit) -> None:
    prepared = kit.prepare(set={"train.max_steps": 1, "train.lr": 1e39, "train.warmup": 0.0})
    planned = training(prepared)
    with pytest.raises(NonFinite, match="is not finite after the last step"):
        run_train_phase(planned, prepared.run)
    assert not prepared.run.store.has_phase(planned.id)


def test_the_best_weights_on_english_dev_are_kept(kit: Kit) -> None:
    # A rate that learns at first and then jumps about.
    options = {"train.max_steps": 40, "train.keep": "best", "train.eval_every": 4, "train.lr": 5e-3, **CALM}
    job, state = trained(kit, set=options)
    scores = [(entry["step"], entry["dev"]) for entry in state.log if "dev" in entry]
    assert [step for step, _ in scores] == list(range(4, 41, 4))
    best = max(score for _, score in scores)
    assert state.best_score == best
    assert state.best_step == next(step for step, score in scores if score == best)
    assert state.best_step < 40
    short, _ = trained(kit, set={**CALM, "train.max_steps": state.best_step, "train.lr": 5e-3})
    assert farthest(weights(job), weights(short)) == 0.0


def test_patience_ends_a_phase_without_gain(kit: Kit) -> None:
    settings = {"train.max_steps": 40, "train.keep": "best", "train.eval_every": 2, "train.patience": 3}
    _, state = trained(kit, set={**settings, "train.lr": 1e-12})
    assert (state.step, state.best_step, state.without_gain) == (8, 2, 3)


def test_dev_examples_are_limited(kit: Kit) -> None:
    prepared = kit.prepare(set={"train.keep": "best", "train.dev_limit": 7})
    job = prepare(training(prepared), prepared.run)
    assert len(job.parts[0].dev_examples) == 7
    assert {example.language for example in job.parts[0].dev_examples} == {"en"}
    assert all(example.id.startswith("dev-") for example in job.parts[0].dev_examples)


STEPS = 6
JOBS = {
    "one task": {"target": "toy-class"},
    "mixture": {"name": "intermediate", "strategy": "english-stilts", "intermediate": "toy-more,toy-tag"},
    "best": {"set": {"train.keep": "best", "train.eval_every": 2, "train.lr": 5e-3}},
    "masked": {"target": "toy-text"},
}


@pytest.mark.parametrize("kind", JOBS)
def test_resuming_from_any_step_gives_the_same_weights(kit: Kit, tmp_path: Path, kind: str) -> None:
    options = dict(JOBS[kind])
    phase = str(options.pop("name", "target"))
    options["set"] = {**dict(options.pop("set", {})), "train.max_steps": STEPS, "engine.checkpoint_seconds": 0}  # type: ignore[call-overload]

    def attempt(store: str, stop_after: int | None) -> tuple[Job, State]:
        prepared = kit.prepare(**options, store=tmp_path / store)
        planned = training(prepared, phase)
        job = prepare(planned, prepared.run)
        state = resume(job, prepared.run)
        prepared.run.stop_requested = lambda: stop_after is not None and state.step >= stop_after
        return job, train(job, prepared.run, state)

    whole, end = attempt("whole", None)
    for step in range(1, STEPS):
        with pytest.raises(Stopped, match=f"after step {step} of {STEPS}"):
            attempt(f"cut-{step}", step)
        again, state = attempt(f"cut-{step}", None)
        assert farthest(weights(whole), weights(again)) == 0.0, step
        assert (state.step, state.best_step, state.best_score) == (end.step, end.best_step, end.best_score)
    moments, expected = again.optimizer.state, whole.optimizer.state
    for one, other in zip(again.parameters.values(), whole.parameters.values(), strict=True):
        assert torch.equal(moments[one]["exp_avg"], expected[other]["exp_avg"])


def test_a_mixture_trains_a_head_a_task_in_proportion(kit: Kit) -> None:
    options = {"strategy": "english-stilts", "intermediate": "toy-more,toy-tag", "set": {"train.max_steps": 8}}
    prepared = kit.prepare(**options)
    planned = training(prepared, "intermediate")
    job = prepare(planned, prepared.run)
    drawn = [job.schedule.draw(step)[0] for step in range(8)]
    assert sorted(drawn) == [0] * 4 + [1] * 4
    assert {part.code.task.name for part in job.parts} == {"toy-more", "toy-tag"}
    assert {name.split(".")[1] for name in job.parameters if name.startswith("heads.")} == {"toy-more", "toy-tag"}


def test_heads_depend_on_seed_and_task_only(kit: Kit, tiny_encoder: Callable[..., Path]) -> None:
    def head(**options: Any) -> dict[str, torch.Tensor]:
        prepared = kit.prepare(**options)
        job = prepare(training(prepared), prepared.run)
        return {name: p for name, p in weights(job).items() if name.startswith("heads.")}

    first = head()
    assert farthest(first, head(set={"train.lr": 1e-4}, limit={"train": 16})) == 0.0
    assert farthest(first, head(seeds=1)) > 0.0
