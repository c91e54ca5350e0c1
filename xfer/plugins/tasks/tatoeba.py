"""Tatoeba: find the translation of a sentence among all others, 36 languages against English."""

from collections.abc import Mapping
from typing import Any

from xfer.api import LANGUAGES, DataError, PairExample, Source, TaskSpec, hookimpl
from xfer.plugins.shared import releases
from xfer.plugins.shared.retrieval import found_or_not, score_found

_CODES = (
    "af ar bg bn de el es et eu fa fi fr he hi hu id it ja jv ka kk ko ml mr nl pt ru sw ta te th tl tr ur vi zh"
)
CODES = tuple(_CODES.split())
SMALL = {"jv": 205, "ka": 746, "kk": 575, "ml": 687, "sw": 390, "ta": 307, "te": 234, "th": 548}


def example(row: Mapping[str, Any], language: str) -> PairExample:
    """A sentence with its English translation; the hub's copy leaves a newline at the end of both."""
    source, target = row["source_sentence"], row["target_sentence"]
    if not (source or "").strip() or not (target or "").strip():
        raise DataError("unpaired row: one side is empty", fix="source_sentence and target_sentence go together")
    return PairExample("", language, source.strip(), target.strip())


TASK = TaskSpec(
    name="tatoeba",
    summary="retrieval of translations by cosine, without training",
    citation="Artetxe and Schwenk 2019, Massively Multilingual Sentence Embeddings (LASER's Tatoeba sets)",
    licence="CC BY 2.0 FR",
    format="retrieval",
    languages=CODES,
    source=releases.tatoeba(
        Source(
            hub="google/xtreme",
            configs={code: f"tatoeba.{LANGUAGES[code].iso3}" for code in CODES},
            splits={"test": ("validation",)},
            columns=("source_sentence", "target_sentence"),
            counts={f"test/{code}": SMALL.get(code, 1000) for code in CODES},
        )
    ),
    example=example,
    score=score_found,
    main_score="accuracy",
    score_one=found_or_not,
    traps=("English queries search the other language, as in XTREME's code; LASER's figures are error rates.",),
    fixture=(
        {"source_sentence": "Der Zug kommt um neun.\n", "target_sentence": "The train arrives at nine.\n"},
        {"source_sentence": "Wer hat das Fenster geöffnet?\n", "target_sentence": "Who opened the window?\n"},
    ),
)


@hookimpl
def xfer_tasks() -> list[TaskSpec]:
    """The task of this module."""
    return [TASK]
