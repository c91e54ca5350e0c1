"""German: three determiner tables, adjective endings, weak nouns, verb-second and relative clauses."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

from .lexicon import lexicon
from .meaning import CommonNoun, Event, Order, Person, Phrase, Place, Role, is_quantified
from .tokens import Token, Tokens, entity, mark, name_words, time_tokens, tokens

Case = Literal["nom", "acc", "dat"]
_THE = {
    "nom": {"m": "der", "f": "die", "n": "das"},
    "acc": {"m": "den", "f": "die", "n": "das"},
    "dat": {"m": "dem", "f": "der", "n": "dem"},
}
# Endings of "ein" and "kein", of "jeder" (also adjectives without article), of adjectives after each.
_EIN = {
    "nom": {"m": "", "f": "e", "n": ""},
    "acc": {"m": "en", "f": "e", "n": ""},
    "dat": {"m": "em", "f": "er", "n": "em"},
}
_STRONG = {
    "nom": {"m": "er", "f": "e", "n": "es"},
    "acc": {"m": "en", "f": "e", "n": "es"},
    "dat": {"m": "em", "f": "er", "n": "em"},
}
_MIXED = {**_STRONG, "dat": {"m": "en", "f": "en", "n": "en"}}
_WEAK = {
    "nom": {"m": "e", "f": "e", "n": "e"},
    "acc": {"m": "en", "f": "e", "n": "e"},
    "dat": {"m": "en", "f": "en", "n": "en"},
}
_ASKED = {
    "subject": tokens("asked", ("wer", "PRON")),
    "object": tokens("asked", ("was", "PRON")),
    "place": tokens("asked", ("wo", "ADV")),
    "time": tokens("asked", ("wann", "ADV")),
}
_WHOM = tokens("asked", ("wen", "PRON"))


def adjective_form(word: str, ending: str) -> str:
    """An inflected adjective; "teuer" loses its second e."""
    return ("teur" if word == "teuer" else word) + ending


@lru_cache(maxsize=8192)
def noun_phrase(phrase: Phrase, case: Case, role: Role, denied: bool = False) -> Tokens:
    """A noun phrase; `denied` turns the indefinite article (or none) into "kein"."""
    if not isinstance(phrase, CommonNoun):
        label, words = name_words("de", phrase)
        return entity(words, label, role)
    noun = lexicon().nouns[phrase.noun]
    gender = noun.german_gender
    determiner, endings = _determiner(phrase.determiner, noun.mass, denied)
    found = [Token(determiner[case][gender], "DET", role)] if determiner else []
    if phrase.adjective:
        adjective = lexicon().adjectives[phrase.adjective].german
        found.append(Token(adjective_form(adjective, endings[case][gender]), "ADJ", role))
    return (*found, Token(noun.german + (noun.german_ending if case != "nom" else ""), "NOUN", role))


_Table = dict[str, dict[str, str]]


def _with_stem(stem: str, endings: _Table) -> _Table:
    return {case: {g: stem + ending for g, ending in row.items()} for case, row in endings.items()}


_EIN_FORMS, _KEIN_FORMS = _with_stem("ein", _EIN), _with_stem("kein", _EIN)
_JEDER_FORMS = _with_stem("jed", _STRONG)


def _determiner(kind: str, mass: bool, denied: bool) -> tuple[_Table | None, _Table]:
    """The determiner's forms (None: no article) and the adjective endings after it."""
    if kind == "definite":
        return _THE, _WEAK
    if kind == "every":
        return _JEDER_FORMS, _WEAK
    if kind == "no" or denied:
        return _KEIN_FORMS, _MIXED
    return (None, _STRONG) if mass else (_EIN_FORMS, _MIXED)


def _gender(phrase: Phrase) -> str:
    if isinstance(phrase, Person):
        return lexicon().first_names[phrase.first].gender
    return lexicon().nouns[phrase.noun].german_gender if isinstance(phrase, CommonNoun) else "f"


@lru_cache(maxsize=512)
def place_phrase(place: Place) -> Tokens:
    """ "in" with a city or a definite noun."""
    if place.city:
        city = entity([lexicon().cities[place.key].forms["de"]], "LOC", "place")
        return (Token("in", "ADP", "place"), *city)
    noun = lexicon().nouns[place.key]
    opening = (("in", "ADP"), ("der", "DET")) if noun.german_gender == "f" else (("im", "ADP"),)
    return tokens("place", *opening, (noun.german, "NOUN"))


