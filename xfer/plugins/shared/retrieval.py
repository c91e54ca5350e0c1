"""Scores of retrieved and of mined translations. A prediction names the example whose translation was found.

Retrieval: the identifier of the example found, None for a sentence that did not query. Mining: that
identifier and the margin, None for a sentence that was not paired.
"""

from collections.abc import Sequence
from typing import Any

from xfer.api import PairExample, accuracy

Mined = tuple[str, float] | None


def score_found(predictions: Sequence[Any], examples: Sequence[Any], language: str) -> dict[str, float]:
    """Share of queries whose nearest neighbour is their translation (XTREME's accuracy of Tatoeba)."""
    asked = [(guess, pair.id) for guess, pair in zip(predictions, examples, strict=True) if guess is not None]
    return {"accuracy": accuracy([guess for guess, _ in asked], [gold for _, gold in asked])}


def found_or_not(prediction: Any, example: Any, language: str) -> float:
    """100 if the nearest neighbour is the translation, else 0."""
    return 100.0 if prediction == example.id else 0.0


def score_mined(
    predictions: Sequence[Mined], examples: Sequence[Any], language: str, tuned: float | None = None
) -> dict[str, float]:
    """F1, precision and recall of the pairs with at least the margin `tuned`, and `oracle_f1`.

    The oracle's threshold is the best for the scored pairs themselves; XTREME's rule is the one tuned on the
    sample split, and without it there is the oracle alone. Points, of gold pairs found.
    """
    from xfer.api import best_threshold, mining_f1

    scores, correct, gold = _candidates(predictions, examples)
    oracle = {"oracle_f1": best_threshold(scores, correct, gold)[1]}
    return oracle if tuned is None else {**mining_f1(scores, correct, gold, tuned), **oracle}


def tune_threshold(predictions: Sequence[Mined], examples: Sequence[Any], language: str) -> float:
    """The margin from which pairs count, chosen for the highest F1 of these examples."""
    from xfer.api import best_threshold

    return best_threshold(*_candidates(predictions, examples))[0]


def _candidates(
    predictions: Sequence[Mined], examples: Sequence[PairExample]
) -> tuple[list[float], list[bool], int]:
    """Margins of all mined pairs, whether each is a gold pair, and the number of gold pairs."""
    gold = {pair.id for pair in examples if pair.source is not None and pair.target is not None}
    mined = [
        (guess[1], guess[0] == pair.id and pair.id in gold)
        for guess, pair in zip(predictions, examples, strict=True)
        if guess is not None
    ]
    return [margin for margin, _ in mined], [right for _, right in mined], len(gold)
