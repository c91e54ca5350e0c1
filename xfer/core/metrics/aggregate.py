"""Means and standard errors of scores, and the one rule for F1 from counts."""

import math
from collections.abc import Iterable, Sequence, Sized


def mean(values: Iterable[float]) -> float:
    """Plain mean, in the unit of `values`; the same for every order of them.

    This is the average of XTREME's `evaluate.py`, over the languages of a task and over the tasks.
    Raises `ValueError` when there are no values.
    """
    numbers = [float(value) for value in values]
    if not numbers:
        raise ValueError("the mean of no values is not defined")
    # fsum rounds once, so that a mean does not depend on the order in which results were read.
    return math.fsum(numbers) / len(numbers)


def qa_mean(f1: float, exact_match: float) -> float:
    """Score of a question answering task in points: the mean of F1 and exact match.

    Source: `evaluate.py` of XTREME (Hu et al., 2020).
    """
    return (f1 + exact_match) / 2


def standard_error(per_example: Sequence[float]) -> float:
    """Standard error of the mean of `per_example`, in its unit (points for per-example points).

    Sample standard deviation (n - 1) over the square root of n. It speaks of the sampling of test examples
    only, not of training seeds. Raises `ValueError` for fewer than two examples.
    """
    n = len(per_example)
    if n < 2:
        raise ValueError(f"a standard error needs at least two examples, not {n}")
    centre = mean(per_example)
    variance = math.fsum((value - centre) ** 2 for value in per_example) / (n - 1)
    return math.sqrt(variance / n)


def precision_recall_f1(correct: int, predicted: int, gold: int) -> dict[str, float]:
    """Precision, recall and F1 in points from counts; a ratio without a denominator is 0.

    Source: the convention of `evaluate.py` of XTREME and of seqeval.
    """
    precision = correct / predicted if predicted else 0.0
    recall = correct / gold if gold else 0.0
    f1 = 2 * precision * recall / (precision + recall) if correct else 0.0
    return {"precision": 100 * precision, "recall": 100 * recall, "f1": 100 * f1}


def require_pairs(predictions: Sized, gold: Sized) -> None:
    """Raise `ValueError` unless there is one prediction for each of at least one gold item."""
    if len(predictions) != len(gold):
        raise ValueError(f"{len(predictions)} predictions for {len(gold)} gold items")
    if not len(gold):
        raise ValueError("there is nothing to score")
