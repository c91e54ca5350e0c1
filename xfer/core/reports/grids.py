"""What every readable format shows: the same grids of entries, the same numbers as text, the same notes."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Literal

from xfer.core.comparison import Comparison
from xfer.core.label_scores import LabelScore, TargetScore
from xfer.core.leaks import zero_shot
from xfer.core.metrics.aggregate import mean
from xfer.core.records import Record

ABSENT = "–"
BOLD = "Bold is the best of a column."
INCOMPLETE, SAME_TASK, MIXED, SEES = "*", "†", "‡", "§"


class Entry(Record):
    """One cell of a grid, in points."""

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
    kind: Literal["label", "floor"] = "label"
    entries: tuple[Entry, ...]


class Grid(Record):
    """A table of the report. `target` names the one that its columns are languages of."""

    title: str
    columns: tuple[str, ...]
    lines: tuple[Line, ...]
    target: str = ""


def number(value: float | None) -> str:
    """Points with one decimal; a dash for none."""
    return ABSENT if value is None else f"{_rounded(value):.1f}"


def signed(value: float) -> str:
    """A difference in points, with its sign."""
    return f"{_rounded(value):+.1f}"


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


def all_grids(comparison: Comparison) -> list[Grid]:
    """The headline grids, then one per target with its languages."""
    return [*headline_grids(comparison), *(language_grid(comparison, target) for target in comparison.targets)]


def headline_grids(comparison: Comparison) -> list[Grid]:
    """Labels by targets: means with English, means without it, and the transfer gap."""
    grids = [
        _target_grid(
            comparison,
            "Mean over languages, English included (as XTREME counts)",
            lambda target: Entry(value=target.mean, delta=target.delta, spread=target.spread),
            lambda label: Entry(value=label.average, delta=label.delta, spread=label.spread),
            {"chance": lambda target: target.chance, "heuristic": lambda target: target.heuristic},
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
        ),
        _target_grid(
            comparison,
            "Transfer gap: English minus the zero-shot mean (smaller is better, unless English fell)",
            lambda target: Entry(value=target.transfer_gap),
            lambda label: Entry(value=label.transfer_gap),
            {},
        ),
    ]
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
    for label in comparison.labels:
        score = label.targets.get(target)
        if score is None:
            lines.append(_line(label, [Entry()] * (len(languages) + 1)))
            continue
        entries = []
        for language in languages:
            found = score.by_language.get(language)
            entries.append(
                Entry(value=found.value, delta=found.delta, marks=MIXED * found.mixed, eligible=True)
                if found
                else Entry()
            )
        overall = Entry(value=score.mean, delta=score.delta, spread=score.spread)
        lines.append(_line(label, [*entries, _marked(overall, score)]))
    floors = []
    for name in ("chance", "heuristic"):
        values = [_floor(comparison, target, language, name) for language in languages]
        if any(value is not None for value in values):
            overall_floor = mean(v for v in values if v is not None) if None not in values else None
            floors.append(_floor_line(name, [*values, overall_floor]))
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
) -> Grid:
    lines = []
    for label in comparison.labels:
        entries = [
            _marked(of_target(label.targets[target]), label.targets[target], rank=bool(floors))
            if target in label.targets
            else Entry()
            for target in comparison.targets
        ]
        overall = of_label(label).model_copy(
            update={"marks": INCOMPLETE * label.incomplete, "eligible": bool(floors) and not label.partial}
        )
        if overall.value is None:
            overall = Entry()
        lines.append(_line(label, [*entries, overall]))
    below = []
    for name, floor in floors.items():
        values = [
            next((floor(label.targets[target]) for label in comparison.labels if _whole(label, target)), None)
            for target in comparison.targets
        ]
        if any(value is not None for value in values):
            overall_floor = mean(v for v in values if v is not None) if None not in values else None
            below.append(_floor_line(name, [*values, overall_floor]))
    return Grid(title=title, columns=(*comparison.targets, "average"), lines=(*_with_best(lines), *below))


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


def _line(label: LabelScore, entries: Iterable[Entry]) -> Line:
    return Line(name=label.label, detail=label.intermediate, entries=tuple(entries))


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


def legend(comparison: Comparison) -> list[str]:
    """How to read the numbers; marks are explained where they are used."""
    lines = ["Scores are points (0 to 100), means over seeds."]
    if comparison.baseline is not None:
        lines.append(f"Signed numbers are differences from {comparison.baseline}, paired by seed.")
    if any(label.spread is not None for label in comparison.labels):
        lines.append("± is the sample standard deviation over seeds.")
    grids = all_grids(comparison)
    used = {mark for grid in grids for line in grid.lines for entry in line.entries for mark in entry.marks}
    meanings = {
        INCOMPLETE: "incomplete: targets, languages or seeds are missing (listed below); a mean of those there are",
        SAME_TASK: "the intermediate task is the target's own training task: more data of the same task",
        MIXED: "rows of unlike signatures were averaged",
        SEES: "not zero-shot: training saw languages or rows of the evaluation (listed below)",
    }
    return [*lines, *(f"{mark} {meaning}." for mark, meaning in meanings.items() if mark in used)]


def notes(comparison: Comparison) -> list[str]:
    """What a reader must know: the suite's note, floors not exceeded, same tasks, missing cells, problems."""
    return [
        *comparison.notes,
        *_floor_notes(comparison),
        *(
            f"{label.label}: more data of the same task, not transfer between tasks, on: {', '.join(same)}"
            for label in comparison.labels
            if (same := [name for name, target in label.targets.items() if target.same_task])
        ),
        *_seen_notes(comparison),
        *_missing_notes(comparison),
        *problem_lines(comparison),
    ]


