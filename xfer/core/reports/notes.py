"""How to read a report, and what its reader must know: marks, floors, what is missing, what was seen."""

import shlex
from collections.abc import Iterator, Sequence

from xfer.core.compare.comparison import Comparison
from xfer.core.compare.selection import USES_LABELS
from xfer.core.compare.significance import Procedure
from xfer.core.plans.leaks import zero_shot
from xfer.core.reports.extra_grids import all_grids
from xfer.core.reports.grids import INCOMPLETE, MIXED, SAME_TASK, SEES, SIGNIFICANT, Grid, number


def legend(comparison: Comparison, grids: Sequence[Grid] | None = None) -> list[str]:
    """How to read the numbers; marks are explained where one of the grids (all of them unless given) uses them."""
    lines = ["Scores are points (0 to 100), means over seeds."]
    if comparison.baseline is not None:
        lines.append(f"Signed numbers are differences from {comparison.baseline}, paired by seed.")
    if any(label.spread is not None for label in comparison.labels):
        lines.append("± with a score is its sample standard deviation over seeds, not that of its difference.")
    grids = all_grids(comparison) if grids is None else grids
    used = {mark for grid in grids for line in grid.lines for entry in line.entries for mark in entry.marks}
    meanings = {
        INCOMPLETE: "incomplete: targets, languages or seeds are missing (listed below); a mean of those there are",
        SAME_TASK: "the intermediate task is the target's own training task: more data of the same task",
        MIXED: "rows of unlike signatures were averaged",
        SIGNIFICANT: f"differs from {comparison.baseline} beyond chance ({_test_name(comparison)})",
        SEES: "not zero-shot: training saw languages or rows of the evaluation (listed below)",
    }
    return [*lines, *(f"{mark} {meaning}." for mark, meaning in meanings.items() if mark in used)]


def _test_name(comparison: Comparison) -> str:
    procedure = comparison.procedure
    how = {"holm": "corrected by Holm", "fdr": "corrected by Benjamini and Hochberg", "none": "not corrected"}
    return f"paired {procedure.test}, alpha {procedure.alpha:g}, {how[procedure.correct]}"


def notes(comparison: Comparison) -> list[str]:
    """What a reader must know: the suite's note, floors not exceeded, same tasks, missing cells, problems."""
    return [
        *comparison.notes,
        *_chosen_notes(comparison),
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


def command(comparison: Comparison, format: str = "html") -> str:
    """The command that makes this report again, by the names of the runs."""
    words = ["xfer", "compare", *comparison.reproduction["runs"], "--format", format]
    words += ["--baseline", comparison.baseline] if comparison.baseline is not None else []
    words += ["--by", comparison.by] if comparison.by != "task" else []
    words += ["--against", "paper"] if comparison.published else []
    usual = Procedure()
    for name in ("test", "correct", "alpha"):
        chosen = getattr(comparison.procedure, name)
        words += [f"--{name}", str(chosen)] if chosen != getattr(usual, name) else []
    return shlex.join([*words, *comparison.chosen_by])


def reproduction_lines(comparison: Comparison) -> list[str]:
    """What the numbers came from, a line a field; long lists are cut to their first twenty and counted."""
    lines = [f"command: {command(comparison)}"]
    for name, values in comparison.reproduction.items():
        more = f", and {len(values) - _SHOWN} more" if len(values) > _SHOWN else ""
        lines.append(f"{name}: {', '.join(values[:_SHOWN]) or 'none'}{more}")
    return lines


_SHOWN = 20


def _chosen_notes(comparison: Comparison) -> Iterator[str]:
    """One line per selection: what was chosen for each target, with its dev score."""
    for selection in comparison.selections:
        parts = (
            f"{target}: {label} (dev {number(selection.dev[target][label])})"
            for target, label in selection.chosen.items()
        )
        mark = f" [{USES_LABELS}]" if selection.uses_labels else ""
        yield f"{selection.score.label}{mark}: {'; '.join(parts)}"


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
    """One note per target and set of floors, with the labels that do not exceed them."""
    quiet = True
    for name in comparison.targets:
        for failed, words in _FLOORS.items():
            held = [
                label.label
                for label in comparison.labels
                if name in label.targets and label.targets[name].not_above == failed
            ]
            if held:
                quiet = False
                yield f"{name}: {words} (zero-shot mean, two standard errors): {_who(comparison, held)}"
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
        where = f" in {', '.join(codes)}" if codes != ("",) else ""
        when = f", seed {', '.join(map(str, seeds))}" if seeds else ""
        yield f"missing ({why}): {target}{where}{when} of {_who(comparison, names)}"


def _who(comparison: Comparison, labels: Sequence[str]) -> str:
    """The labels; commas stand within their names."""
    return "every label" if len(labels) == len(comparison.labels) > 1 else "; ".join(labels)
