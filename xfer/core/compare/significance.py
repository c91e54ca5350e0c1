"""Which differences from the baseline are more than chance: paired tests per language and per target.

Two families of tests, each corrected for its own size: all cells (label, target, language), and all targets of
all labels. A target's test is on the mean over its languages; examples with the same id in several languages
are translations of one another and are drawn together.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xfer.core.compare.evidence import Evidence
from xfer.core.compare.paired import FEWEST_SEEDS, KINDS, RESAMPLES, Kind, paired_tests
from xfer.core.compare.statistics import CORRECTIONS, corrected, t_interval, t_tail
from xfer.core.errors import UnknownName, UserError
from xfer.core.metrics.aggregate import mean
from xfer.core.records import Record, ResultRow

if TYPE_CHECKING:
    import numpy as np

GROUPS = 2000
"""More examples than these are put into so many groups at random, and groups are resampled."""
_AT_ONCE = 400
"""Cells that are tested together, to keep the resamples in memory."""
_CLOSE = 0.01
"""Points by which a score may differ from its examples' mean and still count as that mean."""


class Procedure(Record):
    """How to test: `correct` is "holm", "fdr" or "none"."""

    test: Kind = "bootstrap"
    correct: str = "holm"
    alpha: float = 0.05
    resamples: int = RESAMPLES


def checked_procedure(**fields: Any) -> Procedure:
    """How to test, from options by name. Raises UserError for names that are not there and alpha out of range."""
    for name, kind, known in (("test", "test", KINDS), ("correct", "correction", CORRECTIONS)):
        if name in fields and fields[name] not in known:
            raise UnknownName(kind, str(fields[name]), known)
    alpha = fields.get("alpha", Procedure().alpha)
    if not 0 < alpha < 1:
        raise UserError(f"alpha must lie between 0 and 1, not be {alpha:g}", where="--alpha", fix="--alpha 0.05")
    return Procedure(**fields)


class Verdict(Record):
    """The test of one difference from the baseline. No language: the mean over the target's languages."""

    label: str
    target: str
    language: str = ""
    test: str
    """"bootstrap", "permutation", or "t over seeds" where single examples have no points."""
    difference: float
    """In what was tested: the score, or the mean of the examples' points."""
    low: float | None
    high: float | None
    p_value: float
    adjusted: float
    """Corrected for the size of its family."""
    significant: bool
    n: int
    """Examples (groups of translations, for a target)."""
    seeds: int
    of_points: bool = False
    """The score is no mean over examples (F1 of a set): what was tested is the mean of their points."""


class Loss(Record):
    """An example on which a label is worse than the baseline."""

    label: str
    target: str
    language: str
    id: str
    seed: int
    points: float
    base_points: float
    text: str
    gold: str
    prediction: str
    base_prediction: str


Cells = Mapping[str, Mapping[str, Mapping[str, Mapping[int, ResultRow]]]]
"""Label, target, language, seed to the row of the main score."""


def judged(
    cells: Cells, baseline: str, evidence: Evidence, settings: Procedure, examples: int = 20
) -> tuple[tuple[Verdict, ...], tuple[Loss, ...]]:
    """Tests of every label against the baseline, and the examples with the largest losses, by target."""
    by_language: list[tuple[dict[str, Any], np.ndarray]] = []
    by_target: list[tuple[dict[str, Any], np.ndarray]] = []
    seeds_only: list[dict[str, Any]] = []
    losses: list[Loss] = []
    for target in dict.fromkeys(name for held in cells.values() for name in held):
        worst: list[tuple[Any, ...]] = []
        pieces: dict[str, list[_Piece | None]] = defaultdict(list)
        base_languages = cells[baseline].get(target, {})
        for language, base in base_languages.items():
            base_points = _points(evidence, base)
            for label, held in cells.items():
                rows = held.get(target, {}).get(language)
                if label == baseline or not rows:
                    continue
                fields = {"label": label, "target": target, "language": language}
                piece = _piece(fields, rows, base, _points(evidence, rows), base_points)
                if piece is None:
                    seeds_only += _over_seeds(fields, rows, base)
                else:
                    by_language.append((dict(piece.fields), piece.differences))
                    worst += _worst(piece, rows, base, examples)
                pieces[label].append(piece)
        for label, found in pieces.items():
            joined = _joined(found) if len(found) == len(cells[label][target]) else None
            if joined is not None:
                by_target.append(joined)
        losses += _told(worst, target, cells, baseline, evidence, examples)
    tested = _tested(by_language, settings) + seeds_only
    results = [*_corrected(tested, settings), *_corrected(_tested(by_target, settings), settings)]
    return tuple(results), tuple(losses)


