"""UDPOS: universal part-of-speech tags in 33 languages (Universal Dependencies 2.5)."""

from collections.abc import Mapping
from typing import Any

from xfer.api import LANGUAGES, Source, TaggedExample, TaskSpec, hookimpl
from xfer.plugins.shared import published, releases
from xfer.plugins.shared.tags import UPOS, score_pos, share_of_right_tags, tagged_example

_CODES = "af ar bg de el en es et eu fa fi fr he hi hu id it ja kk ko mr nl pt ru ta te th tl tr ur vi yo zh"
CODES = tuple(_CODES.split())
WITHOUT_TRAINING = ("th", "tl", "yo")
HUB = Source(
    hub="google/xtreme",
    configs={code: f"udpos.{LANGUAGES[code].treebank}" for code in CODES},
    splits=releases.HUB_SPLITS,
    columns=("tokens", "pos_tags"),
    counts=published.UDPOS | {"test/el": 2809},
    note="this copy mixes treebanks by name and keeps syntactic words apart; XTREME scores the words of the text",
)


def example(row: Mapping[str, Any], language: str) -> TaggedExample:
    """A sentence with a tag a word."""
    return tagged_example(row, language, "pos_tags", UPOS)


TASK = TaskSpec(
    name="udpos",
    summary="part-of-speech tagging with the 17 universal tags",
    citation="Nivre et al. 2020, Universal Dependencies v2: An Evergrowing Multilingual Treebank Collection",
    licence="by treebank; several are non-commercial",
    format="tagging",
    languages=CODES,
    train_languages=tuple(code for code in CODES if code not in WITHOUT_TRAINING),
    labels=UPOS,
    source=releases.treebanks(HUB, published.UDPOS),
    example=example,
    score=score_pos,
    main_score="f1",
    score_one=share_of_right_tags,
    traps=(
        "XTREME's F1 merges neighbouring equal tags into one chunk; it differs from token accuracy.",
        "The hub's copy mixes treebanks by name (Greek holds Ancient Greek) and keeps syntactic words apart.",
        "Labelling a word's first piece puts Chinese and Japanese labels on a lone '▁': see tagging.label_piece.",
    ),
    fixture=(
        {"tokens": ["Small", "boats", "drift", "."], "pos_tags": [0, 7, 15, 12]},
        {"tokens": ["She", "reads", "two", "maps"], "pos_tags": [10, 15, 8, 7]},
    ),
)


@hookimpl
def xfer_tasks() -> list[TaskSpec]:
    """The task of this module."""
    return [TASK]
