"""Translations of the mini tasks' training rows: the generator's own ("gold"), and a noisy variant ("noisy").

The noise stands for a translation system of middling quality: of the words of each text some are lost and some
change places with their neighbour. It follows from the row's id, so every run reads the same rows.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from .rows import rows

T = TypeVar("T")

DROPPED, SWAPPED = 0.08, 0.08
"""Shares of words."""
DISTURBED = ("premise", "hypothesis", "sentence1", "sentence2", "question", "prompt", "choices", "text")
"""Columns with noise. Contexts stay whole, since answers are cut from them."""
UNSPACED = ("zh",)


def translated(kind: str, split: str, language: str, via: str) -> Iterator[Mapping[str, Any]]:
    """The rows of a kind of task in a language, `via` "gold" or "noisy"."""
    for row in rows(kind, split, language):
        yield row if via == "gold" else _noisy(row, language)


def _noisy(row: Mapping[str, Any], language: str) -> dict[str, Any]:
    noisy = {
        column: _disturbed(value, f"noise {row['id']} {column}", language) if column in DISTURBED else value
        for column, value in row.items()
    }
    if "tokens" in row:
        pairs = list(zip(row["tokens"], row["tags"], strict=True))
        kept = _lost(pairs, random.Random(f"noise {row['id']} tokens {language}"))
        noisy |= {"tokens": [word for word, _ in kept], "tags": [tag for _, tag in kept]}
    return noisy


def _disturbed(value: Any, seed: str, language: str) -> Any:
    """A text with words lost and swapped, or a list of such texts."""
    if isinstance(value, list):
        return [_disturbed(item, f"{seed} {place}", language) for place, item in enumerate(value)]
    rng = random.Random(f"{seed} {language}")
    words = list(value) if language in UNSPACED else value.split()
    for place in range(len(words) - 1):
        if rng.random() < SWAPPED:
            words[place], words[place + 1] = words[place + 1], words[place]
    return ("" if language in UNSPACED else " ").join(_lost(words, rng))


def _lost(items: list[T], rng: random.Random) -> list[T]:
    """The items without some; one at least stays."""
    return [item for item in items if rng.random() >= DROPPED] or items[:1]