@dataclass(frozen=True)
class _Piece:
    fields: Mapping[str, Any]
    ids: Any
    differences: Any
    """[seeds, examples]."""
    points: Any
    """Of the first seed, [2, examples]: the label's and the baseline's."""
    seed: int


def _points(evidence: Evidence, rows: Mapping[int, ResultRow]) -> "dict[int, tuple[np.ndarray, np.ndarray]]":
    found = {seed: evidence.points(row.phase, row.task, row.language) for seed, row in rows.items()}
    return {seed: points for seed, points in found.items() if points is not None and len(points[0]) > 1}


def _piece(
    fields: Mapping[str, Any], rows: Mapping[int, ResultRow], base: Mapping[int, ResultRow], mine: Any, theirs: Any
) -> _Piece | None:
    """Differences on the examples that all seeds of both share; by seed where both have the same ones."""
    import numpy as np

    shared = sorted(mine.keys() & theirs.keys())
    pairs = [(mine[seed], theirs[seed]) for seed in shared]
    if not shared:
        if not mine or not theirs:
            return None
        pairs = [(mine[min(mine)], theirs[min(theirs)])]
    everything = [side for pair in pairs for side in pair]
    if not shared:
        everything = [*mine.values(), *theirs.values()]
    ids = everything[0][0]
    if not all(np.array_equal(ids, other) for other, _ in everything):
        for other, _ in everything[1:]:
            ids = np.intersect1d(ids, other)
    if len(ids) < 2:
        return None

    def on_ids(side: Any) -> Any:
        names, points = side
        if np.array_equal(names, ids):
            return points
        order = np.argsort(names, kind="stable")
        return points[order[np.searchsorted(names[order], ids)]]

    if shared:
        differences = np.stack([on_ids(first) - on_ids(second) for first, second in pairs])
    else:
        means = [np.mean([on_ids(side) for side in sides.values()], axis=0) for sides in (mine, theirs)]
        differences = (means[0] - means[1])[None]
    held = [(rows[seed], points) for seed, points in mine.items()]
    held += [(base[seed], points) for seed, points in theirs.items()]
    of_points = any(abs((row.value or 0.0) - float(points.mean())) > _CLOSE for row, (_, points) in held)
    return _Piece(
        fields={**fields, "of_points": of_points},
        ids=ids,
        differences=differences,
        points=np.stack([on_ids(pairs[0][0]), on_ids(pairs[0][1])]),
        seed=shared[0] if shared else min(mine),
    )


def _over_seeds(
    fields: Mapping[str, Any], rows: Mapping[int, ResultRow], base: Mapping[int, ResultRow]
) -> Iterator[dict[str, Any]]:
    """Student's paired t-test over the seeds that both have, where these are three or more."""
    shared = sorted(rows.keys() & base.keys())
    if len(shared) < FEWEST_SEEDS:
        return
    differences = [float(rows[seed].value or 0) - float(base[seed].value or 0) for seed in shared]
    centre, n = mean(differences), len(shared)
    error = (sum((value - centre) ** 2 for value in differences) / (n - 1) / n) ** 0.5
    p_value = t_tail(centre / error, n - 1) if error else float(centre == 0)
    if error:
        low, high = t_interval(differences)
        numbers = {"difference": centre, "low": low, "high": high, "p_value": p_value, "n": 0, "seeds": n}
        yield {**fields, "test": "t over seeds", **numbers}