def problem_lines(comparison: Comparison) -> list[str]:
    """The problems of the runs, each on a line."""
    return [
        f"problem ({problem.stage}): {problem.message}{f' [{problem.where}]' if problem.where else ''}"
        for problem in comparison.problems
    ]


_FLOORS = {
    ("chance",): "not above chance",
    ("heuristic",): "not above its heuristic baseline",
    ("chance", "heuristic"): "not above chance, nor its heuristic baseline",
}


def _floor_notes(comparison: Comparison) -> Iterator[str]:
    quiet = True
    for label in comparison.labels:
        for failed, words in _FLOORS.items():
            names = [name for name, target in label.targets.items() if target.not_above == failed]
            if names:
                quiet = False
                yield f"{label.label}: {words} (zero-shot mean, two standard errors): {', '.join(names)}"
    known = any(t.chance_zero_shot is not None for label in comparison.labels for t in label.targets.values())
    if quiet and known:
        yield "every zero-shot mean exceeds chance and its heuristic baseline by more than two standard errors"


def _seen_notes(comparison: Comparison) -> Iterator[str]:
    """One note per label and set of marks, e.g. "x: zero-shot: no, sees de, text sw (all targets)"."""
    for label in comparison.labels:
        held: dict[tuple[str, ...], list[str]] = {}
        for name, target in label.targets.items():
            held.setdefault(target.sees, []).append(name)
        for sees, names in held.items():
            if sees:
                where = "all targets" if len(held) == 1 else ", ".join(names)
                yield f"{label.label}: {zero_shot(sees)} ({where})"


def _missing_notes(comparison: Comparison) -> Iterator[str]:
    """One note per set of labels that miss the same."""
    languages: dict[tuple[str, str, tuple[int, ...], str], list[str]] = {}
    for cell in comparison.missing:
        languages.setdefault((cell.label, cell.target, cell.seeds, cell.why), []).append(cell.language)
    holders: dict[tuple[str, tuple[str, ...], tuple[int, ...], str], list[str]] = {}
    for (label, target, seeds, why), found in languages.items():
        holders.setdefault((target, tuple(found), seeds, why), []).append(label)
    for (target, codes, seeds, why), names in holders.items():
        who = "every label" if len(names) == len(comparison.labels) > 1 else ", ".join(names)
        where = f" in {', '.join(codes)}" if codes != ("",) else ""
        when = f", seed {', '.join(map(str, seeds))}" if seeds else ""
        yield f"missing ({why}): {target}{where}{when} of {who}"
