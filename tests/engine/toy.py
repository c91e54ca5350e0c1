"""A plugin with one small learnable task a format, a suite of them, and an observer that keeps a diary."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from xfer.api import (
    Answer,
    ChoiceExample,
    LineExample,
    PairExample,
    Phase,
    Row,
    SpanExample,
    Suite,
    TaggedExample,
    TaskSpec,
    TextExample,
    accuracy,
    hookimpl,
    squad_scores,
    token_accuracy,
)

ANIMALS = ("cat", "dog")
FILLING = ("the", "red", "old", "chair", "sleeps", "on", "green", "house")
SIZES = {"train": 64, "dev": 20, "test": 20}


def _words(rng: random.Random, animal: str) -> list[str]:
    words = [rng.choice(FILLING) for _ in range(rng.randint(3, 9))]
    words[rng.randrange(len(words))] = animal
    return words


def _class_row(rng: random.Random) -> Row:
    animal = rng.choice(ANIMALS)
    return {"text": " ".join(_words(rng, animal)), "label": animal}


def _choice_row(rng: random.Random) -> Row:
    label = rng.randrange(3)
    choices = [" ".join(_words(rng, "cat" if number == label else "dog")) for number in range(3)]
    return {"prompt": "who sleeps", "choices": choices, "label": label}


def _span_row(rng: random.Random) -> Row:
    animal = rng.choice(ANIMALS)
    return {"context": " ".join(_words(rng, animal)), "answer": animal}


def _tag_row(rng: random.Random) -> Row:
    words = _words(rng, rng.choice(ANIMALS))
    return {"words": words, "tags": ["ANIMAL" if word in ANIMALS else "OTHER" for word in words]}


def _pair_row(rng: random.Random) -> Row:
    words = _words(rng, rng.choice(ANIMALS))
    return {"source": " ".join(words), "target": " ".join(reversed(words))}


def _class(row: Row, language: str) -> TextExample:
    return TextExample(row["id"], language, row["text"], label=row["label"])


def _pair_class(row: Row, language: str) -> TextExample:
    return TextExample(row["id"], language, "who sleeps", row["text"], row["label"])


def _choice(row: Row, language: str) -> ChoiceExample:
    return ChoiceExample(row["id"], language, row["prompt"], tuple(row["choices"]), row["label"])


def _span(row: Row, language: str) -> SpanExample:
    answer = Answer(row["answer"], row["context"].index(row["answer"]))
    return SpanExample(row["id"], language, "who sleeps", row["context"], (answer,))


def _tagged(row: Row, language: str) -> TaggedExample:
    return TaggedExample(row["id"], language, tuple(row["words"]), tuple(row["tags"]))


def _pair(row: Row, language: str) -> PairExample:
    return PairExample(row["id"], language, row["source"], row["target"])


def _line(row: Row, language: str) -> LineExample:
    return LineExample(row["id"], language, row["text"])


def _score_labels(values: Sequence[Any], examples: Sequence[Any], language: str) -> Mapping[str, float]:
    return {"accuracy": accuracy(values, [example.label for example in examples])}


def _score_spans(values: Sequence[Any], examples: Sequence[Any], language: str) -> Mapping[str, float]:
    return squad_scores(values, [[answer.text for answer in example.answers] for example in examples])


def _score_tags(values: Sequence[Any], examples: Sequence[Any], language: str) -> Mapping[str, float]:
    return {"accuracy": token_accuracy(values, [example.tags for example in examples])}


def _score_pairs(values: Sequence[Any], examples: Sequence[Any], language: str) -> Mapping[str, float]:
    asked = [(value, example.id) for value, example in zip(values, examples, strict=True) if value is not None]
    return {"accuracy": accuracy([value for value, _ in asked], [id for _, id in asked])}


def _point(value: Any, example: PairExample, language: str) -> float:
    return 100.0 * (value == example.id)


def _score_text(values: Sequence[Any], examples: Sequence[Any], language: str) -> Mapping[str, float]:
    return {"loss": float(sum(value[0] for value in values) / max(1, sum(value[1] for value in values)))}


def _task(
    name: str, format: str, row: Callable[[random.Random], Row], example: Any, score: Any, **fields: Any
) -> TaskSpec:
    def rows(split: str, language: str) -> Iterator[Row]:
        if language == "zh":  # a language whose rows are not there
            return
        rng = random.Random(f"{name} {split} {language}")
        for number in range(SIZES[split]):
            yield {"id": f"{split}-{number}", **row(rng)}

    fixed: dict[str, Any] = {
        "name": name,
        "summary": "invented for tests",
        "citation": "none: invented",
        "licence": "CC0-1.0",
        "format": format,
        "languages": ("en", "de"),
        "train_languages": ("en",),
        "rows": rows,
        "example": example,
        "score": score,
        "main_score": "accuracy",
    }
    return TaskSpec(**(fixed | fields))


LABELS = {"labels": ANIMALS}
TASKS = (
    _task("toy-class", "classification", _class_row, _class, _score_labels, **LABELS),
    _task("toy-more", "classification", _class_row, _class, _score_labels, **LABELS),
    _task("toy-pair-class", "classification", _class_row, _pair_class, _score_labels, **LABELS),
    _task("toy-gap", "classification", _class_row, _class, _score_labels, languages=("en", "de", "zh"), **LABELS),
    _task("toy-choice", "multiple-choice", _choice_row, _choice, _score_labels),
    _task("toy-span", "span", _span_row, _span, _score_spans, main_score="f1", options={"max_answer": 3}),
    _task("toy-span-too", "span", _span_row, _span, _score_spans, main_score="f1", training_task="toy-span",
          train_languages=(), options={"max_answer": 3}),
    _task("toy-tag", "tagging", _tag_row, _tagged, _score_tags, labels=("ANIMAL", "OTHER")),
    _task("toy-pairs", "retrieval", _pair_row, _pair, _score_pairs, languages=("de",), train_languages=(),
          score_one=_point),
    _task("toy-text", "masked-lm", _class_row, _line, _score_text, main_score="loss"),
)  # fmt: skip
SUITE = Suite(
    name="toy",
    summary="invented for tests",
    targets=("toy-class", "toy-span", "toy-pairs"),
    intermediates=("toy-more", "toy-tag"),
    default_intermediate="toy-more",
    default_model="toy-model",
    text_task="toy-text",
    presets={
        "toy": {
            "": {"learning_rate": 2e-3, "batch_size": 8, "epochs": 1, "max_length": 32},
            "intermediate": {"learning_rate": 1e-3},
            "target.toy-span": {"batch_size": 4},
        }
    },
    default_preset="toy",
)


@hookimpl
def xfer_tasks() -> Sequence[TaskSpec]:
    """The tasks of this file."""
    return TASKS


@hookimpl
def xfer_suites() -> Sequence[Suite]:
    """Their suite."""
    return [SUITE]


@hookimpl
def xfer_phase_started(run: Any, phase: Phase) -> None:
    """A line a phase in the store's diary."""
    with (run.store.root / "diary.txt").open("a", encoding="utf-8") as stream:
        print(phase.name, *(use.task for use in phase.uses), file=stream)
