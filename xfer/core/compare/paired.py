"""Paired tests of two systems on the same examples, for many cells at once.

A cell is an array of differences in points, [seeds, examples]: both systems on the same example, trained with
the same seed. Examples are always a source of variance; seeds are one of their own from three on, and with
fewer of them only their mean is looked at. Vectorised numpy, deterministic for a given `seed`.
"""

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal

from xfer.core.compare.statistics import t_tail
from xfer.core.records import Record

if TYPE_CHECKING:
    import numpy as np

    Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]

Kind = Literal["bootstrap", "permutation"]
KINDS: tuple[Kind, ...] = ("bootstrap", "permutation")
RESAMPLES = 10_000
FEWEST_SEEDS = 3
_BLOCK = 8_000_000
"""Weights drawn at a time: about 64 MB."""
_EXACT = 16
"""Up to so many examples that differ, every assignment of signs is counted instead of drawn."""


class PairedTest(Record):
    """A mean difference in points with its interval and a two-sided p-value."""

    difference: float
    low: float | None = None
    """The interval, which the permutation test does not give."""
    high: float | None = None
    p_value: float
    n: int
    """Examples."""
    seeds: int


def paired_tests(
    cells: "Sequence[Floats]",
    test: Kind = "bootstrap",
    *,
    resamples: int = RESAMPLES,
    confidence: float = 0.95,
    seed: int = 0,
) -> list[PairedTest]:
    """Test every cell's mean difference. All cells have the same number of examples.

    `bootstrap`: examples are drawn with replacement; percentile interval, and twice the smaller share of
    resamples on one side of zero (Koehn 2004; Efron and Tibshirani 1993, chapter 13). `permutation`: the signs
    of the examples' differences are exchanged (Noreen 1989), exactly where at most 16 of them differ.

    With three seeds or more, a normal draw times the standard error over the seeds' means is added to each
    resample, the examples' spread is lessened by what of it is noise between seeds (two-way analysis of
    variance), so that neither source counts twice, and the whole is scaled as Student's t is. Its degrees of
    freedom are (seeds - 1) / w, where w is the seeds' share of the variance: between Satterthwaite's (1946)
    (seeds - 1) / w ** 2, whose intervals are too narrow with so few seeds, and Cochran's (1964) mean of critical
    values, whose are too wide. Where no resample reaches the other side, the p-value is the normal's or
    Student's, its variance taken about zero.

    Raises `ValueError` for unlike numbers of examples, fewer than two, or scores that are not finite.
    """
    import numpy as np

    sizes = {cell.shape[-1] for cell in cells}
    if not cells:
        return []
    if len(sizes) > 1 or min(sizes) < 2 or any(cell.ndim != 2 for cell in cells):
        raise ValueError(f"paired scores of the same two or more examples, not {sorted(sizes)}")
    if not all(np.isfinite(cell).all() for cell in cells):
        raise ValueError("paired scores must be finite")
    means = np.stack([cell.mean(axis=0) for cell in cells], axis=1)
    parts = [_parts(cell) for cell in cells]
    examples = np.sqrt([share for _, share in parts])
    seed_error = np.sqrt([variance for variance, _ in parts])
    observed = means.mean(axis=0)
    random = np.random.default_rng(seed)
    drawn = _bootstrapped if test == "bootstrap" else _exchanged
    moved = np.concatenate(list(drawn(means, resamples, random))) * examples
    for at, cell in enumerate(cells):
        if seed_error[at] > 0:
            variance = float(examples[at] ** 2 * means[:, at].var() / len(means) + seed_error[at] ** 2)
            degrees = _degrees(len(cell), variance, float(seed_error[at]))
            moved[:, at] += random.standard_normal(resamples) * seed_error[at]
            moved[:, at] *= np.sqrt(degrees / random.chisquare(degrees, resamples))
    results = []
    for at, cell in enumerate(cells):
        centre, values = float(observed[at]), moved[:, at]
        common = {"difference": centre, "n": cell.shape[1], "seeds": len(cell)}
        if test == "bootstrap":
            low, high = np.quantile(values + centre, [(1 - confidence) / 2, (1 + confidence) / 2])
            hits = _smaller_side(values + centre)
            p_value = min(1.0, 2 * (hits + 1) / (resamples + 1))
            common |= {"low": float(low), "high": float(high)}
        else:
            hits = int((np.abs(values) >= abs(centre) - 1e-9 * max(1.0, abs(centre))).sum())
            p_value = (hits + 1) / (resamples + 1)
            if seed_error[at] == 0 and (exact := _exact(means[:, at])) is not None:
                p_value, hits = exact, -1
        if hits == 0:
            p_value = min(
                p_value, _tail(centre, float(examples[at]), means[:, at], float(seed_error[at]), len(cell))
            )
        results.append(PairedTest(p_value=p_value, **common))
    return results


