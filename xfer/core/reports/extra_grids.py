"""The grids besides scores: groups of languages, gains in English, ranks, costs, losses, published numbers."""

from collections.abc import Callable, Iterable, Mapping

from xfer.core.compare.comparison import Comparison
from xfer.core.compare.groups import BY
from xfer.core.compare.label_scores import ENGLISH, LabelScore, TargetScore, difference_spread
from xfer.core.compare.paired import FEWEST_SEEDS
from xfer.core.compare.ranking import TIE
from xfer.core.reports.grids import (
    ABSENT,
    INCOMPLETE,
    SIGNIFICANT,
    Entry,
    Grid,
    Line,
    headline_grids,
    language_grid,
    number,
    signed,
    significant,
)

WORST = 5
"""Languages and cells that are named as the worst of a label."""


def all_grids(comparison: Comparison) -> list[Grid]:
    """Every grid of a report in text: headline, extra ones, then one per target with its languages."""
    languages = (language_grid(comparison, target) for target in comparison.targets)
    chosen = [group_grid(comparison, comparison.by)] if comparison.by != "task" else []
    grids = [*headline_grids(comparison), *chosen, *extra_grids(comparison), *languages]
    return [with_note(grid, comparison) for grid in grids if grid is not None]


def extra_grids(comparison: Comparison) -> list[Grid]:
    """The grids that have something to show, in their order."""
    makers: tuple[Callable[[Comparison], Grid | None], ...] = (
        differences_grid, gains_grid, ranking_grid, worst_grid, loss_grid, cost_grid, published_grid, gain_grid,
        claim_grid,
    )  # fmt: skip
    return [grid for grid in (make(comparison) for make in makers) if grid is not None]


def with_note(grid: Grid, comparison: Comparison) -> Grid:
    """The grid with a line that names the test and the numbers of examples and cells behind its stars."""
    languages = bool(grid.target)
    tests = [
        test for test in comparison.tests if bool(test.language) == languages and grid.target in ("", test.target)
    ]
    starred = languages or grid.title == headline_grids(comparison)[0].title
    if not tests or not starred:
        return grid
    sizes = sorted({test.n for test in tests if test.n})
    names = " and ".join(sorted({test.test for test in tests}))
    family = sum(bool(test.language) == languages for test in comparison.tests)
    seeds = sorted({test.seeds for test in tests})
    kinds = "cells" if languages else "targets"
    few = "" if max(seeds) >= FEWEST_SEEDS else ", too few to count as a source of variance"
    parts = [
        f"{SIGNIFICANT} {names}, paired, against {comparison.baseline}",
        *([f"n = {_span(sizes)} examples"] if sizes else []),
        f"{_span(seeds)} {'seed' if seeds == [1] else 'seeds'}{few}",
        f"alpha {comparison.procedure.alpha:g}, correction {comparison.procedure.correct} over {family} {kinds}",
    ]
    if any(test.of_points for test in tests):
        names = ", ".join(dict.fromkeys(test.target for test in tests if test.of_points))
        parts.append(f"on {names} the points of single examples are tested, whose mean is not the score")
    return grid.model_copy(update={"note": "; ".join(parts) + "."})


def _span(values: list[int]) -> str:
    return str(values[0]) if len(values) == 1 else f"{values[0]} to {values[-1]}"


def group_grid(comparison: Comparison, by: str) -> Grid | None:
    """Labels by languages, families or scripts: means over languages, then over targets."""
    assert by in BY
    groups = [group for group in comparison.groups if group.by == by]
    names = list(dict.fromkeys(group.name for group in groups))
    if not names:
        return None
    if by == "language":
        names.sort(key=lambda code: (code != ENGLISH, code))
    held = {(group.label, group.name): group for group in groups}
    lines = []
    for label in comparison.labels:
        found = [held.get((label.label, name)) for name in names]
        entries = (
            Entry(value=group.value, delta=group.delta, marks=INCOMPLETE * group.partial) if group else Entry()
            for group in found
        )
        lines.append(Line(name=label.label, detail=label.intermediate, entries=tuple(entries)))
    title = f"By {by}: mean over the languages of each target, then over targets"
    return Grid(title=title, columns=tuple(names), lines=tuple(lines), target=f"(by {by})")


