"""One optimizer step: forward, backward, one norm over the whole step, clipping, AdamW."""

import math
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch  # noqa: TID253

from xfer.core.batches.batching import Collator, micro_batches
from xfer.core.batches.features import Batch, Features
from xfer.core.batches.sampling import dealt
from xfer.core.encoders.device import Device, autocast
from xfer.core.encoders.pooling import hidden_states
from xfer.core.encoders.tokeniser import Tokeniser
from xfer.core.engine import memory
from xfer.core.engine.flat_adamw import FlatAdamW
from xfer.core.engine.job import Job, Part, State, learning_rate
from xfer.core.engine.parallel import Parallel, gathered
from xfer.core.errors import NonFinite
from xfer.core.records import Problem
from xfer.core.streams import numpy_stream, torch_seeded

if TYPE_CHECKING:
    from collections.abc import Callable

Drawn = tuple[Features, Collator, np.ndarray]
"""Features, their collator and the numbers of the items of a step."""


def take_step(
    job: Job,
    part: Part,
    drawn: Drawn,
    state: State,
    device: Device,
    tokeniser: Tokeniser,
    tell: "Callable[[Problem], None]" = lambda problem: None,
) -> tuple[float, int]:
    """One optimizer step on drawn items; returns the mean loss and the number of real tokens.

    Where memory runs out before the weights are touched, the gradient is computed anew with less of it, down to
    one item a micro-batch; what that took is kept in `state` and told. Where it runs out in the update, the error
    passes, for part of the weights may have been changed. It passes in a group, too: the other ranks are in the
    middle of a sum that cannot be begun anew. Raises NonFinite before the optimizer would spoil the weights.
    """
    features, _, items = drawn
    while True:
        budget = min(job.settings.micro_batch_tokens, state.micro_batch_tokens or job.settings.micro_batch_tokens)
        try:
            summed = _gradient(job, part, drawn, state.step, budget, device, tokeniser)
            break
        except Exception as error:
            if not memory.ran_out(error) or job.parallel is not None:
                raise
            lengths = features.item_lengths[items]
            done = memory.tighten(state, job.encoder, int(lengths.sum()), int(lengths.max()), budget)
            if done is None:
                raise
        # outside of the handler: the error's frames hold the tensors of the attempt
        for parameter in job.parameters.values():
            parameter.grad = None
        memory.let_go()
        where = f"phase {job.planned.id}"
        tell(Problem(stage="train", message=f"memory ran out: {done} from step {state.step + 1} on", where=where))
    return _update(job, part, drawn, state.step, summed, device), summed.real_tokens


class _Summed(NamedTuple):
    """What the micro-batches of a step add up to on all ranks, besides the gradient that lies in the parameters."""

    loss: torch.Tensor
    terms: torch.Tensor
    real_tokens: int
    active: np.ndarray
    """Which parameters of flat buffers had a gradient."""


def _gradient(
    job: Job, part: Part, drawn: Drawn, step: int, budget: int, device: Device, tokeniser: Tokeniser
) -> _Summed:
    features, collator, items = drawn
    seed = job.planned.seed or 0
    rank = () if job.parallel is None else (job.parallel.group.rank,)
    torch_seeded(seed, "dropout", step, *rank)
    masking = numpy_stream(seed, "masking", part.code.task.name, step, *rank)
    flat = job.optimizer if isinstance(job.optimizer, FlatAdamW) else None
    total = torch.zeros((), device=device.torch_device)
    terms = torch.zeros((), device=device.torch_device)
    real_tokens = 0
    active = np.zeros(0, dtype=bool)
    chunks = micro_batches(features, items, budget)
    weight = part.loss_weight
    if job.parallel is not None:
        chunks = _own_chunks(job.parallel, features, items, budget)
        weight *= job.parallel.group.world  # for the ranks' mean is taken
    for number, chunk in enumerate(chunks):
        counted = len(chunk) > 0
        batch = part.code.prepare(collator.batch(chunk if counted else items[:1]), masking, tokeniser)
        with _micro_batch(job, last=number == len(chunks) - 1):
            with autocast(device):
                loss, count = _loss(job, part, batch)
            (loss * (weight if counted else 0.0)).backward()  # type: ignore[no-untyped-call]
        if not counted:
            continue
        if flat is not None:
            active = flat.collect(more=number > 0)
        total += loss.detach().float()
        terms += count
        real_tokens += batch.real_tokens
    if job.parallel is not None:
        sums = job.parallel.group.sums([float(total), float(terms), real_tokens])
        total, terms, real_tokens = total.new_tensor(sums[0]), terms.new_tensor(sums[1]), round(sums[2])
    return _Summed(total, terms.clamp(min=1), real_tokens, active)


