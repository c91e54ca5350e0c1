"""English: morphology, word order and CCG categories (CCGbank style)."""

from __future__ import annotations

from functools import lru_cache

from .lexicon import lexicon
from .meaning import CommonNoun, Event, Order, Person, Phrase, Place, Role, Time, is_quantified
from .tokens import ADVERB, Token, Tokens, entity, mark, name_words, time_tokens, tokens

_PREPOSITION = f"({ADVERB})/NP"
_FRAMES = {0: "{}\\NP", 1: "({}\\NP)/NP", 2: "(({}\\NP)/NP)/NP", 3: "(({}\\NP)/PP)/NP"}
_ASKED = {
    "subject": tokens("asked", ("who", "PRON")),
    "object": tokens("asked", ("what", "PRON")),
    "place": tokens("asked", ("where", "ADV")),
    "time": tokens("asked", ("when", "ADV")),
}
_WHOM = tokens("asked", ("who", "PRON"))


def _article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"


@lru_cache(maxsize=8192)
def noun_phrase(phrase: Phrase, role: Role) -> Tokens:
    """A noun phrase; mass nouns take no indefinite article."""
    if not isinstance(phrase, CommonNoun):
        label, words = name_words("en", phrase)
        named = entity(words, label, role)
        return (*(t._replace(ccg="N/N") for t in named[:-1]), named[-1]._replace(ccg="N"))
    noun = lexicon().nouns[phrase.noun]
    first, *rest = noun.key.split("_")
    found: list[Token] = []
    if phrase.determiner != "indefinite" or not noun.mass:
        word = {"definite": "the", "every": "every", "no": "no"}.get(phrase.determiner)
        found.append(Token(word or _article(phrase.adjective or first), "DET", role, ccg="NP/N"))
    if phrase.adjective:
        found.append(Token(phrase.adjective, "ADJ", role, ccg="N/N"))
    if rest:  # "piece of furniture"
        found.append(Token(first, "NOUN", role, ccg="N/PP"))
        found.append(Token(rest[0], "ADP", role, ccg="PP/NP"))
        first = rest[1]
    return (*found, Token(first, "NOUN", role, ccg="N"))


@lru_cache(maxsize=512)
def place_phrase(place: Place, fronted: bool = False) -> Tokens:
    """ "in" with a city or a definite noun."""
    preposition = Token("in", "ADP", "place", ccg="(S/S)/NP" if fronted else _PREPOSITION)
    if place.city:
        return (preposition, entity([place.key], "LOC", "place")[0]._replace(ccg="N"))
    return (preposition, Token("the", "DET", "place", ccg="NP/N"), Token(place.key, "NOUN", "place", ccg="N"))


@lru_cache(maxsize=2048)
def time_phrase(time: Time, fronted: bool = False) -> Tokens:
    """A time expression with its categories as a modifier of the verb phrase or, fronted, of the sentence."""
    words = time_tokens("en", time)
    modifier = "S/S" if fronted else ADVERB
    if words[0].upos == "ADP":
        categories = [f"({modifier})/NP", *("NP/N" if t.upos == "DET" else "N" for t in words[1:])]
    else:
        categories = [f"({modifier})/({modifier})"] * (len(words) - 1) + [modifier]
    return tuple(t._replace(ccg=c) for t, c in zip(words, categories, strict=True))


def _verb(event: Event, frame: int) -> Tokens:
    verb = lexicon().verbs[event.verb]
    if not event.negated:
        return (Token(verb.past, "VERB", "verb", ccg=_FRAMES[frame].format("S[dcl]")),)
    return (
        Token("did", "AUX", "verb", ccg="(S[dcl]\\NP)/(S[b]\\NP)"),
        Token("not", "PART", "verb", ccg=ADVERB),
        Token(verb.key, "VERB", "verb", ccg=_FRAMES[frame].format("S[b]")),
    )


