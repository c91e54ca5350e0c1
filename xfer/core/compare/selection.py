"""The best intermediate task for each target, by dev scores: what a published "best per target" row is.

Two rows, because they answer different questions. Chosen on English dev, the row can be had without labels in
the target languages. Chosen on dev of all languages, it uses such labels, and is marked.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from xfer.core.compare.evidence import Evidence
from xfer.core.compare.label_scores import LabelScore, summed_up
from xfer.core.metrics.aggregate import mean
from xfer.core.records import Record, ResultRow

ENGLISH_DEV = "best intermediate per target (English dev)"
ALL_DEV = "best intermediate per target (dev of all languages)"
USES_LABELS = "selection on target-language labels"


class Selection(Record):
    """A row made of the best label for each target."""

    score: LabelScore
    chosen: Mapping[str, str]
    """Target to the label that was chosen."""
    dev: Mapping[str, Mapping[str, float]]
    """Target to the dev score of every candidate."""
    uses_labels: bool
    """Chosen with labels in the target languages: not zero-shot."""


DevScores = Mapping[str, Mapping[str, float]]
"""Target, label to a dev score in points."""


def english_dev(cells: Any, evidence: Evidence | None, training_tasks: Mapping[str, str]) -> DevScores:
    """English dev scores of the targets' training, means over seeds, as training with `keep=best` stores them.

    A target that is not trained (retrieval) has none, and neither has training that kept its last weights.
    """
    found: dict[str, dict[str, float]] = {}
    for label, held in cells.items():
        for target, languages in held.items():
            phases = {row.phase: None for rows in languages.values() for row in rows.values()}
            scores = [_trained_score(phase, training_tasks.get(target, target), evidence) for phase in phases]
            known = [score for score in scores if score is not None]
            if known and len(known) == len(scores):
                found.setdefault(target, {})[label] = mean(known)
    return found


def _trained_score(phase: str, task: str, evidence: Evidence | None) -> float | None:
    if evidence is None:
        return None
    for parent in evidence.parents(phase):
        info = evidence.info(parent)
        uses = info.get("identity", {}).get("uses", ())
        score = info.get("best_score")
        if [use.get("task") for use in uses] == [task] and isinstance(score, int | float):
            return float(score)
    return None


def all_dev(
    rows: Sequence[ResultRow], scored: Mapping[str, Collection[str]], mains: Mapping[str, str]
) -> DevScores:
    """Means over languages of rows on the split dev, where there is one in every language that is scored."""
    values: dict[tuple[str, str], dict[str, list[float]]] = {}
    for row in rows:
        if row.split == "dev" and row.value is not None and row.metric == mains.get(row.task):
            values.setdefault((row.task, row.label), {}).setdefault(row.language, []).append(row.value)
    found: dict[str, dict[str, float]] = {}
    for (target, label), languages in values.items():
        if languages.keys() >= set(scored[target]):
            found.setdefault(target, {})[label] = mean(map(mean, languages.values()))
    return found


def select(
    labels: Sequence[LabelScore], baseline: str | None, dev: DevScores, uses_labels: bool
) -> Selection | None:
    """The row of the best candidates; None where no target has dev scores of two candidates or more.

    Candidates are the labels with an intermediate task, other than the baseline, that have the target's test
    score. A target in which one of them lacks its dev score is left out: the best of the rest is another thing.
    """
    candidates = [label for label in labels if label.intermediate and label.label != baseline]
    chosen: dict[str, LabelScore] = {}
    told: dict[str, dict[str, float]] = {}
    for target in dict.fromkeys(name for label in candidates for name in label.targets):
        able = [label for label in candidates if target in label.targets]
        scores = {label.label: dev[target][label.label] for label in able if label.label in dev.get(target, {})}
        if len(able) < 2 or len(scores) < len(able):
            continue
        told[target] = scores
        chosen[target] = max(able, key=lambda label: scores[label.label])
    if not chosen:
        return None
    absent = tuple(name for label in labels for name in label.targets if name not in chosen)
    score = summed_up(
        label=ALL_DEV if uses_labels else ENGLISH_DEV,
        strategy="selection",
        params={},
        intermediate="",
        targets={name: label.targets[name] for name, label in chosen.items()},
        seeds=tuple(sorted({seed for label in chosen.values() for seed in label.seeds})),
        missing=tuple(dict.fromkeys(absent)),
    )
    return Selection(
        score=score.model_copy(update={"partial": score.partial or bool(absent)}),
        chosen={name: label.label for name, label in chosen.items()},
        dev=told,
        uses_labels=uses_labels,
    )
