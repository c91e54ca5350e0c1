"""Published numbers of the paper that could be verified, each with its source and version, and its claims by sign.

arXiv 2005.13013, "English Intermediate-Task Training Improves Zero-Shot Cross-Lingual Transfer Too" (Phang et
al. 2020). Its full tables could not be read; what is missing is None and stays so. Version 1 (May 2020) and
version 2 (September 2020, AACL) differ and are kept apart.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from xfer.core.compare.label_scores import LabelScore
from xfer.core.compare.selection import Selection
from xfer.core.errors import UnknownName
from xfer.core.metrics.aggregate import mean, qa_mean
from xfer.core.records import Record

NAMES = ("paper",)
TASKS = ("xnli", "pawsx", "udpos", "panx", "xquad", "mlqa", "tydiqa", "bucc", "tatoeba")
AVERAGE = "average"
_REMBERT = "Chung et al. 2020, arXiv 2010.12821, table 16"
_ABSTRACT_1, _ABSTRACT_2 = "arXiv 2005.13013 v1, abstract", "arXiv 2005.13013 v2, abstract and introduction"


class Published(Record):
    """One published number, in points."""

    row: str
    """Whose number."""
    target: str
    """A target of XTREME, a group of them, "average", or "gain" (of the average over XLM-R Large)."""
    metric: str
    value: float | None
    """None: not available."""
    split: str
    source: str
    version: str
    kind: Literal["read", "secondary", "derived", "not available"]
    """Read in the source; in a summary of it; computed from numbers read."""


class Claim(Record):
    """A statement of the paper beside what these runs show, by sign only."""

    text: str
    source: str
    holds: bool | None
    """None: these runs cannot tell."""
    evidence: str


def published(against: str | None) -> tuple[Published, ...]:
    """The numbers of "paper"; none for None. Raises UnknownName for anything else."""
    if against is None:
        return ()
    if against not in NAMES:
        raise UnknownName("set of published numbers", against, NAMES)
    return (*_row(BASELINE, _XLMR), *_row(BEST, _STILTS), *_GROUPS, *_GAINS)


BASELINE = "XLM-R Large (XTREME)"
BEST = "best intermediate per target (leaderboard)"
MULTITASK = "multi-task"
_XLMR: Mapping[str, float | tuple[float, float] | None] = {
    "xnli": 79.2, "pawsx": 86.4, "udpos": 73.8, "panx": 65.4, "xquad": (76.6, 60.8), "mlqa": (71.6, 53.2),
    "tydiqa": (65.1, 45.0), "bucc": 66.0, "tatoeba": 57.3, AVERAGE: 68.1,
}  # fmt: skip
_STILTS: Mapping[str, float | tuple[float, float] | None] = {
    "xnli": 80.0, "pawsx": 87.9, "udpos": 74.9, "panx": 64.0, "xquad": (78.7, 63.3), "mlqa": (72.4, 53.7),
    "tydiqa": (76.0, 59.5), "bucc": None, "tatoeba": None, AVERAGE: 73.5,
}  # fmt: skip
_METRICS = dict.fromkeys(TASKS, "accuracy") | dict.fromkeys(("udpos", "panx", "bucc"), "f1")


def _row(row: str, cells: Mapping[str, float | tuple[float, float] | None]) -> tuple[Published, ...]:
    found = []
    for target, cell in cells.items():
        fields = {"row": row, "target": target, "split": "test", "source": _REMBERT, "version": "leaderboard, 2020"}
        if cell is None:
            absent = Published(
                **{**fields, "source": "", "version": ""}, metric="", value=None, kind="not available"
            )
            found.append(absent)
        elif isinstance(cell, tuple):
            f1, exact = cell
            found.append(Published(**fields, metric="f1", value=f1, kind="read"))
            found.append(Published(**fields, metric="exact_match", value=exact, kind="read"))
            found.append(Published(**fields, metric="mean_f1_em", value=qa_mean(f1, exact), kind="derived"))
        elif target == AVERAGE and row == BEST:
            derived = {**fields, "source": "68.1 (XLM-R Large) plus the published gain of 5.4"}
            found.append(Published(**derived, metric="mean of nine", value=cell, kind="derived"))
        elif row == BASELINE and target in ("bucc", "tatoeba", AVERAGE):
            second = {**fields, "source": "XTREME's row as summarised with VECO's table"}
            metric = "mean of nine" if target == AVERAGE else _METRICS[target]
            found.append(Published(**second, metric=metric, value=cell, kind="secondary"))
        else:
            found.append(Published(**fields, metric=_METRICS[target], value=cell, kind="read"))
    return tuple(found)


def _group(row: str, target: str, value: float | None, kind: Literal["read", "derived"] = "read") -> Published:
    known = value is not None
    return Published(
        row=row,
        target=target,
        metric="mean of the group" if known else "",
        value=value,
        split="test",
        source="Chung et al. 2020, arXiv 2010.12821, table 7" if known else "",
        version="leaderboard, 2020" if known else "",
        kind=kind if known else "not available",
    )


_GROUPS = (
    _group(BASELINE, "sentence pairs", 82.8),
    _group(BASELINE, "structured prediction", 69.0),
    _group(BASELINE, "question answering", 62.3),
    _group(BASELINE, "retrieval", 61.6, "derived"),
    _group(BEST, "sentence pairs", 83.9),
    _group(BEST, "structured prediction", 69.4),
    _group(BEST, "question answering", 67.2),
    _group(BEST, "retrieval", None),
)


def _gain(row: str, value: float | None, split: str, source: str, version: str) -> Published:
    known = value is not None
    return Published(
        row=row,
        target="gain",
        metric="mean of nine" if known else "",
        value=value,
        split=split,
        source=source if known else "",
        version=version if known else "",
        kind="read" if known else "not available",
    )


_GAINS = (
    _gain("best intermediate per target", 5.4, "test", _ABSTRACT_2, "v2"),
    _gain("best intermediate per target", 6.1, "test", _ABSTRACT_1, "v1"),
    _gain("SQuAD (v1.1 or v2.0, not said)", 8.2, "dev", _ABSTRACT_2, "v2"),
    _gain("MNLI", 7.5, "dev", _ABSTRACT_2, "v2"),
    _gain("HellaSwag", 7.0, "dev", _ABSTRACT_2, "v2"),
    _gain(MULTITASK, 8.7, "dev", _ABSTRACT_2, "v2"),
    *(_gain(name, None, "dev", "", "") for name in ("ANLI+", "QQP", "CCG", "Cosmos QA", "CommonsenseQA")),
)


def check_claims(labels: Sequence[LabelScore], selections: Sequence[Selection]) -> tuple[Claim, ...]:
    """The paper's claims beside the signs of these runs' mean differences from the baseline.

    A target's gain is that of the row chosen on English dev where there is one, else the mean over all labels
    with plain English intermediate training: never the best on the test set. Targets are known by their
    names, with or without a prefix ("mini-").
    """
    plain = [label for label in labels if label.strategy == "english-stilts"]
    chosen = next((selection.score for selection in selections if not selection.uses_labels), None)

    def gain(task: str) -> float | None:
        if chosen is not None and (found := _delta(chosen, task)) is not None:
            return found
        found_all = [delta for label in plain if (delta := _delta(label, task)) is not None]
        return mean(found_all) if found_all else None

    def every(tasks: Sequence[str], test: Callable[[float], bool], text: str) -> Claim:
        gains = {task: gain(task) for task in tasks}
        known = {task: value for task, value in gains.items() if value is not None}
        told = _told(known)
        holds = False if not all(map(test, known.values())) else len(known) == len(tasks) or None
        return Claim(text=text, source=_ABSTRACT_2, holds=holds, evidence=told or "not measured")

    return (
        every(("bucc", "tatoeba"), lambda value: value > 0, "large gains on BUCC and Tatoeba"),
        every(("xquad", "mlqa", "tydiqa"), lambda value: value > 0, "moderate gains on question answering"),
        _consistent(plain),
        every(("xnli",), lambda value: value <= 0, "XNLI gains nothing from intermediate training"),
        *(_average(plain, tasks, name) for name, tasks in _NAMED.items()),
        _not_consistently(labels, plain, _MLM, "continued masked LM does not consistently beat plain English"),
        _not_consistently(labels, plain, _TRANSLATED, "translated data does not consistently beat plain English"),
    )


_NAMED = {"SQuAD": ("squad-v1", "squad-v2"), "MNLI": ("mnli",), "HellaSwag": ("hellaswag",)}
_MLM, _TRANSLATED = ("mlm",), ("mt", "translate", "translated", "translation")
"""Parts between hyphens of such strategies' names."""


