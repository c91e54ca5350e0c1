"""Russian: four singular cases, agreement of adjectives and past tense, double negation."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

from .lexicon import Noun, lexicon
from .meaning import CommonNoun, Event, Order, Phrase, Place, Role, denies, is_animate, is_quantified
from .tokens import Token, Tokens, entity, name_words, time_tokens, tokens

Case = Literal["nom", "acc", "dat", "pre"]
_ONE = {
    "nom": {"m": "один", "f": "одна", "n": "одно"},
    "acc": {"m": "один", "f": "одну", "n": "одно"},
    "dat": {"m": "одному", "f": "одной", "n": "одному"},
}
_WAS = {"m": "был", "f": "была", "n": "было"}
_ASKED = {
    "subject": tokens("asked", ("кто", "PRON")),
    "object": tokens("asked", ("что", "PRON")),
    "place": tokens("asked", ("где", "ADV")),
    "time": tokens("asked", ("когда", "ADV")),
}
_WHOM = tokens("asked", ("кого", "PRON"))


def decline(word: str, gender: str, case: Case, animate: bool) -> str:
    """A noun or first name in the singular; regular declensions only."""
    if case == "nom":
        return word
    if gender == "f":
        return _decline_feminine(word, case)
    if gender == "n":
        return _decline_neuter(word, case)
    soft = word.endswith(("ь", "й"))
    stem = word[:-1] if soft else word
    if case == "acc":
        return stem + ("я" if soft else "а") if animate else word
    if case == "dat":
        return stem + ("ю" if soft else "у")
    return stem + "е"


def _decline_feminine(word: str, case: Case) -> str:
    stem, last = word[:-1], word[-1]
    if last == "ь":
        return word if case == "acc" else stem + "и"
    if case == "acc":
        return stem + ("у" if last == "а" else "ю")
    return stem + ("и" if word.endswith("ия") else "е")


def _decline_neuter(word: str, case: Case) -> str:
    if case == "acc":
        return word
    stem, soft = word[:-1], word.endswith("е")
    if word == "животное":  # declines like an adjective
        return stem[:-1] + ("ому" if case == "dat" else "ом")
    if case == "dat":
        return stem + ("ю" if soft else "у")
    return stem + ("и" if word.endswith("ие") else "е")


_SOFT = {"ая": "яя", "ое": "ее", "ую": "юю", "ой": "ей", "ого": "его", "ому": "ему", "ом": "ем"}


def adjective_form(word: str, gender: str, case: Case, animate: bool) -> str:
    """An adjective (also "каждый") agreeing in gender, case and animacy."""
    stem, soft = word[:-2], word.endswith("ний")
    if gender == "m" and (case == "nom" or (case == "acc" and not animate)):
        return word
    if gender == "f":
        ending = {"nom": "ая", "acc": "ую"}.get(case, "ой")
    elif case == "acc":
        ending = "ого" if gender == "m" else "ое"
    else:
        ending = {"nom": "ое", "dat": "ому", "pre": "ом"}[case]
    return stem + (_SOFT[ending] if soft else ending)


def _noun_form(noun: Noun, case: Case) -> str:
    if not noun.russian_declines:
        return noun.russian
    return decline(noun.russian, noun.russian_gender, case, noun.animate)


@lru_cache(maxsize=8192)
def noun_phrase(phrase: Phrase, case: Case, role: Role) -> Tokens:
    """A noun phrase; of a person the first name declines, organisations and last names do not."""
    if not isinstance(phrase, CommonNoun):
        label, words = name_words("ru", phrase)
        if label == "PER":
            words[0] = decline(words[0], _gender(phrase), case, True)
        return entity(words, label, role)
    noun = lexicon().nouns[phrase.noun]
    gender = noun.russian_gender
    words_: list[tuple[str, str]] = []
    if phrase.determiner == "every":
        words_.append((adjective_form("каждый", gender, case, noun.animate), "DET"))
    elif phrase.determiner == "no":
        words_ += [("ни", "PART"), (_ONE[case][gender], "NUM")]
    if phrase.adjective:
        adjective = lexicon().adjectives[phrase.adjective].russian
        words_.append((adjective_form(adjective, gender, case, noun.animate), "ADJ"))
    return tokens(role, *words_, (_noun_form(noun, case), "NOUN"))


def _gender(phrase: Phrase) -> str:
    if isinstance(phrase, CommonNoun):
        return lexicon().nouns[phrase.noun].russian_gender
    if len(phrase) == 2:
        return lexicon().first_names[phrase[0]].gender
    return lexicon().organisations[phrase[0]].gender


@lru_cache(maxsize=512)
def place_phrase(place: Place) -> Tokens:
    """ "в" (with a kitchen "на") and the prepositional case."""
    if place.city:
        word = lexicon().cities[place.key].forms["ru"]
        if not word.endswith("о"):
            word = decline(word, "f" if word.endswith("а") else "m", "pre", False)
        return (Token("в", "ADP", "place"), *entity([word], "LOC", "place"))
    noun = lexicon().nouns[place.key]
    form = noun.russian_in or decline(noun.russian, noun.russian_gender, "pre", False)
    return tokens("place", (noun.russian_preposition, "ADP"), (form, "NOUN"))


def past_form(verb: str, gender: str) -> str:
    """The past tense of a verb by the gender of its subject."""
    found = lexicon().verbs[verb]
    if gender == "m":
        return found.russian
    feminine = found.russian_feminine
    if gender == "f":
        return feminine
    return feminine[:-3] + "ось" if feminine.endswith("сь") else feminine[:-1] + "о"


def _finite(event: Event, gender: str) -> Tokens:
    negation = (Token("не", "PART", "verb"),) if denies(event) else ()
    return (*negation, Token(past_form(event.verb, gender), "VERB", "verb"))


def _objects(event: Event, order: Order) -> Tokens:
    direct = noun_phrase(event.object, "acc", "object") if event.object else ()
    recipient = noun_phrase(event.recipient, "dat", "recipient") if event.recipient else ()
    return (*direct, *recipient) if order == "alternate" else (*recipient, *direct)


def clause(event: Event, order: Order = "canonical") -> Tokens:
    """A declarative clause without its final mark."""
    subject = noun_phrase(event.subject, "nom", "subject")
    verb, objects = _finite(event, _gender(event.subject)), _objects(event, order)
    place = place_phrase(event.place) if event.place else ()
    time = time_tokens("ru", event.time) if event.time else ()
    if order == "fronted" and time:
        return (*time, *subject, *verb, *objects, *place)
    if order == "fronted" and place:
        return (*place, *subject, *verb, *objects)
    if order == "cleft" and not is_quantified(event.subject):
        return (Token("именно", "PART", "verb"), *subject, *verb, *objects, *place, *time)
    if order == "alternate" and _can_front_object(event):
        return (*objects, *verb, *subject, *place, *time)
    return (*subject, *time, *verb, *objects, *place)


def _can_front_object(event: Event) -> bool:
    """An object comes first only where animacy tells it from the subject, as case forms may coincide."""
    return (
        event.object is not None
        and event.recipient is None
        and not is_animate(event.object)
        and not is_quantified(event.subject)
    )


def question(event: Event, asked: Role, animate: bool) -> Tokens:
    """A question about one constituent; `animate`: the asked object is a person or an animal."""
    word = _WHOM if asked == "object" and animate else _ASKED[asked]
    objects = tuple(t for t in _objects(event, "canonical") if t.role != asked)
    place = place_phrase(event.place) if event.place and asked != "place" else ()
    time = time_tokens("ru", event.time) if event.time and asked != "time" else ()
    if asked == "subject":
        return (*word, *_finite(event, "m"), *objects, *place, *time)
    subject = noun_phrase(event.subject, "nom", "subject")
    verb = _finite(event, _gender(event.subject))
    if asked == "object":
        return (*word, *verb, *subject, *objects, *place, *time)
    return (*word, *subject, *verb, *objects, *place, *time)


def _instance(noun: str, determiner: Literal["definite", "indefinite"] = "indefinite") -> Tokens:
    return noun_phrase(CommonNoun(determiner, None, noun), "nom", "subject")


def is_a(noun: str) -> Tokens:
    """ "Собака — это животное"."""
    hypernym = CommonNoun("indefinite", None, lexicon().nouns[noun].hypernym or noun)
    link = tokens("verb", ("—", "PUNCT"), ("это", "PRON"))
    return (*_instance(noun), *link, *noun_phrase(hypernym, "nom", "object"))


def what_is(noun: str) -> Tokens:
    """ "Что такое машина", of people and animals "Кто такая собака"."""
    found = lexicon().nouns[noun]
    if not found.animate:
        return (*tokens("asked", ("что", "PRON"), ("такое", "DET")), *_instance(noun))
    such = {"m": "такой", "f": "такая", "n": "такое"}[found.russian_gender]
    return (*tokens("asked", ("кто", "PRON"), (such, "DET")), *_instance(noun))


def predicate(noun: str, adjective: str) -> Token:
    """The adjective as predicate of the noun, in the nominative."""
    gender = lexicon().nouns[noun].russian_gender
    return Token(adjective_form(lexicon().adjectives[adjective].russian, gender, "nom", False), "ADJ", "verb")


def attribute(noun: str, adjective: str, negated: bool) -> Tokens:
    """ "Машина (не) была красная"."""
    was = Token(_WAS[lexicon().nouns[noun].russian_gender], "AUX", "verb")
    negation = (Token("не", "PART", "verb"),) if negated else ()
    return (*_instance(noun, "definite"), *negation, was, predicate(noun, adjective))


def how_was(noun: str) -> Tokens:
    """ "Какая была машина"."""
    gender = lexicon().nouns[noun].russian_gender
    how = {"m": "какой", "f": "какая", "n": "какое"}[gender]
    return (Token(how, "DET", "asked"), Token(_WAS[gender], "AUX", "verb"), *_instance(noun, "definite"))
