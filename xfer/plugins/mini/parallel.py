"""Parallel sentences for retrieval and for bitext mining."""

from __future__ import annotations

import random
from typing import Literal, NamedTuple

from . import sampler, tags
from .lexicon import LANGUAGES
from .meaning import Event, Order, Part, head
from .sampler import Style
from .tags import Tagged
from .tokens import detokenise

Side = Literal["both", "source", "target"]
SIDES: tuple[Side, ...] = ("both", "source", "target")


class Parallel(NamedTuple):
    """A sentence with its word orders in each language, and the side on which it stands."""

    clauses: tuple[Event, ...]
    orders: tuple[tuple[Order, ...], ...]
    side: Side


def draw(rng: random.Random, part: Part, side: Side) -> Parallel:
    """A sentence whose word order is drawn for each language by itself, as in free translation."""
    sentence = tags.draw(rng, part, Style())
    orders = tuple(tuple(sampler.order(rng) for _ in sentence.clauses) for _ in LANGUAGES)
    return Parallel(sentence.clauses, orders, side)


def key(item: Parallel) -> tuple[tuple[str, ...], ...]:
    """What tells sentences apart in every language: heads, verb and polarity, not articles or word order."""
    return tuple(
        (head(e.subject), e.verb, head(e.object), str(e.place), str(e.time), str(e.negated)) for e in item.clauses
    )


def _text(item: Parallel, language: str) -> str:
    orders = item.orders[LANGUAGES.index(language)]
    return detokenise(language, tags.words_of(Tagged(item.clauses, orders), language))[0]


def render(item: Parallel, language: str) -> dict[str, object]:
    """Columns source (in the language) and target (in English); a distractor has None on the other side."""
    return {
        "source": _text(item, language) if item.side != "target" else None,
        "target": _text(item, "en") if item.side != "source" else None,
    }
