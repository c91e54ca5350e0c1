"""Draws meanings at random, always inside one part of the mini world."""

from __future__ import annotations

import random
from functools import cache
from typing import NamedTuple

from .lexicon import adjectives_for, lexicon
from .meaning import (
    CommonNoun,
    Determiner,
    Event,
    Order,
    Organisation,
    Part,
    Person,
    Phrase,
    Place,
    Time,
    definite,
    is_quantified,
    part_of,
)

FIRST_YEAR, LAST_YEAR = 1950, 2024


class Style(NamedTuple):
    """Probabilities of the optional parts of an event; `half` restricts names to every second one (0 or 1)."""

    place: float = 0.4
    time: float = 0.4
    negated: float = 0.12
    adjective: float = 0.3
    named: float = 0.5
    hypernym: float = 0.06
    every: float = 0.09
    no: float = 0.05
    intransitive: float = 0.6
    half: int | None = None


PLAIN = Style(negated=0.0, hypernym=0.0, every=0.0, no=0.0)


@cache
def _names(table: str, half: int | None) -> tuple[str, ...]:
    keys = tuple(getattr(lexicon(), table))
    return keys if half is None else keys[half::2]


@cache
def heads(pool: str, half: int | None = None) -> tuple[str, ...]:
    """The heads of a pool: a noun category, "name", "organisation" or "hypernym:CATEGORY"."""
    if pool == "name":
        return _names("first_names", half)
    if pool == "organisation":
        return _names("organisations", half)
    found = lexicon()
    if pool.startswith("hypernym:"):
        hypernym = found.nouns[found.by_category[pool.removeprefix("hypernym:")][0]].hypernym
        return (hypernym,) if hypernym else ()
    return found.by_category[pool]


@cache
def subjects_in(part: Part, verb: str, obj: str, pool: str, half: int | None = None) -> tuple[str, ...]:
    """The heads of a pool that, as subject of verb and object, give a meaning of the part."""
    return tuple(head for head in heads(pool, half) if head != obj and part_of(head, verb, obj) == part)


@cache
def objects_in(part: Part, subject: str, verb: str, pool: str, half: int | None = None) -> tuple[str, ...]:
    """The heads of a pool that, as object of subject and verb, give a meaning of the part."""
    return tuple(head for head in heads(pool, half) if head != subject and part_of(subject, verb, head) == part)


def _pool(rng: random.Random, category: str, style: Style) -> str:
    if category == "person" and rng.random() < style.named:
        return "name"
    if category not in ("organisation", "instrument", "text", "opening") and rng.random() < style.hypernym:
        return f"hypernym:{category}"
    return category


def phrase(rng: random.Random, head: str, pool: str, style: Style, determiner: Determiner | None = None) -> Phrase:
    """A phrase around a head: last name, or adjective and determiner (drawn unless given)."""
    if pool == "name":
        return Person(head, rng.choice(_names("last_names", style.half)) if rng.random() < 0.4 else None)
    if pool == "organisation":
        return Organisation(head)
    adjective = rng.choice(adjectives_for(head)) if rng.random() < style.adjective else None
    if determiner is None:
        determiner = "indefinite" if rng.random() < 0.5 else "definite"
    return CommonNoun(determiner, adjective, head)


def _can_quantify(found: Phrase) -> bool:
    if not isinstance(found, CommonNoun):
        return False
    noun = lexicon().nouns[found.noun]
    return not noun.mass and noun.category != "hypernym"


def _quantify(
    rng: random.Random, subject: Phrase, obj: Phrase | None, style: Style
) -> tuple[Phrase, Phrase | None]:
    """Puts "every" or "no" on the subject, else seldom "every" on the object (never both: scope)."""
    x = rng.random()
    if isinstance(subject, CommonNoun) and _can_quantify(subject) and x < 2 * (style.every + style.no):
        return subject._replace(determiner="every" if x < 2 * style.every else "no"), obj
    if isinstance(obj, CommonNoun) and _can_quantify(obj) and rng.random() < style.every / 2:
        return subject, obj._replace(determiner="every")
    return subject, obj


def place(rng: random.Random, half: int | None = None) -> Place:
    """A city (two in five) or another place."""
    if rng.random() < 0.4:
        return Place(True, rng.choice(_names("cities", half)))
    return Place(False, rng.choice(lexicon().by_category["place"]))


def time(rng: random.Random) -> Time:
    """A time expression."""
    key = rng.choice(tuple(lexicon().times))
    return Time(key, rng.randint(FIRST_YEAR, LAST_YEAR) if key.endswith("Y") else 0)


@cache
def _verbs() -> tuple[str, ...]:
    return tuple(lexicon().verbs)


def event(rng: random.Random, part: Part, style: Style = PLAIN, verbs: tuple[str, ...] | None = None) -> Event:
    """An event of the part, optionally with one of the given verbs."""
    while True:
        verb = lexicon().verbs[rng.choice(verbs or _verbs())]
        if not verb.objects and rng.random() >= style.intransitive:
            continue
        object_pool = _pool(rng, rng.choice(verb.objects), style) if verb.objects else ""
        object_head = rng.choice(heads(object_pool, style.half)) if object_pool else ""
        subject_pool = _pool(rng, rng.choice(verb.subjects), style)
        subjects = subjects_in(part, verb.key, object_head, subject_pool, style.half)
        if subjects:
            break
    subject = phrase(rng, rng.choice(subjects), subject_pool, style)
    obj = phrase(rng, object_head, object_pool, style) if object_pool else None
    recipient = _recipient(rng, verb.recipient, (subject, obj), style) if verb.recipient else None
    subject, obj = _quantify(rng, subject, obj, style)
    where = place(rng, style.half) if rng.random() < style.place else None
    when = time(rng) if rng.random() < style.time else None
    found = Event(subject, verb.key, obj, recipient, where, when)
    return negate(found) if rng.random() < style.negated and can_negate(found) else found


def _recipient(rng: random.Random, category: str, others: tuple[Phrase | None, ...], style: Style) -> Phrase:
    while True:
        pool = _pool(rng, category, style)
        found = phrase(rng, rng.choice(heads(pool, style.half)), pool, style)
        if all(other is None or other[-1] != found[-1] or other[0] != found[0] for other in others):
            return found


def can_negate(found: Event) -> bool:
    """Whether "not" has one reading: no quantifier in the clause."""
    return not is_quantified(found.subject) and not is_quantified(found.object)


def negate(found: Event) -> Event:
    """The denial of an event; participants become definite where an indefinite would be ambiguous."""
    recipient = definite(found.recipient) if found.recipient else None
    return found._replace(negated=True, subject=definite(found.subject), recipient=recipient)


def order(rng: random.Random) -> Order:
    """A word order: half of the sentences are canonical."""
    orders: tuple[Order, ...] = ("canonical", "canonical", "canonical", "fronted", "cleft", "alternate")
    return rng.choice(orders)


def accepts(verb: str, subject: Phrase) -> bool:
    """Whether the verb's selectional restriction allows the subject."""
    allowed = lexicon().verbs[verb].subjects
    if isinstance(subject, Organisation):
        return "organisation" in allowed
    if isinstance(subject, Person):
        return "person" in allowed
    category = lexicon().nouns[subject.noun].category
    return (subject.noun if category == "hypernym" else category) in allowed
