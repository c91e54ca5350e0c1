"""Paraphrase identification: an easy kind (like QQP) and a hard one (like PAWS, Zhang et al. 2019).

Every draw makes a meaning and its counterpart, both in the part, and tosses which of them comes first. Only then
the label decides whether the second sentence tells the first meaning again or the counterpart, so neither sentence
alone says anything about the label. In the hard kind both meanings consist of the same words.
"""

from __future__ import annotations

import random
from typing import NamedTuple

from . import sampler, sentence
from .lexicon import lexicon
from .meaning import CommonNoun, Event, Order, Part, Phrase, head, in_part
from .sampler import PLAIN, Style

LABELS = ("same", "different")
Clauses = tuple[Event, ...]


class Paraphrase(NamedTuple):
    """Two sentences of one clause or two each, with a word order per clause."""

    first: Clauses
    second: Clauses
    first_orders: tuple[Order, ...]
    second_orders: tuple[Order, ...]
    label: str


def _pair(
    rng: random.Random, meanings: tuple[Clauses, Clauses], orders: tuple[tuple[Order, ...], ...], label: str
) -> Paraphrase:
    """Tosses which meaning comes first; two clauses change places in the second sentence."""
    first, counterpart = meanings if rng.random() < 0.5 else (meanings[1], meanings[0])
    second = first if label == "same" else counterpart
    return Paraphrase(first, second[::-1], orders[0], orders[1], label)


def _two_orders(rng: random.Random, event: Event) -> tuple[Order, Order]:
    """Two different word orders that every language has for the event."""
    orders: list[Order] = ["canonical", "cleft"]
    if event.place or event.time:
        orders.append("fronted")
    if event.recipient:
        orders.append("alternate")
    first, second = rng.sample(orders, 2)
    return first, second


def _single_hard(rng: random.Random, part: Part) -> tuple[Event, Event]:
    """An event and the same with the subject exchanged for the animate object or the recipient."""
    found = lexicon()
    verbs = tuple(v.key for v in found.verbs.values() if v.recipient or set(v.subjects) & set(v.objects))
    while True:
        event = sampler.event(rng, part, PLAIN._replace(place=0.6, time=0.5), verbs)
        swapped = _exchange(event)
        if swapped is not None and _fits(swapped) and in_part(swapped, part):
            return event, swapped


def _exchange(event: Event) -> Event | None:
    """The event with the subject exchanged for the recipient or, without one, the object."""
    if event.recipient is not None:
        return event._replace(subject=event.recipient, recipient=event.subject)
    return None if event.object is None else event._replace(subject=event.object, object=event.subject)


def _category(phrase: Phrase | None) -> str:
    if isinstance(phrase, CommonNoun):
        return lexicon().nouns[phrase.noun].category
    return "organisation" if phrase is not None and len(phrase) == 1 else "person"


def _fits(event: Event) -> bool:
    """Whether verb and participants satisfy the selectional restrictions."""
    verb = lexicon().verbs[event.verb]
    return (
        sampler.accepts(event.verb, event.subject)
        and (event.object is None or _category(event.object) in verb.objects)
        and (event.recipient is None or _category(event.recipient) == verb.recipient)
    )


def _double_hard(rng: random.Random, part: Part) -> tuple[Clauses, Clauses]:
    """Two events and the same with their subjects, objects or places exchanged."""
    style = PLAIN._replace(place=0.6, time=0.25, intransitive=0.2)
    while True:
        first, second = sampler.event(rng, part, style), sampler.event(rng, part, style)
        role = rng.choice(("subject", "object", "place"))
        one, two = getattr(first, role), getattr(second, role)
        if one is None or two is None or one == two or head(first.subject) == head(second.subject):
            continue
        exchanged = (first._replace(**{role: two}), second._replace(**{role: one}))
        if all(_fits(event) and in_part(event, part) and head(event.subject) != head(event.object)
               for event in exchanged):  # fmt: skip
            return (first, second), exchanged


def draw_hard(rng: random.Random, part: Part, index: int) -> Paraphrase:
    """A pair of sentences with the same words, in two clauses every other time."""
    label = LABELS[index % 2]
    if rng.random() < 0.5:
        event, swapped = _single_hard(rng, part)
        one, two = _two_orders(rng, event)
        return _pair(rng, ((event,), (swapped,)), ((one,), (two,)), label)
    orders = tuple((sampler.order(rng), sampler.order(rng)) for _ in range(2))
    return _pair(rng, _double_hard(rng, part), orders, label)


def _with_change(rng: random.Random, part: Part, style: Style) -> tuple[Event, Event]:
    """An event and the same with its subject, object, place or time replaced."""
    while True:
        event = sampler.event(rng, part, style)
        other = sampler.event(rng, part, style, (event.verb,))
        role = rng.choice([r for r in ("subject", "object", "place", "time") if getattr(event, r)])
        candidate = event._replace(**{role: getattr(other, role)})
        new = getattr(candidate, role)
        if new is None or new == getattr(event, role) or not in_part(candidate, part):
            continue
        if role in ("place", "time") or head(new) != head(getattr(event, role)):
            return event, candidate


def draw_easy(rng: random.Random, part: Part, index: int) -> Paraphrase:
    """A pair of sentences that, when different, differ in one constituent; two clauses every third time."""
    label, style = LABELS[index % 2], PLAIN._replace(place=0.6, time=0.5)
    event, changed = _with_change(rng, part, style)
    if rng.random() < 2 / 3:
        one, two = _two_orders(rng, event)
        return _pair(rng, ((event,), (changed,)), ((one,), (two,)), label)
    beside = sampler.event(rng, part, style)
    orders = tuple((sampler.order(rng), sampler.order(rng)) for _ in range(2))
    return _pair(rng, ((event, beside), (changed, beside)), orders, label)


def _text(language: str, clauses: Clauses, orders: tuple[Order, ...]) -> str:
    if len(clauses) == 1:
        return sentence.text(language, sentence.sentence(language, clauses[0], orders[0]))
    pair = (clauses[0], clauses[1])
    return sentence.text(language, sentence.conjunction(language, pair, (orders[0], orders[1])))


def render(pair: Paraphrase, language: str) -> dict[str, object]:
    """Columns sentence1, sentence2, label."""
    return {
        "sentence1": _text(language, pair.first, pair.first_orders),
        "sentence2": _text(language, pair.second, pair.second_orders),
        "label": pair.label,
    }
