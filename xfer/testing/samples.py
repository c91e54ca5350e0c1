"""Invented tasks, and the contexts in which a strategy is tried: classification, span and retrieval targets."""

from collections.abc import Mapping, Sequence
from typing import Any

from xfer.api import (
    LineExample,
    NoParams,
    PairExample,
    Phase,
    PlanContext,
    Row,
    SpanExample,
    Strategy,
    Suite,
    TaskSpec,
    TextExample,
    accuracy,
    squad_scores,
    target_phases,
)


def _text(row: Row, language: str) -> TextExample:
    return TextExample(row["id"], language, row["text"], label=row["label"])


def _question(row: Row, language: str) -> SpanExample:
    return SpanExample(row["id"], language, row["question"], row["context"])


def _pair(row: Row, language: str) -> PairExample:
    return PairExample(row["id"], language, row["source"], row["target"])


def _line(row: Row, language: str) -> LineExample:
    return LineExample(row["id"], language, row["text"])


def _accuracy(values: Sequence[Any], examples: Sequence[Any], language: str) -> Mapping[str, float]:
    return {"accuracy": accuracy(values, [example.label for example in examples])}


def _f1(values: Sequence[Any], examples: Sequence[Any], language: str) -> Mapping[str, float]:
    return squad_scores(values, [[answer.text for answer in example.answers] for example in examples])


def _task(name: str, **fields: Any) -> TaskSpec:
    fixed: dict[str, Any] = {
        "format": "classification",
        "summary": "invented for tests",
        "citation": "none: invented",
        "licence": "CC0-1.0",
        "languages": ("en", "de", "zh"),
        "example": _text,
        "score": _accuracy,
        "main_score": "accuracy",
    }
    return TaskSpec(name=name, **(fixed | fields))


LABELS = ("warm", "cold")
ROWS = (
    {"id": "1", "text": "The stove is hot.", "label": "warm"},
    {"id": "2", "text": "The lake is frozen.", "label": "cold"},
)
TRAINABLE = _task("kit-classification", labels=LABELS, train_languages=("en", "de"), fixture=ROWS)
SPAN = _task("kit-span", format="span", train_languages=("en", "de"), example=_question, score=_f1, main_score="f1")
RETRIEVAL = _task("kit-retrieval", format="retrieval", languages=("de", "zh"), example=_pair)
FIRST = _task("kit-first", labels=LABELS, train_languages=("en", "de"), languages=("en", "de"), fixture=ROWS)
SECOND = _task("kit-second", labels=LABELS, train_languages=("en", "de"), languages=("en", "de"), fixture=ROWS)
TEXT = _task("kit-text", format="masked-lm", train_languages=("en", "de", "zh"), example=_line)
TASKS = {task.name: task for task in (TRAINABLE, SPAN, RETRIEVAL, FIRST, SECOND, TEXT)}
SUITE = Suite(
    name="kit",
    summary="invented for tests",
    targets=(TRAINABLE.name, SPAN.name, RETRIEVAL.name),
    intermediates=(FIRST.name, SECOND.name),
    default_intermediate=FIRST.name,
    default_model="kit",
    text_task=TEXT.name,
    translated="gold",
    presets={"kit": {"": {}}},
    default_preset="kit",
)


def _straight(context: PlanContext, params: NoParams) -> Sequence[Phase]:
    return target_phases(context, after=None)


STRATEGIES = {"none": Strategy(name="none", summary="straight to the target", plan=_straight)}
"""What a strategy may wrap."""


def contexts() -> dict[str, PlanContext]:
    """One context for each target, by the target's name; the retrieval target has no training task."""
    return {
        name: PlanContext(
            target=TASKS[name],
            training=TASKS[name] if TASKS[name].train_languages else None,
            tasks=TASKS,
            suite=SUITE,
            strategies=STRATEGIES,
        )
        for name in SUITE.targets
    }