def _parts(cell: "Floats") -> tuple[float, float]:
    """Variance of the mean over the seeds, and the share of the examples' variance that is not seeds' noise."""
    seeds = cell.shape[0]
    if seeds < FEWEST_SEEDS:
        return 0.0, 1.0
    by_seed, by_example = cell.mean(axis=1, keepdims=True), cell.mean(axis=0, keepdims=True)
    residual = cell - by_seed - by_example + cell.mean()
    noise = float((residual**2).sum()) / ((seeds - 1) * (cell.shape[1] - 1))
    spread = float(by_example.var(ddof=1))
    share = max(0.0, 1 - noise / seeds / spread) if spread > 0 else 1.0
    return float(by_seed.var(ddof=1)) / seeds, share


def _bootstrapped(means: "Floats", resamples: int, random: "np.random.Generator") -> "Iterator[Floats]":
    """Deviations of the resampled means from the observed one, [resamples, cells] in blocks."""
    import numpy as np

    n = len(means)
    centred = means - means.mean(axis=0)
    for size in _blocks(resamples, n):
        # One set of draws serves all cells: counts of examples, times differences, is one matrix product.
        drawn = random.integers(0, n, size=(size, n)) + np.arange(size)[:, None] * n
        counts = np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n)
        yield counts.astype(np.float64) @ centred / n


def _exchanged(means: "Floats", resamples: int, random: "np.random.Generator") -> "Iterator[Floats]":
    import numpy as np

    n = len(means)
    for size in _blocks(resamples, n):
        signs = np.unpackbits(random.integers(0, 256, size=(size, -(-n // 8)), dtype=np.uint8), axis=1)[:, :n]
        yield (signs * 2.0 - 1.0) @ means / n


def _exact(differences: "Floats") -> float | None:
    """The p-value over all assignments of signs; None where they are too many."""
    import numpy as np

    sizes = np.abs(differences[differences != 0])
    if sizes.size > _EXACT:
        return None
    observed = abs(float(differences.sum()))
    signs = 1 - 2 * (np.arange(2**sizes.size)[:, None] >> np.arange(sizes.size) & 1)
    return float((np.abs(signs @ sizes) >= observed - 1e-9 * max(1.0, observed)).mean())


def _smaller_side(values: "Floats") -> int:
    import numpy as np

    tolerance = 1e-12 * max(1.0, float(np.abs(values).max()))
    return int(min((values <= tolerance).sum(), (values >= -tolerance).sum()))


def _tail(difference: float, share: float, means: "Floats", seed_error: float, seeds: int) -> float:
    """Two-sided tail of the normal, or of Student's, its degrees of freedom rounded down."""
    # About zero, not about the mean: under no difference, and never smaller.
    of_examples = share**2 * float((means**2).mean()) / len(means)
    variance = of_examples + seed_error**2
    if variance == 0:
        return 1.0
    ratio = abs(difference) / math.sqrt(variance)
    if seed_error == 0:
        return math.erfc(ratio / math.sqrt(2))
    return t_tail(ratio, math.floor(_degrees(seeds, variance, seed_error)))


def _degrees(seeds: int, variance: float, seed_error: float) -> float:
    """Degrees of freedom of a mean's variance, of which the part `seed_error ** 2` was estimated from few seeds."""
    return min((seeds - 1) * variance / seed_error**2, 10_000.0)


def _blocks(resamples: int, width: int) -> Iterator[int]:
    size = max(1, _BLOCK // width)
    return (min(size, resamples - start) for start in range(0, resamples, size))
