"""What the formats share: ragged arrays of token ids, layouts of special tokens, and words of a text."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from xfer.core.batches.features import Column, Features
from xfer.core.errors import DataError, near

if TYPE_CHECKING:
    from xfer.core.encoders.tokeniser import Tokeniser

CHUNK = 1024
"""Texts encoded at once: `tokenizers` keeps many times the size of the ids per text until it is let go."""
UNLABELLED = -100
"""The label of what has none, by torch's convention."""

LONE_PIECE = "▁"
"""The word-start mark on its own, which XLM-R's tokeniser puts before nearly every Chinese word."""

_NO_SPACES = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_PUNCTUATION = (
    r"!-/:-@\[-`{-~\u00a1-\u00a9\u00ab-\u00b1\u00b4\u00b6-\u00b8\u00bb\u00bf\u060c\u061b\u061f\u06d4\u0964\u0965"
    r"\u1360-\u1368\u2010-\u205e\u3000-\u303f\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65"
)
_WORD = re.compile(rf"[{_NO_SPACES}]|[^\s{_NO_SPACES}{_PUNCTUATION}]+")


@dataclass(frozen=True)
class Ragged:
    """Rows of unequal length: row i is values[offsets[i]:offsets[i+1]]. A second dimension is allowed."""

    values: np.ndarray
    offsets: np.ndarray

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> np.ndarray:
        return self.values[self.offsets[row] : self.offsets[row + 1]]

    @property
    def lengths(self) -> np.ndarray:
        """Length of each row, int64 [rows]."""
        return np.diff(self.offsets)


@dataclass(frozen=True)
class Layout:
    """The special tokens around a text, or around and between two, as the tokeniser sets them (int32)."""

    before: np.ndarray
    between: np.ndarray
    after: np.ndarray

    @property
    def length(self) -> int:
        """Number of special tokens."""
        return len(self.before) + len(self.between) + len(self.after)


def layout(tokeniser: "Tokeniser", pair: bool) -> Layout:
    """The tokeniser's own template, read off an encoded dummy."""
    encoding = tokeniser.encode([("a", "a") if pair else "a"], offsets=True)[0]
    ids = np.array(encoding.ids, np.int32)
    # -1 marks special tokens.
    sides = np.array([-1 if side is None else side for side in encoding.sequence_ids])
    real = np.flatnonzero(sides >= 0)
    first_end = int(np.flatnonzero(sides == 0)[-1]) + 1
    second = int(np.flatnonzero(sides == 1)[0]) if pair else first_end
    return Layout(ids[: real[0]], ids[first_end:second], ids[real[-1] + 1 :])


def ragged(rows: Sequence[Any], dtype: Any = np.int32) -> Ragged:
    """Lay rows (lists or arrays) end to end."""
    arrays = [np.asarray(row, dtype) for row in rows]
    offsets = offsets_of([len(row) for row in rows])
    return Ragged(np.concatenate(arrays) if arrays else np.zeros(0, dtype), offsets)


def encodings(tokeniser: "Tokeniser", texts: Sequence[Any], **options: Any) -> Iterator[Any]:
    """`Tokeniser.encode`, chunk by chunk so that memory stays flat."""
    for start in range(0, len(texts), CHUNK):
        yield from tokeniser.encode(texts[start : start + CHUNK], **options)


def encode(
    tokeniser: "Tokeniser", texts: Sequence[Any], max_length: int | None = None, special: bool = True
) -> Ragged:
    """Token ids of texts or (text, pair) tuples."""
    rows = encodings(tokeniser, texts, max_length=max_length, special=special)
    return ragged([np.array(encoding.ids, np.int32) for encoding in rows])


def offsets_of(lengths: Any) -> np.ndarray:
    """Row offsets, int64 [rows+1], of rows of these lengths."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])


def framed(rows: Ragged, frame: Layout) -> tuple[Ragged, np.ndarray]:
    """Rows with the special tokens of a single text around them, and the place of each value in the result."""
    offsets = offsets_of(rows.lengths + frame.length)
    tokens = np.zeros(offsets[-1], np.int32)
    tokens[offsets[:-1, None] + np.arange(len(frame.before))] = frame.before
    tokens[offsets[1:, None] - len(frame.after) + np.arange(len(frame.after))] = frame.after
    shift = offsets[:-1] + len(frame.before) - rows.offsets[:-1]
    place = np.arange(len(rows.values)) + np.repeat(shift, rows.lengths)
    tokens[place] = rows.values
    return Ragged(tokens, offsets), place


def single_items(
    tokens: Ragged, example: Any, columns: dict[str, Column], dropped: Mapping[str, int] | None = None
) -> Features:
    """Features whose items are one sequence each."""
    return Features(
        tokens=tokens.values,
        offsets=tokens.offsets,
        items=np.arange(len(tokens) + 1, dtype=np.int64),
        example=np.asarray(example, np.int64),
        columns=columns,
        dropped={reason: count for reason, count in (dropped or {}).items() if count},
    )


def wrong_label(label: str, labels: Sequence[str], task: str, where: str) -> DataError:
    """The error for a label name that the task does not declare."""
    close = near(label, labels)
    hint = f"did you mean {' or '.join(close)}?" if close else f"known labels: {', '.join(labels) or 'none'}"
    return DataError(f"{task}: label {label!r} is not one of the task's", where=where, fix=hint)


def word_spans(text: str) -> list[tuple[int, int]]:
    """Character ranges of words; in scripts written without spaces every character counts as one."""
    return [match.span() for match in _WORD.finditer(text)]


def words(text: str) -> list[str]:
    """Lower-case words without punctuation, for the rules that serve as baselines."""
    return _WORD.findall(text.lower())


def gather_names(names: Iterable[str | None]) -> tuple[str, ...]:
    """The distinct names in sorted order: the labels of a task that declares none."""
    return tuple(sorted({name for name in names if name is not None}))
