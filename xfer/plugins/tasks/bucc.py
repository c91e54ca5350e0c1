"""BUCC 2018: mine translations out of two large texts, four languages against English."""

from collections.abc import Mapping
from typing import Any

from xfer.api import PairExample, Source, TaskSpec, hookimpl
from xfer.plugins.shared import releases
from xfer.plugins.shared.bucc import COLUMNS
from xfer.plugins.shared.retrieval import score_mined, tune_threshold

CODES = ("de", "fr", "ru", "zh")
GOLD = {"dev/de": 1038, "dev/fr": 929, "dev/ru": 2374, "dev/zh": 257}
GOLD |= {"test/de": 9580, "test/fr": 9086, "test/ru": 14435, "test/zh": 1899}


def example(row: Mapping[str, Any], language: str) -> PairExample:
    """A gold pair, or a sentence of one side; both identifiers make up the example's."""
    name = f"{row['source_lang']}/{row['target_lang']}"
    return PairExample(name, language, row["source_sentence"], row["target_sentence"])


TASK = TaskSpec(
    name="bucc",
    version=2,
    summary="mining of parallel sentences by margin, without training",
    citation="Zweigenbaum et al. 2018, Overview of the Third BUCC Shared Task",
    licence="by source text: Wikipedia (CC BY-SA) and News Commentary",
    format="retrieval",
    languages=CODES,
    source=releases.bucc(
        Source(
            hub="google/xtreme",
            configs={code: f"bucc18.{code}" for code in CODES},
            splits={"dev": ("validation",), "test": ("test",)},
            columns=COLUMNS,
            counts=GOLD,
            note="gold pairs without distractors; far easier than the published task",
        )
    ),
    example=example,
    score=score_mined,
    main_score="f1",
    tune=tune_threshold,
    traps=("As in XTREME, dev is the sample set and test the training set; the threshold is tuned on dev.",),
    fixture=(
        dict(zip(COLUMNS, ("Der Markt schließt früh.", "The market closes early.", "de-1", "en-1"), strict=True)),
        dict(zip(COLUMNS, ("Niemand kennt den Weg.", "Nobody knows the way.", "de-2", "en-2"), strict=True)),
        dict(zip(COLUMNS, (None, "A sentence on its own.", "", "en-3"), strict=True)),
    ),
)


@hookimpl
def xfer_tasks() -> list[TaskSpec]:
    """The task of this module."""
    return [TASK]
