"""XNLI: natural language inference in 15 languages; training set: MultiNLI."""

from collections.abc import Mapping
from typing import Any

from xfer.api import Source, TaskSpec, TextExample, hookimpl
from xfer.plugins.shared.labels import NLI, label_name, right_or_wrong, score_accuracy

LANGUAGES = ("ar", "bg", "de", "el", "en", "es", "fr", "hi", "ru", "sw", "th", "tr", "ur", "vi", "zh")


def example(row: Mapping[str, Any], language: str) -> TextExample:
    """The original files call one of the labels "contradictory"."""
    label = "contradiction" if row["gold_label"] == "contradictory" else row["gold_label"]
    return TextExample("", language, row["sentence1"], row["sentence2"], label_name(label, NLI))


TASK = TaskSpec(
    name="xnli",
    summary="natural language inference; sentence pairs translated from English",
    citation="Conneau et al. 2018, XNLI: Evaluating Cross-lingual Sentence Representations",
    licence="CC BY-NC 4.0",
    format="classification",
    languages=LANGUAGES,
    labels=NLI,
    source=Source(
        hub="google/xtreme",
        configs={"": "XNLI"},
        splits={"dev": ("validation",), "test": ("test",)},
        columns=("language", "sentence1", "sentence2", "gold_label"),
        belongs=lambda row, language: row["language"] == language,
        counts={f"dev/{code}": 2490 for code in LANGUAGES} | {f"test/{code}": 5010 for code in LANGUAGES},
    ),
    example=example,
    score=score_accuracy,
    main_score="accuracy",
    score_one=right_or_wrong,
    training_task="mnli",
    traps=(
        "The training set is MultiNLI: after MNLI as intermediate task the same rows are seen twice.",
        "Label ids differ between copies (XTREME and jiant: contradiction 0; the hub: entailment 0).",
    ),
    fixture=(
        {
            "language": "en",
            "sentence1": "The bakery opens before sunrise.",
            "sentence2": "The bakery is open at noon only.",
            "gold_label": "contradiction",
        },
        {
            "language": "en",
            "sentence1": "Two boats left the harbour.",
            "sentence2": "Boats were at sea.",
            "gold_label": "entailment",
        },
        {
            "language": "en",
            "sentence1": "She sold the piano.",
            "sentence2": "She moved to a smaller flat.",
            "gold_label": "neutral",
        },
    ),
)


@hookimpl
def xfer_tasks() -> list[TaskSpec]:
    """The task of this module."""
    return [TASK]
