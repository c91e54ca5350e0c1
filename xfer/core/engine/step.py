"""One optimizer step: forward, backward, one norm over the whole step, clipping, AdamW."""

import math
from typing import TYPE_CHECKING

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

    Where memory runs out, the step is taken anew with less of it, down to one item a micro-batch; what that
    took is kept in `state` and told. Raises NonFinite before the optimizer would spoil the weights.
    """
    features, _, items = drawn
    while True:
        budget = min(job.settings.micro_batch_tokens, state.micro_batch_tokens or job.settings.micro_batch_tokens)
        try:
            return _attempt(job, part, drawn, state.step, budget, device, tokeniser)
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


def _attempt(
    job: Job, part: Part, drawn: Drawn, step: int, budget: int, device: Device, tokeniser: Tokeniser
) -> tuple[float, int]:
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
    terms = terms.clamp(min=1)
    loss_value = float(total / terms)
    rate = learning_rate(job.settings, step, job.schedule.total_steps)
    if flat is None:
        _plain_update(job, terms, loss_value, rate, step, part, drawn)
    else:
        ranges = flat.ranges(active)
        norm = flat.norm(ranges) / terms
        require_finite(job, part, drawn, step, loss_value, float(norm))
        scalars = flat.scalars(ranges, active, rate).to(device.torch_device)
        flat.update(ranges, scalars, clip_factor(job, norm) / terms)
    return loss_value, real_tokens


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
