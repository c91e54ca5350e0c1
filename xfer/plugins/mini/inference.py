"""Natural language inference without one-sided cues.

A pair is one event told twice, each time with a subset of four features (place, time, an adjective, the noun
rather than its hypernym, ...) and a sign: affirmed or denied ("not", or "every" against "no"). An affirmed premise
tells three features, a denied one a single feature, a hypothesis always two. Then

- entailment: same sign, and the richer set contains the poorer one;
- contradiction: opposite signs, and the affirmed or denied content is contained in the same way;
- neutral: neither set contains the other (or the hypothesis names another object).

All sets of a size are equally likely under each label, and so are the signs on each side, so a premise or a
hypothesis by itself says nothing about the label (Gururangan et al. 2018 describe such artefacts in SNLI and MNLI).
The one exception are reversed neutral pairs, in which an affirmed premise tells less than the hypothesis or a
denied one more: they are few, and sign and length of the premise give them away only together.
"""

from __future__ import annotations

import random
from typing import Literal, NamedTuple, cast

from . import sampler, sentence
from .lexicon import adjectives_for, lexicon
from .meaning import CommonNoun, Event, Order, Part, part_of
from .sampler import PLAIN

LABELS = ("entailment", "neutral", "contradiction")
Feature = Literal["place", "time", "object adjective", "subject adjective", "object noun"]
Frame = Literal["negation", "quantifier", "antonym"]
_FRAMES: tuple[Frame, ...] = ("negation", "quantifier", "antonym")
_FRAME_WEIGHTS = (0.48, 0.32, 0.2)
# "buy" and "sell" are no contradiction: one may do both. Only three things can be opened, hence the weights.
_ANTONYM_VERBS = ("open", "close", *("find", "lose", "repair", "break") * 2)
_STYLE = PLAIN._replace(place=1.0, time=1.0, adjective=1.0)


class Inference(NamedTuple):
    """Two events with their word orders and the label of the pair."""

    premise: Event
    hypothesis: Event
    orders: tuple[Order, Order]
    label: str


class _Base(NamedTuple):
    """The event with every feature, the four that vary, and how denial is expressed."""

    event: Event
    features: tuple[Feature, ...]
    frame: Frame


def _head_variants(verb: str, obj: str, frame: Frame, varies: bool) -> list[tuple[str, str]]:
    """The (verb, object) heads that any pair of this base may need, whatever its label."""
    found = lexicon()
    antonym = found.verbs[verb].antonym if frame == "antonym" else None
    hypernym = found.nouns[obj].hypernym if varies else None
    return [(v, o) for v in (verb, antonym) for o in (obj, hypernym) if v is not None and o is not None]


def _base(rng: random.Random, part: Part, frame: Frame) -> _Base:
    """Draws events until all the variants of one lie in the part; the label plays no role here."""
    verbs = _ANTONYM_VERBS if frame == "antonym" else tuple(v.key for v in lexicon().verbs.values() if v.objects)
    while True:
        verb = rng.choice(verbs)
        for _ in range(20):  # or else verbs with many meanings in the part would prevail
            found = _base_of(rng, part, frame, verb)
            if found is not None:
                return found


def _base_of(rng: random.Random, part: Part, frame: Frame, verb_key: str) -> _Base | None:
    """One try with a verb."""
    verb, nouns = lexicon().verbs[verb_key], lexicon().by_category
    obj = rng.choice(nouns[rng.choice(verb.objects)])
    pool = rng.choice(verb.subjects)
    if pool == "person" and frame != "quantifier" and rng.random() < 0.5:
        pool = "name"
    features: list[Feature] = ["place", "time", "object adjective"]
    if lexicon().nouns[obj].hypernym is not None and frame != "antonym":
        features.append("object noun")
    if pool in ("person", "animal") and frame != "quantifier":
        features.append("subject adjective")
    if len(features) < 4 or (pool == "organisation" and frame == "quantifier"):
        return None
    chosen = tuple(sorted(rng.sample(features, 4)))
    variants = _head_variants(verb.key, obj, frame, "object noun" in chosen)
    subjects = [s for s in sampler.subjects_in(part, verb.key, obj, pool) if _all_in(part, s, variants)]
    if not subjects:
        return None
    subject = sampler.phrase(rng, rng.choice(subjects), pool, _STYLE, "definite")
    if isinstance(subject, CommonNoun) and "subject adjective" not in chosen:
        subject = subject._replace(adjective=None)
    phrase = CommonNoun("indefinite", rng.choice(adjectives_for(obj)), obj)
    recipient = sampler.phrase(rng, rng.choice(sampler.heads("name")), "name", _STYLE) if verb.recipient else None
    event = Event(subject, verb.key, phrase, recipient, sampler.place(rng), sampler.time(rng))
    return _Base(event, chosen, frame)


