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

Several ranks (`xfer.core.engine.group`) go through the same steps: each computes its share of the items, gradients,
losses and terms are added up over all of them, and all make the same update. What one rank decides (a stop, a
checkpoint) all do at the same step; the leading one writes.

Settings follow jiant's (AdamW, linear warm-up and decay, no weight decay on biases and LayerNorms); the gradient
is clipped once a step, not once a micro-batch as jiant does.
"""

import time
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import torch  # noqa: TID253
from torch import nn  # noqa: TID253

from xfer.core.encoders.encoder import Encoder
from xfer.core.engine.flat_adamw import FlatAdamW
from xfer.core.engine.inputs import tokeniser
from xfer.core.engine.job import (
    Job,
    Part,
    State,
    learning_rate,
    load_optimizer,
    load_weights,
    optimizer_tensors,
    settle,
    weights,
)
from xfer.core.engine.parallel import local
from xfer.core.engine.predict import predict
from xfer.core.engine.recorded import Recorder
from xfer.core.engine.step import take_step
from xfer.core.errors import NonFinite, Stopped
from xfer.core.formats.base import FormatCode
from xfer.core.records import Problem
from xfer.core.run import Run, Snapshot
from xfer.core.storage import checkpoints, files
from xfer.core.streams import torch_seeded


def train(job: Job, run: Run, state: State) -> State:
    """Run the loop to its end, leaving the kept weights in `job`.

    Raises NonFinite before the optimizer step that would spoil the weights, Stopped after a checkpoint.
    """
    group = run.group
    state.processes.append(group.world)
    last_log = last_save = time.monotonic()
    tokens = logged_steps = 0
    loss_sum: float | torch.Tensor = 0.0
    recorder = Recorder(job, run.device) if job.recorded else None
    started, first_step = time.monotonic(), state.step
    counted = started
    while state.step < job.schedule.total_steps:
        step = state.step
        use, items = job.schedule.draw(step)
        part = job.parts[use]
        _train_mode(job)
        drawn = part.drawn(items, job.schedule.epoch(step))
        taken = recorder.take(part, drawn, state) if recorder else None
        loss, real_tokens = taken or take_step(job, part, drawn, state, run.device, tokeniser(run), run.tell)
        tokens, loss_sum, logged_steps = tokens + real_tokens, loss_sum + loss, logged_steps + 1
        state.step = step + 1
        if number := snapshot_number(state.step, job.schedule.total_steps, job.settings.snapshots):
            _save_snapshot(job, run, state.step, number)
        now = time.monotonic()
        state.seconds, counted = state.seconds + now - counted, now
        final = state.step == job.schedule.total_steps
        if final or now - last_log >= run.settings.engine.log_seconds:
            _check(recorder)
            rate = tokens / max(now - last_log, 1e-9)
            left = (now - started) / (state.step - first_step) * (job.schedule.total_steps - state.step)
            snapshot = Snapshot(
                step=state.step,
                total_steps=job.schedule.total_steps,
                task=part.code.task.name,
                loss=float(loss_sum) / logged_steps,
                learning_rate=learning_rate(job.settings, step, job.schedule.total_steps),
                tokens_per_second=rate,
                seconds_left=left,
            )
            state.log.append({"step": state.step, "loss": snapshot.loss, "learning_rate": snapshot.learning_rate})
            run.reporter.step_logged(job.planned, snapshot)
            if group.leads:
                _observed(job, run, snapshot)
            last_log, tokens, loss_sum, logged_steps = now, 0, 0.0, 0
        if job.settings.keep == "best" and (final or state.step % job.settings.eval_every == 0):
            _check(recorder)
            _keep_best(job, run, state)
            if state.without_gain >= job.settings.patience:
                break
        stopping, due = group.any(run.stop_requested(), now - last_save >= run.settings.engine.checkpoint_seconds)
        if not final and (stopping or due):
            _check(recorder)
            _save(job, run, state)
            last_save = time.monotonic()
        if stopping and not final:
            raise Stopped(
                f"stopped as asked after step {state.step} of {job.schedule.total_steps}; the state is saved",
                fix="issue the same command again to continue",
            )
    state.seconds += time.monotonic() - counted
    _finish(job, state)
    spoilt = [name for name, p in job.parameters.items() if not bool(torch.isfinite(local(p)).all())]
    if group.any(bool(spoilt))[0]:
        raise NonFinite(
            f"{', '.join(spoilt[:1]) or 'a weight'} is not finite after the last step; nothing was stored",
            where=f"phase {job.planned.id}",
            fix="a lower learning rate (--set train.lr=…)",
        )
    return state


def _check(recorder: Recorder | None) -> None:
    """Steps that are computed apart from the host must have been finite before anything is told or kept of them."""
    if recorder is not None:
        recorder.check()


def _finish(job: Job, state: State) -> None:
    """Leave the weights that are kept in the job's modules; of shards, the leading rank's `state.best`."""
    if job.sharded:
        state.best = state.best if state.best_score is not None else weights(job, state.step)
    elif job.compact is not None or isinstance(job.optimizer, FlatAdamW):
        settle(job, state.best or weights(job, state.step))
    elif state.best:
        load_weights(job, state.best)


def _observed(job: Job, run: Run, snapshot: Snapshot) -> None:
    """Tell the observers; one that ends the run does so like a signal, after the checkpoint."""
    try:
        run.toolkit.manager.observe(
            "xfer_step_logged", run=run, phase=job.planned.phase, planned=job.planned, snapshot=snapshot
        )
    except Stopped as asked:
        run.tell(Problem(stage="observe", message=str(asked)))
        run.stop_requested = lambda: True


def snapshot_number(step: int, total: int, snapshots: int) -> int:
    """Which snapshot (from 1) is due after `step` steps of `total`, of so many evenly spaced ones; 0: none."""
    due = {round(total * number / snapshots): number for number in range(1, snapshots + 1)}
    return due.get(step, 0)


def _save_snapshot(job: Job, run: Run, step: int, number: int) -> None:
    folder = run.store.partial_folder(job.planned.id) / f"snapshot-{number}"
    kept = weights(job, step)

    def write() -> None:
        with files.committed_folder(folder, replace=True) as temporary:
            checkpoints.save_weights(temporary, "weights", kept)

    run.group.led(write)


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
            group=run.group,
            sharded=job.parallel.module if job.parallel is not None and job.sharded else None,
        )
        scores.append(run.group.led(partial(_dev_score, part, outputs)))
    if not scores:
        return
    score = sum(scores) / len(scores)
    state.log.append({"step": state.step, "dev": score})
    if state.best_score is None or score > state.best_score:
        state.best_score, state.best_step, state.without_gain = score, state.step, 0
        kept = weights(job, state.step)
        state.best = {name: w.to("cpu", copy=True) for name, w in kept.items()} if run.group.leads else {}
    else:
        state.without_gain += 1


def _dev_score(part: Part, outputs: Mapping[str, np.ndarray]) -> float:
    assert part.dev_features is not None
    values = part.code.decode(part.dev_examples, part.dev_features, outputs)
    return float(part.code.task.score(values, part.dev_examples, "en")[part.code.task.main_score])


def _save(job: Job, run: Run, state: State) -> None:
    groups = {
        "weights": weights(job, state.step),
        "optimizer": optimizer_tensors(job),
    }
    if state.best:
        groups["best"] = state.best
    fields = {key: value for key, value in vars(state).items() if key != "best"}
    folder = run.store.partial_folder(job.planned.id)
    run.group.led(lambda: str(checkpoints.save(folder, state.step, groups, fields)))


def resume(job: Job, run: Run) -> State:
    """The state of the newest checkpoint that verifies, loaded into `job`; else a new one.

    However many processes wrote it: it holds whole weights and moments.
    """
    partial_folder = run.store.partial_folder(job.planned.id)
    newest: dict[str, checkpoints.Checkpoint | None] = {}

    def look() -> list[Any] | None:
        newest["found"] = one = checkpoints.latest(partial_folder)
        return None if one is None else [one.step, one.state]

    told = run.group.led(look)
    if told is None:
        return State()
    found = newest.get("found") or checkpoints.Checkpoint(partial_folder / f"step-{told[0]}", *told)
    load_weights(job, found.tensors("weights"))
    load_optimizer(job, found.tensors("optimizer"))
    state = State(**found.state)
    if state.checkpointing:
        job.encoder.checkpoint_activations()
    if "best" in found.groups and run.group.leads:
        state.best = found.tensors("best")
    return state


def seeded_head(code: FormatCode, encoder: Encoder, seed: int) -> nn.Module | None:
    """A fresh head whose weights depend on the seed and the task only."""
    with torch_seeded(seed, "head", code.task.name):
        return code.head(encoder.shape)