def _own_chunks(parallel: Parallel, features: Features, items: np.ndarray, budget: int) -> list[np.ndarray]:
    """This rank's micro-batches. Empty ones are computed on an item that counts for nothing: for replicas where a
    rank has no items, for shards until all ranks have as many, since each pass gathers weights from all."""
    ranks = dealt(items, features.item_lengths[items], parallel.group.world)
    cuts = [micro_batches(features, own, budget) for own in ranks]
    passes = max(len(cut) for cut in cuts) if parallel.sharded else 1
    own = cuts[parallel.group.rank]
    return own + [items[:0]] * (passes - len(own))


def _micro_batch(job: Job, last: bool) -> AbstractContextManager[None]:
    return nullcontext() if job.parallel is None else job.parallel.micro_batch(last)


def _loss(job: Job, part: Part, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Summed loss and number of terms; through the wrapper, where there is one, so that its hooks see the pass."""

    def work() -> tuple[torch.Tensor, torch.Tensor]:
        return part.code.loss(part.head, hidden_states(job.encoder, batch, part.pooling), batch)

    if job.parallel is None:
        return work()
    found: tuple[torch.Tensor, torch.Tensor] = job.parallel.module(work)
    return found


def _update(job: Job, part: Part, drawn: Drawn, step: int, summed: _Summed, device: Device) -> float:
    """Change the weights by the step's gradient; returns the mean loss."""
    terms, active = summed.terms, summed.active
    loss_value = float(summed.loss / terms)
    rate = learning_rate(job.settings, step, job.schedule.total_steps)
    flat = job.optimizer if isinstance(job.optimizer, FlatAdamW) else None
    if flat is None:
        _plain_update(job, terms, loss_value, rate, step, part, drawn)
    else:
        ranges = flat.ranges(active)
        norm = flat.norm(ranges) / terms
        require_finite(job, part, drawn, step, loss_value, float(norm))
        scalars = flat.scalars(ranges, active, rate).to(device.torch_device)
        flat.update(ranges, scalars, clip_factor(job, norm) / terms)
    return loss_value


def _plain_update(
    job: Job, terms: torch.Tensor, loss_value: float, rate: float, step: int, part: Part, drawn: Drawn
) -> None:
    gradients = [p.grad for p in job.parameters.values() if p.grad is not None]
    norm = gathered(torch.nn.utils.get_total_norm(gradients)) / terms
    require_finite(job, part, drawn, step, loss_value, float(norm))
    factor = clip_factor(job, norm) / terms
    torch._foreach_mul_(gradients, float(factor) if job.sharded else factor)
    for group in job.optimizer.param_groups:
        group["lr"] = rate
    job.optimizer.step()
    job.optimizer.zero_grad(set_to_none=True)


def clip_factor(job: Job, norm: torch.Tensor) -> torch.Tensor:
    """What a gradient of this norm is multiplied by."""
    return (job.settings.clip_norm / (norm + 1e-6)).clamp(max=1.0)


def require_finite(job: Job, part: Part, drawn: Drawn | None, step: int, loss: float, norm: float) -> None:
    """Raise NonFinite, naming step and examples, where loss or gradient norm are not finite."""
    if math.isfinite(loss) and math.isfinite(norm):
        return
    examples = "" if drawn is None else f", examples {drawn[0].example[drawn[2]][:8].tolist()}…"
    raise NonFinite(
        f"{part.code.task.name}: loss {loss:.4g}, gradient norm {norm:.4g} at step {step + 1} "
        f"of {job.schedule.total_steps}; the optimizer step was not taken",
        where=f"phase {job.planned.id}{examples}",
        fix="a lower learning rate (--set train.lr=…) or more warm-up (--set train.warmup=0.1)",
    )
