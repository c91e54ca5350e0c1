"""Paired tests on per-example scores, corrections for many tests, and intervals over seeds.

All of it is vectorised numpy and deterministic for a given `seed`. Scores are in points, one an example,
and the two systems' scores stand in the same order.
"""

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from xfer.core.records import Record

if TYPE_CHECKING:
    import numpy as np

    Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]

_BLOCK = 4_000_000
"""Numbers drawn at a time: about 32 MB."""
_EXACT = 16
"""Up to so many examples that differ, every assignment of signs is counted instead of drawn."""


class Bootstrap(Record):
    """A difference of means in points, its percentile interval, and a two-sided p-value."""

    difference: float
    low: float
    high: float
    p_value: float
    n: int


def paired_bootstrap(
    first: Sequence[float],
    second: Sequence[float],
    *,
    resamples: int = 10_000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Bootstrap:
    """Bootstrap of mean(first) - mean(second) over examples, both systems on the same resample.

    The p-value is twice the smaller share of resamples on one side of zero, counted with one added to both
    terms. Source: Koehn (2004), "Statistical Significance Tests for Machine Translation Evaluation"; Efron
    and Tibshirani (1993), chapter 13, for the interval. Raises `ValueError` for unlike lengths, fewer than
    two examples or scores that are not finite.
    """
    import numpy as np

    differences = _differences(first, second)
    # Equal differences are exchangeable, so a resample is one multinomial draw over the distinct ones:
    # the same distribution as drawing examples, and three cells instead of n for accuracies.
    values, counts = np.unique(differences, return_counts=True)
    n = differences.size
    random = np.random.default_rng(seed)
    means = np.concatenate(
        [random.multinomial(n, counts / n, size=size) @ values / n for size in _blocks(resamples, values.size)]
    )
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    tolerance = 1e-12 * max(1.0, float(np.abs(values).max()))
    sides = (means <= tolerance).sum(), (means >= -tolerance).sum()
    return Bootstrap(
        difference=float(differences.mean()),
        low=float(low),
        high=float(high),
        p_value=min(1.0, 2 * (int(min(sides)) + 1) / (resamples + 1)),
        n=n,
    )


def permutation_test(
    first: Sequence[float], second: Sequence[float], *, resamples: int = 10_000, seed: int = 0
) -> float:
    """Two-sided p-value of the paired permutation test: the signs of the differences are exchanged.

    Exact where at most 16 examples differ; otherwise drawn, with one added to both terms of the share.
    Source: Noreen (1989), approximate randomisation. Raises `ValueError` as `paired_bootstrap` does.
    """
    import numpy as np

    differences = _differences(first, second)
    sizes = np.abs(differences[differences != 0])
    observed = abs(float(differences.sum()))
    reached = observed - 1e-9 * max(1.0, observed)
    if sizes.size <= _EXACT:
        signs = 1 - 2 * (np.arange(2**sizes.size)[:, None] >> np.arange(sizes.size) & 1)
        return float((np.abs(signs @ sizes) >= reached).mean())
    # Of c equal differences, a binomial number keeps its sign; only that number matters to the sum.
    values, counts = np.unique(sizes, return_counts=True)
    random = np.random.default_rng(seed)
    hits = 0
    for size in _blocks(resamples, values.size):
        kept = random.binomial(counts, 0.5, size=(size, values.size))
        hits += int((np.abs((2 * kept - counts) @ values) >= reached).sum())
    return (hits + 1) / (resamples + 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's (1979) adjusted p-values, in the order given: they bound the chance of any false finding."""
    import numpy as np

    p, order = _ordered(p_values)
    adjusted = np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1))
    return _restored(adjusted, order)


def false_discovery_rate(p_values: Sequence[float]) -> list[float]:
    """Benjamini and Hochberg's (1995) adjusted p-values, in the order given: the share of false findings."""
    import numpy as np

    p, order = _ordered(p_values)
    ratios = p[order] * p.size / np.arange(1, p.size + 1)
    return _restored(np.minimum.accumulate(ratios[::-1])[::-1], order)


def t_interval(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float]:
    """Student's interval of the mean over seeds, in the unit of `values`.

    Raises `ValueError` for fewer than two values: one seed says nothing about the spread.
    """
    n = len(values)
    if n < 2:
        raise ValueError(f"an interval over seeds needs at least two values, not {n}")
    centre = math.fsum(values) / n
    deviation = math.sqrt(math.fsum((value - centre) ** 2 for value in values) / (n - 1))
    half = t_quantile((1 + confidence) / 2, n - 1) * deviation / math.sqrt(n)
    return centre - half, centre + half


def t_quantile(probability: float, degrees: int) -> float:
    """The quantile of Student's distribution with a whole number of degrees of freedom.

    Source: Abramowitz and Stegun (1964), 26.7.3 and 26.7.4, inverted by bisection over the angle. Raises
    `ValueError` outside 0 < probability < 1 or for fewer than one degree of freedom.
    """
    if not 0 < probability < 1 or degrees < 1:
        raise ValueError(f"no quantile {probability} of Student's distribution with {degrees} degrees of freedom")
    wanted, low, high = abs(2 * probability - 1), 0.0, math.pi / 2
    while high - low > 1e-15:
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if _central_mass(middle, degrees) < wanted else (low, middle)
    return math.copysign(math.sqrt(degrees) * math.tan((low + high) / 2), probability - 0.5)


def _central_mass(angle: float, degrees: int) -> float:
    """Probability of |t| < sqrt(degrees) * tan(angle)."""
    sine, cosine = math.sin(angle), math.cos(angle)
    term = total = cosine if degrees % 2 else 1.0
    for power in range(2 + degrees % 2, degrees - 1, 2):
        term *= cosine * cosine * (power - 1) / power
        total += term
    if degrees % 2 == 0:
        return sine * total
    return 2 / math.pi * (angle + (sine * total if degrees > 1 else 0.0))


def _differences(first: Sequence[float], second: Sequence[float]) -> "Floats":
    import numpy as np

    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if a.ndim != 1 or a.shape != b.shape or a.size < 2:
        raise ValueError(f"paired scores of the same two or more examples, not shapes {a.shape} and {b.shape}")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ValueError("paired scores must be finite")
    return a - b


def _blocks(resamples: int, width: int) -> Iterator[int]:
    size = max(1, _BLOCK // width)
    return (min(size, resamples - start) for start in range(0, resamples, size))


def _ordered(p_values: Sequence[float]) -> "tuple[Floats, np.ndarray[tuple[int, ...], np.dtype[np.intp]]]":
    import numpy as np

    p = np.asarray(p_values, dtype=np.float64)
    if p.ndim != 1 or not ((p >= 0) & (p <= 1)).all():
        raise ValueError("p-values lie between 0 and 1")
    return p, np.argsort(p, kind="stable")


def _restored(adjusted: "Floats", order: "np.ndarray[tuple[int, ...], np.dtype[np.intp]]") -> list[float]:
    import numpy as np

    result = np.empty_like(adjusted)
    result[order] = np.minimum(adjusted, 1.0)
    return [float(value) for value in result]
