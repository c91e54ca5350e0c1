"""One optimizer step: forward, backward, one norm over the whole step, clipping, AdamW."""

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch  # noqa: TID253

from xfer.core.batches.batching import Collator, micro_batches
from xfer.core.batches.features import Features
from xfer.core.encoders.device import Device, autocast
from xfer.core.encoders.pooling import hidden_states
from xfer.core.encoders.tokeniser import Tokeniser
from xfer.core.engine import memory
from xfer.core.engine.flat_adamw import FlatAdamW
from xfer.core.engine.job import Job, Part, State, learning_rate
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
    passes, for part of the weights may have been changed. Raises NonFinite before the optimizer would spoil them.
    """
    features, _, items = drawn
    while True:
        budget = min(job.settings.micro_batch_tokens, state.micro_batch_tokens or job.settings.micro_batch_tokens)
        try:
            summed = _gradient(job, part, drawn, state.step, budget, device, tokeniser)
            break
        except Exception as error:
            if not memory.ran_out(error):
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
    """What the micro-batches of a step add up to, besides the gradient that lies in the parameters."""

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
    torch_seeded(seed, "dropout", step)
    masking = numpy_stream(seed, "masking", part.code.task.name, step)
    flat = job.optimizer if isinstance(job.optimizer, FlatAdamW) else None
    total = torch.zeros((), device=device.torch_device)
    terms = torch.zeros((), device=device.torch_device)
    real_tokens = 0
    active = np.zeros(0, dtype=bool)
    for number, chunk in enumerate(micro_batches(features, items, budget)):
        batch = part.code.prepare(collator.batch(chunk), masking, tokeniser)
        with autocast(device):
            hidden = hidden_states(job.encoder, batch, part.pooling)
            loss, count = part.code.loss(part.head, hidden, batch)
        (loss * part.loss_weight).backward()  # type: ignore[no-untyped-call]
        if flat is not None:
            active = flat.collect(more=number > 0)
        total += loss.detach().float()
        terms += count
        real_tokens += batch.real_tokens
    return _Summed(total, terms.clamp(min=1), real_tokens, active)


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
    norm = torch.nn.utils.get_total_norm(gradients) / terms
    require_finite(job, part, drawn, step, loss_value, float(norm))
    torch._foreach_mul_(gradients, clip_factor(job, norm) / terms)
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