def _joined(pieces: "Sequence[_Piece | None]") -> "tuple[dict[str, Any], np.ndarray] | None":
    """The mean over languages by example: one value a group of translations. None unless all languages have one."""
    import numpy as np

    whole = [piece for piece in pieces if piece is not None]
    if not whole or len(whole) < len(pieces) or len({len(piece.differences) for piece in whole}) > 1:
        return None
    names, place = np.unique(np.concatenate([piece.ids for piece in whole]), return_inverse=True)
    share = np.concatenate([np.full(len(piece.ids), 1 / len(whole) / len(piece.ids)) for piece in whole])
    values = np.concatenate([piece.differences for piece in whole], axis=1) * share * len(names)
    groups = np.stack([np.bincount(place, row, minlength=len(names)) for row in values])
    of_points = any(piece.fields["of_points"] for piece in whole)
    return {**whole[0].fields, "language": "", "of_points": of_points}, groups


def _tested(cells: "Sequence[tuple[Mapping[str, Any], np.ndarray]]", settings: Procedure) -> list[dict[str, Any]]:
    by_size: dict[int, list[tuple[Mapping[str, Any], np.ndarray, int]]] = defaultdict(list)
    for fields, differences in cells:
        small = _grouped(differences)
        by_size[small.shape[1]].append((fields, small, differences.shape[1]))
    results = []
    for same in by_size.values():
        for start in range(0, len(same), _AT_ONCE):
            part = same[start : start + _AT_ONCE]
            found = paired_tests([cell for _, cell, _ in part], settings.test, resamples=settings.resamples)
            for (fields, _, n), test in zip(part, found, strict=True):
                results.append({**fields, "test": settings.test, **test.model_dump(), "n": n})
    return results


def _grouped(differences: Any) -> Any:
    """At most 2,000 columns with the same means: examples are put into groups at random."""
    import numpy as np

    n = differences.shape[1]
    if n <= GROUPS:
        return differences
    group = np.random.default_rng(0).permutation(n) % GROUPS
    return np.stack([np.bincount(group, row, minlength=GROUPS) for row in differences]) * (GROUPS / n)


def _corrected(tests: Sequence[Mapping[str, Any]], settings: Procedure) -> Iterator[Verdict]:
    adjusted = corrected([test["p_value"] for test in tests], settings.correct)
    for test, p_value in zip(tests, adjusted, strict=True):
        yield Verdict(**test, adjusted=p_value, significant=p_value < settings.alpha)


def _worst(
    piece: _Piece, rows: Mapping[int, ResultRow], base: Mapping[int, ResultRow], count: int
) -> list[tuple[Any, ...]]:
    """The largest losses of one cell: (loss, place within the cell, language, label, id, points, …)."""
    import numpy as np

    losses = piece.points[0] - piece.points[1]
    order = np.argsort(losses, kind="stable")[:count]
    return [
        (float(losses[at]), place, piece.fields["language"], piece.fields["label"], str(piece.ids[at]),
         piece.seed, float(piece.points[0][at]), float(piece.points[1][at]))
        for place, at in enumerate(order.tolist())
        if losses[at] < 0
    ]  # fmt: skip


def _told(
    worst: list[tuple[Any, ...]], target: str, cells: Cells, baseline: str, evidence: Evidence, count: int
) -> Iterator[Loss]:
    """The largest losses of a target with both predictions; of equal ones, from as many cells as there are."""
    for _, _, language, label, id, seed, points, base_points in sorted(worst)[:count]:
        sides = []
        for name in (label, baseline):
            held = cells[name][target][language]
            row = held.get(seed) or held[min(held)]
            sides.append(evidence.predictions(row.phase, target, language, {id}).get(id))
        mine, theirs = sides
        if mine is not None and theirs is not None:
            yield Loss(
                label=label, target=target, language=language, id=id, seed=seed, points=points,
                base_points=base_points, text=mine.text, gold=mine.gold, prediction=mine.prediction,
                base_prediction=theirs.prediction,
            )  # fmt: skip


def untested(tests: Sequence[Verdict], cells: Cells, baseline: str) -> dict[str, list[str]]:
    """Target to the labels with a cell that could not be tested."""
    done = {(test.label, test.target, test.language) for test in tests}
    missing: dict[str, list[str]] = defaultdict(list)
    for label, held in cells.items():
        for target, languages in held.items():
            both = languages.keys() & cells[baseline].get(target, {}).keys()
            if label != baseline and any((label, target, code) not in done for code in both):
                missing[target].append(label)
    return dict(missing)
