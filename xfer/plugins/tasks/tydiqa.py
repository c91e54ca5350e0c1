"""TyDiQA-GoldP: extractive question answering in nine languages, questions written in each of them."""

from collections.abc import Mapping
from typing import Any

from xfer.api import LANGUAGES, Source, TaskSpec, hookimpl
from xfer.plugins.shared import published, releases
from xfer.plugins.shared.qa import COLUMNS, question_row, score_squad, score_squad_one, squad_example
from xfer.plugins.shared.translated import tydiqa_mt

CODES = ("ar", "bn", "en", "fi", "id", "ko", "ru", "sw", "te")
CONTEXT = "The Tarn valley has nine mills; the oldest was rebuilt in 1702."


def belongs(row: Mapping[str, Any], language: str) -> bool:
    """One config holds all languages; the language's English name begins the identifier."""
    return str(row["id"]).partition("-")[0] == LANGUAGES[language].name.lower()


TASK = TaskSpec(
    name="tydiqa",
    summary="extractive question answering, questions written in nine languages",
    citation="Clark et al. 2020, TyDi QA: A Benchmark for Information-Seeking Question Answering",
    licence="Apache-2.0",
    format="span",
    languages=CODES,
    train_languages=CODES,
    source=releases.tydiqa(
        Source(
            hub="google/xtreme",
            configs={"": "tydiqa"},
            splits={"train": ("train",), "dev": ("validation",), "test": ("validation",)},
            columns=COLUMNS,
            belongs=belongs,
            counts=published.TYDIQA,
        ),
        CODES,
    ),
    made={"mt": tydiqa_mt()},
    example=squad_example,
    score=score_squad,
    main_score="mean_f1_em",
    score_one=score_squad_one,
    traps=(
        "English training is 3,696 rows; jiant's downloader trained on all nine languages.",
        "The published dev set is the test set, and the only dev set.",
        "The hub's copy strips contexts and keeps offsets: they are realigned, in Arabic dev 413 of 921.",
    ),
    fixture=(
        question_row("english-1-0", CONTEXT, "How many mills are in the valley?", "nine"),
        question_row("english-1-1", CONTEXT, "When was the oldest mill rebuilt?", "1702"),
    ),
)


@hookimpl
def xfer_tasks() -> list[TaskSpec]:
    """The task of this module."""
    return [TASK]
