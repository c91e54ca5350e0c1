"""Checks of one example, and the one repair: answer offsets that the source left misplaced."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from xfer.core.errors import DataError
from xfer.core.examples import (
    Answer,
    ChoiceExample,
    Example,
    LineExample,
    PairExample,
    SpanExample,
    TaggedExample,
    TextExample,
)

SEARCH_WINDOW = 64
"""Characters around an offset in which an answer is looked for. The faults seen are off by 1 to 6."""
LONGEST_WORD = 2000
"""Characters. Longer "words" come from rows that were split wrongly; the longest real ones are URLs."""


def check(example: Example, labels: Sequence[str], where: str) -> None:
    """Raise `DataError` for an example whose fields do not fit its kind or the task's labels."""
    _texts(where, identifier=example.id)
    match example:
        case TextExample():
            _texts(where, text=example.text, text_pair=example.text_pair or "")
            if example.label is not None:
                _known(example.label, labels, where)
        case ChoiceExample():
            _texts(where, prompt=example.prompt, **{f"choice {i}": text for i, text in enumerate(example.choices)})
            _check_choice(example, where)
        case SpanExample():
            _texts(where, question=example.question, context=example.context)
            for answer in example.answers:
                _check_answer(answer, where)
        case TaggedExample():
            _check_tags(example, labels, where)
        case PairExample():
            _texts(where, source=example.source or "", target=example.target or "")
            if example.source is None and example.target is None:
                raise DataError("a pair has neither side", where)
        case LineExample():
            _texts(where, text=example.text, parallel=example.parallel or "")


def useless(example: Example) -> str:
    """Why an example that is well formed cannot be used; empty if it can."""
    match example:
        case TextExample(label=None) | ChoiceExample(label=None) | TaggedExample(tags=None):
            return "without a label"
        case TaggedExample(tokens=()):
            return "without words"
        case LineExample() if not example.text.strip():
            return "blank text"
    return ""


def realign(example: SpanExample, where: str) -> tuple[SpanExample, int, int]:
    """The example with every answer where its text stands; how many answers moved, how many were refused.

    An answer that is not at its offset is looked for within `SEARCH_WINDOW` characters; the nearest place
    wins, the earlier of two. Raises `DataError` for an offset past the end that cannot be mended.
    """
    kept, moved = [], 0
    for answer in example.answers:
        start = _place(answer, example.context)
        if start is not None:
            kept.append(replace(answer, start=start))
            moved += start != answer.start
        elif answer.start >= len(example.context):
            raise DataError(
                f"answer offset {answer.start} is past the end of a context of {len(example.context)} characters",
                where,
                f"offsets count characters of the context; the answer is {answer.text[:60]!r}",
            )
    return replace(example, answers=tuple(kept)), moved, len(example.answers) - len(kept)


def _place(answer: Answer, context: str) -> int | None:
    """Where the answer's text begins, nearest to its offset; None if it is not there (or blank)."""
    text, start = answer.text, answer.start
    if not text.strip():
        return None
    if context.startswith(text, start):
        return start
    before = context.rfind(text, max(0, start - SEARCH_WINDOW), start + len(text))
    after = context.find(text, start, start + SEARCH_WINDOW + len(text))
    places = [place for place in (before, after) if place >= 0]
    return min(places, key=lambda place: (abs(place - start), place), default=None)


def _check_choice(example: ChoiceExample, where: str) -> None:
    count, label = len(example.choices), example.label
    if count < 2:
        raise DataError(f"{count} choices where at least two are needed", where)
    if label is not None and (not isinstance(label, int) or not 0 <= label < count):
        raise DataError(f"label {label!r} is out of range", where, f"there are {count} choices, counted from 0")


def _check_answer(answer: Answer, where: str) -> None:
    _texts(where, answer=answer.text)
    if not isinstance(answer.start, int) or answer.start < 0:
        raise DataError(f"answer offset {answer.start!r} is not a number from 0", where)


def _check_tags(example: TaggedExample, labels: Sequence[str], where: str) -> None:
    _texts(where, **{f"word {number}": token for number, token in enumerate(example.tokens, 1)})
    longest = max(map(len, example.tokens), default=0)
    if longest > LONGEST_WORD:
        raise DataError(
            f"a word of {longest} characters",
            where,
            f"words have at most {LONGEST_WORD}: was the sentence split into words?",
        )
    if example.tags is None:
        return
    if len(example.tags) != len(example.tokens):
        raise DataError(f"{len(example.tags)} tags for {len(example.tokens)} words", where)
    for tag in example.tags:
        _known(tag, labels, where)


def _known(label: Any, labels: Sequence[str], where: str) -> None:
    if not isinstance(label, str):
        raise DataError(f"label {label!r} is not a label name", where, f"the labels are: {', '.join(labels)}")
    if labels and label not in labels:
        raise DataError(f"unknown label {label!r}", where, f"the labels are: {', '.join(labels)}")


def _texts(where: str, **fields: Any) -> None:
    for name, value in fields.items():
        if not isinstance(value, str):
            kind = "empty (null)" if value is None else f"{value!r}, not text"
            raise DataError(f"{name} is {kind}", where, "every row needs it as text")
