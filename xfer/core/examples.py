"""The second stop of the data flow: a task's `example` function turns one raw row into one of these.

A format works on one kind of example only. Identifiers are unique within (task, split, language); the same
identifier in two languages means the same item translated, which is what paired comparisons rely on.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TextExample:
    """One text or a pair of texts with a label name (`classification`)."""

    id: str
    language: str
    text: str
    text_pair: str | None = None
    label: str | None = None


@dataclass(frozen=True, slots=True)
class ChoiceExample:
    """A prompt with several continuations, one of them right (`multiple-choice`). `label` counts from 0."""

    id: str
    language: str
    prompt: str
    choices: tuple[str, ...]
    label: int | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer span: its text and its first character's offset in the context."""

    text: str
    start: int


@dataclass(frozen=True, slots=True)
class SpanExample:
    """A question about a context (`span`). No answers: unanswerable."""

    id: str
    language: str
    question: str
    context: str
    answers: tuple[Answer, ...] = ()


@dataclass(frozen=True, slots=True)
class TaggedExample:
    """Words with a tag each (`tagging`)."""

    id: str
    language: str
    tokens: tuple[str, ...]
    tags: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class PairExample:
    """Two sentences that translate each other (`retrieval`); a distractor has one side only.

    `source` is in `language`, `target` in English.
    """

    id: str
    language: str
    source: str | None
    target: str | None


@dataclass(frozen=True, slots=True)
class LineExample:
    """Running text (`masked-lm`), with its translation in translation-LM training."""

    id: str
    language: str
    text: str
    parallel: str | None = None
    parallel_language: str | None = None


Example = TextExample | ChoiceExample | SpanExample | TaggedExample | PairExample | LineExample
