"""Sequence labelling: part of speech, named entities, English CCG categories."""

from __future__ import annotations

import random
from functools import cache
from typing import Literal, NamedTuple

from . import sampler, sentence
from .lexicon import lexicon
from .meaning import Event, Order, Part
from .sampler import Style
from .tokens import Tokens, capitalise

Layer = Literal["upos", "entity", "ccg"]
NAMED = Style(named=0.75, place=0.6)


class Tagged(NamedTuple):
    """One or two clauses with their word orders."""

    clauses: tuple[Event, ...]
    orders: tuple[Order, ...]


def draw(rng: random.Random, part: Part, style: Style, business: float = 0.0) -> Tagged:
    """A sentence, of two clauses in two of five cases; `business` is the share of clauses with a verb that
    organisations, too, may have as subject.
    """
    size = 2 if rng.random() < 0.4 else 1
    clauses = tuple(
        sampler.event(rng, part, style, _business_verbs() if rng.random() < business else None) for _ in range(size)
    )
    return Tagged(clauses, tuple(sampler.order(rng) for _ in clauses))


@cache
def _business_verbs() -> tuple[str, ...]:
    return tuple(verb.key for verb in lexicon().verbs.values() if "organisation" in verb.subjects)


def words_of(item: Tagged, language: str) -> Tokens:
    """The tokens of the sentence."""
    if len(item.clauses) == 1:
        return sentence.sentence(language, item.clauses[0], item.orders[0])
    pair, orders = (item.clauses[0], item.clauses[1]), (item.orders[0], item.orders[1])
    return sentence.conjunction(language, pair, orders)


def render(item: Tagged, language: str, layer: Layer) -> dict[str, object]:
    """Columns tokens, tags."""
    words = words_of(item, language)
    first = capitalise(language, words[0].word)
    return {
        "tokens": [first, *(token.word for token in words[1:])],
        "tags": [getattr(token, layer) for token in words],
    }
