"""The rows of the mini tasks: the one way in to the generator."""

from __future__ import annotations

import random
from collections.abc import Callable, Hashable, Iterator
from functools import lru_cache, partial
from typing import Any, NamedTuple

from . import choices, inference, knowledge, lexicon, parallel, paraphrase, questions, stories, tags
from .documents import documents
from .meaning import Part, Role
from .sampler import Style

LANGUAGES: tuple[str, ...] = lexicon.LANGUAGES
VERSION: int = 1
SPLITS: tuple[str, ...] = ("train", "dev", "test")

_TARGET = {"train": 600, "dev": 150, "test": 200}
_INTERMEDIATE = {"train": 4_000, "dev": 300, "test": 300}
SIZES: dict[str, dict[str, int]] = {
    "xnli": _TARGET,
    "pawsx": {**_TARGET, "train": 1_200},
    "xquad": _TARGET,
    "mlqa": _TARGET,
    "tydiqa": _TARGET,
    "udpos": _TARGET,
    "panx": _TARGET,
    "tatoeba": {"train": 0, "dev": 0, "test": 300},
    "bucc": {"train": 0, "dev": 750, "test": 750},  # a third each: pairs, distractors left, distractors right
    "mnli": _INTERMEDIATE,
    "anli": _INTERMEDIATE,
    "qqp": _INTERMEDIATE,
    "squad-v1": _INTERMEDIATE,
    "squad-v2": _INTERMEDIATE,
    "hellaswag": _INTERMEDIATE,
    "cosmosqa": _INTERMEDIATE,
    "commonsenseqa": _INTERMEDIATE,
    "ccg": _INTERMEDIATE,
    "text": {"train": 3_000, "dev": 200, "test": 0},
}

_OBJECTS_FIRST: tuple[Role, ...] = ("object", "object", "object", "place", "place", "subject", "time")
# Questions that one may ask without having seen the text, as in TyDi QA.
_UNSEEN: tuple[Role, ...] = ("subject", "subject", "place", "place", "time")

_PLAIN_NEUTRALS = inference.Neutrals(other=0.5, mismatch=0.0, reverse=0.1)
_ADVERSARIAL_NEUTRALS = inference.Neutrals(other=0.0, mismatch=0.5, reverse=0.25)

Draw = Callable[[random.Random, Part, str, int], Hashable]


class _Kind(NamedTuple):
    """How meanings of a kind are drawn (stream, part, split, index), rendered, and told apart."""

    draw: Draw
    render: Callable[[Any, str], dict[str, object]]
    target: bool
    key: Callable[[Any], Hashable] = lambda meaning: meaning


def _inference(neutrals: inference.Neutrals, target: bool) -> _Kind:
    def draw(rng: random.Random, part: Part, split: str, index: int) -> Hashable:
        return inference.draw(rng, part, index, neutrals)

    return _Kind(draw, inference.render, target)


def _question(sizes: tuple[int, ...], roles: tuple[Role, ...], target: bool, unanswerable: bool = False) -> _Kind:
    def draw(rng: random.Random, part: Part, split: str, index: int) -> Hashable:
        make = questions.draw_unanswerable if unanswerable and index % 3 == 0 else questions.draw
        return make(rng, part, sizes, roles)

    return _Kind(draw, questions.render, target)


def _tagging(layer: tags.Layer, style: Style, target: bool, halves: bool = False) -> _Kind:
    def draw(rng: random.Random, part: Part, split: str, index: int) -> Hashable:
        if not halves:
            return tags.draw(rng, part, style)
        return tags.draw(rng, part, style._replace(half=int(split != "train")), business=0.35)

    return _Kind(draw, partial(tags.render, layer=layer), target)


def _parallel(sides: tuple[parallel.Side, ...]) -> _Kind:
    def draw(rng: random.Random, part: Part, split: str, index: int) -> Hashable:
        return parallel.draw(rng, part, sides[index % len(sides)])

    return _Kind(draw, parallel.render, True, parallel.key)


