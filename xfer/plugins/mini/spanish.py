"""Spanish: adjective agreement, personal a, contraction, inverted question mark."""

from __future__ import annotations

from functools import lru_cache

from .lexicon import lexicon
from .meaning import CommonNoun, Determiner, Event, Order, Person, Phrase, Place, Role, is_animate, is_quantified
from .tokens import Token, Tokens, entity, mark, name_words, time_tokens, tokens

_DETERMINERS = {
    "indefinite": {"m": "un", "f": "una"},
    "definite": {"m": "el", "f": "la"},
    "every": {"m": "cada", "f": "cada"},
    "no": {"m": "ningún", "f": "ninguna"},
}
_ASKED = {
    "subject": tokens("asked", ("quién", "PRON")),
    "object": tokens("asked", ("qué", "PRON")),
    "place": tokens("asked", ("dónde", "ADV")),
    "time": tokens("asked", ("cuándo", "ADV")),
}
_PASSING = ("clean", "dirty", "happy", "sad")  # states: with "estar"
_WHOM = tokens("asked", ("a", "ADP"), ("quién", "PRON"))


def adjective_form(word: str, gender: str) -> str:
    """An adjective agreeing in gender."""
    return word[:-1] + "a" if gender == "f" and word.endswith("o") else word


@lru_cache(maxsize=8192)
def noun_phrase(phrase: Phrase, role: Role) -> Tokens:
    """A noun phrase; animate objects and recipients take "a" (with "el": "al")."""
    marked = role == "recipient" or (role == "object" and is_animate(phrase))
    if not isinstance(phrase, CommonNoun):
        label, words = name_words("es", phrase)
        return (*tokens(role, *[("a", "ADP")] * marked), *entity(words, label, role))
    return (*tokens(role, *_opening(phrase, marked)), *bare_phrase(phrase, role))


def _opening(phrase: CommonNoun, marked: bool) -> list[tuple[str, str]]:
    noun = lexicon().nouns[phrase.noun]
    if phrase.determiner == "indefinite" and noun.mass:
        return []
    word = _DETERMINERS[phrase.determiner][noun.spanish_gender]
    if not marked:
        return [(word, "DET")]
    return [("al", "ADP")] if word == "el" else [("a", "ADP"), (word, "DET")]


def bare_phrase(phrase: CommonNoun, role: Role) -> Tokens:
    """Noun and adjective without a determiner."""
    noun = lexicon().nouns[phrase.noun]
    words = [Token(noun.spanish, "NOUN", role)]
    if phrase.adjective:
        words.append(predicate(noun.key, phrase.adjective)._replace(role=role))
    return tuple(words)


def predicate(noun: str, adjective: str) -> Token:
    """The adjective as predicate of the noun."""
    form = adjective_form(lexicon().adjectives[adjective].spanish, lexicon().nouns[noun].spanish_gender)
    return Token(form, "ADJ", "verb")


@lru_cache(maxsize=512)
def place_phrase(place: Place) -> Tokens:
    """ "en" with a city or a definite noun."""
    opening = Token("en", "ADP", "place")
    if place.city:
        return (opening, *entity([lexicon().cities[place.key].forms["es"]], "LOC", "place"))
    noun = lexicon().nouns[place.key]
    article = _DETERMINERS["definite"][noun.spanish_gender]
    return (opening, *tokens("place", (article, "DET"), (noun.spanish, "NOUN")))


def _finite(event: Event) -> Tokens:
    negation = (Token("no", "ADV", "verb"),) if event.negated else ()
    return (*negation, Token(lexicon().verbs[event.verb].spanish, "VERB", "verb"))


def _objects(event: Event, order: Order) -> Tokens:
    direct = noun_phrase(event.object, "object") if event.object else ()
    recipient = noun_phrase(event.recipient, "recipient") if event.recipient else ()
    return (*recipient, *direct) if order == "alternate" else (*direct, *recipient)


def clause(event: Event, order: Order = "canonical") -> Tokens:
    """A declarative clause without its final mark."""
    subject, rest = noun_phrase(event.subject, "subject"), (*_finite(event), *_objects(event, order))
    place = place_phrase(event.place) if event.place else ()
    time = time_tokens("es", event.time) if event.time else ()
    if order == "fronted" and time:
        return (*time, *mark("es", ","), *subject, *rest, *place)
    if order == "fronted" and place:
        return (*place, *mark("es", ","), *subject, *rest)
    if order == "cleft" and not is_quantified(event.subject):
        return (Token("fue", "AUX", "verb"), *subject, *_relative(event.subject), *rest, *place, *time)
    return (*subject, *rest, *place, *time)


def _relative(phrase: Phrase) -> Tokens:
    """ "quien" for people, "el que" and "la que" for animals and organisations."""
    if isinstance(phrase, Person):
        return tokens("verb", ("quien", "PRON"))
    noun = lexicon().nouns[phrase.noun] if isinstance(phrase, CommonNoun) else None
    if noun is not None and (noun.category == "person" or noun.key == "person"):
        return tokens("verb", ("quien", "PRON"))
    gender = noun.spanish_gender if noun else "f"
    return tokens("verb", (_DETERMINERS["definite"][gender], "DET"), ("que", "PRON"))


def question(event: Event, asked: Role, animate: bool) -> Tokens:
    """A question about one constituent; `animate`: the asked object is a person or an animal."""
    word = _WHOM if asked == "object" and animate else _ASKED[asked]
    objects = tuple(t for t in _objects(event, "canonical") if t.role != asked)
    subject = noun_phrase(event.subject, "subject") if asked != "subject" else ()
    place = place_phrase(event.place) if event.place and asked != "place" else ()
    time = time_tokens("es", event.time) if event.time and asked != "time" else ()
    return (Token("¿", "PUNCT", "mark"), *word, *_finite(event), *subject, *objects, *place, *time)


def _generic(noun: str, role: Role) -> Tokens:
    """ "un perro", but "el vino": a mass noun as subject needs the definite article."""
    kind: Determiner = "definite" if lexicon().nouns[noun].mass else "indefinite"
    return noun_phrase(CommonNoun(kind, None, noun), role)


def is_a(noun: str) -> Tokens:
    """ "Un perro es un animal"."""
    hypernym = CommonNoun("indefinite", None, lexicon().nouns[noun].hypernym or noun)
    kind = (*tokens("object", *_opening(hypernym, False)), *bare_phrase(hypernym, "object"))
    return (*_generic(noun, "subject"), Token("es", "AUX", "verb"), *kind)


def what_is(noun: str) -> Tokens:
    """ "¿Qué es un perro"."""
    return (
        Token("¿", "PUNCT", "mark"),
        *_ASKED["object"],
        Token("es", "AUX", "verb"),
        *_generic(noun, "subject"),
    )


def attribute(noun: str, adjective: str, negated: bool) -> Tokens:
    """ "El coche (no) era rojo", of a passing state "estaba"."""
    subject = noun_phrase(CommonNoun("definite", None, noun), "subject")
    negation = (Token("no", "ADV", "verb"),) if negated else ()
    was = "estaba" if adjective in _PASSING else "era"
    return (*subject, *negation, Token(was, "AUX", "verb"), predicate(noun, adjective))


def how_was(noun: str) -> Tokens:
    """ "¿Cómo era el coche"."""
    subject = noun_phrase(CommonNoun("definite", None, noun), "subject")
    opening = (Token("¿", "PUNCT", "mark"), Token("cómo", "ADV", "asked"), Token("era", "AUX", "verb"))
    return (*opening, *subject)
