"""From result rows to a comparison: every label beside the others, deltas over a baseline, what is missing."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from xfer.core.compare.comparable import (
    CellKey,
    checked_rows,
    evaluation_rows,
    main_scores,
    one_row_each,
    unlike_cells,
)
from xfer.core.compare.costs import Cost, Curve, costs, curves
from xfer.core.compare.evidence import Evidence
from xfer.core.compare.groups import By, GroupScore, group_scores
from xfer.core.compare.label_scores import ENGLISH, Frame, LabelScore, Runs, label_score, values_by_seed
from xfer.core.compare.paired import FEWEST_SEEDS
from xfer.core.compare.published import Claim, Published, check_claims, published
from xfer.core.compare.ranking import Ranking, rankings
from xfer.core.compare.selection import Selection, all_dev, english_dev, select
from xfer.core.compare.significance import Loss, Procedure, Verdict, judged, untested
from xfer.core.errors import UnknownName
from xfer.core.records import Problem, Record, ResultRow

DEFAULT_BASELINE = "none"


class Missing(Record):
    """Cells without a score. No language: the whole target; no seeds: no seed has it."""

    label: str
    target: str
    language: str = ""
    seeds: tuple[int, ...] = ()
    why: str
    """"failed", "absent"."""


class Comparison(Record):
    """All labels side by side, the baseline first. `targets` holds each target's languages in order."""

    baseline: str | None
    labels: tuple[LabelScore, ...]
    targets: Mapping[str, tuple[str, ...]]
    missing: tuple[Missing, ...]
    notes: tuple[str, ...]
    problems: tuple[Problem, ...]
    reproduction: Mapping[str, tuple[str, ...]]
    """Runs, model, versions, devices, seeds, signatures: what the numbers came from."""
    chosen_by: tuple[str, ...] = ()
    """The options that chose these rows, as words of the command."""
    by: By = "task"
    """Which means the reports show besides targets; "task": by group of tasks."""
    groups: tuple[GroupScore, ...] = ()
    selections: tuple[Selection, ...] = ()
    rankings: tuple[Ranking, ...] = ()
    procedure: Procedure = Procedure()
    tests: tuple[Verdict, ...] = ()
    losses: tuple[Loss, ...] = ()
    costs: tuple[Cost, ...] = ()
    curves: tuple[Curve, ...] = ()
    published: tuple[Published, ...] = ()
    claims: tuple[Claim, ...] = ()


