"""The training loop. One loop serves every training phase; variation lives in the phase's record.

    job = encoder from the parent + fresh heads + features + schedule + optimizer
    if a mid-phase checkpoint verifies: restore weights, optimizer, best so far, step
    for step in range(step, total):
        use, items = schedule.draw(step)              # pure function of (seed, step)
        seed dropout and masking from (seed, step)    # so a resumed run equals an uninterrupted one
        for micro-batch in items:
            loss sum, terms = format.loss(head, encoder(batch), batch);  backward
        norm of (gradient / terms);  stop if it is not finite
        clip, learning rate of the step, AdamW
        log, evaluate on English dev (keep=best), checkpoint, stop if a signal asked for it

Settings follow jiant's (AdamW, linear warm-up and decay, no weight decay on biases and LayerNorms); the gradient
is clipped once a step, not once a micro-batch as jiant does.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch  # noqa: TID253
from torch import nn  # noqa: TID253

from xfer.core.batches.batching import Collator, micro_batches
from xfer.core.batches.features import Features
from xfer.core.batches.sampling import Schedule
from xfer.core.encoders.device import autocast
from xfer.core.encoders.encoder import Encoder
from xfer.core.encoders.pooling import hidden_states
from xfer.core.engine.inputs import tokeniser
from xfer.core.engine.predict import predict
from xfer.core.errors import NonFinite, Stopped
from xfer.core.formats.base import FormatCode
from xfer.core.records import PlannedPhase, Problem, TrainSettings
from xfer.core.run import Run, Snapshot
from xfer.core.storage import checkpoints, files
from xfer.core.streams import numpy_stream, torch_seeded


@dataclass
class Part:
    """One task of a training phase."""

    code: FormatCode
    head: nn.Module | None
    features: Features
    collator: Collator
    dev_examples: Sequence[Any] = ()
    dev_features: Features | None = None
    pooling: nn.Module | int | None = None
    loss_weight: float = 1.0
    changed: Callable[[np.ndarray, int], tuple[Features, Collator]] | None = None
    """Features of drawn examples as the phase's transform makes them in an epoch; None without one."""

    @property
    def drawn_examples(self) -> np.ndarray:
        """What the schedule counts and draws: items, or with a transform whole examples, by example number."""
        return self.features.example if self.changed is None else np.unique(self.features.example)

    def drawn(self, items: np.ndarray, epoch: int) -> tuple[Features, Collator, np.ndarray]:
        """The features, their collator and the item numbers of one step."""
        if self.changed is None:
            return self.features, self.collator, items
        features, collator = self.changed(items, epoch)
        return features, collator, np.arange(features.item_count)


@dataclass
class Job:
    """What the loop works on."""

    planned: PlannedPhase
    encoder: Encoder
    parts: list[Part]
    schedule: Schedule
    settings: TrainSettings
    parameters: dict[str, nn.Parameter]
    """Trained parameters by name, "encoder.…" and "heads.<task>.…"."""
    optimizer: torch.optim.Optimizer


@dataclass
class State:
    """Where the loop stands; everything in a checkpoint besides tensors."""

    step: int = 0
    best_score: float | None = None
    best_step: int = 0
    without_gain: int = 0
    seconds: float = 0.0
    """Time in the loop, of all processes that worked on the phase; what was redone counts once."""
    log: list[dict[str, float]] = field(default_factory=list)
    best: dict[str, torch.Tensor] = field(default_factory=dict)


