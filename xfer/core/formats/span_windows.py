"""Where `span` cuts its windows, which window decides about a token, and what a context's tokens stand for."""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xfer.core.formats.sequences import encodings

if TYPE_CHECKING:
    from xfer.core.encoders.tokeniser import Tokeniser


@dataclass(frozen=True)
class Context:
    """A tokenised context: ids int32 [n], and the character range of each token, int32 [n, 2]."""

    ids: np.ndarray
    characters: np.ndarray

    def tokens_of(self, start: int, end: int) -> tuple[int, int] | None:
        """First and last token of the characters start … end-1, or None where no token covers them.

        Where several tokens begin at one character (a lone word-start mark, a composed letter) the last counts.
        """
        first = int(np.searchsorted(self.characters[:, 0], start, side="right")) - 1
        last = int(np.searchsorted(self.characters[:, 0], end, side="left")) - 1
        if first < 0 or self.characters[first, 1] <= start:
            first += 1
        return (first, last) if first <= last else None


def encode_contexts(tokeniser: "Tokeniser", texts: Iterable[str]) -> dict[str, Context]:
    """Each distinct text tokenised once, without special tokens: questions share their contexts."""
    distinct = list(dict.fromkeys(texts))
    return {
        text: Context(np.array(encoding.ids, np.int32), np.array(encoding.offsets, np.int32).reshape(-1, 2))
        for text, encoding in zip(
            distinct, encodings(tokeniser, distinct, special=False, offsets=True), strict=True
        )
    }


def windows(total: int, room: int, step: int) -> np.ndarray:
    """Begin and end of each window over `total` tokens: `room` tokens, every `step`; int64 [windows, 2].

    Never fewer than one window. A step beyond `room` would leave tokens out and counts as `room`.
    Source: the window count of XTREME's `run_squad.py`, where `doc_stride` is the advance.
    """
    step = min(step, room)
    begins = np.arange(1 + max(0, -(-(total - room) // step))) * step
    return np.stack([begins, np.minimum(begins + room, total)], axis=1)


def deciding_window(begins: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """For each token the window in which it has most context on its poorer side, int64 [tokens].

    Longer windows win by a hundredth of their length, then earlier ones.
    Source: `_check_is_max_context` of BERT's `run_squad.py`, which XTREME uses.
    """
    token = np.arange(ends[-1])
    left, right = token - begins[:, None], ends[:, None] - 1 - token
    score = np.minimum(left, right) + 0.01 * (ends - begins)[:, None]
    best: np.ndarray = np.where((left >= 0) & (right >= 0), score, -np.inf).argmax(axis=0)
    return best


def highest(scores: np.ndarray, allowed: np.ndarray, count: int) -> np.ndarray:
    """Up to `count` allowed positions with the highest scores, best first, the first of equals."""
    positions = np.flatnonzero(allowed)
    return positions[np.argsort(-scores[positions], kind="stable")[:count]]


def cut_text(context: str, start: int, end: int) -> str:
    """The characters start … end-1 with the combining marks that follow them, without outer white space.

    Tokenisers count a letter and its combining mark as the letter alone.
    """
    while start < end < len(context) and unicodedata.category(context[end]).startswith("M"):
        end += 1
    return context[start:end].strip()