def compare(
    rows: Iterable[ResultRow | Mapping[str, Any]],
    baseline: str | None = DEFAULT_BASELINE,
    problems: Sequence[Problem] = (),
    *,
    training_tasks: Mapping[str, str] | None = None,
    languages: Mapping[str, Sequence[str]] | None = None,
    notes: Sequence[str] = (),
    split: str | None = None,
    mixed: bool = False,
    formats: Mapping[str, str] | None = None,
    evidence: Evidence | None = None,
    procedure: Procedure | None = None,
    by: By = "task",
    against: str | None = None,
    provenance: Mapping[str, Sequence[str]] | None = None,
    chosen_by: Sequence[str] = (),
) -> Comparison:
    """Compare all labels among `rows`, which come in the order of their runs, oldest first.

    `training_tasks` maps a target to the task that holds its training set (itself where absent), `languages`
    maps targets, in their order, to all languages that they are evaluated in, `notes` are repeated in every
    report. `split` is `test` where a task has it; `mixed` allows unlike signatures and marks their cells.
    `formats` maps targets to their formats, `evidence` is where the runs' phases lie (without it nothing is
    tested), `procedure` how to test, `against` the name of published numbers, `provenance` more lines of the
    reproduction (commands, licences), `chosen_by` the options that chose the rows.
    Raises UserError for no rows, a baseline that was named and is absent, and rows that were not computed alike.
    """
    every = checked_rows(rows)
    kept = evaluation_rows(every, split)
    mains = main_scores(kept)
    unlike = unlike_cells(kept, mixed)
    cells, superseded = one_row_each(kept)
    labels = sorted({row.label for row in kept}, key=lambda label: (label != baseline, label))
    told = [*notes]
    if baseline is not None and baseline not in labels:
        if baseline != DEFAULT_BASELINE:
            raise UnknownName("label", baseline, labels, extra="(for the baseline)")
        told.append(f"no results of the baseline {baseline!r}: deltas are left out")
        baseline = None
    told += superseded + _devices(kept)
    tree = _tree(cells)
    frame = Frame(
        ordered=_ordered(tree, mains, languages or {}),
        scored={task: _scored(tree, task, metric) for task, metric in mains.items()},
        mains=mains,
        training_tasks=training_tasks or {},
        unlike=frozenset(unlike),
    )
    others = {label: tree[baseline] if baseline not in (None, label) else {} for label in labels}
    scores = tuple(label_score(label, tree[label], others[label], frame) for label in labels)
    main_cells = {label: _main_cells(tree[label], frame) for label in labels}
    procedure = procedure or Procedure()
    tests: tuple[Verdict, ...] = ()
    losses: tuple[Loss, ...] = ()
    if baseline is not None and evidence is not None and len(labels) > 1:
        tests, losses = judged(main_cells, baseline, evidence, procedure)
        told += _untested_notes(untested(tests, main_cells, baseline))
    chosen, why_not = _selections(scores, baseline, main_cells, every, frame, evidence)
    told += why_not
    return Comparison(
        baseline=baseline,
        labels=scores,
        targets=frame.ordered,
        missing=tuple(missing for label in labels for missing in _missing(label, tree[label], frame)),
        notes=tuple(dict.fromkeys(told)),
        problems=tuple(problems),
        reproduction=_reproduction(kept) | {name: tuple(lines) for name, lines in (provenance or {}).items()},
        chosen_by=tuple(chosen_by),
        by=by,
        groups=group_scores(scores, formats or {}),
        selections=chosen,
        rankings=rankings(scores, baseline, tests),
        procedure=procedure,
        tests=tests,
        losses=losses,
        costs=costs(main_cells, {score.label: score.delta for score in scores}, evidence),
        curves=curves(main_cells, evidence),
        published=published(against),
        claims=check_claims(scores, chosen) if against is not None else (),
    )


def _main_cells(
    tasks: Mapping[str, Mapping[str, Runs]], frame: Frame
) -> dict[str, dict[str, dict[int, ResultRow]]]:
    """Target, language, seed to the row of the main score, where it has a value; like signatures only."""
    found: dict[str, dict[str, dict[int, ResultRow]]] = {}
    for task, held in tasks.items():
        for language, runs in held.items():
            values = values_by_seed(runs, frame.mains[task])
            if values and (task, language) not in frame.unlike:
                rows = runs[frame.mains[task]]
                found.setdefault(task, {})[language] = {seed: rows[seed] for seed in values}
    return found


def _untested_notes(missing: Mapping[str, Sequence[str]]) -> list[str]:
    return [
        f"{target}: not all differences are tested (no stored points of single examples, and fewer than "
        f"{FEWEST_SEEDS} seeds): {', '.join(labels)}"
        for target, labels in missing.items()
    ]


def _selections(
    scores: Sequence[LabelScore],
    baseline: str | None,
    cells: Any,
    rows: Sequence[ResultRow],
    frame: Frame,
    evidence: Evidence | None,
) -> tuple[tuple[Selection, ...], list[str]]:
    """The rows of the best intermediate per target, and why one is not there."""
    if sum(bool(score.intermediate) and score.label != baseline for score in scores) < 2:
        return (), []
    found, notes = [], []
    dev = {
        False: english_dev(cells, evidence, frame.training_tasks),
        True: all_dev(rows, frame.scored, frame.mains),
    }
    for uses_labels, held in dev.items():
        selection = select(scores, baseline, held, uses_labels)
        which = "dev of all languages" if uses_labels else "English dev"
        if selection is None:
            notes.append(f"best intermediate per target, chosen on {which}: not available, {_NO_DEV[uses_labels]}")
            continue
        found.append(selection)
        if selection.score.missing:
            absent = ", ".join(selection.score.missing)
            notes.append(
                f"best intermediate per target, chosen on {which}: no dev scores of all candidates on {absent}"
            )
    return tuple(found), notes


