"""Scores of a language, a target and a label: means over seeds and languages, deltas, gaps, floors.

Averages are XTREME's (`evaluate.py`, Hu et al. 2020): a task's score is the plain mean over its languages,
English included, and a label's average is the plain mean over its tasks. Beside them stand the means without
English, which is what zero-shot transfer is about. All scores are points (0 to 100).
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from xfer.core.metrics.aggregate import mean
from xfer.core.records import Record, ResultRow

ENGLISH = "en"
MARGIN = 2.0
"""Standard errors by which a zero-shot mean must exceed chance and heuristic to count as above them."""

Runs = Mapping[str, Mapping[int, ResultRow]]
"""Metric, seed to a row: one language of a target of a label."""


class LanguageScore(Record):
    """A label's score of a target in one language: the main metric, a mean over seeds."""

    value: float
    by_seed: Mapping[int, float]
    delta: float | None
    """Over the baseline: the mean of the differences of the seeds that both have, else of the means."""
    standard_error: float | None
    """From the sampling of test examples."""
    chance: float | None
    heuristic: float | None
    n: int
    metrics: Mapping[str, float]
    """All metrics, the main one included."""
    mixed: bool = False
    """The target has rows of unlike signatures in this language."""


class TargetScore(Record):
    """A label's scores of a target. Means are over the languages that the label has."""

    metric: str
    split: str
    by_language: Mapping[str, LanguageScore]
    mean: float
    mean_zero_shot: float | None
    """Without English, as all fields so named; None where English is all there is."""
    english: float | None
    delta: float | None
    """The mean of the languages' deltas, over the languages that the baseline has too."""
    delta_zero_shot: float | None
    transfer_gap: float | None
    """English minus the zero-shot mean."""
    by_seed: Mapping[int, float]
    """The mean of each seed that has all of the label's languages."""
    spread: float | None
    """Sample standard deviation of `by_seed`; None for fewer than two seeds."""
    standard_error: float | None
    """Of the zero-shot mean: the languages' mean standard error (an upper bound, reached where they are
    translations of the same examples) and the spread over seeds, added in squares."""
    chance: float | None
    heuristic: float | None
    chance_zero_shot: float | None
    heuristic_zero_shot: float | None
    not_above: tuple[str, ...] = ()
    """"chance", "heuristic": what the zero-shot mean does not exceed by two standard errors."""
    missing: tuple[str, ...] = ()
    """Languages without a score, of those that the task or any other label has."""
    incomplete: bool = False
    """A language is missing, or lacks one of the label's seeds."""
    partial: bool = False
    """Another label has languages that this one lacks, so that their means are not alike."""
    same_task: bool = False
    """The intermediate task is the target's own training task: more data, not transfer between tasks."""
    sees: tuple[str, ...] = ()
    """What training saw of the target's evaluation (`ResultRow.sees`); nothing: zero-shot."""


class LabelScore(Record):
    """One start point (strategy and parameters) over all targets: a row of the comparison."""

    label: str
    strategy: str
    params: Mapping[str, Any]
    intermediate: str
    targets: Mapping[str, TargetScore]
    average: float | None
    average_zero_shot: float | None
    delta: float | None
    """The mean of the targets' deltas, over the targets that the baseline has too."""
    delta_zero_shot: float | None
    transfer_gap: float | None
    seeds: tuple[int, ...]
    by_seed: Mapping[int, float]
    """The average of each seed that has all of the label's targets."""
    spread: float | None
    missing: tuple[str, ...] = ()
    """Targets without a score."""
    incomplete: bool = False
    """A target, a language or a seed is missing, so that the averages are not what they claim to be."""
    partial: bool = False


class Frame(Record):
    """What all labels share: the targets, in order, with their languages and main scores."""

    ordered: Mapping[str, tuple[str, ...]]
    """Target to all its languages, English first."""
    scored: Mapping[str, frozenset[str]]
    """Target to the languages in which any label has a score."""
    mains: Mapping[str, str]
    """Target to its main metric."""
    training_tasks: Mapping[str, str]
    unlike: frozenset[tuple[str, str]]
    """Target and language pairs with unlike signatures."""


def label_score(
    label: str,
    tasks: Mapping[str, Mapping[str, Runs]],
    bases: Mapping[str, Mapping[str, Runs]],
    frame: Frame,
) -> LabelScore:
    """All scores of one label; `tasks` and `bases` (the baseline's) map target and language to their rows."""
    rows = [
        row
        for held in tasks.values()
        for runs in held.values()
        for seeds in runs.values()
        for row in seeds.values()
    ]
    seeds = {row.seed for row in rows}
    trained_on = set(rows[0].intermediate.replace("+", ",").split(","))
    targets = {}
    for task, ordered in frame.ordered.items():
        found = {}
        for language in ordered:
            runs, base = (side.get(task, {}).get(language, {}) for side in (tasks, bases))
            score = _language_score(runs, base, frame.mains[task], (task, language) in frame.unlike)
            if score is not None:
                found[language] = score
        if found:
            missing = tuple(language for language in ordered if language not in found)
            targets[task] = TargetScore(
                metric=frame.mains[task],
                split=next(row.split for row in rows if row.task == task),
                missing=missing,
                incomplete=bool(missing) or any(score.by_seed.keys() != seeds for score in found.values()),
                partial=not frame.scored[task] <= found.keys(),
                same_task=frame.training_tasks.get(task, task) in trained_on,
                sees=tuple(sorted({mark for row in rows if row.task == task for mark in row.sees})),
                **_target_means(found),
            )
    absent = tuple(task for task in frame.ordered if task not in targets)
    summed = summed_up(
        label=label,
        strategy=rows[0].strategy,
        params=rows[0].params,
        intermediate=rows[0].intermediate,
        targets=targets,
        seeds=tuple(sorted(seeds)),
        missing=absent,
    )
    return summed.model_copy(update={"partial": summed.partial or any(frame.scored[task] for task in absent)})


