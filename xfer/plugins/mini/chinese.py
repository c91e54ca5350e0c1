"""Chinese: classifiers, 的, 了 and 没, places with 在 before the verb, 把 for the dative alternation."""

from __future__ import annotations

from functools import lru_cache

from .lexicon import lexicon
from .meaning import CommonNoun, Event, Order, Phrase, Place, Role, denies, is_quantified
from .tokens import Token, Tokens, entity, mark, name_words, time_tokens, tokens

_ASKED = {
    "subject": tokens("asked", ("谁", "PRON")),
    "object": tokens("asked", ("什么", "PRON")),
    "place": tokens("asked", ("在", "ADP"), ("哪里", "PRON")),
    "time": tokens("asked", ("什么", "DET"), ("时候", "NOUN")),
}


@lru_cache(maxsize=8192)
def noun_phrase(phrase: Phrase, role: Role) -> Tokens:
    """A noun phrase; an indefinite mass noun stands bare."""
    if not isinstance(phrase, CommonNoun):
        label, words = name_words("zh", phrase)
        return entity(words, label, role)
    noun = lexicon().nouns[phrase.noun]
    opening = {
        "indefinite": [("一", "NUM")],
        "definite": [("那", "DET")],
        "every": [("每", "DET")],
        "no": [("没有", "VERB"), ("一", "NUM")],
    }[phrase.determiner]
    counted = [] if noun.mass and phrase.determiner == "indefinite" else [*opening, (noun.classifier, "NOUN")]
    return tokens(role, *counted, *_adjective(phrase.adjective, noun.chinese), (noun.chinese, "NOUN"))


def _adjective(key: str | None, noun: str) -> list[tuple[str, str]]:
    """The adjective before a noun; without 的 a doubled character would read as another word (小小提琴)."""
    if key is None:
        return []
    adjective = lexicon().adjectives[key]
    bare = adjective.chinese_bare and not noun.startswith(adjective.chinese)
    return [(adjective.chinese, "ADJ"), *[("的", "PART")] * (not bare)]


@lru_cache(maxsize=512)
def place_phrase(place: Place) -> Tokens:
    """在 with a city or a noun, which may need a localiser."""
    opening = Token("在", "ADP", "place")
    if place.city:
        return (opening, *entity([lexicon().cities[place.key].forms["zh"]], "LOC", "place"))
    noun = lexicon().nouns[place.key]
    inside = [(noun.chinese_inside, "ADP")] if noun.chinese_inside else []
    return (opening, *tokens("place", (noun.chinese, "NOUN"), *inside))


def _predicate(event: Event, order: Order, asked: Tokens = ()) -> Tokens:
    """Negation, verb, aspect marker and objects; `asked` stands in the place of the object."""
    verb, target = lexicon().verbs[event.verb], event.object
    object_noun = lexicon().nouns[target.noun] if isinstance(target, CommonNoun) else None
    # 穿 is said of clothes, 戴 of hats and scarves.
    wears = verb.key == "wear" and object_noun is not None and not asked
    word = (object_noun.chinese_wear or verb.chinese) if wears and object_noun else verb.chinese
    denied = denies(event)
    negation = tokens("verb", ("不" if verb.chinese_stative else "没", "ADV")) if event.negated else ()
    direct = asked or (noun_phrase(target, "object") if target else ())
    core = tokens("verb", (word, "VERB"), *[("给", "ADP")] * (event.recipient is not None))
    aspect = tokens("verb", ("了", "AUX")) if not denied and not verb.chinese_stative else ()
    if event.recipient is None:
        return (*negation, *core, *aspect, *direct)
    recipient = noun_phrase(event.recipient, "recipient")
    if order == "alternate" and not asked:
        return (*negation, Token("把", "ADP", "verb"), *direct, *core, *aspect, *recipient)
    return (*negation, *core, *aspect, *recipient, *direct)


def _all(event: Event) -> Tokens:
    """都 after a subject with "every" and after its time."""
    subject = event.subject
    every = isinstance(subject, CommonNoun) and subject.determiner == "every"
    return tokens("verb", ("都", "ADV")) if every else ()


def clause(event: Event, order: Order = "canonical") -> Tokens:
    """A declarative clause without its final mark."""
    subject, rest, every = noun_phrase(event.subject, "subject"), _predicate(event, order), _all(event)
    place = place_phrase(event.place) if event.place else ()
    time = time_tokens("zh", event.time) if event.time else ()
    if order == "fronted" and time:
        return (*time, *mark("zh", ","), *subject, *every, *place, *rest)
    if order == "fronted" and place:
        return (*place, *mark("zh", ","), *subject, *every, *rest)
    if order == "cleft" and not is_quantified(event.subject):
        return (Token("是", "AUX", "verb"), *subject, *time, *place, *rest)
    if denies(event) and not event.negated:  # 没有 opens its clause, so the time comes before it
        return (*time, *subject, *place, *rest)
    return (*subject, *time, *every, *place, *rest)


def question(event: Event, asked: Role, animate: bool) -> Tokens:
    """A question about one constituent, in its place; `animate`: the asked object is a person or an animal."""
    word = _ASKED["subject"] if asked == "object" and animate else _ASKED[asked]
    subject = word if asked == "subject" else noun_phrase(event.subject, "subject")
    time = word if asked == "time" else time_tokens("zh", event.time) if event.time else ()
    place = word if asked == "place" else place_phrase(event.place) if event.place else ()
    return (*subject, *time, *place, *_predicate(event, "canonical", word if asked == "object" else ()))


def is_a(noun: str) -> Tokens:
    """狗是一种动物; of people 老师是一种人 would be odd, so 老师是人."""
    found = lexicon().nouns[noun]
    hypernym = lexicon().nouns[found.hypernym or noun]
    kind = [] if found.category == "person" else [("一", "NUM"), ("种", "NOUN")]
    return (*_bare(noun), Token("是", "AUX", "verb"), *tokens("object", *kind, (hypernym.chinese, "NOUN")))


def _bare(noun: str) -> Tokens:
    return tokens("subject", (lexicon().nouns[noun].chinese, "NOUN"))


def what_is(noun: str) -> Tokens:
    """狗是什么."""
    return (*_bare(noun), Token("是", "AUX", "verb"), Token("什么", "PRON", "asked"))


def predicate(noun: str, adjective: str) -> Token:
    """The adjective as predicate: it does not agree."""
    return Token(lexicon().adjectives[adjective].chinese, "ADJ", "verb")


def attribute(noun: str, adjective: str, negated: bool) -> Tokens:
    """那辆汽车(不)是红色的."""
    subject = noun_phrase(CommonNoun("definite", None, noun), "subject")
    negation = [("不", "ADV")] if negated else []
    was = tokens("verb", *negation, ("是", "AUX"))
    return (*subject, *was, predicate(noun, adjective), Token("的", "PART", "verb"))


def how_was(noun: str) -> Tokens:
    """那辆汽车怎么样."""
    return (*noun_phrase(CommonNoun("definite", None, noun), "subject"), Token("怎么样", "PRON", "asked"))
