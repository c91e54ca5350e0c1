"""Accuracy and binary F1 of labels."""

from collections.abc import Sequence

from xfer.core.metrics.aggregate import precision_recall_f1, require_pairs


def accuracy(predictions: Sequence[object], gold: Sequence[object]) -> float:
    """Share of predictions that equal their gold label, in points.

    Shapes: two sequences of one length n >= 1. Raises `ValueError` otherwise.
    Source: `evaluate.py` of XTREME (XNLI, PAWS-X, Tatoeba).
    """
    require_pairs(predictions, gold)
    return 100 * sum(guess == label for guess, label in zip(predictions, gold, strict=True)) / len(gold)


def binary_f1(predictions: Sequence[object], gold: Sequence[object], positive: object) -> float:
    """F1 of the label `positive` against all others, in points; 0 when it is never predicted rightly.

    Shapes: two sequences of one length n >= 1. Raises `ValueError` otherwise.
    Source: the F1 of QQP in GLUE (Wang et al., 2019), there computed by scikit-learn's `f1_score`.
    """
    require_pairs(predictions, gold)
    correct = sum(guess == label == positive for guess, label in zip(predictions, gold, strict=True))
    predicted = sum(guess == positive for guess in predictions)
    wanted = sum(label == positive for label in gold)
    return precision_recall_f1(correct, predicted, wanted)["f1"]
