"""Means over groups: targets of one kind, languages of one family or script, and each language over targets."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal

from xfer.core.compare.label_scores import LabelScore
from xfer.core.errors import UnknownName
from xfer.core.languages import LANGUAGES
from xfer.core.metrics.aggregate import mean
from xfer.core.records import Record

By = Literal["task", "language", "family", "script"]
BY: tuple[By, ...] = ("task", "language", "family", "script")
KINDS = {
    "classification": "sentence pairs",
    "multiple-choice": "multiple choice",
    "tagging": "structured prediction",
    "span": "question answering",
    "retrieval": "retrieval",
}
"""Formats as XTREME names the groups of its targets."""
UNKNOWN = "unknown"


class GroupScore(Record):
    """A label's mean over a group. By language, family and script: first over languages, then over targets."""

    by: By
    name: str
    label: str
    value: float
    delta: float | None
    """Over what the baseline has too."""
    targets: tuple[str, ...]
    partial: bool
    """Another label has more: their means are not alike."""


def group_scores(labels: Sequence[LabelScore], formats: Mapping[str, str]) -> tuple[GroupScore, ...]:
    """All groups of all labels. Groups of targets are those of the suite XTREME, by the targets' formats."""
    targets = list(dict.fromkeys(name for label in labels for name in label.targets))
    kinds: dict[str, list[str]] = {}
    for name in targets:
        if name in formats:
            kinds.setdefault(KINDS.get(formats[name], formats[name]), []).append(name)
    found = [score for kind, names in kinds.items() for score in _of_targets(labels, kind, names)]
    places: tuple[tuple[By, Callable[[str], str]], ...] = (
        ("language", lambda code: code), ("family", family), ("script", script),
    )  # fmt: skip
    for by, place in places:
        found += _of_languages(labels, by, place)
    return tuple(found)


def checked_by(by: str) -> By:
    """What `--by` was given. Raises UnknownName for anything but task, language, family and script."""
    for known in BY:
        if by == known:
            return known
    raise UnknownName("grouping", by, BY)


def family(code: str) -> str:
    """The language's family; "unknown" for one that is not of XTREME."""
    return LANGUAGES[code].family if code in LANGUAGES else UNKNOWN


def script(code: str) -> str:
    """The language's script; "unknown" for one that is not of XTREME."""
    return LANGUAGES[code].script if code in LANGUAGES else UNKNOWN


def _of_targets(labels: Sequence[LabelScore], kind: str, names: Sequence[str]) -> list[GroupScore]:
    found = []
    for label in labels:
        held = [label.targets[name] for name in names if name in label.targets]
        if held:
            score = GroupScore(
                by="task",
                name=kind,
                label=label.label,
                value=mean(target.mean for target in held),
                delta=_mean(target.delta for target in held),
                targets=tuple(name for name in names if name in label.targets),
                partial=len(held) < len(names) or any(target.partial for target in held),
            )
            found.append(score)
    return found


def _of_languages(labels: Sequence[LabelScore], by: By, place: Callable[[str], str]) -> list[GroupScore]:
    codes: dict[str, dict[str, dict[str, list[str]]]] = {}
    for label in labels:
        for name, target in label.targets.items():
            for code in target.by_language:
                codes.setdefault(place(code), {}).setdefault(label.label, {}).setdefault(name, []).append(code)
    by_name = {label.label: label for label in labels}
    found = []
    for group, holders in sorted(codes.items()):
        cells = {(target, code) for held in holders.values() for target, own in held.items() for code in own}
        for label_name, held in holders.items():
            scores = [[by_name[label_name].targets[target].by_language[code] for code in own]
                      for target, own in held.items()]  # fmt: skip
            found.append(
                GroupScore(
                    by=by,
                    name=group,
                    label=label_name,
                    value=mean(mean(score.value for score in part) for part in scores),
                    delta=_mean(_mean(score.delta for score in part) for part in scores),
                    targets=tuple(held),
                    partial=sum(map(len, held.values())) < len(cells),
                )
            )
    return found


def _mean(values: Iterable[float | None]) -> float | None:
    numbers = [value for value in values if value is not None]
    return mean(numbers) if numbers else None
