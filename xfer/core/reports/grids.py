"""What every readable format shows: the same grids of entries, the same numbers as text, the same notes."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Literal

from xfer.core.compare.comparison import Comparison
from xfer.core.compare.label_scores import LabelScore, TargetScore
from xfer.core.metrics.aggregate import mean
from xfer.core.records import Record

ABSENT = "–"
BOLD = "Bold is the best of a column."
INCOMPLETE, SAME_TASK, MIXED, SEES, SIGNIFICANT = "*", "†", "‡", "§", "★"


class Entry(Record):
    """One cell of a grid, in points, or a text."""

    text: str = ""
    """Shown instead of the value."""
    value: float | None = None
    delta: float | None = None
    spread: float | None = None
    marks: str = ""
    best: bool = False
    eligible: bool = False
    """May be the best of its column: a label's score over all that the others were scored on."""


class Line(Record):
    """One row of a grid: a label, or what to hold it against (chance, heuristic, standard error)."""

    name: str
    detail: str = ""
    """The intermediate task."""
    kind: Literal["label", "selection", "floor"] = "label"
    entries: tuple[Entry, ...]


class Grid(Record):
    """A table of the report. `target` names the one that its columns are languages of, or, in brackets, a kind of
    table whose columns are no targets."""

    title: str
    columns: tuple[str, ...]
    lines: tuple[Line, ...]
    target: str = ""
    head: str = "start point"
    """What the lines are."""
    note: str = ""
    """What a reader must know of this table: the test behind its stars, sources."""


def shown(entry: Entry) -> str:
    """The entry's text, or its value."""
    return entry.text or number(entry.value)


def number(value: float | None) -> str:
    """Points with one decimal; a dash for none."""
    return ABSENT if value is None else f"{_rounded(value):.1f}"


def signed(value: float) -> str:
    """A difference in points, with its sign."""
    return f"{_rounded(value):+.1f}"


def way(delta: float) -> Literal["up", "down", ""]:
    """Which way a difference goes, as it is shown: a rounded zero is neither gain nor loss."""
    shown = _rounded(delta)
    return "" if shown == 0 else "up" if shown > 0 else "down"


def _rounded(value: float) -> float:
    # Adding zero turns -0.0 into 0.0, which would otherwise be told as a loss.
    return round(value, 1) + 0.0


def clean(text: str) -> str:
    """A name on one line, without characters that control a terminal, a browser or the text direction."""
    return "".join(
        " " if character in "\t\n\r" else "\ufffd" if unicodedata.category(character) in _CONTROLS else character
        for character in text
    )


_CONTROLS = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def breakable(name: str) -> list[str]:
    """A label in the pieces between which a line may break."""
    return re.split(r"(?=\[)|(?<=[,=+])", clean(name))


def untold(line: Line) -> bool:
    """Whether the label does not tell its intermediate task (the suite's default)."""
    return bool(line.detail) and line.detail not in line.name


def common_prefix(comparison: Comparison) -> str:
    """What all targets' names start with, up to a dash ("mini-"); empty where they are not alike."""
    heads = {"".join(name.partition("-")[:2]) for name in comparison.targets}
    head = heads.pop()
    return head if not heads and head.endswith("-") and len(comparison.targets) > 1 else ""


def prefix_note(prefix: str) -> list[str]:
    """The line that says what was left out of the columns' names."""
    return [f"Targets are named without their common start {prefix!r}."] if prefix else []


def without_prefix(grid: Grid, prefix: str) -> Grid:
    """The grid with shorter columns, where they are targets."""
    columns = grid.columns if grid.target else (column.removeprefix(prefix) for column in grid.columns)
    return grid.model_copy(update={"columns": tuple(columns)})


def headline_grids(comparison: Comparison) -> list[Grid]:
    """Labels by targets: means with English, means without it, and the transfer gap."""
    gap = _target_grid(
        comparison,
        "Transfer gap: English minus the zero-shot mean (smaller is better, unless English fell)",
        lambda target: Entry(value=target.transfer_gap),
        lambda label: Entry(value=label.transfer_gap),
        {},
    )
    return [*mean_grids(comparison), *_with_values([gap])]


