"""XNLI: natural language inference in 15 languages; training set: MultiNLI."""

from collections.abc import Mapping
from typing import Any

from xfer.api import Source, TaskSpec, TextExample, hookimpl
from xfer.plugins.shared import releases
from xfer.plugins.shared.labels import NLI, pair_example, right_or_wrong, score_accuracy

LANGUAGES = ("ar", "bg", "de", "el", "en", "es", "fr", "hi", "ru", "sw", "th", "tr", "ur", "vi", "zh")
COLUMNS = ("language", "sentence1", "sentence2", "gold_label")


def example(row: Mapping[str, Any], language: str) -> TextExample:
    """The original files call one of the labels "contradictory"."""
    label = "contradiction" if row["gold_label"] == "contradictory" else row["gold_label"]
    return pair_example(language, (row["sentence1"], row["sentence2"]), label, NLI)


def belongs(row: Mapping[str, Any], language: str) -> bool:
    """One config holds all languages."""
    return bool(row["language"] == language)


TASK = TaskSpec(
    name="xnli",
    version=2,
    summary="natural language inference; sentence pairs translated from English",
    citation="Conneau et al. 2018, XNLI: Evaluating Cross-lingual Sentence Representations",
    licence="CC BY-NC 4.0",
    format="classification",
    languages=LANGUAGES,
    labels=NLI,
    source=releases.xnli(
        Source(
            hub="google/xtreme",
            configs={"": "XNLI"},
            splits={"dev": ("validation",), "test": ("test",)},
            columns=COLUMNS,
            belongs=belongs,
            counts={f"dev/{code}": 2490 for code in LANGUAGES} | {f"test/{code}": 5010 for code in LANGUAGES},
        )
    ),
    example=example,
    parallel=True,
    score=score_accuracy,
    main_score="accuracy",
    score_one=right_or_wrong,
    training_task="mnli",
    traps=(
        "The training set is MultiNLI: after MNLI as intermediate task the same rows are seen twice.",
        "Label ids differ between copies (XTREME and jiant: contradiction 0; the hub: entailment 0).",
    ),
    fixture=(
        dict(zip(COLUMNS, ("en", "The bakery opens at six.", "It opens at noon.", "contradiction"), strict=True)),
        dict(zip(COLUMNS, ("en", "Two boats left the harbour.", "Boats were at sea.", "entailment"), strict=True)),
        dict(zip(COLUMNS, ("en", "She sold the piano.", "She moved house.", "neutral"), strict=True)),
    ),
)


@hookimpl
def xfer_tasks() -> list[TaskSpec]:
    """The task of this module."""
    return [TASK]