def differences_grid(comparison: Comparison) -> Grid | None:
    """Differences from the baseline with their own spread: what both share of a seed's luck is not in it."""
    base = comparison.labels[0]
    lines = []
    for label in _others(comparison):
        pairs = [(label.targets.get(name), base.targets.get(name)) for name in comparison.targets]
        texts = [_difference(own, theirs) for own, theirs in pairs]
        whole = label.targets.keys() == base.targets.keys() and all(text != ABSENT for text in texts)
        lines.append(_line(label, [*texts, _difference(label, base) if whole else ABSENT]))
    if not any("±" in entry.text for line in lines for entry in line.entries):
        return None
    title = f"Differences from {base.label} ± their sample standard deviation over seeds (paired by seed)"
    return Grid(title=title, columns=(*comparison.targets, "average"), lines=tuple(lines))


def _difference(own: TargetScore | LabelScore | None, base: TargetScore | LabelScore | None) -> str:
    if own is None or base is None or own.delta is None or own.partial or base.partial:
        return ABSENT
    spread = difference_spread(own.by_seed, base.by_seed)
    return signed(own.delta) + (f" ±{number(spread)}" if spread is not None else "")


def gains_grid(comparison: Comparison) -> Grid | None:
    """The gain in English against the mean gain in the other languages: a smaller gap may be worse English."""
    lines = []
    for label in _others(comparison):
        pairs = []
        for target in comparison.targets:
            score = label.targets.get(target)
            english = score.by_language.get(ENGLISH) if score else None
            pairs.append((english.delta if english else None, score.delta_zero_shot if score else None))
        both = [(one, other) for one, other in pairs if one is not None and other is not None]
        if both:
            pairs.append((sum(one for one, _ in both) / len(both), sum(other for _, other in both) / len(both)))
        else:
            pairs.append((None, None))
        texts = [
            f"{_signed(one)} / {_signed(other)}" if (one, other) != (None, None) else ABSENT for one, other in pairs
        ]
        lines.append(_line(label, texts))
    if not lines:
        return None
    title = "Gain in English / mean gain in the other languages (average: targets with both)"
    return Grid(title=title, columns=(*comparison.targets, "average"), lines=tuple(lines))


def ranking_grid(comparison: Comparison) -> Grid | None:
    """Wins, ties and losses against the baseline, ranks and Borda counts."""
    if len(comparison.labels) < 2:
        return None
    lines = []
    for label, rank in zip(comparison.labels, comparison.rankings, strict=True):
        counts = (rank.wins, rank.ties, rank.losses, rank.significant_wins, rank.significant_losses)
        texts = [ABSENT if count is None else str(count) for count in counts]
        lines.append(_line(label, [*texts, number(rank.mean_rank), number(rank.borda)]))
    columns = ("wins", "ties", "losses", f"{SIGNIFICANT} wins", f"{SIGNIFICANT} losses", "mean rank", "Borda")
    title = "Wins, ties and losses (target and language) against the baseline; ranks over the targets all have"
    return Grid(title=title, columns=columns, lines=tuple(lines), target="(ranks)")


def worst_grid(comparison: Comparison) -> Grid | None:
    """Each label's lowest languages, by their means over targets."""
    groups = [group for group in comparison.groups if group.by == "language"]
    lines = []
    for label in comparison.labels:
        own = sorted((group for group in groups if group.label == label.label), key=lambda group: group.value)
        lines.append(_line(label, _filled(f"{group.name} {number(group.value)}" for group in own[:WORST])))
    places = max((sum(entry.text != ABSENT for entry in line.entries) for line in lines), default=0)
    if places < 2:
        return None
    return _places("Worst languages: the lowest means over targets", lines, places)


def loss_grid(comparison: Comparison) -> Grid | None:
    """Each label's largest losses against the baseline, by target and language."""
    stars = significant(comparison)
    lines = []
    for label in _others(comparison):
        deltas = [
            (score.delta, target, code)
            for target, held in label.targets.items()
            for code, score in held.by_language.items()
            if score.delta is not None and score.delta <= -TIE
        ]
        texts = [
            f"{target} {code} {signed(delta)}{SIGNIFICANT * ((label.label, target, code) in stars)}"
            for delta, target, code in sorted(deltas)[:WORST]
        ]
        lines.append(_line(label, _filled(texts)))
    places = max((sum(entry.text != ABSENT for entry in line.entries) for line in lines), default=0)
    return _places("Largest losses against the baseline", lines, places) if places else None