def mean_grids(comparison: Comparison, kinds: bool = True) -> list[Grid]:
    """Labels by targets (by `kinds` of them too) beside chance and heuristic: means with English, then without."""
    grids = [
        _target_grid(
            comparison,
            "Mean over languages, English included (as XTREME counts)",
            lambda target: Entry(value=target.mean, delta=target.delta, spread=target.spread),
            lambda label: Entry(value=label.average, delta=label.delta, spread=label.spread),
            {"chance": lambda target: target.chance, "heuristic": lambda target: target.heuristic},
            starred=True,
            grouped=kinds,
        ),
        _target_grid(
            comparison,
            "Zero-shot: mean over the languages other than English",
            lambda target: Entry(value=target.mean_zero_shot, delta=target.delta_zero_shot),
            lambda label: Entry(value=label.average_zero_shot, delta=label.delta_zero_shot),
            {
                "chance": lambda target: target.chance_zero_shot,
                "heuristic": lambda target: target.heuristic_zero_shot,
            },
            grouped=kinds,
        ),
    ]
    return _with_values(grids)


def _with_values(grids: Iterable[Grid]) -> list[Grid]:
    return [grid for grid in grids if any(entry.value is not None for line in grid.lines for entry in line.entries)]


def language_grid(comparison: Comparison, target: str) -> Grid:
    """Labels by languages of one target, with the mean, and chance and heuristic below.

    Languages that no label has are listed as missing and get no column.
    """
    held = {
        code for label in comparison.labels if target in label.targets for code in label.targets[target].by_language
    }
    languages = [code for code in comparison.targets[target] if code in held]
    lines = []
    stars = significant(comparison)
    for label in comparison.labels:
        score = label.targets.get(target)
        if score is None:
            lines.append(_line(label, [Entry()] * (len(languages) + 1)))
            continue
        entries = []
        for language in languages:
            found = score.by_language.get(language)
            entries.append(
                Entry(
                    value=found.value,
                    delta=found.delta,
                    marks=MIXED * found.mixed + SIGNIFICANT * ((label.label, target, language) in stars),
                    eligible=True,
                )
                if found
                else Entry()
            )
        overall = _marked(Entry(value=score.mean, delta=score.delta, spread=score.spread), score)
        star = SIGNIFICANT * ((label.label, target, "") in stars)
        lines.append(_line(label, [*entries, overall.model_copy(update={"marks": overall.marks + star})]))
    floors = []
    for name in ("chance", "heuristic"):
        values = [_floor(comparison, target, language, name) for language in languages]
        if any(value is not None for value in values):
            floors.append(_floor_line(name, [*values, _mean_of_all(values)]))
    errors = [_largest_error(comparison, target, language) for language in languages]
    if any(error is not None for error in errors):
        floors.append(_floor_line("largest std. error", [*errors, None]))
    metric = next((label.targets[target].metric for label in comparison.labels if target in label.targets), "")
    return Grid(
        title=f"{target}{f' ({metric})' if metric else ''} by language",
        columns=(*languages, "mean"),
        lines=(*_with_best(lines), *floors),
        target=target,
    )


def _target_grid(
    comparison: Comparison,
    title: str,
    of_target: Callable[[TargetScore], Entry],
    of_label: Callable[[LabelScore], Entry],
    floors: Mapping[str, Callable[[TargetScore], float | None]],
    starred: bool = False,
    grouped: bool = True,
) -> Grid:
    kinds = task_groups(comparison) if grouped else {}
    stars = significant(comparison)

    def entries(label: LabelScore, extra: str = "") -> list[Entry]:
        found: dict[str, Entry] = {}
        for target in comparison.targets:
            score = label.targets.get(target)
            entry = _marked(of_target(score), score, rank=bool(floors)) if score is not None else Entry()
            star = SIGNIFICANT if starred and (label.label, target, "") in stars else ""
            found[target] = entry.model_copy(
                update={"marks": entry.marks + (extra if score and extra not in entry.marks else "") + star}
            )
        groups = [_grouped(label, [found[name] for name in names], names) for names in kinds.values()]
        whole = Entry(
            **of_label(label).model_dump(exclude={"marks", "eligible"}),
            marks=INCOMPLETE * label.incomplete + _inherited(found.values()),
            eligible=bool(floors) and not label.partial,
        )
        return [*found.values(), *groups, whole if whole.value is not None else Entry()]

    lines = [_line(label, entries(label)) for label in comparison.labels]
    below = []
    for selection in comparison.selections:
        chosen = entries(selection.score, SEES * selection.uses_labels)
        below.append(
            _line(selection.score, (entry.model_copy(update={"eligible": False}) for entry in chosen), "selection")
        )
    for name, floor in floors.items():
        values = [
            next((floor(label.targets[target]) for label in comparison.labels if _whole(label, target)), None)
            for target in comparison.targets
        ]
        if any(value is not None for value in values):
            of = dict(zip(comparison.targets, values, strict=True))
            means = [_mean_of_all([of[name] for name in names]) for names in kinds.values()]
            below.append(_floor_line(name, [*values, *means, _mean_of_all(values)]))
    columns = (*comparison.targets, *(f"mean of {kind}" for kind in kinds), "average")
    return Grid(title=title, columns=columns, lines=(*_with_best(lines), *below))