def _finite(event: Event) -> Tokens:
    verb, subject = lexicon().verbs[event.verb], event.subject
    animal = isinstance(subject, CommonNoun) and (
        subject.noun == "animal" or lexicon().nouns[subject.noun].category == "animal"
    )
    return (Token(verb.german_animal if animal else verb.german, "VERB", "verb"),)


def _middle(event: Event, order: Order) -> Tokens:
    """Recipient, object and negation: an indefinite object takes "kein", all else "nicht"."""
    target = event.object
    kein = event.negated and isinstance(target, CommonNoun) and target.determiner == "indefinite"
    direct = noun_phrase(target, "acc", "object", kein) if target else ()
    recipient = noun_phrase(event.recipient, "dat", "recipient") if event.recipient else ()
    objects = (*direct, *recipient) if order == "alternate" else (*recipient, *direct)
    return (*objects, Token("nicht", "PART", "verb")) if event.negated and not kein else objects


def clause(event: Event, order: Order = "canonical") -> Tokens:
    """A declarative clause without its final mark."""
    subject, verb, middle = noun_phrase(event.subject, "nom", "subject"), _finite(event), _middle(event, order)
    place = place_phrase(event.place) if event.place else ()
    time = time_tokens("de", event.time) if event.time else ()
    if order == "fronted" and time:
        return (*time, *verb, *subject, *middle, *place)
    if order == "fronted" and place:
        return (*place, *verb, *subject, *middle)
    if order == "cleft" and not is_quantified(event.subject):
        opening = tokens("verb", ("es", "PRON"), ("war", "AUX"))
        relative = tokens("verb", (_THE["nom"][_gender(event.subject)], "PRON"))
        return (*opening, *subject, *mark("de", ","), *relative, *time, *middle, *place, *verb)
    return (*subject, *verb, *time, *middle, *place)


def question(event: Event, asked: Role, animate: bool) -> Tokens:
    """A question about one constituent; `animate`: the asked object is a person or an animal."""
    word = _WHOM if asked == "object" and animate else _ASKED[asked]
    middle = tuple(t for t in _middle(event, "canonical") if t.role != asked)
    place = place_phrase(event.place) if event.place and asked != "place" else ()
    time = time_tokens("de", event.time) if event.time and asked != "time" else ()
    if asked == "subject":
        return (*word, Token(lexicon().verbs[event.verb].german, "VERB", "verb"), *time, *middle, *place)
    return (*word, *_finite(event), *noun_phrase(event.subject, "nom", "subject"), *time, *middle, *place)


def is_a(noun: str) -> Tokens:
    """ "Ein Hund ist ein Tier"."""
    hypernym = CommonNoun("indefinite", None, lexicon().nouns[noun].hypernym or noun)
    instance = noun_phrase(CommonNoun("indefinite", None, noun), "nom", "subject")
    return (*instance, Token("ist", "AUX", "verb"), *noun_phrase(hypernym, "nom", "object"))


def what_is(noun: str) -> Tokens:
    """ "Was ist ein Hund"."""
    instance = noun_phrase(CommonNoun("indefinite", None, noun), "nom", "subject")
    return (*_ASKED["object"], Token("ist", "AUX", "verb"), *instance)


def attribute(noun: str, adjective: str, negated: bool) -> Tokens:
    """ "Das Auto war (nicht) rot"."""
    subject = noun_phrase(CommonNoun("definite", None, noun), "nom", "subject")
    negation = (Token("nicht", "PART", "verb"),) if negated else ()
    return (*subject, Token("war", "AUX", "verb"), *negation, predicate(noun, adjective))


def predicate(noun: str, adjective: str) -> Token:
    """The adjective as predicate of the noun: uninflected."""
    return Token(lexicon().adjectives[adjective].german, "ADJ", "verb")


def how_was(noun: str) -> Tokens:
    """ "Wie war das Auto"."""
    subject = noun_phrase(CommonNoun("definite", None, noun), "nom", "subject")
    return (Token("wie", "ADV", "asked"), Token("war", "AUX", "verb"), *subject)
