"""Everyday knowledge as multiple choice: kinds of things, opposites, typical objects.

The five choices are drawn before it is tossed which of them shall be right, and the question follows from that.
"""

from __future__ import annotations

import random
from functools import cache
from typing import NamedTuple

from . import sampler, sentence
from .choices import USES, categories_of
from .documents import attributes_in
from .lexicon import adjectives_for, lexicon
from .meaning import CommonNoun, Event, Part, intermediate_part
from .sampler import PLAIN
from .tokens import detokenise

_TYPICAL: dict[str, tuple[str, ...]] = {
    **{group: (use,) for group, use in USES.items()},
    "text": ("read", "write"),
    "animate": ("catch", "feed", "visit", "kiss"),
}


class KindOf(NamedTuple):
    """ "What is a dog?", with nouns whose hypernyms are the choices."""

    noun: str
    choices: tuple[str, ...]
    label: int


class Opposite(NamedTuple):
    """ "The box was not heavy. What was the box like?", with adjectives to choose from."""

    noun: str
    denied: str
    choices: tuple[str, ...]
    label: int


class TypicalObject(NamedTuple):
    """ "What did Anna read?", with things to choose from."""

    event: Event
    choices: tuple[CommonNoun, ...]
    label: int


Knowledge = KindOf | Opposite | TypicalObject


@cache
def _nouns(part: Part) -> dict[str, tuple[str, ...]]:
    """The nouns of the part under each hypernym; facts are split by noun alone."""
    found: dict[str, list[str]] = {}
    for noun in lexicon().nouns.values():
        if noun.hypernym is not None and part in (intermediate_part(noun.key), "pretraining"):
            found.setdefault(noun.hypernym, []).append(noun.key)
    return {hypernym: tuple(nouns) for hypernym, nouns in found.items()}


def _kind_of(rng: random.Random, part: Part) -> KindOf:
    nouns, representatives = _nouns(part), _nouns("pretraining")
    right = rng.choice(tuple(nouns))
    noun = rng.choice(nouns[right])
    wrong = [hypernym for hypernym in representatives if hypernym != right]
    chosen = [noun, *(representatives[hypernym][0] for hypernym in rng.sample(wrong, 4))]
    order = rng.sample(range(5), 5)
    return KindOf(noun, tuple(chosen[i] for i in order), order.index(0))


@cache
def _opposites(noun: str) -> tuple[tuple[str, str], ...]:
    """The antonym pairs of adjectives that may describe a noun."""
    allowed = adjectives_for(noun)
    pairs = ((a, lexicon().adjectives[a].antonym) for a in allowed)
    return tuple((a, b) for a, b in pairs if b is not None and b in allowed and a < b)


def _opposite(rng: random.Random, part: Part) -> Opposite:
    """Two pairs of opposites and one adjective more; any of the four may be right."""
    nouns = [noun for found in _nouns(part).values() for noun in found if len(_opposites(noun)) > 2]
    while True:
        noun = rng.choice(nouns)
        first, second, third = rng.sample(_opposites(noun), 3)
        choices = rng.sample((*first, *second, rng.choice(third)), 5)
        pairs = (first, second, first[::-1], second[::-1])
        denied, right = rng.choice(pairs)
        if denied in attributes_in(part, noun):
            return Opposite(noun, denied, tuple(choices), choices.index(right))


def _typical_object(rng: random.Random, part: Part) -> TypicalObject:
    """Five things of different use; the verb fits one of them."""
    while True:
        groups = rng.sample(tuple(_TYPICAL), 5)
        label = rng.randrange(5)
        verb = lexicon().verbs[rng.choice(_TYPICAL[groups[label]])]
        pools = [rng.choice(categories_of(group)) for group in groups]
        if groups[label] == "animate":
            pools[label] = rng.choice(verb.objects)
        things = [rng.choice(lexicon().by_category[pool]) for pool in pools]
        pool = rng.choice(("name", "person"))
        subjects = sampler.subjects_in(part, verb.key, things[label], pool)
        if subjects and not ({"soup"} & set(things) and "drink" in groups):  # soup may be drunk
            break
    phrases = tuple(CommonNoun(rng.choice(("indefinite", "definite")), None, thing) for thing in things)
    subject = sampler.phrase(rng, rng.choice(subjects), pool, PLAIN, "definite")
    return TypicalObject(Event(subject, verb.key, phrases[label]), phrases, label)


def draw(rng: random.Random, part: Part, index: int) -> Knowledge:
    """The three kinds of question in turn."""
    return (_kind_of, _opposite, _typical_object)[index % 3](rng, part)


def _kind_text(language: str, noun: str) -> str:
    """ "an animal", as it is said in "a dog is an animal"."""
    words = (token for token in sentence.is_a(language, noun) if token.role == "object")
    return detokenise(language, words)[0]


def render(item: Knowledge, language: str) -> dict[str, object]:
    """Columns prompt, choices, label."""
    if isinstance(item, KindOf):
        prompt = sentence.text(language, sentence.what_is(language, item.noun))
        choices = [_kind_text(language, noun) for noun in item.choices]
    elif isinstance(item, Opposite):
        denial = sentence.attribute(language, item.noun, item.denied, negated=True)
        prompt = sentence.text(language, denial, sentence.how_was(language, item.noun))
        choices = [sentence.predicate(language, item.noun, adjective) for adjective in item.choices]
    else:
        prompt = sentence.text(language, sentence.question(language, item.event, "object"))
        events = (item.event._replace(object=phrase) for phrase in item.choices)
        choices = [sentence.constituent(language, event, "object") for event in events]
    return {"prompt": prompt, "choices": choices, "label": item.label}
