"""PAN-X: named entities in 40 languages (WikiAnn, the balanced splits of Rahimi et al.)."""

from collections.abc import Mapping
from typing import Any

from xfer.api import LANGUAGES, Source, TaggedExample, TaskSpec, hookimpl
from xfer.plugins.shared import published, releases
from xfer.plugins.shared.tags import score_entities, share_of_right_tags, tagged_example

CODES = tuple(LANGUAGES)
TAGS = ("O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC")


def example(row: Mapping[str, Any], language: str) -> TaggedExample:
    """A sentence with a tag a word."""
    return tagged_example(row, language, "ner_tags", TAGS)


TASK = TaskSpec(
    name="panx",
    summary="named entity recognition: persons, organisations, places",
    citation="Pan et al. 2017, Cross-lingual Name Tagging and Linking for 282 Languages; Rahimi et al. 2019",
    licence="not stated by the authors; texts from Wikipedia (CC BY-SA)",
    format="tagging",
    languages=CODES,
    train_languages=CODES,
    labels=TAGS,
    source=releases.wikiann(
        Source(
            hub="google/xtreme",
            configs={code: f"PAN-X.{code}" for code in CODES},
            splits=releases.HUB_SPLITS,
            columns=("tokens", "ner_tags"),
            counts=published.PANX,
        )
    ),
    example=example,
    score=score_entities,
    main_score="f1",
    score_one=share_of_right_tags,
    traps=(
        "Tag ids differ between copies (XTREME's files: alphabetical; the hub: O first).",
        "Annotated by machine from Wikipedia links; jv, my and yo have 100 test sentences.",
    ),
    fixture=(
        {"tokens": ["Mira", "Holt", "left", "Bergen"], "ner_tags": [1, 2, 0, 5], "langs": ["en"] * 4},
        {"tokens": ["Harbour", "Trust", "closed"], "ner_tags": [3, 4, 0], "langs": ["en"] * 3},
    ),
)


@hookimpl
def xfer_tasks() -> list[TaskSpec]:
    """The task of this module."""
    return [TASK]
