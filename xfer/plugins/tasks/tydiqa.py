"""TyDiQA-GoldP: extractive question answering in nine languages, questions written in each of them."""

from collections.abc import Mapping
from typing import Any

from xfer.api import LANGUAGES, Source, TaskSpec, hookimpl
from xfer.plugins.shared.qa import COLUMNS, score_squad, score_squad_one, squad_example

CODES = ("ar", "bn", "en", "fi", "id", "ko", "ru", "sw", "te")
TRAINING = dict(zip(CODES, (14805, 2390, 3696, 6855, 5702, 1625, 6490, 2755, 5563), strict=True))
TEST = dict(zip(CODES, (921, 113, 440, 782, 565, 276, 812, 499, 669), strict=True))
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
    source=Source(
        hub="google/xtreme",
        configs={"": "tydiqa"},
        splits={"train": ("train",), "dev": ("validation",), "test": ("validation",)},
        columns=COLUMNS,
        belongs=belongs,
        counts={f"train/{code}": number for code, number in TRAINING.items()}
        | {f"{split}/{code}": number for split in ("dev", "test") for code, number in TEST.items()},
    ),
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
        {
            "id": "english-1-0",
            "title": "Tarn",
            "context": CONTEXT,
            "question": "How many mills are in the valley?",
            "answers": {"answer_start": [CONTEXT.index("nine")], "text": ["nine"]},
        },
        {
            "id": "english-1-1",
            "title": "Tarn",
            "context": CONTEXT,
            "question": "When was the oldest mill rebuilt?",
            "answers": {"answer_start": [CONTEXT.index("1702")], "text": ["1702"]},
        },
    ),
)


@hookimpl
def xfer_tasks() -> list[TaskSpec]:
    """The task of this module."""
    return [TASK]
