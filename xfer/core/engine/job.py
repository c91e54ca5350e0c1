"""What the training loop works on, where it stands, and how both are kept: at full size, in full precision."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch  # noqa: TID253
from torch import nn  # noqa: TID253

from xfer.core.batches.batching import Collator
from xfer.core.batches.features import Features
from xfer.core.batches.sampling import Schedule
from xfer.core.encoders.compact import CompactTable
from xfer.core.encoders.encoder import Encoder
from xfer.core.engine.flat_adamw import FlatAdamW
from xfer.core.engine.parallel import Parallel, is_shard, like
from xfer.core.formats.base import FormatCode
from xfer.core.records import PlannedPhase, TrainSettings
from xfer.core.storage import checkpoints


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
    compact: CompactTable | None = None
    """The embedding's rows that are trained, where that is not all of them."""
    recorded: bool = False
    """Whether steps are recorded and replayed (`xfer.core.engine.recorded`)."""
    parallel: Parallel | None = None
    """The model on several ranks; None where this process works alone."""

    @property
    def sharded(self) -> bool:
        """Whether this process holds parts of the weights only."""
        return self.parallel is not None and self.parallel.sharded

    def whole(self, tensor: torch.Tensor) -> torch.Tensor:
        """All of a weight or moment; on the leading rank only, where they lie in shards."""
        return tensor if self.parallel is None else self.parallel.whole(tensor)


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
    micro_batch_tokens: int | None = None
    """Tokens in one forward pass, where memory ran out with as many as the settings say."""
    checkpointing: bool = False
    """Whether activations are computed again in the backward pass, for want of memory."""
    processes: list[int] = field(default_factory=list)
    """How many processes worked on the phase together, one entry for each time that it was begun or continued."""


def learning_rate(settings: TrainSettings, step: int, total: int) -> float:
    """Learning rate of optimizer step `step` (from 0): linear warm-up, then linear decay or constant."""
    warm = round(settings.warmup * total)
    if step < warm:
        return settings.learning_rate * (step + 1) / warm
    if settings.decay == "constant":
        return settings.learning_rate
    return settings.learning_rate * (total - step) / max(1, total - warm)


# ---------------------------------------------------------------- keeping


def weights(job: Job, step: int) -> dict[str, torch.Tensor]:
    """The trained weights after `step` steps, in float32 and with all rows of the embedding. Views, not copies,
    where nothing had to be put together. Of shards, all ranks must ask, and the leading one gets them."""
    found = {}
    for name, parameter in job.parameters.items():
        value = job.whole(parameter.detach())
        if isinstance(job.optimizer, FlatAdamW):
            value = job.optimizer.master(parameter)
        if job.compact is not None and name == job.compact.name:
            value = job.compact.full(value, decay(job, step))
        found[name] = value
    return found


def decay(job: Job, step: int) -> float:
    """What AdamW's weight decay leaves of a weight without gradient after `step` steps, as a factor."""
    total, factor = job.schedule.total_steps, 1.0
    for number in range(step):
        factor *= 1.0 - learning_rate(job.settings, number, total) * job.settings.weight_decay
    return factor


def load_weights(job: Job, tensors: Mapping[str, torch.Tensor]) -> None:
    """Put what `weights` gave back into the parameters that are trained."""
    with torch.no_grad():
        for name, parameter in job.parameters.items():
            value = tensors[name]
            if job.compact is not None and name == job.compact.name:
                value = value[job.compact.rows]
            if isinstance(job.optimizer, FlatAdamW):
                job.optimizer.master(parameter).copy_(value)
            parameter.copy_(like(value, parameter))


def optimizer_tensors(job: Job) -> dict[str, torch.Tensor]:
    """The optimizer's state by name; moments of rows that are not trained are zero, as AdamW would have them."""
    if isinstance(job.optimizer, FlatAdamW):
        job.optimizer.describe()
    flat = checkpoints.flatten_optimizer(job.optimizer, job.parameters)
    found = {name: job.whole(value) for name, value in flat.items()}
    if job.compact is not None:
        for name in _moments(job.compact, found):
            found[name] = job.compact.full(found[name], None)
    return found


def load_optimizer(job: Job, tensors: Mapping[str, torch.Tensor]) -> None:
    """Put what `optimizer_tensors` gave back. Raises Damaged where it does not fit."""
    kept = dict(tensors)
    if job.compact is not None:
        for name in _moments(job.compact, kept):
            kept[name] = kept[name][job.compact.rows]
    shards = {name: p for name, p in job.parameters.items() if is_shard(p)}
    for key in kept if shards else ():
        name = key.split(".", 2)[2].rpartition(".")[0]  # optimizer.<group>.<parameter>.<entry>
        kept[key] = like(kept[key], shards[name]) if kept[key].dim() else kept[key]
    checkpoints.restore_optimizer(job.optimizer, job.parameters, kept)


def _moments(compact: CompactTable, names: Iterable[str]) -> list[str]:
    """The entries of an optimizer's state that have a row for each row of the embedding that is trained."""
    return [name for name in names if name.endswith((f".{compact.name}.exp_avg", f".{compact.name}.exp_avg_sq"))]


def settle(job: Job, tensors: Mapping[str, torch.Tensor]) -> None:
    """End of the training: the modules hold these weights, in float32 and with all rows of the embedding."""
    if job.compact is not None:
        job.parameters[job.compact.name] = job.compact.restore(job.encoder)
        job.compact = None
    for name, parameter in job.parameters.items():
        parameter.grad = None
        parameter.data = tensors[name].detach().to(parameter.device, torch.float32, copy=True)