_NO_DEV = {
    False: "the runs stored no English dev scores (training with keep=best does)",
    True: "there are no result rows on the split dev in every language (runs with --dev-languages all have them)",
}


Tree = Mapping[str, Mapping[str, Mapping[str, Runs]]]
"""Label, task, language, metric, seed to a row."""


def _tree(cells: Mapping[CellKey, ResultRow]) -> Tree:
    tree: dict[str, Any] = defaultdict(lambda: defaultdict(lambda: defaultdict(lambda: defaultdict(dict))))
    for (label, task, language, metric, seed), row in sorted(cells.items()):
        tree[label][task][language][metric][seed] = row
    return tree


def _ordered(tree: Tree, tasks: Iterable[str], known: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Target to its languages, English first; the targets in the order of `known`, the others after them."""
    place = {task: at for at, task in enumerate(known)}
    ordered = {}
    for task in sorted(tasks, key=lambda task: (place.get(task, len(place)), task)):
        seen = {language for held in tree.values() for language in held.get(task, {})}
        ordered[task] = tuple(sorted(seen | set(known.get(task, ())), key=lambda code: (code != ENGLISH, code)))
    return ordered


def _scored(tree: Tree, task: str, metric: str) -> frozenset[str]:
    """The languages in which any label has a score."""
    held = (pair for tasks in tree.values() for pair in tasks.get(task, {}).items())
    return frozenset(language for language, runs in held if values_by_seed(runs, metric))


def _missing(label: str, tasks: Mapping[str, Mapping[str, Runs]], frame: Frame) -> Iterator[Missing]:
    seeds = {seed for held in tasks.values() for runs in held.values() for rows in runs.values() for seed in rows}
    for task, languages in frame.ordered.items():
        held = {code: values_by_seed(runs, frame.mains[task]) for code, runs in tasks.get(task, {}).items()}
        if not any(held.values()):
            yield Missing(label=label, target=task, why="failed" if held else "absent")
            continue
        for language in languages:
            lacking = seeds - held.get(language, {}).keys()
            if lacking:
                runs = tasks[task].get(language, {}).get(frame.mains[task], {})
                failed = any(seed in runs for seed in lacking)
                some = tuple(sorted(lacking)) if lacking != seeds else ()
                yield Missing(
                    label=label, target=task, language=language, seeds=some, why="failed" if failed else "absent"
                )


def _devices(rows: Sequence[ResultRow]) -> list[str]:
    kinds = sorted({f"{row.device} ({row.dtype})" for row in rows})
    return [f"rows come from several devices: {', '.join(kinds)}"] if len(kinds) > 1 else []


def _reproduction(rows: Sequence[ResultRow]) -> dict[str, tuple[str, ...]]:
    plugins = {f"{name} {version}" for row in rows for name, version in row.plugin_versions.items()}
    fields: dict[str, set[Any]] = {
        "runs": {row.run for row in rows},
        "suite": {row.suite for row in rows},
        "model": {f"{row.model} ({row.model_fingerprint})" for row in rows},
        "seeds": {row.seed for row in rows},
        "training": {f"{row.label} on {row.task}: {row.training}" for row in rows if row.training},
        "sees": {f"{row.label} on {row.task}: {', '.join(row.sees)}" for row in rows if row.sees},
        "xfer": {row.xfer_version for row in rows},
        "plugins": plugins,
        "device": {f"{row.device} ({row.dtype})" for row in rows},
        "data": {
            f"{row.task} v{row.task_version} {row.language} {row.split}: {row.data_fingerprint}" for row in rows
        },
        "signatures": {row.signature for row in rows},
    }
    return {name: tuple(map(str, sorted(values))) for name, values in fields.items()}
