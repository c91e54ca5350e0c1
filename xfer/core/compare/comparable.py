"""Which result rows may be averaged: validation, one evaluation split, one row a cell, equal signatures."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from pydantic import ValidationError

from xfer.core.errors import UnknownName, UserError, raise_all
from xfer.core.records import ResultRow

CellKey = tuple[str, str, str, str, int]
"""Label, task, language, metric, seed."""


def checked_rows(rows: Iterable[ResultRow | Mapping[str, object]]) -> list[ResultRow]:
    """The rows as records. Raises UserError for one that is not a result row, and for none at all."""
    checked = []
    for number, row in enumerate(rows, 1):
        if isinstance(row, ResultRow):
            checked.append(row)
            continue
        try:
            checked.append(ResultRow.model_validate(row))
        except ValidationError as error:
            fault = error.errors()[0]
            raise UserError(
                f"not a result row: {'.'.join(map(str, fault['loc']))}: {fault['msg']}",
                where=f"row {number}",
                fix="results.jsonl holds one row of `xfer run` a line; mend or remove that line",
            ) from error
    if not checked:
        raise UserError("there are no results to compare", fix="fill the store first: xfer run --strategy none")
    return checked


def chosen_rows(
    rows: Sequence[ResultRow],
    strategies: Sequence[str] = (),
    targets: Sequence[str] = (),
    languages: Sequence[str] = (),
    metric: str | None = None,
    baseline: str | None = None,
) -> list[ResultRow]:
    """The rows of some strategies (or labels; the baseline stays), targets and languages; of all by default.

    `metric` becomes the main score of the targets that have it; others are left out. Raises UnknownName for
    names that no row has.
    """
    problems: list[UserError] = []
    known = {
        "strategy or label": (strategies, {name for row in rows for name in (row.strategy, row.label)}),
        "target": (targets, {row.task for row in rows}),
        "language": (languages, {row.language for row in rows}),
        "metric": ((metric,) if metric else (), {row.metric for row in rows}),
    }
    for kind, (asked, there) in known.items():
        problems += [
            UnknownName(kind, name, there, extra="(in the results)") for name in asked if name not in there
        ]
    raise_all(problems)
    kept = [
        row
        for row in rows
        if (not strategies or row.label == baseline or {row.strategy, row.label} & set(strategies))
        and (not targets or row.task in targets)
        and (not languages or row.language in languages)
    ]
    if metric is None:
        return kept
    having = {row.task for row in kept if row.metric == metric}
    return [row.model_copy(update={"main": row.metric == metric}) for row in kept if row.task in having]


def evaluation_rows(rows: Sequence[ResultRow], split: str | None) -> list[ResultRow]:
    """The rows of the split asked for; without one, of `test` where a task has it, else of its only split.

    Raises UserError where a task has several splits and none of them is `test`, or nothing is left.
    """
    splits: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        splits[row.task].add(row.split)
    chosen = {}
    for task, present in splits.items():
        chosen[task] = split or ("test" if "test" in present else min(present))
        if split is None and "test" not in present and len(present) > 1:
            raise UserError(f"{task} has results on {', '.join(sorted(present))}", fix="choose one split")
    kept = [row for row in rows if row.split == chosen[row.task]]
    if not kept:
        there = sorted({row.split for row in rows})
        raise UserError(f"no results on split {split!r}", fix=f"there are: {', '.join(there)}")
    return kept


def main_scores(rows: Sequence[ResultRow]) -> dict[str, str]:
    """Task to the name of its main score. Raises UserError for a task with none or several."""
    names: dict[str, set[str]] = {row.task: set() for row in rows}
    for row in rows:
        if row.main:
            names[row.task].add(row.metric)
    faults = [
        UserError(f"{task} has {' and '.join(sorted(found)) or 'nothing'} as its main score", fix=_APART)
        for task, found in sorted(names.items())
        if len(found) != 1
    ]
    raise_all(faults)
    return {task: found.pop() for task, found in names.items()}


def unlike_cells(rows: Sequence[ResultRow], mixed: bool) -> set[tuple[str, str]]:
    """(task, language) pairs whose rows were not computed alike; empty unless `mixed`.

    Alike are rows of one model and suite, and per task, language and metric of one signature and one
    fingerprint of the test data. Raises UserError otherwise, naming the fields, their values and the labels.
    """
    faults = []
    for field in ("suite", "model_fingerprint"):
        holders: dict[str, set[str]] = defaultdict(set)
        for row in rows:
            holders[getattr(row, field)].add(row.run)
        if len(holders) > 1:
            told = "; ".join(f"{value}: {', '.join(sorted(runs))}" for value, runs in sorted(holders.items()))
            faults.append(UserError(f"the runs differ in {field} ({told})", fix=_APART))
    faults += _trained_unlike(rows)
    groups: dict[tuple[str, str, str], dict[tuple[str, str], set[str]]] = defaultdict(lambda: defaultdict(set))
    for row in rows:
        groups[row.task, row.language, row.metric][row.signature, row.data_fingerprint].add(row.label)
    unlike = {key: kinds for key, kinds in groups.items() if len(kinds) > 1}
    told_fields: dict[tuple[str, str], list[str]] = defaultdict(list)
    for (task, language, _), kinds in sorted(unlike.items()):
        for field, values in _differing(kinds).items():
            text = "; ".join(f"{value or 'absent'}: {', '.join(sorted(labels))}" for value, labels in values)
            languages = told_fields[f"{task}: {field} differs ({text})", field]
            if language not in languages:
                languages.append(language)
    faults += [
        UserError(f"results of {told}", where=f"languages {', '.join(languages)}", fix=_APART)
        for (told, _), languages in told_fields.items()
    ]
    if not mixed:
        raise_all(faults)
    return {(task, language) for task, language, _ in unlike}


def _trained_unlike(rows: Sequence[ResultRow]) -> list[UserError]:
    """Labels whose runs were trained with unlike settings: their seeds must not be averaged."""
    kinds: dict[tuple[str, str], dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for row in rows:
        kinds[row.label, row.task][row.training].add(row.run)
    return [
        UserError(
            f"{label} was trained with unlike settings or data for {task}",
            where="; ".join(", ".join(sorted(runs)) for runs in found.values()),
            fix=_APART,
        )
        for (label, task), found in sorted(kinds.items())
        if len(found) > 1
    ]


_APART = "compare runs that were evaluated alike: xfer compare RUN RUN, or allow mixed signatures"


def _differing(kinds: Mapping[tuple[str, str], set[str]]) -> dict[str, list[tuple[str, set[str]]]]:
    """Field to (value, labels), for the fields of the signatures that are not the same everywhere."""
    split = [({**signature_fields(signature), "data": data}, labels) for (signature, data), labels in kinds.items()]
    result = {}
    for name in sorted({name for fields, _ in split for name in fields}):
        values: dict[str, set[str]] = defaultdict(set)
        for fields, labels in split:
            values[fields.get(name, "")] |= labels
        if len(values) > 1:
            result[name] = sorted(values.items())
    return result


def signature_fields(signature: str) -> dict[str, str]:
    """The fields of a signature "name=value;name=value" (or "|" and ":"); parts without a name are numbered."""
    fields = {}
    for place, part in enumerate(re.split(r"[;|]", signature), 1):
        cut = min((at for at in (part.find(":"), part.find("=")) if at > 0), default=-1)
        name, value = (part[:cut], part[cut + 1 :]) if cut > 0 else (f"part {place}", part)
        fields[name] = value
    return fields


def one_row_each(rows: Sequence[ResultRow]) -> tuple[dict[CellKey, ResultRow], list[str]]:
    """One row per label, task, language, metric and seed, and a note for each phase that was superseded.

    The same phase reported by several runs counts once. Of different phases the one given last is used, so
    rows must come in the order of their runs, oldest first. A failed row never supersedes a value.
    """
    chosen: dict[CellKey, ResultRow] = {}
    superseded: dict[tuple[str, str, int], set[str]] = defaultdict(set)
    for row in rows:
        key = (row.label, row.task, row.language, row.metric, row.seed)
        earlier = chosen.get(key)
        if earlier is not None and earlier.value is not None:
            if row.value is None:
                continue
            if earlier.phase != row.phase:
                superseded[row.label, row.task, row.seed].add(earlier.run)
        chosen[key] = row
    notes = [
        f"{label} on {task}, seed {seed}: of several runs the last is used, not {', '.join(sorted(runs))}"
        for (label, task, seed), runs in sorted(superseded.items())
    ]
    return chosen, notes
