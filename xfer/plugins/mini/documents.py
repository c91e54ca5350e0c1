"""Documents for pretraining and for continued masked-language modelling."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial

from . import sampler, sentence, stories
from .lexicon import adjectives_for, lexicon
from .meaning import CommonNoun, Event, Part, head, in_part, part_of
from .sampler import Style
from .tokens import Tokens

PART: Part = "pretraining"
Utterance = Callable[[str], Tokens]


@dataclass(frozen=True, slots=True)
class Document:
    """An abstract document; called with a language it becomes text."""

    utterances: tuple[Utterance, ...]

    def __call__(self, language: str, /) -> str:
        """The document in a language."""
        return sentence.text(language, *(utter(language) for utter in self.utterances))


@cache
def attributes_in(part: Part, noun: str) -> tuple[str, ...]:
    """The adjectives that, said of a noun, give an attribute sentence of the part."""
    return tuple(a for a in adjectives_for(noun) if part_of(noun, "was", a) == part)


def _tell(event: Event, rng: random.Random) -> Utterance:
    return partial(sentence.sentence, event=event, order=sampler.order(rng))


def _single(rng: random.Random) -> tuple[Utterance, ...]:
    return (_tell(sampler.event(rng, PART, Style()), rng),)


def _two(rng: random.Random) -> tuple[Utterance, ...]:
    return _single(rng) + _single(rng)


def _conjunction(rng: random.Random) -> tuple[Utterance, ...]:
    events = (sampler.event(rng, PART, Style()), sampler.event(rng, PART, Style()))
    orders = (sampler.order(rng), sampler.order(rng))
    return (partial(sentence.conjunction, events=events, orders=orders),)


def _story(rng: random.Random) -> tuple[Utterance, ...]:
    """Two sentences, a question and its answer as a full sentence."""
    told = stories.story(rng, PART)
    lines = tuple(
        partial(sentence.sentence, event=e, order=o) for e, o in zip(told.events, told.orders, strict=True)
    )
    question = partial(sentence.question, event=told.asked, asked=told.role)
    answer = rng.choice((told.asked, told.events[told.position]))
    return (*lines, question, partial(sentence.sentence, event=answer))


def _definition(rng: random.Random) -> tuple[Utterance, ...]:
    """ "What is a dog? A dog is an animal. The dog was not big. The dog was small.", each part optional."""
    nouns = tuple(noun.key for noun in lexicon().nouns.values() if noun.hypernym)
    noun = rng.choice(nouns)
    lines: list[Utterance] = [partial(sentence.is_a, noun=noun)]
    if rng.random() < 0.25:
        lines.insert(0, partial(sentence.what_is, noun=noun))
    adjectives = attributes_in(PART, noun)
    if adjectives and rng.random() < 0.6:
        adjective = rng.choice(adjectives)
        opposite = lexicon().adjectives[adjective].antonym
        if opposite in adjectives and rng.random() < 0.6:
            lines.append(partial(sentence.attribute, noun=noun, adjective=opposite, negated=True))
            if rng.random() < 0.4:
                lines.append(partial(sentence.how_was, noun=noun))
        lines.append(partial(sentence.attribute, noun=noun, adjective=adjective))
    return tuple(lines)


def _taken_up(rng: random.Random) -> tuple[Utterance, ...]:
    """An event whose object is taken up by its hypernym: "Anna bought a dog. The animal was small."."""
    while True:
        event = sampler.event(rng, PART, sampler.PLAIN)
        if isinstance(event.object, CommonNoun) and not isinstance(event.subject, CommonNoun):
            hypernym = lexicon().nouns[event.object.noun].hypernym
            adjectives = attributes_in(PART, hypernym) if hypernym else ()
            if hypernym and adjectives:
                attribute = partial(sentence.attribute, noun=hypernym, adjective=rng.choice(adjectives))
                plain = event._replace(object=event.object._replace(adjective=None))
                return (_tell(plain, rng), attribute)


def _contrast(rng: random.Random) -> tuple[Utterance, ...]:
    """What did not happen and what did: "Anna did not buy the book. Anna bought the hat."."""
    while True:
        event = sampler.event(rng, PART, sampler.PLAIN)
        if event.object is None:
            continue
        denied = sampler.negate(event)
        other = sampler.event(rng, PART, sampler.PLAIN, (event.verb,))
        affirmed = other._replace(subject=denied.subject)
        fits = head(affirmed.object) != head(denied.subject)
        if fits and in_part(affirmed, PART) and head(affirmed.object) != head(event.object):
            return (_tell(denied, rng), _tell(affirmed, rng))


_KINDS: tuple[tuple[float, Callable[[random.Random], tuple[Utterance, ...]]], ...] = (
    (0.12, _definition),
    (0.34, _story),
    (0.20, _conjunction),
    (0.07, _taken_up),
    (0.05, _contrast),
    (0.13, _single),
    (0.09, _two),
)


def documents(seed: int | str, count: int, simple: float = 0.0) -> Iterator[Callable[[str], str]]:
    """Abstract documents, all from the pretraining part; `doc("de")` renders one in German.

    `simple` is the probability that a document is a single event. A seed gives the same documents always, and
    the first n of a longer sequence are those of a shorter one.
    """
    rng = random.Random(f"mini documents {seed}")
    weights = [weight for weight, _ in _KINDS]
    makers = [make for _, make in _KINDS]
    for _ in range(count):
        make = _single if rng.random() < simple else rng.choices(makers, weights)[0]
        yield Document(make(rng))