def cost_grid(comparison: Comparison) -> Grid | None:
    """What every label cost, over all seeds, and what it gained."""
    if not comparison.costs:
        return None
    by_label = {cost.label: cost for cost in comparison.costs}
    lines = []
    for label in comparison.labels:
        cost = by_label.get(label.label)
        if cost is None:
            continue
        trained = "not stored" if cost.train_seconds is None else f"{cost.train_seconds:.0f}"
        numbers = [cost.phases, cost.train_steps, cost.train_examples, trained, f"{cost.evaluate_seconds:.0f}"]
        texts = [*map(str, numbers), ", ".join(cost.devices) or ABSENT, _signed(cost.delta)]
        lines.append(_line(label, texts))
    columns = ("phases", "steps", "examples", "training, s", "evaluation, s", "device", "gain")
    title = "Cost over all seeds (a phase that targets share counts once), and gain over the baseline"
    return Grid(title=title, columns=columns, lines=tuple(lines), target="(cost)")


def published_grid(comparison: Comparison) -> Grid | None:
    """Published scores on the test sets of XTREME and nothing of these runs, whose data and model may differ."""
    cells = [cell for cell in comparison.published if cell.target != "gain"]
    if not cells:
        return None
    main = {(cell.row, cell.target): cell for cell in cells if cell.metric not in ("f1", "exact_match")}
    main |= {
        (c.row, c.target): c for c in cells if c.metric == "f1" and c.target not in ("xquad", "mlqa", "tydiqa")
    }
    rows = list(dict.fromkeys(cell.row for cell in cells))
    targets = list(dict.fromkeys(cell.target for cell in cells))
    lines = []
    for row in rows:
        found = [main.get((row, target)) for target in targets]
        texts = [
            f"{number(cell.value)}{_DERIVED[cell.kind]}" if cell and cell.value is not None else _NONE
            for cell in found
        ]
        lines.append(Line(name=row, entries=_texts(texts)))
    title = "Published: XTREME test, XLM-R Large; question answering is the mean of F1 and EM"
    sources = "; ".join(
        dict.fromkeys(f"{cell.source} ({cell.version})" for cell in cells if cell.value is not None)
    )
    note = f"Sources: {sources}. (s): read in a summary; (d): derived from numbers read."
    return Grid(
        title=title, columns=tuple(targets), lines=tuple(lines), target="(published)", head="published", note=note
    )


_DERIVED: Mapping[str, str] = {"read": "", "secondary": " (s)", "derived": " (d)", "not available": ""}
_NONE = "not available"


def gain_grid(comparison: Comparison) -> Grid | None:
    """The published mean gains over XLM-R Large, each with its version."""
    cells = [cell for cell in comparison.published if cell.target == "gain"]
    lines = [
        Line(
            name=cell.row,
            entries=_texts(
                [_signed(cell.value) if cell.value is not None else _NONE, cell.split, cell.version, cell.source]
            ),
        )
        for cell in cells
    ]
    columns = ("mean gain", "split", "version", "source")
    title = "Published: gains of the mean over nine targets over XLM-R Large"
    return (
        Grid(title=title, columns=columns, lines=tuple(lines), target="(gains)", head="published")
        if lines
        else None
    )


def claim_grid(comparison: Comparison) -> Grid | None:
    """The paper's claims and what these runs say, by sign."""
    words = {True: "yes", False: "no", None: "cannot tell"}
    lines = [
        Line(name=claim.text, entries=_texts([words[claim.holds], claim.evidence])) for claim in comparison.claims
    ]
    title = "The paper's claims, by the sign of these runs' mean differences (no test)"
    return (
        Grid(title=title, columns=("same sign", "here"), lines=tuple(lines), target="(claims)", head="claim")
        if lines
        else None
    )


def _others(comparison: Comparison) -> list[LabelScore]:
    if comparison.baseline is None:
        return []
    return [label for label in comparison.labels if label.label != comparison.baseline]


def _signed(value: float | None) -> str:
    return ABSENT if value is None else signed(value)


def _filled(texts: Iterable[str]) -> list[str]:
    found = list(texts)
    return found + [ABSENT] * (WORST - len(found))


def _places(title: str, lines: list[Line], places: int) -> Grid:
    cut = (line.model_copy(update={"entries": line.entries[:places]}) for line in lines)
    return Grid(title=title, columns=tuple(map(str, range(1, places + 1))), lines=tuple(cut), target="(places)")


def _line(label: LabelScore, texts: Iterable[str]) -> Line:
    return Line(name=label.label, detail=label.intermediate, entries=_texts(texts))


def _texts(texts: Iterable[str]) -> tuple[Entry, ...]:
    return tuple(Entry(text=text) for text in texts)
