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


def shared_steps(
    sizes: Sequence[int],
    alone: Sequence[int],
    max_steps: int | None,
    sampling: Sampling,
    weights: Sequence[float | None],
    ratios: Sequence[float | None],
    drawn: Sequence[bool],
) -> list[int]:
    """Steps of each use in a phase.

    Uses without a ratio share the sum of what each would take alone (`alone`); a use with a ratio gets so many
    steps for each of theirs, on top. `max_steps` is the number of all. A use that is not drawn gets none.
    Raises UserError where there is nothing to count ratios from, or nothing is left to draw.
    """
    leading = [use for use, ratio in enumerate(ratios) if ratio is None]
    if not leading:
        raise UserError(
            "every task of this phase has a steps ratio, and there is none to count from",
            fix="leave the ratio of one task out",
        )
    extra = sum(ratio for ratio in ratios if ratio is not None)
    trained = sum(1 for use in leading if drawn[use])
    if not trained and not extra:
        raise UserError("no task of this phase is trained on", fix="train on one that does not only count")
    base = sum(alone[use] for use in leading)
    if max_steps is not None:
        base = round(max_steps / ((1 if trained else 0) + extra))
    shares = mixture_shares([sizes[use] for use in leading], sampling, [weights[use] for use in leading])
    counts = [0] * len(sizes)
    for use, steps in zip(leading, apportion(base, shares), strict=True):
        counts[use] = steps if drawn[use] else 0
    for use, ratio in enumerate(ratios):
        if ratio is not None and drawn[use]:
            counts[use] = max(1, round(ratio * base))
    if max_steps is not None:
        largest = counts.index(max(counts))
        counts[largest] = max(1, counts[largest] + max_steps - sum(counts))
    return counts


def dealt(items: np.ndarray, lengths: np.ndarray, ranks: int) -> list[np.ndarray]:
    """One step's items by rank, in their order, with about as many tokens for each: the longest to the emptiest.

    `lengths` are those of `items`. A rank gets none where there are fewer items than ranks.
    """
    loads = np.zeros(ranks, dtype=np.int64)
    owner = np.empty(len(items), dtype=np.int64)
    for place in np.argsort(-lengths, kind="stable").tolist():
        rank = int(loads.argmin())
        owner[place] = rank
        loads[rank] += max(1, int(lengths[place]))
    return [items[owner == rank] for rank in range(ranks)]


class Schedule:
    """The steps of a phase. `draw(step)` depends on nothing but the arguments and the step.

    sizes        items of each task use
    batch_sizes  items in a step, by use
    epochs       passes over each use, where `max_steps` does not say how many steps the phase has
    sampling     how several uses share the steps; their number is the sum of what each would take alone
    weights      by use, for `sampling.kind == "weights"`
    ratios       by use: steps for each step of the uses without a ratio, on top of them and not shared with them
    drawn        by use: False for one that is never drawn and only says how many steps the others' ratios mean
    groups       by use: the group (language) of each item, where groups are drawn by `exponents`; else None
    exponents    by use: groups are drawn in proportion to their sizes to this power; a small group repeats
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
        ratios: Sequence[float | None] | None = None,
        drawn: Sequence[bool] | None = None,
        groups: Sequence[np.ndarray | None] | None = None,
        exponents: Sequence[float | None] | None = None,
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
        count = len(sizes)
        alone = [
            max(1, round(passes * steps))
            for passes, steps in zip(epochs or [1.0] * count, self._per_epoch, strict=True)
        ]
        self._counts = shared_steps(
            self._sizes,
            alone,
            max_steps,
            sampling or Sampling(),
            list(weights or [None] * count),
            list(ratios or [None] * count),
            list(drawn or [True] * count),
        )
        self.total_steps = sum(self._counts)
        self.shares = tuple(steps / self.total_steps for steps in self._counts)
        self._groups = list(groups or [None] * count)
        self._exponents = list(exponents or [None] * count)
        self._uses, self._turns = self._mixture()
        self._kept: dict[int, tuple[int, np.ndarray]] = {}

    def _mixture(self) -> tuple[np.ndarray, np.ndarray]:
        """By step: the use, and how many steps that use had before."""
        counts = self._counts
        uses = np.repeat(np.arange(len(counts)), counts)
        numpy_stream(self._seed, self._name, "mixture").shuffle(uses)
        turns = np.empty(self.total_steps, dtype=np.int64)
        for use, count in enumerate(counts):
            turns[uses == use] = np.arange(count)
        return uses, turns

    def _permutation(self, use: int, epoch: int) -> np.ndarray:
        kept = self._kept.get(use)
        if kept is None or kept[0] != epoch:
            rng = numpy_stream(self._seed, self._name, "order", use, epoch)
            exponent = self._exponents[use]
            if exponent is None:
                order = rng.permutation(self._sizes[use])
            else:
                order = rng.permutation(self._resampled(use, epoch, exponent))
            kept = self._kept[use] = (epoch, order)
        return kept[1]

    def _resampled(self, use: int, epoch: int, exponent: float) -> np.ndarray:
        """The items of an epoch, as many as there are: groups by their share, each going round its own items."""
        groups = self._groups[use]
        assert groups is not None
        names, sizes = np.unique(groups, return_counts=True)
        raised = sizes.astype(np.float64) ** exponent
        counts = apportion(self._sizes[use], tuple((raised / raised.sum()).tolist()))
        chosen = []
        for group, size, count in zip(names.tolist(), sizes.tolist(), counts, strict=True):
            members = np.flatnonzero(groups == group)
            places = np.arange(epoch * count, (epoch + 1) * count)
            for turn in np.unique(places // size).tolist():
                order = numpy_stream(self._seed, self._name, "group", use, int(group), turn).permutation(size)
                chosen.append(members[order[places[places // size == turn] % size]])
        return np.concatenate(chosen)

    def epoch(self, step: int) -> int:
        """How many passes the step's use has behind it."""
        return int(self._turns[step]) // self._per_epoch[int(self._uses[step])]

    def draw(self, step: int) -> tuple[int, np.ndarray]:
        """The use and the item numbers of a step (counted from 0). The last batch of an epoch may be short."""
        if not 0 <= step < self.total_steps:
            raise IndexError(f"step {step} of {self.total_steps}")
        use = int(self._uses[step])
        epoch, place = divmod(int(self._turns[step]), self._per_epoch[use])
        size = self._batch_sizes[use]
        return use, self._permutation(use, epoch)[place * size : (place + 1) * size].copy()