_KINDS: dict[str, _Kind] = {
    "xnli": _inference(_PLAIN_NEUTRALS, True),
    "mnli": _inference(_PLAIN_NEUTRALS, False),
    "anli": _inference(_ADVERSARIAL_NEUTRALS, False),
    "pawsx": _Kind(lambda rng, part, _, i: paraphrase.draw_hard(rng, part, i), paraphrase.render, True),
    "qqp": _Kind(lambda rng, part, _, i: paraphrase.draw_easy(rng, part, i), paraphrase.render, False),
    "xquad": _question((2,), stories.ROLES, True),
    "mlqa": _question((2, 3), _OBJECTS_FIRST, True),
    "tydiqa": _question((3,), _UNSEEN, True),
    "squad-v1": _question((2,), stories.ROLES, False),
    "squad-v2": _question((2,), stories.ROLES, False, unanswerable=True),
    "hellaswag": _Kind(lambda rng, part, *_: choices.draw_ending(rng, part), choices.render_ending, False),
    "cosmosqa": _Kind(
        lambda rng, part, *_: choices.draw_story_choice(rng, part), choices.render_story_choice, False
    ),
    "commonsenseqa": _Kind(lambda rng, part, _, i: knowledge.draw(rng, part, i), knowledge.render, False),
    "udpos": _tagging("upos", Style(), True),
    "panx": _tagging("entity", tags.NAMED, True, halves=True),
    "ccg": _tagging("ccg", Style(), False),
    "tatoeba": _parallel(("both",)),
    "bucc": _parallel(parallel.SIDES),
}
_ENGLISH_ONLY = ("ccg",)
_NEVER_ENGLISH = ("tatoeba", "bucc")


@lru_cache(maxsize=64)
def meanings(kind: str, split: str, count: int) -> tuple[Hashable, ...]:
    """The abstract rows, without repetition; all languages render the same ones."""
    found = _KINDS[kind]
    part: Any = f"{'target' if found.target else 'intermediate'}-{split}"
    rng = random.Random(f"mini {VERSION} {kind} {split}")
    seen: set[Hashable] = set()
    drawn: list[Hashable] = []
    while len(drawn) < count:
        meaning = found.draw(rng, part, split, len(drawn))
        key = found.key(meaning)
        if key not in seen:
            seen.add(key)
            drawn.append(meaning)
    return tuple(drawn)


def generate(kind: str, split: str, language: str, count: int) -> Iterator[dict[str, object]]:
    """The first `count` rows; a larger count continues a smaller one.

    Raises ValueError for an unknown kind, split or language.
    """
    for name, value, known in (("kind", kind, SIZES), ("split", split, SPLITS), ("language", language, LANGUAGES)):
        if value not in known:
            raise ValueError(f"unknown {name} {value!r}; known: {', '.join(known)}")
    wrong_language = kind in (_NEVER_ENGLISH if language == "en" else _ENGLISH_ONLY)
    return iter(()) if wrong_language else _generate(kind, split, language, count)


def _generate(kind: str, split: str, language: str, count: int) -> Iterator[dict[str, object]]:
    if kind == "text":
        for i, document in enumerate(documents(f"text {VERSION} {split}", count)):
            yield {"id": f"text-{split}-{i:05d}", "text": document(language)}
        return
    render = _KINDS[kind].render
    for i, meaning in enumerate(meanings(kind, split, count)):
        yield {"id": f"{kind}-{split}-{i:05d}", **render(meaning, language)}


def rows(kind: str, split: str, language: str) -> Iterator[dict[str, object]]:
    """The rows of a kind of task in a split ("train", "dev", "test") and language, as many as `SIZES` says.

    Row i has the same id and meaning in all languages. A kind that has no rows in a language (CCG categories
    outside English, parallel text in English) or split yields none. Raises ValueError for an unknown name.
    """
    count = SIZES.get(kind, {}).get(split, 0)
    return generate(kind, split, language, count)
