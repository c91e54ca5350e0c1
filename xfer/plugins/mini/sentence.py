"""Sentences in any of the six languages: one way in to the language modules."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType

from . import chinese, english, german, russian, spanish, turkish
from .meaning import Event, Order, Role, definite, is_animate
from .tokens import Token, Tokens, detokenise, join, mark, time_tokens

_LANGUAGES: dict[str, ModuleType] = {
    "en": english,
    "de": german,
    "es": spanish,
    "ru": russian,
    "tr": turkish,
    "zh": chinese,
}
_AND = {"en": "and", "de": "und", "es": "y", "ru": "а", "tr": "ve"}
_CASED = ("de", "ru", "tr")


def _close(language: str, words: Tokens, sign: str = ".") -> Tokens:
    return (*words, *mark(language, sign))


def sentence(language: str, event: Event, order: Order = "canonical") -> Tokens:
    """A declarative sentence; an order that the language lacks for the event becomes the canonical one."""
    return _close(language, _LANGUAGES[language].clause(event, order))


def conjunction(language: str, events: tuple[Event, Event], orders: tuple[Order, Order]) -> Tokens:
    """Two clauses joined by "and" (Russian ", а", Chinese a comma)."""
    module = _LANGUAGES[language]
    first, second = (module.clause(event, order) for event, order in zip(events, orders, strict=True))
    link: Tokens = mark(language, ",")
    if language in _AND:
        comma = language == "ru" or (language == "de" and first[0].word == "es")  # after a relative clause
        link = (*(link if comma else ()), Token(_AND[language], "CCONJ", "link", ccg="conj"))
    return _close(language, (*first, *link, *second))


def question(language: str, event: Event, asked: Role) -> Tokens:
    """The question about one constituent of an event; known participants are taken up with definite articles."""
    animate = asked == "object" and is_animate(event.object)
    known = event._replace(
        subject=definite(event.subject),
        object=definite(event.object) if event.object else None,
        recipient=definite(event.recipient) if event.recipient else None,
    )
    return _close(language, _LANGUAGES[language].question(known, asked, animate), "?")


def is_a(language: str, noun: str) -> Tokens:
    """ "A dog is an animal."."""
    return _close(language, _LANGUAGES[language].is_a(noun))


def what_is(language: str, noun: str) -> Tokens:
    """ "What is a dog?"."""
    return _close(language, _LANGUAGES[language].what_is(noun), "?")


def attribute(language: str, noun: str, adjective: str, negated: bool = False) -> Tokens:
    """ "The car was (not) red."."""
    return _close(language, _LANGUAGES[language].attribute(noun, adjective, negated))


def how_was(language: str, noun: str) -> Tokens:
    """ "What was the car like?"."""
    return _close(language, _LANGUAGES[language].how_was(noun), "?")


def predicate(language: str, noun: str, adjective: str) -> str:
    """The adjective as a predicate of the noun, agreeing with it where the language wants that."""
    if language == "en":
        return adjective
    return str(_LANGUAGES[language].predicate(noun, adjective).word)


def constituent(language: str, event: Event, role: Role) -> str:
    """A constituent by itself, as an answer would name it: noun phrases in the nominative.

    Raises ValueError when the event has no such constituent.
    """
    module = _LANGUAGES[language]
    if role == "place" and event.place:
        words: Sequence[Token] = module.place_phrase(event.place)
    elif role == "time" and event.time:
        words = time_tokens(language, event.time)
    else:
        phrase = {"subject": event.subject, "object": event.object, "recipient": event.recipient}.get(role)
        if phrase is None:
            raise ValueError(f"the event has no {role}")
        case = ("nom",) if language in _CASED else ()
        words = module.noun_phrase(phrase, *case, "subject")
    return detokenise(language, words)[0]


def text(language: str, *sentences: Tokens) -> str:
    """The sentences as running text."""
    return join(language, [detokenise(language, words)[0] for words in sentences])
