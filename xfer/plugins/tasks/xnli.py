"""XNLI: natural language inference in 15 languages; training set: MultiNLI."""

from collections.abc import Mapping
from typing import Any

from xfer.api import Source, TaskSpec, TextExample, hookimpl
from xfer.plugins.shared import published, releases
from xfer.plugins.shared.labels import NLI, fixture_rows, in_language, pair_example, right_or_wrong, score_accuracy

COLUMNS = ("language", "sentence1", "sentence2", "gold_label")


def example(row: Mapping[str, Any], language: str) -> TextExample:
    """The original files call one of the labels "contradictory"."""
    label = "contradiction" if row["gold_label"] == "contradictory" else row["gold_label"]
    return pair_example(language, (row["sentence1"], row["sentence2"]), label, NLI)


TASK = TaskSpec(
    name="xnli",
    version=2,
    summary="natural language inference; sentence pairs translated from English",
    citation="Conneau et al. 2018, XNLI: Evaluating Cross-lingual Sentence Representations",
    licence="CC BY-NC 4.0",
    format="classification",
    languages=published.XNLI_LANGUAGES,
    labels=NLI,
    source=releases.xnli(
        Source(
            hub="google/xtreme",
            configs={"": "XNLI"},
            splits={"dev": ("validation",), "test": ("test",)},
            columns=COLUMNS,
            belongs=in_language,
            counts=published.XNLI,
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
    fixture=fixture_rows(
        COLUMNS,
        ("en", "The bakery opens at six.", "It opens at noon.", "contradiction"),
        ("en", "Two boats left the harbour.", "Boats were at sea.", "entailment"),
        ("en", "She sold the piano.", "She moved house.", "neutral"),
    ),
)


@hookimpl
def xfer_tasks() -> list[TaskSpec]:
    """The task of this module."""
    return [TASK]