def summed_up(targets: Mapping[str, TargetScore], missing: tuple[str, ...], **fields: Any) -> LabelScore:
    """A label's averages over its targets; `missing` are those without a score, `fields` the label's own."""
    scores = targets.values()
    by_seed = _by_seed([target.by_seed for target in scores])
    return LabelScore(
        **fields,
        targets=targets,
        average=_mean(target.mean for target in scores),
        average_zero_shot=_mean(target.mean_zero_shot for target in scores),
        delta=_mean(target.delta for target in scores),
        delta_zero_shot=_mean(target.delta_zero_shot for target in scores),
        transfer_gap=_mean(target.transfer_gap for target in scores),
        by_seed=by_seed,
        spread=_spread(by_seed),
        missing=missing,
        incomplete=bool(missing) or any(target.incomplete for target in scores),
        partial=any(target.partial for target in scores),
    )


def _language_score(runs: Runs, base: Runs, main: str, mixed: bool) -> LanguageScore | None:
    """None where no seed has a value."""
    by_seed = values_by_seed(runs, main)
    if not by_seed:
        return None
    base_by_seed = values_by_seed(base, main)
    shared = by_seed.keys() & base_by_seed.keys()
    delta = None
    if shared:
        delta = mean(by_seed[seed] - base_by_seed[seed] for seed in shared)
    elif base_by_seed:
        delta = mean(by_seed.values()) - mean(base_by_seed.values())
    rows = [runs[main][seed] for seed in by_seed]
    return LanguageScore(
        value=mean(by_seed.values()),
        by_seed=by_seed,
        delta=delta,
        standard_error=_mean(row.standard_error for row in rows),
        chance=_mean(row.chance for row in rows),
        heuristic=_mean(row.heuristic for row in rows),
        n=max(row.n for row in rows),
        metrics={metric: mean(values.values()) for metric in runs if (values := values_by_seed(runs, metric))},
        mixed=mixed,
    )


def _target_means(scores: Mapping[str, LanguageScore]) -> dict[str, Any]:
    """The fields of a `TargetScore` that follow from its languages' scores alone."""
    others = {language: score for language, score in scores.items() if language != ENGLISH}
    english = scores[ENGLISH].value if ENGLISH in scores else None
    zero_shot = _mean(score.value for score in others.values())
    by_seed = _by_seed([score.by_seed for score in scores.values()])
    error = _standard_error(others)
    floors = {
        "chance": _mean_of_all(score.chance for score in others.values()),
        "heuristic": _mean_of_all(score.heuristic for score in others.values()),
    }
    needed = MARGIN * (error or 0.0)
    return {
        "by_language": scores,
        "mean": mean(score.value for score in scores.values()),
        "mean_zero_shot": zero_shot,
        "english": english,
        "delta": _mean(score.delta for score in scores.values()),
        "delta_zero_shot": _mean(score.delta for score in others.values()),
        "transfer_gap": None if english is None or zero_shot is None else english - zero_shot,
        "by_seed": by_seed,
        "spread": _spread(by_seed),
        "standard_error": error,
        "chance": _mean_of_all(score.chance for score in scores.values()),
        "heuristic": _mean_of_all(score.heuristic for score in scores.values()),
        "chance_zero_shot": floors["chance"],
        "heuristic_zero_shot": floors["heuristic"],
        "not_above": tuple(
            name
            for name, floor in floors.items()
            if zero_shot is not None and floor is not None and zero_shot <= floor + needed
        ),
    }


def _standard_error(scores: Mapping[str, LanguageScore]) -> float | None:
    examples = _mean(score.standard_error for score in scores.values())
    by_seed = _by_seed([score.by_seed for score in scores.values()])
    spread = _spread(by_seed)
    if spread is None:
        return examples
    return math.hypot(examples or 0.0, spread / math.sqrt(len(by_seed)))


def values_by_seed(runs: Runs, metric: str) -> dict[int, float]:
    """Seed to value, where there is one and it is a number."""
    found = ((seed, row.value) for seed, row in runs.get(metric, {}).items())
    return {seed: value for seed, value in found if value is not None and math.isfinite(value)}


def _by_seed(parts: Sequence[Mapping[int, float]]) -> dict[int, float]:
    """The mean over `parts` of each seed that all of them have."""
    shared = set.intersection(*(set(part) for part in parts)) if parts else set()
    return {seed: mean(part[seed] for part in parts) for seed in sorted(shared)}


def difference_spread(by_seed: Mapping[int, float], base: Mapping[int, float]) -> float | None:
    """Sample standard deviation of the differences of the seeds that both have; None for fewer than two."""
    return _spread({seed: value - base[seed] for seed, value in by_seed.items() if seed in base})


def _spread(by_seed: Mapping[int, float]) -> float | None:
    if len(by_seed) < 2:
        return None
    centre = mean(by_seed.values())
    return math.sqrt(math.fsum((value - centre) ** 2 for value in by_seed.values()) / (len(by_seed) - 1))


def _mean(values: Iterable[float | None]) -> float | None:
    """The mean of those that are there; None where none is."""
    numbers = [value for value in values if value is not None]
    return mean(numbers) if numbers else None


def _mean_of_all(values: Iterable[float | None]) -> float | None:
    """The mean; None where any is missing, since a floor over other languages would not compare."""
    numbers = list(values)
    return None if None in numbers else _mean(numbers)
