"""Running text of your own, for continued masked language modelling."""

from collections.abc import Mapping
from typing import Any

from xfer.api import LANGUAGES, LineExample, Source, TaskSpec, hookimpl
from xfer.plugins.shared.text import score_text

CODES = tuple(LANGUAGES)


def example(row: Mapping[str, Any], language: str) -> LineExample:
    """One text."""
    return LineExample("", language, row["text"])


TASK = TaskSpec(
    name="mlm-text",
    summary="running text from your own folder, a config for each language",
    citation="your own data",
    licence="that of your data",
    format="masked-lm",
    languages=CODES,
    train_languages=CODES,
    source=Source(
        hub="extra/mlm-text",
        configs={code: code for code in CODES},
        splits={"train": ("train",), "dev": ("validation",)},
        columns=("text",),
        obtain="put files with a column text at DATA_ROOT/extra/mlm-text/LANGUAGE/train.jsonl and validation.jsonl",
    ),
    example=example,
    score=score_text,
    main_score="bits_per_token",
    eval_split="dev",
    traps=("Not in points: bits per masked token, lower is better.",),
    fixture=({"text": "Snow fell on the pass all night."}, {"text": "By morning the road was closed."}),
)


@hookimpl
def xfer_tasks() -> list[TaskSpec]:
    """The task of this module."""
    return [TASK]
