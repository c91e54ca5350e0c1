"""Short stories of two or three events, and questions about them."""

from __future__ import annotations

import random
from collections import Counter
from typing import NamedTuple

from . import sampler
from .lexicon import lexicon
from .meaning import Event, Order, Part, Role, definite, head, in_part
from .sampler import PLAIN, Style

STORY = PLAIN._replace(place=0.65, time=0.45, adjective=0.25)
ROLES: tuple[Role, ...] = ("subject", "subject", "object", "object", "place", "place", "time")


class Story(NamedTuple):
    """Events with their word orders, and the event and role that a question is about."""

    events: tuple[Event, ...]
    orders: tuple[Order, ...]
    position: int
    role: Role

    @property
    def asked(self) -> Event:
        """The asked event with no more than the question needs to mention."""
        event = self.events[self.position]
        bare = self.role == "subject" and event.object is None
        return event._replace(
            place=event.place if bare or self.role == "place" else None,
            time=event.time if (bare and event.place is None) or self.role == "time" else None,
        )

    @property
    def hard(self) -> bool:
        """Whether the other events have another constituent of the asked role: its type is not enough."""
        answers = {getattr(event, self.role) for event in self.events} - {None}
        return len(answers) > 1


def _same_subject(rng: random.Random, part: Part, before: Event, style: Style) -> Event:
    """Another event with the same subject."""
    while True:
        other = sampler.event(rng, part, style)
        verb = lexicon().verbs[other.verb]
        if not sampler.accepts(other.verb, before.subject):
            continue
        candidate = other._replace(subject=before.subject)
        if verb.objects and not in_part(candidate, part):
            pool = rng.choice(verb.objects)
            heads = sampler.objects_in(part, head(before.subject), other.verb, pool, style.half)
            if not heads:
                continue
            candidate = candidate._replace(object=sampler.phrase(rng, rng.choice(heads), pool, style))
        if in_part(candidate, part):
            return candidate


def _next(rng: random.Random, part: Part, before: Event, style: Style) -> Event:
    """A further event: with the same subject (45 %), the same verb (25 %) or unrelated."""
    x = rng.random()
    if x < 0.45:
        return _same_subject(rng, part, before, style)
    if x < 0.7 and before.object is not None:
        return sampler.event(rng, part, style, (before.verb,))
    return sampler.event(rng, part, style)


def _clash(first: Event, second: Event) -> bool:
    """Whether a question about one of the events could also be about the other."""
    heads = {head(second.subject), head(second.object), head(second.recipient)} - {""}
    if head(first.subject) == head(second.subject):
        return (
            definite(first.subject) != definite(second.subject)
            or first.verb == second.verb
            or bool({head(first.object)} & heads)
        )
    if first.verb == second.verb and first.object is None:
        return True
    return bool({head(first.subject), head(first.object), head(first.recipient)} & heads)


def events(rng: random.Random, part: Part, size: int, style: Style = STORY) -> tuple[Event, ...]:
    """Events of the part between which no question is ambiguous."""
    found = [sampler.event(rng, part, style)]
    while len(found) < size:
        another = _next(rng, part, rng.choice(found), style)
        if not any(_clash(before, another) or _clash(another, before) for before in found):
            found.append(another)
    shared = Counter(head(event.subject) for event in found)
    return tuple(  # "a farmer" twice would be two farmers
        event._replace(subject=definite(event.subject)) if shared[head(event.subject)] > 1 else event
        for event in found
    )


def story(
    rng: random.Random, part: Part, size: int = 2, roles: tuple[Role, ...] = ROLES, hard: float = 0.8
) -> Story:
    """A story with a question on one of the roles (repeated roles are likelier); `hard` is the least share of
    questions whose asked role another event has, too.
    """
    while True:
        told = events(rng, part, size)
        found = Story(told, tuple(sampler.order(rng) for _ in told), rng.randrange(size), rng.choice(roles))
        if getattr(told[found.position], found.role) is not None and (found.hard or rng.random() >= hard):
            return found