def _objects(event: Event, order: Order) -> tuple[int, Tokens]:
    """The complement frame and the objects: "gave Maria a book" or, alternate, "gave a book to Maria"."""
    if event.object is None:
        return 0, ()
    direct = noun_phrase(event.object, "object")
    if event.recipient is None:
        return 1, direct
    recipient = noun_phrase(event.recipient, "recipient")
    if order == "alternate":
        return 3, (*direct, Token("to", "ADP", "recipient", ccg="PP/NP"), *recipient)
    return 2, (*recipient, *direct)


def clause(event: Event, order: Order = "canonical") -> Tokens:
    """A declarative clause without its final mark."""
    frame, objects = _objects(event, order)
    subject, verb = noun_phrase(event.subject, "subject"), _verb(event, frame)
    place = place_phrase(event.place) if event.place else ()
    time = time_phrase(event.time) if event.time else ()
    if order == "fronted" and event.time:
        return (*time_phrase(event.time, True), *mark("en", ","), *subject, *verb, *objects, *place)
    if order == "fronted" and event.place:
        return (*place_phrase(event.place, True), *mark("en", ","), *subject, *verb, *objects)
    if order == "cleft" and not is_quantified(event.subject):
        return (*_cleft(event, subject), *verb, *objects, *place, *time)
    return (*subject, *verb, *objects, *place, *time)


def _cleft(event: Event, subject: Tokens) -> Tokens:
    human = _is_human(event.subject)
    relative = Token("who" if human else "that", "PRON", "verb", ccg="(NP\\NP)/(S[dcl]\\NP)")
    opening = (Token("it", "PRON", "verb", ccg="NP"), Token("was", "AUX", "verb", ccg="(S[dcl]\\NP)/NP"))
    return (*opening, *subject, relative)


def _is_human(phrase: Phrase) -> bool:
    if isinstance(phrase, CommonNoun):
        return "person" in (phrase.noun, lexicon().nouns[phrase.noun].category)
    return isinstance(phrase, Person)


def question(event: Event, asked: Role, animate: bool) -> Tokens:
    """A question about one constituent; `animate`: the asked object is a person or an animal."""
    verb = lexicon().verbs[event.verb]
    word = _WHOM if asked == "object" and animate else _ASKED[asked]
    place = place_phrase(event.place) if event.place and asked != "place" else ()
    time = time_phrase(event.time) if event.time and asked != "time" else ()
    if asked == "subject":
        return (*word, Token(verb.past, "VERB", "verb"), *_objects(event, "alternate")[1], *place, *time)
    objects = _objects(event, "alternate")[1]
    if asked == "object":
        objects = tuple(t for t in objects if t.role == "recipient")
    subject = noun_phrase(event.subject, "subject")
    base = Token(verb.key, "VERB", "verb")
    return (*word, Token("did", "AUX", "verb"), *subject, base, *objects, *place, *time)


def is_a(noun: str) -> Tokens:
    """ "A dog is an animal"."""
    found = lexicon().nouns[noun]
    hypernym = CommonNoun("indefinite", None, found.hypernym or noun)
    kind, instance = noun_phrase(hypernym, "object"), CommonNoun("indefinite", None, noun)
    return (*noun_phrase(instance, "subject"), Token("is", "AUX", "verb", ccg="(S[dcl]\\NP)/NP"), *kind)


def what_is(noun: str) -> Tokens:
    """ "What is a dog"."""
    instance = noun_phrase(CommonNoun("indefinite", None, noun), "subject")
    return (*_ASKED["object"], Token("is", "AUX", "verb"), *instance)


def attribute(noun: str, adjective: str, negated: bool) -> Tokens:
    """ "The car was (not) red"."""
    subject = noun_phrase(CommonNoun("definite", None, noun), "subject")
    was = Token("was", "AUX", "verb", ccg="(S[dcl]\\NP)/(S[adj]\\NP)")
    negation = (Token("not", "PART", "verb", ccg=ADVERB),) if negated else ()
    return (*subject, was, *negation, Token(adjective, "ADJ", "verb", ccg="S[adj]\\NP"))


def how_was(noun: str) -> Tokens:
    """ "What was the car like"."""
    subject = noun_phrase(CommonNoun("definite", None, noun), "subject")
    return (*_ASKED["object"], Token("was", "AUX", "verb"), *subject, Token("like", "ADP", "verb"))
