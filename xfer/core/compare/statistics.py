"""Corrections for many tests, and Student's distribution for few seeds."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


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


def t_tail(value: float, degrees: int) -> float:
    """Two-sided p-value of Student's t with a whole number of degrees of freedom."""
    return max(0.0, 1.0 - _central_mass(math.atan(abs(value) / math.sqrt(degrees)), degrees))


CORRECTIONS = ("holm", "fdr", "none")


def corrected(p_values: Sequence[float], how: str) -> list[float]:
    """The p-values corrected by "holm", "fdr" or "none", in the order given."""
    if how == "none":
        return list(p_values)
    return holm(p_values) if how == "holm" else false_discovery_rate(p_values)


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