def task_groups(comparison: Comparison) -> dict[str, list[str]]:
    """Kinds of targets with their names, where there are several kinds and one holds several targets."""
    kinds: dict[str, list[str]] = {}
    for group in comparison.groups:
        if group.by == "task":
            held = kinds.setdefault(group.name, [])
            held += [name for name in group.targets if name not in held]
    return kinds if len(kinds) > 1 and any(len(names) > 1 for names in kinds.values()) else {}


def significant(comparison: Comparison) -> set[tuple[str, str, str]]:
    """Label, target and language ("" for a target's mean) of the differences that the corrected test confirms."""
    return {(test.label, test.target, test.language) for test in comparison.tests if test.significant}


def _inherited(parts: Iterable[Entry]) -> str:
    """The marks of single scores that a mean over them must carry too."""
    marks = "".join(part.marks for part in parts)
    return "".join(mark for mark in (MIXED, SEES) if mark in marks)


def _grouped(label: LabelScore, held: list[Entry], names: list[str]) -> Entry:
    values = [entry.value for entry in held if entry.value is not None]
    if not values:
        return Entry()
    deltas = [entry.delta for entry in held if entry.delta is not None]
    return Entry(
        value=mean(values),
        delta=mean(deltas) if deltas else None,
        marks=INCOMPLETE * any(name not in label.targets or label.targets[name].incomplete for name in names)
        + _inherited(held),
        eligible=all(entry.eligible for entry in held),
    )


def _mean_of_all(values: Iterable[float | None]) -> float | None:
    numbers = list(values)
    return mean(v for v in numbers if v is not None) if None not in numbers else None


def _whole(label: LabelScore, target: str) -> bool:
    return target in label.targets and not label.targets[target].partial


def _floor(comparison: Comparison, target: str, language: str, name: str) -> float | None:
    """Chance or heuristic of one language: the test set's, so that of whichever label has it."""
    for label in comparison.labels:
        score = label.targets[target].by_language.get(language) if target in label.targets else None
        if score is not None and (value := getattr(score, name)) is not None:
            return float(value)
    return None


def _largest_error(comparison: Comparison, target: str, language: str) -> float | None:
    scores = (
        label.targets[target].by_language.get(language) for label in comparison.labels if target in label.targets
    )
    return max((s.standard_error for s in scores if s is not None and s.standard_error is not None), default=None)


def _marked(entry: Entry, score: TargetScore, rank: bool = True) -> Entry:
    mixed = any(language.mixed for language in score.by_language.values())
    marks = INCOMPLETE * score.incomplete + SAME_TASK * score.same_task + MIXED * mixed + SEES * bool(score.sees)
    return entry.model_copy(
        update={"marks": marks if entry.value is not None else "", "eligible": rank and not score.partial}
    )


def _line(label: LabelScore, entries: Iterable[Entry], kind: Literal["label", "selection"] = "label") -> Line:
    return Line(name=label.label, detail=label.intermediate, kind=kind, entries=tuple(entries))


def _floor_line(name: str, values: Iterable[float | None]) -> Line:
    return Line(name=name, kind="floor", entries=tuple(Entry(value=value) for value in values))


def _with_best(lines: list[Line]) -> Iterator[Line]:
    """Mark the best entries of each column, equal ones together, where they are better than any."""
    tops: list[str] = []
    for column in zip(*(line.entries for line in lines), strict=True):
        values = [entry.value for entry in column if entry.eligible and entry.value is not None]
        shown = {number(value) for value in values}
        tops.append(number(max(values)) if len(shown) > 1 else "")
    for line in lines:
        entries = (
            entry.model_copy(update={"best": entry.eligible and number(entry.value) == top})
            for entry, top in zip(line.entries, tops, strict=True)
        )
        yield line.model_copy(update={"entries": tuple(entries)})
