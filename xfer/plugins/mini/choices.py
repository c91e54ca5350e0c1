"""Multiple choice: what happens next, and questions about stories.

In each kind the right choice is picked among choices that are drawn alike, so the choices alone do not betray it.
"""

from __future__ import annotations

import random
from collections.abc import Hashable, Sequence
from functools import cache
from typing import NamedTuple, TypeVar

from . import sampler, sentence, stories
from .lexicon import lexicon
from .meaning import CommonNoun, Event, Order, Part, Role, head, is_animate, part_of
from .sampler import PLAIN
from .stories import Story

T = TypeVar("T")

# Verbs whose objects come from one group of categories only, and the verbs by which one gets such things.
USES: dict[str, str] = {
    "edible": "eat",
    "drink": "drink",
    "text": "read",
    "vehicle": "steer",
    "garment": "wear",
}
GROUPS: dict[str, tuple[str, ...]] = {"edible": ("food", "fruit"), "animate": ("animal", "person")}
_GETS = ("buy", "find", "steal", "choose", "see", "hide")


def categories_of(group: str) -> tuple[str, ...]:
    """The noun categories of a group of objects."""
    return GROUPS.get(group, (group,))


class Ending(NamedTuple):
    """An event and four events that may follow it."""

    told: Event
    order: Order
    endings: tuple[Event, ...]
    label: int


def shuffled(rng: random.Random, items: Sequence[T], right: int) -> tuple[tuple[T, ...], int]:
    """The items in random order and the new place of the right one."""
    places = list(range(len(items)))
    rng.shuffle(places)
    return tuple(items[place] for place in places), places.index(right)


def draw_ending(rng: random.Random, part: Part) -> Ending:
    """Two uses by two objects: right is the use that fits the object told before.

    Each verb and each object occurs in two of the four endings, and either object might have been told. Both
    objects with their uses lie in the part; the endings with the wrong use break a selectional restriction, so no
    other text of the mini world can contain them.
    """
    while True:
        groups = rng.sample(tuple(USES), 2)
        pool = rng.choice(("name", "person"))
        subject = rng.choice(sampler.heads(pool))
        things = [_usable(part, subject, group) for group in groups]
        if all(things):
            break
    objects = [rng.choice(found) for found in things]
    who = sampler.phrase(rng, subject, pool, PLAIN, "definite")
    endings = [
        Event(who, use, CommonNoun("definite", None, thing))
        for use in (USES[group] for group in groups)
        for thing in objects
    ]
    chosen = rng.randrange(2)
    told = sampler.phrase(rng, objects[chosen], "", PLAIN)
    place = sampler.place(rng) if rng.random() < 0.4 else None
    time = sampler.time(rng) if rng.random() < 0.4 else None
    event = Event(who, rng.choice(_gets(part, subject, objects[chosen])), told, None, place, time)
    mixed, label = shuffled(rng, endings, 3 * chosen)
    return Ending(event, sampler.order(rng), mixed, label)


@cache
def _usable(part: Part, subject: str, group: str) -> list[str]:
    """The objects of a group that the subject gets and uses in meanings of the part."""
    nouns = (noun for category in categories_of(group) for noun in lexicon().by_category[category])
    return [n for n in nouns if part_of(subject, USES[group], n) == part and _gets(part, subject, n)]


@cache
def _gets(part: Part, subject: str, noun: str) -> list[str]:
    """The verbs by which the subject may get or meet the thing, in the part."""
    category, verbs = lexicon().nouns[noun].category, lexicon().verbs
    return [v for v in _GETS if category in verbs[v].objects and part_of(subject, v, noun) == part]


def render_ending(item: Ending, language: str) -> dict[str, object]:
    """Columns prompt, choices, label."""
    choices = [sentence.text(language, sentence.sentence(language, event)) for event in item.endings]
    prompt = sentence.text(language, sentence.sentence(language, item.told, item.order))
    return {"prompt": prompt, "choices": choices, "label": item.label}


class StoryChoice(NamedTuple):
    """A story with a question and four events whose constituents are the choices."""

    story: Story
    choices: tuple[Event, ...]
    label: int


def draw_story_choice(rng: random.Random, part: Part) -> StoryChoice:
    """The wrong choices are constituents of the same role from this story and from others like it."""
    story = stories.story(rng, part)
    right = story.events[story.position]
    distinct: dict[Hashable, Event] = {_core(right, story.role): right}
    told = story.events
    while len(distinct) < 4:
        for event in told:
            if len(distinct) < 4 and _fills(event, right, story.role):
                distinct.setdefault(_core(event, story.role), event)
        told = stories.events(rng, part, 2)
    choices, label = shuffled(rng, list(distinct.values()), 0)
    return StoryChoice(story, choices, label)


def _core(event: Event, role: Role) -> Hashable:
    """What tells two constituents apart: of phrases the head, as "the boat" and "the old boat" may both fit."""
    if role in ("place", "time"):
        return event.place if role == "place" else event.time
    return head(event.subject if role == "subject" else event.object)


def _fills(event: Event, right: Event, role: Role) -> bool:
    """Whether the event has the role, filled by something that the question word ("who" or "what") allows."""
    if role == "object":
        return event.object is not None and is_animate(event.object) == is_animate(right.object)
    return getattr(event, role) is not None


def render_story_choice(item: StoryChoice, language: str) -> dict[str, object]:
    """Columns prompt (story and question), choices, label."""
    story = item.story
    lines = [
        sentence.sentence(language, event, order) for event, order in zip(story.events, story.orders, strict=True)
    ]
    prompt = sentence.text(language, *lines, sentence.question(language, story.asked, story.role))
    choices = [sentence.constituent(language, event, story.role) for event in item.choices]
    return {"prompt": prompt, "choices": choices, "label": item.label}
