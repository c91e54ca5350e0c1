"""Labels against the baseline cell by cell, and against each other target by target."""

from collections.abc import Mapping, Sequence

from xfer.core.compare.label_scores import LabelScore
from xfer.core.compare.significance import Verdict
from xfer.core.metrics.aggregate import mean
from xfer.core.records import Record

TIE = 0.05
"""Points: what shows as 0.0 is a tie."""


class Ranking(Record):
    """One label's standing. Wins, ties and losses are cells (target and language) against the baseline."""

    label: str
    wins: int | None
    """None for the baseline and without one."""
    ties: int | None
    losses: int | None
    significant_wins: int | None
    """Of the wins, those that the corrected test confirms; None where nothing was tested."""
    significant_losses: int | None
    mean_rank: float | None
    """Over the targets that all labels have whole; 1 is best, equals share the mean of their ranks."""
    borda: float | None
    """Labels beaten, summed over these targets; half a point for an equal."""


def rankings(labels: Sequence[LabelScore], baseline: str | None, tests: Sequence[Verdict]) -> tuple[Ranking, ...]:
    """The standing of every label, in the order given."""
    common = [
        name
        for name in (labels[0].targets if labels else {})
        if all(name in label.targets and not label.targets[name].partial for label in labels)
    ]
    ranks = {label.label: [_rank(label, labels, name) for name in common] for label in labels}
    return tuple(_standing(label, baseline, tests, ranks[label.label], len(labels)) for label in labels)


def _rank(label: LabelScore, labels: Sequence[LabelScore], target: str) -> float:
    own = round(label.targets[target].mean, 9)
    others = [round(other.targets[target].mean, 9) for other in labels if other is not label]
    return 1 + sum(value > own for value in others) + sum(value == own for value in others) / 2


def _standing(
    label: LabelScore, baseline: str | None, tests: Sequence[Verdict], ranks: Sequence[float], count: int
) -> Ranking:
    cells: dict[str, int | None] = dict.fromkeys(
        ("wins", "ties", "losses", "significant_wins", "significant_losses")
    )
    if baseline not in (None, label.label):
        deltas = [s.delta for target in label.targets.values() for s in target.by_language.values()]
        known = [delta for delta in deltas if delta is not None]
        own = [test for test in tests if test.label == label.label and test.language]
        cells |= {
            "wins": sum(delta >= TIE for delta in known),
            "losses": sum(delta <= -TIE for delta in known),
            "ties": sum(-TIE < delta < TIE for delta in known),
        }
        if own:
            cells["significant_wins"] = sum(test.significant and test.difference > 0 for test in own)
            cells["significant_losses"] = sum(test.significant and test.difference < 0 for test in own)
    ranked: Mapping[str, float | None] = {
        "mean_rank": mean(ranks) if ranks and count > 1 else None,
        "borda": sum(count - rank for rank in ranks) if ranks and count > 1 else None,
    }
    return Ranking(label=label.label, **cells, **ranked)