def _delta(label: LabelScore, task: str) -> float | None:
    return next((score.delta for name, score in label.targets.items() if _plain(name) == task), None)


def _told(gains: Mapping[str, float]) -> str:
    # Adding zero turns -0.0 into 0.0, as in the reports' tables.
    return ", ".join(f"{name} {round(gain, 1) + 0.0:+.1f}" for name, gain in gains.items())


def _plain(name: str) -> str:
    return name.rpartition("/")[2].removeprefix("mini-")


def _consistent(plain: Sequence[LabelScore]) -> Claim:
    deltas = {label.intermediate: delta for label in plain if (delta := _delta(label, "tydiqa")) is not None}
    told = _told(deltas)
    holds = all(delta > 0 for delta in deltas.values()) if len(deltas) > 1 else None
    text = "TyDiQA gains from every intermediate task"
    return Claim(text=text, source=_ABSTRACT_2, holds=holds, evidence=told or "not measured")


def _average(plain: Sequence[LabelScore], tasks: Sequence[str], name: str) -> Claim:
    found = {
        label.intermediate: label.delta
        for label in plain
        if _plain(label.intermediate) in tasks and label.delta is not None and not label.partial
    }
    told = _told(found)
    holds = all(delta > 0 for delta in found.values()) if found else None
    text = f"{name} raises the mean over the targets"
    return Claim(text=text, source=_ABSTRACT_2, holds=holds, evidence=told or "not measured")


def _not_consistently(
    labels: Sequence[LabelScore], plain: Sequence[LabelScore], marks: Sequence[str], text: str
) -> Claim:
    """Against plain English with the same intermediate task, target by target: not all differences positive."""
    differences = []
    for label in labels:
        if not set(label.strategy.split("-")) & set(marks):
            continue
        for other in plain:
            if other.intermediate == label.intermediate:
                shared = label.targets.keys() & other.targets.keys()
                differences += [label.targets[name].mean - other.targets[name].mean for name in shared]
    won = sum(value > 0 for value in differences)
    told = f"better in {won} of {len(differences)} cells" if differences else "not measured"
    holds = won < len(differences) if differences else None
    return Claim(text=text, source=_ABSTRACT_2, holds=holds, evidence=told)
