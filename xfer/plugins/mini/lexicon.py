"""Typed view of `lexicon.txt`: the 272 concepts of the mini world in six languages."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import NamedTuple

THINGS = ("food", "fruit", "vehicle", "garment", "tool", "instrument", "text", "furniture", "plant")
ANIMATE = ("animal", "person")
HYPERNYM_OF = {
    "animal": "animal",
    "person": "person",
    "food": "food",
    "fruit": "fruit",
    "drink": "drink",
    "vehicle": "vehicle",
    "garment": "garment",
    "tool": "tool",
    "furniture": "piece_of_furniture",
    "plant": "plant",
}
_PERISHABLE = ("food", "fruit", "drink", "plant")


class Noun(NamedTuple):
    """A common noun; `category` is "hypernym" for the ten general terms and "place" for places."""

    key: str
    category: str
    mass: bool
    animate: bool
    hypernym: str | None
    german: str
    german_gender: str
    german_ending: str
    spanish: str
    spanish_gender: str
    russian: str
    russian_gender: str
    russian_in: str | None
    russian_preposition: str
    russian_declines: bool
    turkish: str
    turkish_stem: str | None
    chinese: str
    classifier: str
    chinese_inside: str | None
    chinese_wear: str | None


class Adjective(NamedTuple):
    """An adjective; `kinds` says what it may describe (thing, artefact, mass, animate, animal)."""

    key: str
    kinds: tuple[str, ...]
    german: str
    spanish: str
    russian: str
    turkish: str
    chinese: str
    chinese_bare: bool
    antonym: str | None


class Verb(NamedTuple):
    """A verb in the past tense with the categories it accepts as subject, object and recipient."""

    key: str
    past: str
    subjects: tuple[str, ...]
    objects: tuple[str, ...]
    recipient: str | None
    german: str
    german_animal: str
    spanish: str
    russian: str
    russian_feminine: str
    turkish: str
    chinese: str
    chinese_stative: bool
    antonym: str | None


class Name(NamedTuple):
    """A proper name; `gender` is "m" or "f" (of organisations: the grammatical gender in Russian)."""

    key: str
    gender: str
    forms: Mapping[str, str]


class TimeWords(NamedTuple):
    """A time expression: for each language its (word, UPOS) pairs; the word "Y" stands for a year."""

    key: str
    words: Mapping[str, tuple[tuple[str, str], ...]]


class Lexicon(NamedTuple):
    """All concepts by key, in the order of the file."""

    nouns: Mapping[str, Noun]
    adjectives: Mapping[str, Adjective]
    verbs: Mapping[str, Verb]
    first_names: Mapping[str, Name]
    last_names: Mapping[str, Name]
    cities: Mapping[str, Name]
    organisations: Mapping[str, Name]
    times: Mapping[str, TimeWords]
    by_category: Mapping[str, tuple[str, ...]]


LANGUAGES: tuple[str, ...] = ("en", "de", "es", "ru", "tr", "zh")


def _attributes(words: list[str]) -> dict[str, str]:
    return dict(word.split("=", 1) for word in words if "=" in word)


def _noun(head: list[str], fields: list[str]) -> Noun:
    category, key = head[0], head[1]
    german, spanish, russian, turkish, chinese = (field.split() for field in fields)
    stem, _, ending = german[1].partition("+")
    russian_extra, chinese_extra = _attributes(russian), _attributes(chinese)
    return Noun(
        key=key,
        category=category,
        mass="mass" in head,
        animate=category in ANIMATE or (category == "hypernym" and key in ANIMATE),
        hypernym=HYPERNYM_OF.get(category),
        german=stem,
        german_gender=german[0],
        german_ending=ending,
        spanish=spanish[1],
        spanish_gender=spanish[0],
        russian=russian[1],
        russian_gender=russian[0],
        russian_in=russian_extra.get("in"),
        russian_preposition=russian_extra.get("preposition", "в"),
        russian_declines="indeclinable" not in russian,
        turkish=turkish[0],
        turkish_stem=_attributes(turkish).get("before-vowel"),
        chinese=chinese[0],
        classifier=chinese[1],
        chinese_inside=chinese_extra.get("inside"),
        chinese_wear=chinese_extra.get("wear"),
    )


def _adjective(head: list[str], fields: list[str]) -> Adjective:
    german, spanish, russian, turkish, chinese, antonym = fields
    word, *bare = chinese.split()
    return Adjective(
        head[0], tuple(head[1:]), german, spanish, russian, turkish, word, bool(bare), _optional(antonym)
    )


def _verb(head: list[str], fields: list[str]) -> Verb:
    german, spanish, russian, turkish, chinese, antonym = fields
    base, past = head[0].split("/")
    german_person, _, german_animal = german.partition("/")
    masculine, _, feminine = russian.partition("/")
    word, *stative = chinese.split()
    return Verb(
        key=base,
        past=past,
        subjects=tuple(head[1].split(",")),
        objects=_categories(head[2]),
        recipient=head[4] if len(head) > 3 else None,
        german=german_person,
        german_animal=german_animal or german_person,
        spanish=spanish,
        russian=masculine,
        russian_feminine=feminine or masculine + "а",
        turkish=turkish,
        chinese=word,
        chinese_stative=bool(stative),
        antonym=_optional(antonym),
    )


def _categories(text: str) -> tuple[str, ...]:
    if text == "-":
        return ()
    return tuple(c for part in text.split(",") for c in (THINGS if part == "thing" else (part,)))


def _optional(text: str) -> str | None:
    return None if text == "-" else text


def _name(gender: str, names: list[str]) -> Name:
    # Three names are English, Russian and Chinese: the other languages keep the English spelling.
    if len(names) == 3:
        names = [names[0], names[0], names[0], names[1], names[0], names[2]]
    return Name(names[0], gender, dict(zip(LANGUAGES, names, strict=True)))


def _time(names: list[str]) -> TimeWords:
    pairs = [tuple((w, u) for w, u in (token.split("/") for token in field.split())) for field in names]
    return TimeWords(" ".join(word for word, _ in pairs[0]), dict(zip(LANGUAGES, pairs, strict=True)))


def _lines() -> dict[str, list[tuple[str, list[str]]]]:
    """The data lines by section: (text before the first "|", the other fields)."""
    sections: dict[str, list[tuple[str, list[str]]]] = {}
    for line in files(__package__).joinpath("lexicon.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            section, _, rest = line.partition(" ")
            head, *fields = (field.strip() for field in rest.split("|"))
            sections.setdefault(section, []).append((head, fields))
    return sections


def _organisation_gender(russian: str) -> str:
    return "f" if russian.endswith(("а", "я")) else "m"


@cache
def lexicon() -> Lexicon:
    """The lexicon, read once from the data file beside this module."""
    lines = _lines()
    nouns = [_noun(head.split(), fields) for head, fields in lines["noun"]]
    by_category: dict[str, list[str]] = {}
    for noun in nouns:
        by_category.setdefault(noun.category, []).append(noun.key)
    firsts = [_name(head[0], [head[2:], *fields]) for head, fields in lines["first"]]
    return Lexicon(
        nouns={noun.key: noun for noun in nouns},
        adjectives={a.key: a for a in (_adjective(head.split(), f) for head, f in lines["adjective"])},
        verbs={v.key: v for v in (_verb(head.split(), f) for head, f in lines["verb"])},
        first_names={name.key: name for name in firsts},
        last_names={n.key: n for n in (_name("", [head, *f]) for head, f in lines["last"])},
        cities={n.key: n for n in (_name("", [head, *f]) for head, f in lines["city"])},
        organisations={
            n.key: n for n in (_name(_organisation_gender(f[0]), [head, *f]) for head, f in lines["organisation"])
        },
        times={t.key: t for t in (_time([head, *f]) for head, f in lines["time"])},
        by_category={category: tuple(keys) for category, keys in by_category.items()},
    )


def kinds_of(noun: Noun) -> tuple[str, ...]:
    """The adjective kinds that may describe a noun."""
    if noun.mass:
        return ("mass",)
    if noun.animate:
        return ("animate", "animal") if "animal" in (noun.category, noun.key) else ("animate",)
    return ("thing",) if noun.category in _PERISHABLE or noun.key in _PERISHABLE else ("thing", "artefact")


@cache
def adjectives_for(noun_key: str) -> tuple[str, ...]:
    """The adjectives that may describe a noun, in the order of the lexicon."""
    words = lexicon()
    kinds = kinds_of(words.nouns[noun_key])
    return tuple(a.key for a in words.adjectives.values() if any(kind in a.kinds for kind in kinds))
