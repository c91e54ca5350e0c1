"""Wikipedia's articles, streamed off the hub, for continued masked language modelling."""

from collections.abc import Mapping
from typing import Any

from xfer.api import LANGUAGES, LineExample, Source, TaskSpec, hookimpl
from xfer.plugins.shared import revisions
from xfer.plugins.shared.text import score_text

CODES = tuple(LANGUAGES)


def example(row: Mapping[str, Any], language: str) -> LineExample:
    """One article; the format cuts it into pieces of `max_length`."""
    return LineExample("", language, row["text"])


TASK = TaskSpec(
    name="wikipedia",
    summary="articles of Wikipedia (dumps of 1 November 2023), streamed",
    citation="Wikimedia Foundation, Wikimedia Downloads, https://dumps.wikimedia.org",
    licence="CC BY-SA 3.0 and GFDL",
    format="masked-lm",
    languages=CODES,
    train_languages=CODES,
    source=Source(
        hub="wikimedia/wikipedia",
        revision=revisions.WIKIPEDIA,
        configs={code: f"20231101.{code}" for code in CODES},
        splits={"dev": ("train",), "train": ("train",)},
        columns=("text",),
        streamed={"dev": 200, "train": 5000},
    ),
    example=example,
    score=score_text,
    main_score="bits_per_token",
    eval_split="dev",
    traps=(
        "Not in points: bits per masked token, lower is better.",
        "The data set has a training split only: dev are the first 200 articles that are streamed, train the next.",
        "An article is one example, whatever its length, and becomes as many sequences as it needs.",
        "XQuAD, MLQA, TyDiQA and PAN-X are made of Wikipedia's text: training on it may show their contexts.",
    ),
    fixture=({"text": "The river rises in the hills.\n\nIt is 90 km long."}, {"text": "A comet of 1811."}),
)


@hookimpl
def xfer_tasks() -> list[TaskSpec]:
    """The task of this module."""
    return [TASK]
