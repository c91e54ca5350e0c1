"""MLQA: extractive question answering in seven languages; training set: SQuAD v1.1."""

from collections.abc import Sequence
from typing import Any

from xfer.api import Source, TaskSpec, hookimpl, mlqa_exact_match, mlqa_f1, mlqa_scores, qa_mean
from xfer.plugins.shared import published, releases
from xfer.plugins.shared.qa import COLUMNS, gold_texts, question_row, squad_example, with_mean

CODES = ("ar", "de", "en", "es", "hi", "vi", "zh")
CONTEXT = "The ferry to Lund sails twice a day and takes forty minutes."


def score(predictions: Sequence[str], examples: Sequence[Any], language: str) -> dict[str, float]:
    """Exact match, F1 and their mean, by MLQA's own normalisation of `language`."""
    return with_mean(mlqa_scores(predictions, gold_texts(examples), language))


def score_one(prediction: str, example: Any, language: str) -> float:
    """Mean of exact match and F1 of one answer."""
    (golds,) = gold_texts([example])
    return qa_mean(mlqa_f1(prediction, golds, language), mlqa_exact_match(prediction, golds, language))


TASK = TaskSpec(
    name="mlqa",
    summary="extractive question answering on parallel Wikipedia sentences",
    citation="Lewis et al. 2020, MLQA: Evaluating Cross-lingual Extractive Question Answering",
    licence="CC BY-SA 3.0",
    format="span",
    languages=CODES,
    source=releases.mlqa(
        Source(
            hub="google/xtreme",
            configs={code: f"MLQA.{code}.{code}" for code in CODES},
            splits={"dev": ("validation",), "test": ("test",)},
            columns=COLUMNS,
            counts=published.MLQA,
        )
    ),
    example=squad_example,
    score=score,
    main_score="mean_f1_em",
    score_one=score_one,
    training_task="squad-v1",
    traps=("Context and question in the same language, as XTREME has it; MLQA also mixes them.",),
    fixture=(
        question_row("ferry-1", CONTEXT, "How long does the crossing take?", "forty minutes"),
        question_row("ferry-2", CONTEXT, "Where does the ferry go?", "Lund"),
    ),
)


@hookimpl
def xfer_tasks() -> list[TaskSpec]:
    """The task of this module."""
    return [TASK]
