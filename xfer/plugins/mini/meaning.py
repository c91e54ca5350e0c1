"""Abstract meanings and the rule that assigns each of them to one part of the mini world."""

from __future__ import annotations

import zlib
from typing import Literal, NamedTuple

from .lexicon import lexicon

Determiner = Literal["indefinite", "definite", "every", "no"]
Role = Literal["subject", "object", "recipient", "place", "time"]
Order = Literal["canonical", "fronted", "cleft", "alternate"]
Part = Literal[
    "pretraining",
    "intermediate-train",
    "intermediate-dev",
    "intermediate-test",
    "target-train",
    "target-dev",
    "target-test",
]

_BUCKETS: dict[int, Part] = {0: "pretraining", 1: "pretraining", 2: "pretraining", 3: "pretraining",
                             4: "pretraining", 7: "target-train", 8: "target-dev", 9: "target-test"}  # fmt: skip


class CommonNoun(NamedTuple):
    """A determiner, an optional adjective and a noun, for example "a red car"."""

    determiner: Determiner
    adjective: str | None
    noun: str


class Person(NamedTuple):
    """A person by first name and optional last name."""

    first: str
    last: str | None


class Organisation(NamedTuple):
    """An invented organisation."""

    name: str


Phrase = CommonNoun | Person | Organisation


class Place(NamedTuple):
    """A city (`city` is true) or a place given by a noun."""

    city: bool
    key: str


class Time(NamedTuple):
    """A time expression; `year` fills the expression that has a year and is 0 elsewhere."""

    key: str
    year: int


class Event(NamedTuple):
    """One thing that happened (or, negated, did not): the meaning of a clause."""

    subject: Phrase
    verb: str
    object: Phrase | None = None
    recipient: Phrase | None = None
    place: Place | None = None
    time: Time | None = None
    negated: bool = False


def head(phrase: Phrase | None) -> str:
    """The word that decides the part: the noun, the first name or the organisation; "" without a phrase."""
    if phrase is None:
        return ""
    if isinstance(phrase, CommonNoun):
        return phrase.noun
    return phrase.first if isinstance(phrase, Person) else phrase.name


def part_of(subject: str, verb: str, obj: str) -> Part:
    """The part of a meaning by its three heads: crc32("subject|verb|object") mod 10.

    Buckets 0-4 are pretraining, 5-6 intermediate tasks, 7, 8, 9 target training, development, test. Inside 5-6
    a second hash of the subject alone sets development and test apart, so that changing the object or the verb
    of an intermediate meaning cannot carry it from one split to another.
    """
    part = _BUCKETS.get(zlib.crc32(f"{subject}|{verb}|{obj}".encode()) % 10)
    if part is not None:
        return part
    return intermediate_part(subject)


def intermediate_part(subject: str) -> Part:
    """The split of the intermediate tasks that a subject belongs to: development and test take a sixth each."""
    rest = zlib.crc32(f"subset|{subject}".encode()) % 6
    return "intermediate-dev" if rest == 0 else "intermediate-test" if rest == 1 else "intermediate-train"


def in_part(event: Event, part: Part) -> bool:
    """Whether an event belongs to the part; builders ask it of every meaning, derived ones included."""
    return part_of(head(event.subject), event.verb, head(event.object)) == part


def is_animate(phrase: Phrase | None) -> bool:
    """Whether a phrase names a person or an animal."""
    if isinstance(phrase, CommonNoun):
        return lexicon().nouns[phrase.noun].animate
    return isinstance(phrase, Person)


def is_quantified(phrase: Phrase | None) -> bool:
    """Whether a phrase has the determiner "every" or "no"."""
    return isinstance(phrase, CommonNoun) and phrase.determiner in ("every", "no")


def definite(phrase: Phrase) -> Phrase:
    """The phrase as it is taken up again: "a red car" becomes "the red car"."""
    if isinstance(phrase, CommonNoun) and phrase.determiner == "indefinite":
        return phrase._replace(determiner="definite")
    return phrase


def denies(event: Event) -> bool:
    """Whether the event has not happened: negated, or with a subject under "no"."""
    subject = event.subject
    return event.negated or (isinstance(subject, CommonNoun) and subject.determiner == "no")
