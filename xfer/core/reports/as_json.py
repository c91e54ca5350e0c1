"""The comparison for programs: one JSON document, numbers unrounded."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from xfer.core.compare.comparison import Comparison
from xfer.core.compare.label_scores import LabelScore, TargetScore
from xfer.core.compare.selection import Selection
from xfer.core.records import Record


def render(comparison: Comparison) -> str:
    """The document of `as_mapping`, indented; anything but ASCII is escaped."""
    return json.dumps(as_mapping(comparison), indent=2, allow_nan=False) + "\n"


def as_mapping(comparison: Comparison) -> dict[str, Any]:
    """`{"baseline", "strategies": {label: {"targets": {task: …}, "average", …}}, "missing", …}`."""
    return {
        "baseline": comparison.baseline,
        "strategies": {label.label: _label(label) for label in comparison.labels},
        "targets": {target: list(languages) for target, languages in comparison.targets.items()},
        "not_above": [
            {"label": label.label, "target": name, "not_above": list(target.not_above)}
            for label in comparison.labels
            for name, target in label.targets.items()
            if target.not_above
        ],
        "missing": [cell.model_dump(mode="json") for cell in comparison.missing],
        "by": comparison.by,
        "groups": _dumped(comparison.groups),
        "best_intermediate": [_selection(selection) for selection in comparison.selections],
        "ranking": _dumped(comparison.rankings),
        "procedure": comparison.procedure.model_dump(mode="json"),
        "tests": _dumped(comparison.tests),
        "losses": _dumped(comparison.losses),
        "costs": _dumped(comparison.costs),
        "curves": _dumped(comparison.curves),
        "published": _dumped(comparison.published),
        "claims": _dumped(comparison.claims),
        "notes": list(comparison.notes),
        "problems": [problem.model_dump(mode="json") for problem in comparison.problems],
        "reproduction": {name: list(values) for name, values in comparison.reproduction.items()},
    }


def _dumped(records: Sequence[Record]) -> list[dict[str, Any]]:
    return [record.model_dump(mode="json") for record in records]


def _selection(selection: Selection) -> dict[str, Any]:
    fields = selection.model_dump(mode="json", exclude={"score"})
    return {"label": selection.score.label, **fields, **_label(selection.score)}


def _label(label: LabelScore) -> dict[str, Any]:
    fields = label.model_dump(mode="json", exclude={"label", "targets", "by_seed"})
    return {
        **fields,
        "by_seed": _seeded(label.by_seed),
        "targets": {name: _target(target) for name, target in label.targets.items()},
    }


def _target(target: TargetScore) -> dict[str, Any]:
    fields = target.model_dump(mode="json", exclude={"by_language", "by_seed"})
    return {
        **fields,
        "seeds": sorted({seed for score in target.by_language.values() for seed in score.by_seed}),
        "by_seed": _seeded(target.by_seed),
        "by_language": {language: score.value for language, score in target.by_language.items()},
        "languages": {
            language: {**score.model_dump(mode="json"), "by_seed": _seeded(score.by_seed)}
            for language, score in target.by_language.items()
        },
    }


def _seeded(by_seed: Mapping[int, float]) -> dict[str, float]:
    return {str(seed): value for seed, value in by_seed.items()}
