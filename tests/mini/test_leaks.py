"""No meaning, sentence or name crosses from one part of the mini world into another."""

import re
from functools import cache

import pytest

from xfer.plugins.mini.documents import PART, documents
from xfer.plugins.mini.meaning import Event, Person, in_part, part_of
from xfer.plugins.mini.rows import SIZES, generate, meanings, rows

TARGETS = ("xnli", "pawsx", "xquad", "mlqa", "tydiqa", "udpos", "panx", "tatoeba", "bucc")
KINDS = sorted(SIZES.keys() - {"text"})


def part_for(kind, split):
    return f"{'target' if kind in TARGETS else 'intermediate'}-{split}"


def events_in(meaning):
    """The events in a meaning, however deep."""
    if isinstance(meaning, Event):
        yield meaning
    elif isinstance(meaning, tuple):
        for item in meaning:
            yield from events_in(item)


@pytest.mark.parametrize("kind", KINDS)
def test_every_event_lies_in_the_part_of_its_split(kind):
    seen = 0
    for split, size in SIZES[kind].items():
        part = part_for(kind, split)
        for meaning in meanings(kind, split, min(size, 500)):
            # Of the endings only the two sensible ones could be met elsewhere.
            whole = (meaning.told, meaning.endings[meaning.label]) if kind == "hellaswag" else meaning
            for event in events_in(whole):
                assert in_part(event, part), (kind, split, event)
                seen += 1
    assert seen >= 300


def test_every_event_of_the_documents_lies_in_the_pretraining_part():
    seen = 0
    for document in documents(11, 3_000):
        for utterance in document.utterances:
            given = utterance.keywords
            for event in (*given.get("events", ()), *([given["event"]] if "event" in given else [])):
                assert in_part(event, PART)
                seen += 1
            if "adjective" in given:
                assert part_of(given["noun"], "was", given["adjective"]) == PART
    assert seen > 4_000


def normalised(text):
    return " ".join(re.findall(r"[a-z0-9]+", text.lower()))


def sentences_of(row):
    """The normalised declarative sentences of an English row; questions are left out, as they name no answer."""
    texts = [row[column] for column in ("premise", "hypothesis", "sentence1", "sentence2", "context", "prompt",
                                        "target", "text") if row.get(column)]  # fmt: skip
    texts += [choice for choice in row.get("choices", []) if choice.endswith(".")]
    if "tokens" in row:
        texts.append(" ".join(row["tokens"]).replace(" .", "."))
    parts = (part for text in texts for part in re.findall(r"[^.?]+[.?]", text))
    return {normalised(part) for part in parts if part.endswith(".")}


def english(kind, split):
    language = "de" if kind in ("tatoeba", "bucc") else "en"  # the target side is English
    return {found for row in rows(kind, split, language) for found in sentences_of(row)}


@cache
def training():
    return {kind: english(kind, "train") for kind in SIZES}


@cache
def pretraining():
    found = (part for doc in documents(0, 20_000) for part in re.findall(r"[^.?]+[.?]", doc("en")))
    return {normalised(part) for part in found if part.endswith(".")}


@pytest.mark.parametrize("split", ["dev", "test"])
@pytest.mark.parametrize("kind", KINDS)
def test_no_test_sentence_occurs_in_training_or_pretraining(kind, split):
    found = english(kind, split)
    # The everyday questions have few declarative sentences ("The box was not heavy.") and many questions.
    assert len(found) >= (0 if not SIZES[kind][split] else 15 if kind == "commonsenseqa" else 100)
    assert len(pretraining()) > 20_000
    assert found & pretraining() == set()
    for other, seen in training().items():
        assert found & seen == set(), other


@pytest.mark.parametrize("kind", ["xnli", "pawsx", "xquad", "tydiqa"])
def test_development_and_test_share_no_sentence(kind):
    assert english(kind, "dev") & english(kind, "test") == set()


def names(split):
    found = set()
    for row in generate("panx", split, "en", 600):
        found |= {token for token, tag in zip(row["tokens"], row["tags"], strict=True) if tag != "O"}
    return found


def test_entity_names_of_training_and_evaluation_are_disjoint():
    train, dev, test = names("train"), names("dev"), names("test")
    assert train & dev == train & test == set()
    assert min(len(train), len(dev), len(test)) > 25


def test_pretraining_knows_the_names_of_both_halves():
    text = " ".join(pretraining())
    for split in ("train", "test"):
        for name in names(split):
            assert name.lower() in text


def test_people_of_intermediate_development_are_new():
    def people(split):
        return {e.subject.first for m in meanings("mnli", split, 300) for e in events_in(m)
                if isinstance(e.subject, Person)}  # fmt: skip

    assert people("train") & people("dev") == set()
    assert people("dev")
