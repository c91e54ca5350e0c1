"""CCG supertagging on a user's own CCGbank; the data are licensed and cannot be downloaded."""

from collections.abc import Mapping
from typing import Any

from xfer.api import TaggedExample, TaskSpec, hookimpl
from xfer.plugins.shared.ccgbank import CCGBANK
from xfer.plugins.shared.tags import score_words, share_of_right_tags, tagged_example


def example(row: Mapping[str, Any], language: str) -> TaggedExample:
    """A sentence with a lexical category a word."""
    return tagged_example(row, language, "tags", ())


TASK = TaskSpec(
    name="ccg",
    summary="CCG supertagging of the Wall Street Journal",
    citation="Hockenmaier and Steedman 2007, CCGbank",
    licence="LDC2005T13, licensed; not distributed",
    format="tagging",
    languages=("en",),
    train_languages=("en",),
    source=CCGBANK,
    example=example,
    score=score_words,
    main_score="accuracy",
    score_one=share_of_right_tags,
    traps=("Sections 02-21, 00 and 23, the customary split. Categories are gathered from the training rows.",),
    fixture=(
        {"tokens": ["Rivers", "bend"], "tags": ["N", "S[dcl]\\NP"]},
        {"tokens": ["The", "old", "mill"], "tags": ["NP[nb]/N", "N/N", "N"]},
    ),
)


@hookimpl
def xfer_tasks() -> list[TaskSpec]:
    """The task of this module."""
    return [TASK]
