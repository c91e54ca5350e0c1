"""Turkish: vowel harmony, consonant softening, verb-final order with the focus before the verb."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

from .lexicon import lexicon
from .meaning import CommonNoun, Event, Order, Phrase, Place, Role, denies, is_animate, is_quantified
from .tokens import Token, Tokens, entity, name_words, time_tokens, tokens

Case = Literal["nom", "acc", "dat", "loc"]
_VOWELS = "aıoueiöü"
_FRONT = "eiöü"
_VOICELESS = "fstkçşhpx"
_HIGH = {"a": "ı", "ı": "ı", "e": "i", "i": "i", "o": "u", "u": "u", "ö": "ü", "ü": "ü"}
_ASKED = {
    "subject": tokens("asked", ("kim", "PRON")),
    "object": tokens("asked", ("ne", "PRON")),
    "place": tokens("asked", ("nerede", "ADV")),
    "time": tokens("asked", ("ne", "DET"), ("zaman", "NOUN")),
}
_WHOM = tokens("asked", ("kimi", "PRON"))


def _last_vowel(word: str) -> str:
    return next(letter for letter in reversed(word.lower()) if letter in _VOWELS)


def low(word: str) -> str:
    """The suffix vowel a or e."""
    return "e" if _last_vowel(word) in _FRONT else "a"


def high(word: str) -> str:
    """The suffix vowel ı, i, u or ü."""
    return _HIGH[_last_vowel(word)]


def _hard(word: str, voiced: str = "d") -> str:
    return "t" if word[-1] in _VOICELESS else voiced


def _soft_stem(word: str) -> str:
    """Final k of a word with several vowels softens before a vowel."""
    if word.endswith("k") and sum(letter in _VOWELS for letter in word) > 1:
        return word[:-1] + "ğ"
    return word


def decline(word: str, case: Case, stem: str | None = None, proper: bool = False) -> str:
    """A noun or (with an apostrophe, never softened) a name; `stem` overrides the softened stem."""
    if case == "nom":
        return word
    join = "'" if proper else ""
    if case == "loc":
        return f"{word}{join}{_hard(word)}{low(word)}"
    vowel = high(word) if case == "acc" else low(word)
    if word[-1] in _VOWELS:
        return f"{word}{join}y{vowel}"
    return (word if proper else stem or _soft_stem(word)) + join + vowel


@lru_cache(maxsize=8192)
def noun_phrase(phrase: Phrase, case: Case, role: Role) -> Tokens:
    """A noun phrase; the last word takes the case, an indefinite inanimate object takes none."""
    if not isinstance(phrase, CommonNoun):
        label, words = name_words("tr", phrase)
        words[-1] = decline(words[-1], case, proper=True)
        return entity(words, label, role)
    noun = lexicon().nouns[phrase.noun]
    before = {"every": [("her", "DET")], "no": [("hiçbir", "DET")]}.get(phrase.determiner, [])
    if phrase.adjective:
        before = [*before, (lexicon().adjectives[phrase.adjective].turkish, "ADJ")]
    if phrase.determiner == "indefinite":
        before = [*before, *[("bir", "DET")] * (not noun.mass)]
        if case == "acc" and not noun.animate:
            case = "nom"
    return tokens(role, *before, (decline(noun.turkish, case, noun.turkish_stem), "NOUN"))


@lru_cache(maxsize=512)
def place_phrase(place: Place) -> Tokens:
    """The locative."""
    if place.city:
        return entity([decline(lexicon().cities[place.key].forms["tr"], "loc", proper=True)], "LOC", "place")
    return tokens("place", (decline(lexicon().nouns[place.key].turkish, "loc"), "NOUN"))


def past_form(stem: str, denied: bool) -> str:
    """The definite past of a verb stem, third person."""
    if denied:
        stem += "m" + low(stem)
    return stem + _hard(stem) + high(stem)


@lru_cache(maxsize=256)
def _finite(verb: str, denied: bool) -> Tokens:
    *noun, stem = lexicon().verbs[verb].turkish.split()
    return tokens("verb", *((word, "NOUN") for word in noun), (past_form(stem, denied), "VERB"))


def _objects(event: Event, order: Order) -> Tokens:
    direct = noun_phrase(event.object, "acc", "object") if event.object else ()
    recipient = noun_phrase(event.recipient, "dat", "recipient") if event.recipient else ()
    return (*direct, *recipient) if order == "alternate" and _is_marked(event) else (*recipient, *direct)


def clause(event: Event, order: Order = "canonical") -> Tokens:
    """A declarative clause without its final mark."""
    subject, objects = noun_phrase(event.subject, "nom", "subject"), _objects(event, order)
    verb = _finite(event.verb, denies(event))
    place = place_phrase(event.place) if event.place else ()
    time = time_tokens("tr", event.time) if event.time else ()
    if order == "fronted" and time:
        return (*time, *subject, *place, *objects, *verb)
    if order == "fronted" and place:
        return (*place, *subject, *objects, *verb)
    if order == "cleft" and not is_quantified(event.subject) and _is_marked(event):
        return (*time, *place, *objects, *subject, *verb)
    if order == "alternate" and event.recipient is None and event.object and _is_marked(event):
        return (*objects, *subject, *time, *place, *verb)
    return (*subject, *time, *place, *objects, *verb)


def _is_marked(event: Event) -> bool:
    """Whether the object (if any) carries a case ending: only then may it leave the place before the verb."""
    target = event.object
    return not isinstance(target, CommonNoun) or target.determiner != "indefinite" or is_animate(target)


def question(event: Event, asked: Role, animate: bool) -> Tokens:
    """A question about one constituent; `animate`: the asked object is a person or an animal."""
    word = _WHOM if asked == "object" and animate else _ASKED[asked]
    verb = _finite(event.verb, denies(event))
    objects = tuple(t for t in _objects(event, "canonical") if t.role != asked)
    place = place_phrase(event.place) if event.place and asked != "place" else ()
    time = time_tokens("tr", event.time) if event.time and asked != "time" else ()
    if asked == "subject":
        return (*time, *place, *objects, *word, *verb)
    subject = noun_phrase(event.subject, "nom", "subject")
    return (*subject, *time, *place, *objects, *word, *verb)


def _bare(noun: str) -> Tokens:
    return noun_phrase(CommonNoun("definite", None, noun), "nom", "subject")


def is_a(noun: str) -> Tokens:
    """ "Köpek bir hayvandır"."""
    word = lexicon().nouns[lexicon().nouns[noun].hypernym or noun].turkish
    copula = word + _hard(word) + high(word) + "r"
    return (*_bare(noun), *tokens("object", ("bir", "DET"), (copula, "NOUN")))


def what_is(noun: str) -> Tokens:
    """ "Köpek nedir"."""
    return (*_bare(noun), Token("nedir", "PRON", "asked"))


def copula_past(word: str) -> str:
    """ "was" as a suffix of an adjective."""
    return word + ("y" if word[-1] in _VOWELS else "") + _hard(word) + high(word)


def predicate(noun: str, adjective: str) -> Token:
    """The adjective as predicate: it does not agree."""
    return Token(lexicon().adjectives[adjective].turkish, "ADJ", "verb")


def attribute(noun: str, adjective: str, negated: bool) -> Tokens:
    """ "Araba kırmızıydı", negated "Araba kırmızı değildi"."""
    word = predicate(noun, adjective)
    if negated:
        return (*_bare(noun), word, Token("değildi", "AUX", "verb"))
    return (*_bare(noun), word._replace(word=copula_past(word.word)))


def how_was(noun: str) -> Tokens:
    """ "Araba nasıldı"."""
    return (*_bare(noun), Token("nasıldı", "ADV", "asked"))
