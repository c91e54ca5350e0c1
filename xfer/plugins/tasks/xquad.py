"""XQuAD: extractive question answering in 11 languages; training set: SQuAD v1.1."""

from typing import Any

from xfer.api import Source, TaskSpec, hookimpl
from xfer.plugins.shared import releases, revisions
from xfer.plugins.shared.qa import COLUMNS, question_row, score_squad, score_squad_one, squad_example

LANGUAGES = ("ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh")
CONTEXT = "Die Brücke wurde 1931 von zwei Firmen gebaut und misst 240 Meter."


def copy(hub: str, config: str, **fields: Any) -> Source:
    """One of the copies; they have the same columns."""
    return Source(
        hub=hub,
        configs={code: f"{config}.{code}" for code in LANGUAGES},
        splits={"test": ("validation",)},
        columns=COLUMNS,
        counts={f"test/{code}": 1190 for code in LANGUAGES},
        **fields,
    )


XTREME = copy("google/xtreme", "XQuAD")
HUB = copy("google/xquad", "xquad", revision=revisions.XQUAD, otherwise=XTREME)


TASK = TaskSpec(
    name="xquad",
    summary="extractive question answering, translated from SQuAD",
    citation="Artetxe et al. 2020, On the Cross-lingual Transferability of Monolingual Representations",
    licence="CC BY-SA 4.0",
    format="span",
    languages=LANGUAGES,
    source=releases.xquad(HUB),
    example=squad_example,
    score=score_squad,
    main_score="mean_f1_em",
    score_one=score_squad_one,
    training_task="squad-v1",
    traps=(
        "One set only: what XTREME calls dev and test is the same data.",
        "The hub's google/xtreme copy strips contexts and keeps offsets: zh has 100 misplaced answers of 1,190.",
        "English normalisation in every language, so partial matches in zh and th mostly score 0.",
    ),
    fixture=(
        question_row("bridge-1", CONTEXT, "Wann wurde die Brücke gebaut?", "1931"),
        question_row("bridge-2", CONTEXT, "Wie lang ist die Brücke?", "240 Meter"),
    ),
)


@hookimpl
def xfer_tasks() -> list[TaskSpec]:
    """The task of this module."""
    return [TASK]