def train(job: Job, run: Run, state: State) -> State:
    """Run the loop to its end, leaving the kept weights in `job`.

    Raises NonFinite before the optimizer step that would spoil the weights, Stopped after a checkpoint.
    """
    seed = job.planned.seed or 0
    last_log = last_save = time.monotonic()
    tokens = logged_steps = 0
    loss_sum = 0.0
    started, first_step = time.monotonic(), state.step
    counted = started
    while state.step < job.schedule.total_steps:
        step = state.step
        use, items = job.schedule.draw(step)
        part = job.parts[use]
        _train_mode(job)
        drawn = part.drawn(items, job.schedule.epoch(step))
        loss, real_tokens = _step(job, part, drawn, step, seed, run)
        tokens, loss_sum, logged_steps = tokens + real_tokens, loss_sum + loss, logged_steps + 1
        state.step = step + 1
        if number := snapshot_number(state.step, job.schedule.total_steps, job.settings.snapshots):
            _save_snapshot(job, run, number)
        now = time.monotonic()
        state.seconds, counted = state.seconds + now - counted, now
        final = state.step == job.schedule.total_steps
        if final or now - last_log >= run.settings.engine.log_seconds:
            rate = tokens / max(now - last_log, 1e-9)
            left = (now - started) / (state.step - first_step) * (job.schedule.total_steps - state.step)
            snapshot = Snapshot(
                step=state.step,
                total_steps=job.schedule.total_steps,
                task=part.code.task.name,
                loss=loss_sum / logged_steps,
                learning_rate=learning_rate(job.settings, step, job.schedule.total_steps),
                tokens_per_second=rate,
                seconds_left=left,
            )
            state.log.append({"step": state.step, "loss": snapshot.loss, "learning_rate": snapshot.learning_rate})
            run.reporter.step_logged(job.planned, snapshot)
            _observed(job, run, snapshot)
            last_log, tokens, loss_sum, logged_steps = now, 0, 0.0, 0
        if job.settings.keep == "best" and (final or state.step % job.settings.eval_every == 0):
            _keep_best(job, run, state)
            if state.without_gain >= job.settings.patience:
                break
        stopping = run.stop_requested()
        if not final and (stopping or now - last_save >= run.settings.engine.checkpoint_seconds):
            _save(job, run, state)
            last_save = time.monotonic()
        if stopping and not final:
            raise Stopped(
                f"stopped as asked after step {state.step} of {job.schedule.total_steps}; the state is saved",
                fix="issue the same command again to continue",
            )
    state.seconds += time.monotonic() - counted
    if state.best:
        _load(job, state.best)
    spoilt = [name for name, p in job.parameters.items() if not bool(torch.isfinite(p).all())]
    if spoilt:
        raise NonFinite(
            f"{spoilt[0]} is not finite after the last step; nothing was stored",
            where=f"phase {job.planned.id}",
            fix="a lower learning rate (--set train.lr=…)",
        )
    return state


def _observed(job: Job, run: Run, snapshot: Snapshot) -> None:
    """Tell the observers; one that ends the run does so like a signal, after the checkpoint."""
    try:
        run.toolkit.manager.observe("xfer_step_logged", run=run, phase=job.planned.phase, snapshot=snapshot)
    except Stopped as asked:
        run.tell(Problem(stage="observe", message=str(asked)))
        run.stop_requested = lambda: True


def learning_rate(settings: TrainSettings, step: int, total: int) -> float:
    """Learning rate of optimizer step `step` (from 0): linear warm-up, then linear decay or constant."""
    warm = round(settings.warmup * total)
    if step < warm:
        return settings.learning_rate * (step + 1) / warm
    if settings.decay == "constant":
        return settings.learning_rate
    return settings.learning_rate * (total - step) / max(1, total - warm)


def make_optimizer(parameters: dict[str, nn.Parameter], settings: TrainSettings) -> torch.optim.Optimizer:
    """AdamW without weight decay on biases and LayerNorms (everything of one dimension)."""
    decayed = [p for p in parameters.values() if p.dim() > 1]
    plain = [p for p in parameters.values() if p.dim() <= 1]
    groups = [
        {"params": decayed, "weight_decay": settings.weight_decay},
        {"params": plain, "weight_decay": 0.0},
    ]
    fused = all(p.device.type in ("cpu", "cuda") for p in parameters.values())
    return torch.optim.AdamW(
        [group for group in groups if group["params"]],
        lr=settings.learning_rate,
        betas=settings.adam_betas,
        eps=settings.adam_epsilon,
        fused=fused,
    )


def snapshot_number(step: int, total: int, snapshots: int) -> int:
    """Which snapshot (from 1) is due after `step` steps of `total`, of so many evenly spaced ones; 0: none."""
    due = {round(total * number / snapshots): number for number in range(1, snapshots + 1)}
    return due.get(step, 0)


def _save_snapshot(job: Job, run: Run, number: int) -> None:
    folder = run.store.partial_folder(job.planned.id) / f"snapshot-{number}"
    with files.committed_folder(folder, replace=True) as temporary:
        weights = {name: parameter.detach() for name, parameter in job.parameters.items()}
        checkpoints.save_weights(temporary, "weights", weights)