def _all_in(part: Part, subject: str, heads: list[tuple[str, str]]) -> bool:
    return all(subject != obj and part_of(subject, verb, obj) == part for verb, obj in heads)


def _tell(base: _Base, told: frozenset[Feature], affirmed: bool) -> Event:
    """The event with the told features only, affirmed or denied."""
    event = base.event
    hidden = set(base.features) - told
    subject, obj = event.subject, cast(CommonNoun, event.object)
    if isinstance(subject, CommonNoun):
        if "subject adjective" in hidden:
            subject = subject._replace(adjective=None)
        if base.frame == "quantifier":
            subject = subject._replace(determiner="every" if affirmed else "no")
    if "object adjective" in hidden:
        obj = obj._replace(adjective=None)
    if "object noun" in hidden:
        obj = _general(obj)
    return event._replace(
        subject=subject,
        object=obj,
        place=None if "place" in hidden else event.place,
        time=None if "time" in hidden else event.time,
        negated=not affirmed and base.frame != "quantifier",
    )


def _general(phrase: CommonNoun) -> CommonNoun:
    """The phrase under the hypernym of its noun; an adjective stays where it fits."""
    hypernym = lexicon().nouns[phrase.noun].hypernym
    return phrase if hypernym is None else phrase._replace(noun=hypernym)


def _sets(
    rng: random.Random, features: tuple[Feature, ...], rich: bool, nested: bool
) -> tuple[frozenset[Feature], frozenset[Feature]]:
    """Features of premise (three if rich, else one) and hypothesis (two), nested or not."""
    while True:
        premise = frozenset(rng.sample(features, 3 if rich else 1))
        hypothesis = frozenset(rng.sample(features, 2))
        if nested == (hypothesis <= premise or premise <= hypothesis):
            return premise, hypothesis


def _other_object(rng: random.Random, part: Part, base: _Base) -> CommonNoun | None:
    """An object of another category that the verb accepts, in the part with and without its hypernym."""
    event, found = base.event, lexicon()
    subject, obj = event.subject, cast(CommonNoun, event.object)
    heads = subject[-1] if isinstance(subject, CommonNoun) else subject[0]
    general = "object noun" in base.features
    pools = [c for c in found.verbs[event.verb].objects if c != found.nouns[obj.noun].category]
    if general:
        pools = [c for c in pools if found.nouns[found.by_category[c][0]].hypernym is not None]
    nouns = [
        noun
        for pool in pools
        for noun in sampler.objects_in(part, str(heads), event.verb, pool)
        if not general or part_of(str(heads), event.verb, str(found.nouns[noun].hypernym)) == part
    ]
    if not nouns:
        return None
    noun = rng.choice(nouns)
    return CommonNoun("indefinite", rng.choice(adjectives_for(noun)), noun)


class Neutrals(NamedTuple):
    """Shares of the neutral pairs that name another object, have opposite signs, or are reversed.

    Where none has opposite signs, a negation on one side betrays a contradiction, as it often does in MNLI.
    """

    other: float
    mismatch: float
    reverse: float


def draw(rng: random.Random, part: Part, index: int, neutrals: Neutrals) -> Inference:
    """A pair whose label is given by the index, so that labels are balanced."""
    label = LABELS[index % 3]
    frame = rng.choices(_FRAMES, _FRAME_WEIGHTS)[0]
    base = _base(rng, part, frame)
    affirmed = rng.random() < (2 / 3 if frame == "antonym" else 0.5)
    same_sign, antonym, reverse, changed = label != "contradiction", False, False, None
    if label == "contradiction" and frame == "antonym" and affirmed and rng.random() < 0.5:
        same_sign = antonym = True
    if label == "neutral":
        same_sign = rng.random() >= neutrals.mismatch
        reverse = rng.random() < neutrals.reverse
        changed = _other_object(rng, part, base) if not reverse and rng.random() < neutrals.other else None
    nested = label != "neutral" or reverse or (changed is not None and rng.random() < 0.5)
    premise_set, hypothesis_set = _sets(rng, base.features, affirmed != reverse, nested)
    premise = _tell(base, premise_set, affirmed)
    if changed is not None:
        base = base._replace(event=base.event._replace(object=changed))
    if antonym:
        verb = lexicon().verbs[base.event.verb].antonym
        base = base._replace(event=base.event._replace(verb=str(verb)))
    hypothesis = _tell(base, hypothesis_set, affirmed if same_sign else not affirmed)
    return Inference(premise, hypothesis, (sampler.order(rng), sampler.order(rng)), label)


def render(pair: Inference, language: str) -> dict[str, object]:
    """Columns premise, hypothesis, label."""
    premise, hypothesis = (
        sentence.text(language, sentence.sentence(language, event, order))
        for event, order in zip((pair.premise, pair.hypothesis), pair.orders, strict=True)
    )
    return {"premise": premise, "hypothesis": hypothesis, "label": pair.label}
