"""Which items a training step sees: pure functions of the seed and the step.

One task a step, as jiant draws them (github.com/nyu-mll/jiant, `jiant/proj/main/components/task_sampler.py`).
jiant draws each step's task independently; here the shares are met exactly over the phase and only the order
is random, so that two seeds train on the same amount of every task.
"""

from collections.abc import Sequence

import numpy as np

from xfer.core.errors import UserError
from xfer.core.records import Sampling
from xfer.core.streams import numpy_stream


def mixture_shares(
    sizes: Sequence[int], sampling: Sampling, weights: Sequence[float | None] | None = None
) -> tuple[float, ...]:
    """Shares of the steps by use, adding up to 1.

    `proportional`: by size, sizes above the cap counting as the cap; `temperature`: those sizes to the power
    1/temperature; `uniform`: equal; `weights`: as given (`UserError` where one lacks).
    """
    if sampling.kind == "weights":
        given = [] if weights is None else [weight for weight in weights if weight is not None]
        if len(given) != len(sizes):
            raise UserError(
                "sampling by weights needs a weight for every task of the phase",
                where=f"weights: {list(weights or [])}",
                fix="give each task a weight, or choose another kind of sampling",
            )
        raw = np.asarray(given, dtype=np.float64)
    elif sampling.kind == "uniform":
        raw = np.ones(len(sizes))
    else:
        raw = np.minimum(np.asarray(sizes, dtype=np.float64), sampling.cap or np.inf)
        if sampling.kind == "temperature":
            raw = raw ** (1.0 / sampling.temperature)
    return tuple((raw / raw.sum()).tolist())


def apportion(total: int, shares: Sequence[float]) -> list[int]:
    """Whole numbers that add up to `total`, by largest remainder; each at least 1 where `total` allows it."""
    exact = np.asarray(shares, dtype=np.float64) * total
    counts = np.floor(exact).astype(np.int64)
    rest = np.argsort(-(exact - counts), kind="stable")[: total - int(counts.sum())]
    counts[rest] += 1
    if total >= len(counts):
        for index in np.flatnonzero(counts == 0):
            counts[np.argmax(counts)] -= 1
            counts[index] = 1
    return [int(count) for count in counts]


class Schedule:
    """The steps of a phase. `draw(step)` depends on nothing but the arguments and the step.

    sizes        items of each task use
    batch_sizes  items in a step, by use
    epochs       passes over each use, where `max_steps` does not say how many steps the phase has
    sampling     how several uses share the steps; their number is the sum of what each would take alone
    weights      by use, for `sampling.kind == "weights"`
    name         of the phase: part of the names of the random streams
    """

    def __init__(
        self,
        sizes: Sequence[int],
        batch_sizes: Sequence[int],
        epochs: Sequence[float] | None = None,
        max_steps: int | None = None,
        sampling: Sampling | None = None,
        weights: Sequence[float | None] | None = None,
        seed: int = 0,
        name: str = "",
    ) -> None:
        if not sizes or min(sizes) < 1:
            raise UserError(
                "a task of this phase has no items to train on",
                where=f"{name or 'schedule'}: items by task {list(sizes)}",
                fix="check the data, the languages and `max_length` of the task",
            )
        if max_steps is None and epochs is None:
            raise ValueError("a schedule needs epochs or max_steps")
        self._sizes = [int(size) for size in sizes]
        self._batch_sizes = [min(int(batch), size) for batch, size in zip(batch_sizes, self._sizes, strict=True)]
        self._per_epoch = [-(-size // batch) for size, batch in zip(self._sizes, self._batch_sizes, strict=True)]
        self._seed, self._name = seed, name
        if max_steps is not None:
            self.total_steps = max_steps
        else:
            assert epochs is not None
            own = zip(epochs, self._per_epoch, strict=True)
            self.total_steps = sum(max(1, round(passes * steps)) for passes, steps in own)
        self.shares = mixture_shares(self._sizes, sampling or Sampling(), weights)
        self._uses, self._turns = self._mixture()
        self._kept: dict[int, tuple[int, np.ndarray]] = {}

    def _mixture(self) -> tuple[np.ndarray, np.ndarray]:
        """By step: the use, and how many steps that use had before."""
        counts = apportion(self.total_steps, self.shares)
        uses = np.repeat(np.arange(len(counts)), counts)
        numpy_stream(self._seed, self._name, "mixture").shuffle(uses)
        turns = np.empty(self.total_steps, dtype=np.int64)
        for use, count in enumerate(counts):
            turns[uses == use] = np.arange(count)
        return uses, turns

    def _permutation(self, use: int, epoch: int) -> np.ndarray:
        kept = self._kept.get(use)
        if kept is None or kept[0] != epoch:
            order = numpy_stream(self._seed, self._name, "order", use, epoch).permutation(self._sizes[use])
            kept = self._kept[use] = (epoch, order)
        return kept[1]

    def draw(self, step: int) -> tuple[int, np.ndarray]:
        """The use and the item numbers of a step (counted from 0). The last batch of an epoch may be short."""
        if not 0 <= step < self.total_steps:
            raise IndexError(f"step {step} of {self.total_steps}")
        use = int(self._uses[step])
        epoch, place = divmod(int(self._turns[step]), self._per_epoch[use])
        size = self._batch_sizes[use]
        return use, self._permutation(use, epoch)[place * size : (place + 1) * size].copy()