def _step(
    job: Job, part: Part, drawn: tuple[Features, Collator, np.ndarray], step: int, seed: int, run: Run
) -> tuple[float, int]:
    """One optimizer step on drawn items; returns the mean loss and the number of real tokens."""
    features, collator, items = drawn
    device = run.device
    torch_seeded(seed, "dropout", step)
    masking = numpy_stream(seed, "masking", part.code.task.name, step)
    total = torch.zeros((), device=device.torch_device)
    terms = torch.zeros((), device=device.torch_device)
    real_tokens = 0
    for chunk in micro_batches(features, items, job.settings.micro_batch_tokens):
        batch = part.code.prepare(collator.batch(chunk), masking, tokeniser(run))
        with autocast(device):
            hidden = hidden_states(job.encoder, batch, part.pooling)
            loss, count = part.code.loss(part.head, hidden, batch)
        (loss * part.loss_weight).backward()  # type: ignore[no-untyped-call]
        total += loss.detach().float()
        terms += count
        real_tokens += batch.real_tokens
    gradients = [p.grad for p in job.parameters.values() if p.grad is not None]
    terms = terms.clamp(min=1)
    norm = torch.nn.utils.get_total_norm(gradients) / terms
    loss_value = float(total / terms)
    if not math.isfinite(loss_value) or not math.isfinite(float(norm)):
        raise NonFinite(
            f"{part.code.task.name}: loss {loss_value:.4g}, gradient norm {float(norm):.4g} at step {step + 1} "
            f"of {job.schedule.total_steps}; the optimizer step was not taken",
            where=f"phase {job.planned.id}, examples {features.example[items][:8].tolist()}…",
            fix="a lower learning rate (--set train.lr=…) or more warm-up (--set train.warmup=0.1)",
        )
    scale = (job.settings.clip_norm / (norm + 1e-6)).clamp(max=1.0) / terms
    torch._foreach_mul_(gradients, scale)
    rate = learning_rate(job.settings, step, job.schedule.total_steps)
    for group in job.optimizer.param_groups:
        group["lr"] = rate
    job.optimizer.step()
    job.optimizer.zero_grad(set_to_none=True)
    return loss_value, real_tokens


def _train_mode(job: Job) -> None:
    if not job.encoder.training:
        job.encoder.train()
    for part in job.parts:
        for module in (part.head, part.pooling):
            if isinstance(module, nn.Module) and not module.training:
                module.train()


def _keep_best(job: Job, run: Run, state: State) -> None:
    """Score English dev (mean over the tasks' main scores) and keep the weights if they are the best so far."""
    scores = []
    for part in job.parts:
        if part.dev_features is None:
            continue
        outputs = predict(
            part.code,
            job.encoder,
            part.head,
            part.dev_features,
            tokeniser(run),
            run.device,
            run.settings.engine.evaluation_tokens,
            part.pooling,
        )
        values = part.code.decode(part.dev_examples, part.dev_features, outputs)
        scores.append(part.code.task.score(values, part.dev_examples, "en")[part.code.task.main_score])
    if not scores:
        return
    score = sum(scores) / len(scores)
    state.log.append({"step": state.step, "dev": score})
    if state.best_score is None or score > state.best_score:
        state.best_score, state.best_step, state.without_gain = score, state.step, 0
        state.best = {name: p.detach().to("cpu", copy=True) for name, p in job.parameters.items()}
    else:
        state.without_gain += 1


def _load(job: Job, tensors: dict[str, torch.Tensor]) -> None:
    with torch.no_grad():
        for name, parameter in job.parameters.items():
            parameter.copy_(tensors[name])


def _save(job: Job, run: Run, state: State) -> None:
    groups = {
        "weights": {name: p.detach() for name, p in job.parameters.items()},
        "optimizer": checkpoints.flatten_optimizer(job.optimizer, job.parameters),
    }
    if state.best:
        groups["best"] = state.best
    fields = {key: value for key, value in vars(state).items() if key != "best"}
    checkpoints.save(run.store.partial_folder(job.planned.id), state.step, groups, fields)


def resume(job: Job, run: Run) -> State:
    """The state of the newest checkpoint that verifies, loaded into `job`; else a new one."""
    found = checkpoints.latest(run.store.partial_folder(job.planned.id))
    if found is None:
        return State()
    _load(job, found.tensors("weights"))
    checkpoints.restore_optimizer(job.optimizer, job.parameters, found.tensors("optimizer"))
    state = State(**found.state)
    if "best" in found.groups:
        state.best = found.tensors("best")
    return state


def seeded_head(code: FormatCode, encoder: Encoder, seed: int) -> nn.Module | None:
    """A fresh head whose weights depend on the seed and the task only."""
    with torch_seeded(seed, "head", code.task.name):
        return code.head(encoder.shape)
