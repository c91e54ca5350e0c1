"""Annotated tokens and how they become text."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from .lexicon import lexicon
from .meaning import Organisation, Person, Time


class Token(NamedTuple):
    """A word with its UPOS tag, BIO entity tag, role in the clause and (English only) CCG category.

    Roles: subject, object, recipient, place, time, verb, asked (question words), mark (punctuation), link.
    """

    word: str
    upos: str
    role: str
    entity: str = "O"
    ccg: str = ""


Tokens = tuple[Token, ...]

ADVERB = "(S\\NP)\\(S\\NP)"
_ASIAN_MARKS = {".": "。", "?": "？", ",": "，"}
_CLOSING = frozenset(".,?。？，")


def mark(language: str, sign: str) -> Tokens:
    """A punctuation mark, full-width in Chinese."""
    return (Token(_ASIAN_MARKS[sign] if language == "zh" else sign, "PUNCT", "mark", ccg=sign),)


def tokens(role: str, *pairs: tuple[str, str]) -> Tokens:
    """Tokens of one role from (word, UPOS) pairs."""
    return tuple(Token(word, upos, role) for word, upos in pairs)


def entity(words: Iterable[str], label: str, role: str) -> Tokens:
    """A proper name: B-/I- tags; a Chinese name's dot is punctuation inside the entity."""
    return tuple(
        Token(word, "PUNCT" if word == "·" else "PROPN", role, f"{'I' if i else 'B'}-{label}")
        for i, word in enumerate(words)
    )


def name_words(language: str, phrase: Person | Organisation) -> tuple[str, list[str]]:
    """The entity label of a name and its words in the nominative."""
    found = lexicon()
    if isinstance(phrase, Organisation):
        return "ORG", found.organisations[phrase.name].forms[language].split()
    words = [found.first_names[phrase.first].forms[language]]
    if phrase.last is not None:
        words += ["·"] * (language == "zh") + [found.last_names[phrase.last].forms[language]]
    return "PER", words


@lru_cache(maxsize=4096)
def time_tokens(language: str, time: Time) -> Tokens:
    """A time expression."""
    pairs = lexicon().times[time.key].words[language]
    return tokens("time", *((str(time.year) if word == "Y" else word, upos) for word, upos in pairs))


def capitalise(language: str, word: str) -> str:
    """The word with a capital first letter; Turkish i becomes İ."""
    first = "İ" if language == "tr" and word[0] == "i" else word[0].upper()
    return first + word[1:]


def detokenise(language: str, sentence: Iterable[Token]) -> tuple[str, list[tuple[int, int]]]:
    """Text of a sentence and the character span of each token in it."""
    text, spans, previous = "", [], ""
    for token in sentence:
        word = token.word
        if previous in ("", "¿"):
            word = capitalise(language, word)
        if text and language != "zh" and word not in _CLOSING and previous != "¿":
            text += " "
        spans.append((len(text), len(text) + len(word)))
        text += word
        previous = word
    return text, spans


def join(language: str, sentences: Iterable[str]) -> str:
    """A text of several sentences; Chinese puts no space between them."""
    return ("" if language == "zh" else " ").join(sentences)
