"""The rows: columns, parallelism, balance, and that labels and answers are true."""

import hashlib
import json
import time
from collections import Counter

import pytest

from xfer.plugins.mini import rows as mini
from xfer.plugins.mini.lexicon import lexicon
from xfer.plugins.mini.meaning import CommonNoun, head
from xfer.plugins.mini.rows import LANGUAGES, SIZES, generate, meanings, rows

QA = ("xquad", "mlqa", "tydiqa", "squad-v1", "squad-v2")
INFERENCE = ("xnli", "mnli", "anli")
COLUMNS = {
    **{kind: {"id", "premise", "hypothesis", "label"} for kind in INFERENCE},
    **{kind: {"id", "sentence1", "sentence2", "label"} for kind in ("qqp", "pawsx")},
    **{kind: {"id", "context", "question", "answers", "answer_type", "hard"} for kind in QA},
    **{kind: {"id", "prompt", "choices", "label"} for kind in ("hellaswag", "cosmosqa", "commonsenseqa")},
    **{kind: {"id", "tokens", "tags"} for kind in ("udpos", "panx", "ccg")},
    **{kind: {"id", "source", "target"} for kind in ("tatoeba", "bucc")},
    "text": {"id", "text"},
}


def languages_of(kind):
    if kind == "ccg":
        return ("en",)
    return LANGUAGES[1:] if kind in ("tatoeba", "bucc") else LANGUAGES


@pytest.mark.parametrize("kind", sorted(SIZES))
def test_rows_have_their_columns_and_are_parallel(kind):
    assert COLUMNS.keys() == SIZES.keys()
    for split, size in SIZES[kind].items():
        ids = []
        for language in languages_of(kind):
            found = list(generate(kind, split, language, min(size, 60)))
            assert all(row.keys() == COLUMNS[kind] for row in found)
            ids.append([row["id"] for row in found])
        assert all(other == ids[0] for other in ids)
        assert len(set(ids[0])) == min(size, 60)


@pytest.mark.parametrize("kind", sorted(SIZES))
def test_sizes(kind):
    for split, size in SIZES[kind].items():
        assert len(list(rows(kind, split, languages_of(kind)[0]))) == size


def test_kinds_without_rows_in_a_language_yield_none():
    assert list(rows("ccg", "train", "de")) == []
    assert list(rows("tatoeba", "test", "en")) == []
    assert list(rows("bucc", "dev", "en")) == []
    assert list(rows("tatoeba", "train", "de")) == []


@pytest.mark.parametrize("name", [("nli", "train", "en"), ("xnli", "validation", "en"), ("xnli", "dev", "fr")])
def test_unknown_names_are_refused_with_the_known_ones(name):
    with pytest.raises(ValueError, match="known: "):
        rows(*name)


def test_a_longer_draw_continues_a_shorter_one():
    for kind in ("xnli", "pawsx", "mlqa", "cosmosqa", "panx", "text"):
        assert list(generate(kind, "dev", "ru", 20)) == list(generate(kind, "dev", "ru", 40))[:20]


def test_no_meaning_occurs_twice():
    for kind in SIZES.keys() - {"text"}:
        found = meanings(kind, "train", 400)
        assert len(set(found)) == len(found)


@pytest.mark.parametrize("kind", ["xnli", "mnli", "anli", "qqp", "pawsx"])
@pytest.mark.parametrize("split", ["train", "dev", "test"])
def test_labels_are_balanced(kind, split):
    counts = Counter(row["label"] for row in rows(kind, split, "en"))
    labels = {"same", "different"} if kind in ("qqp", "pawsx") else {"entailment", "neutral", "contradiction"}
    assert counts.keys() == labels
    assert max(counts.values()) - min(counts.values()) <= 1


def content(event):
    """What an event says as a set of facts; a noun says its hypernym, too."""
    subject, obj = event.subject, event.object
    noun = lexicon().nouns[obj.noun]
    facts = {("subject", head(subject)), ("verb", event.verb), ("recipient", event.recipient)}
    facts |= {("noun", noun.key)} if noun.category != "hypernym" else {("hypernym", noun.key)}
    facts |= {("hypernym", noun.hypernym)} if noun.hypernym else set()
    optional = {"place": event.place, "time": event.time, "object": obj.adjective}
    optional["adjective"] = subject.adjective if isinstance(subject, CommonNoun) else None
    return facts | {(name, value) for name, value in optional.items() if value is not None}


def affirmed(event):
    subject = event.subject
    return not event.negated and not (isinstance(subject, CommonNoun) and subject.determiner == "no")


def logical_label(premise, hypothesis):
    """The label by set inclusion: more is said in what entails an affirmation, less in what entails a denial."""
    one, two = content(premise), content(hypothesis)
    verb = lexicon().verbs[premise.verb].antonym
    if hypothesis.verb == verb and {("verb", premise.verb)} | two - {("verb", verb)} <= one:
        return "contradiction"
    included = two <= one if affirmed(premise) else one <= two
    if not included:
        return "neutral"
    return "entailment" if affirmed(premise) == affirmed(hypothesis) else "contradiction"


@pytest.mark.parametrize("kind", INFERENCE)
@pytest.mark.parametrize("split", ["train", "dev", "test"])
def test_inference_labels_follow_from_the_meanings(kind, split):
    found = meanings(kind, split, 300)
    assert [logical_label(pair.premise, pair.hypothesis) for pair in found] == [pair.label for pair in found]


def test_negation_is_balanced_over_labels_and_sides():
    for kind, side in (("xnli", "premise"), ("xnli", "hypothesis"), ("anli", "premise"), ("anli", "hypothesis")):
        pairs = meanings(kind, "train", 3_000)
        for label in ("entailment", "neutral", "contradiction"):
            denied = [not affirmed(getattr(pair, side)) for pair in pairs if pair.label == label]
            assert sum(denied) / len(denied) == pytest.approx(0.47, abs=0.05), (kind, side, label)


def test_opposite_signs_betray_a_contradiction_in_mnli_only():
    def mismatches(kind):
        pairs = [p for p in meanings(kind, "train", 600) if affirmed(p.premise) != affirmed(p.hypothesis)]
        return sum(pair.label == "contradiction" for pair in pairs) / len(pairs)

    assert mismatches("mnli") == 1.0
    assert 0.5 < mismatches("anli") < 0.75


@pytest.mark.parametrize("kind", ["qqp", "pawsx"])
def test_paraphrases_tell_the_same_events(kind):
    for pair in meanings(kind, "train", 300):
        assert (set(pair.first) == set(pair.second)) == (pair.label == "same")


def test_hard_paraphrases_consist_of_the_same_words():
    function = {"it", "was", "who", "that", "and", "to"}
    for row in generate("pawsx", "train", "en", 300):
        one, two = (
            sorted(word for word in row[side].lower().replace(",", "").rstrip(".").split() if word not in function)
            for side in ("sentence1", "sentence2")
        )
        assert one == two
        assert row["sentence1"] != row["sentence2"]


@pytest.mark.parametrize("kind", QA)
@pytest.mark.parametrize("language", LANGUAGES)
def test_answers_stand_at_their_offsets(kind, language):
    found = list(generate(kind, "dev", language, 150))
    for row in found:
        answers = row["answers"]
        assert len(answers["text"]) == len(answers["answer_start"])
        for text, start in zip(answers["text"], answers["answer_start"], strict=True):
            assert row["context"][start : start + len(text)] == text
            assert text == text.strip(" .,。，")
            assert text
    empty = sum(not row["answers"]["text"] for row in found)
    assert empty == (50 if kind == "squad-v2" else 0)


@pytest.mark.parametrize("kind", QA)
def test_one_event_answers_the_question(kind):
    for question in meanings(kind, "test", 200):
        story, asked = question.story, question.asked
        matching = [
            event
            for event in story.events
            if event.verb == asked.verb
            and (story.role == "subject" or head(event.subject) == head(asked.subject))
            and (story.role == "object" or head(event.object) == head(asked.object))
        ]
        assert matching == ([story.events[story.position]] if question.answerable else [])


def test_question_tasks_differ_in_length_and_roles():
    sizes = {kind: {len(q.story.events) for q in meanings(kind, "test", 200)} for kind in QA}
    assert sizes == {"xquad": {2}, "mlqa": {2, 3}, "tydiqa": {3}, "squad-v1": {2}, "squad-v2": {2}}
    roles = Counter(row["answer_type"] for row in rows("tydiqa", "test", "en"))
    assert roles.keys() == {"subject", "place", "time"}
    mlqa = Counter(row["answer_type"] for row in rows("mlqa", "train", "en"))
    assert mlqa.most_common(1)[0][0] == "object"


@pytest.mark.parametrize(("kind", "size"), [("hellaswag", 4), ("cosmosqa", 4), ("commonsenseqa", 5)])
@pytest.mark.parametrize("language", LANGUAGES)
def test_choices_are_distinct_and_the_label_is_spread(kind, size, language):
    found = list(generate(kind, "train", language, 400))
    for row in found:
        assert len(row["choices"]) == size
        assert all(row["choices"])
        if language != "ru":  # "a cat" and "the cat" are one in Russian, but never both among the choices
            assert len(set(row["choices"])) == size
    counts = Counter(row["label"] for row in found)
    assert counts.keys() == set(range(size))
    assert min(counts.values()) > 0.7 * 400 / size


def test_the_right_ending_is_the_only_sensible_one():
    for item in meanings("hellaswag", "train", 300):
        sensible = [
            i
            for i, event in enumerate(item.endings)
            if lexicon().nouns[head(event.object)].category in lexicon().verbs[event.verb].objects
            and head(event.object) == head(item.told.object)
        ]
        assert sensible == [item.label]


UPOS = {
    "en": "ADJ ADP AUX CCONJ DET NOUN NUM PART PRON PROPN PUNCT VERB",
    "de": "ADJ ADP ADV AUX CCONJ DET NOUN NUM PART PRON PROPN PUNCT VERB",
    "es": "ADJ ADP ADV AUX CCONJ DET NOUN NUM PRON PROPN PUNCT VERB",
    "ru": "ADJ ADP ADV CCONJ DET NOUN NUM PART PROPN PUNCT VERB",
    "tr": "ADJ ADV CCONJ DET NOUN NUM PROPN PUNCT VERB",
    "zh": "ADJ ADP ADV AUX DET NOUN NUM PART PROPN PUNCT VERB",
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_tags_fit_their_tokens(language):
    seen = set()
    for row in rows("udpos", "train", language):
        assert len(row["tokens"]) == len(row["tags"])
        seen |= set(row["tags"])
    assert seen == set(UPOS[language].split())
    for row in rows("panx", "train", language):
        assert len(row["tokens"]) == len(row["tags"])
        for before, tag in zip(["O", *row["tags"]], row["tags"], strict=False):
            assert not tag.startswith("I-") or before[2:] == tag[2:]
    entities = Counter(tag for row in rows("panx", "train", language) for tag in row["tags"])
    assert all(entities[f"B-{label}"] > 90 for label in ("PER", "ORG", "LOC"))


def test_ccg_categories():
    found = list(rows("ccg", "train", "en"))
    tags = {tag for row in found for tag in row["tags"]}
    assert len(tags) == 25
    assert all(tag for row in found for tag in row["tags"])


def test_bucc_has_pairs_and_distractors_on_both_sides():
    for split in ("dev", "test"):
        found = list(rows("bucc", split, "ru"))
        kinds = Counter((row["source"] is None, row["target"] is None) for row in found)
        assert kinds == {(False, False): 250, (True, False): 250, (False, True): 250}
        for side in ("source", "target"):
            texts = [row[side] for row in found if row[side] is not None]
            assert len(set(texts)) == len(texts) == 500


@pytest.mark.parametrize("language", LANGUAGES[1:])
def test_tatoeba_sentences_are_unique_on_both_sides(language):
    found = list(rows("tatoeba", "test", language))
    for side in ("source", "target"):
        assert len({row[side] for row in found}) == len(found) == 300


def test_all_rows_of_a_run_take_at_most_three_seconds():
    """Target training in English, tests in six languages, one intermediate task."""
    meanings.cache_clear()
    start = time.process_time()
    for kind, sizes in SIZES.items():
        if sizes["train"] == 600 or kind in ("pawsx", "tatoeba", "bucc"):
            for split in sizes:
                for language in ("en",) if split == "train" else LANGUAGES:
                    list(rows(kind, split, language))
    list(rows("mnli", "train", "en"))
    assert time.process_time() - start < 3.0


def digest(kind):
    splits = [split for split, size in SIZES[kind].items() if size]
    found = [
        row for split in splits for language in languages_of(kind) for row in generate(kind, split, language, 40)
    ]
    return hashlib.sha256(json.dumps(found, ensure_ascii=False).encode()).hexdigest()[:12]


GOLDEN = {
    "anli": "83f9635bd763",
    "bucc": "53efd7bcad57",
    "ccg": "ca61ff358dbe",
    "commonsenseqa": "cbb9c49fffab",
    "cosmosqa": "890bd7649a7a",
    "hellaswag": "d6e4e4b1d3c8",
    "mlqa": "7e124c6f0365",
    "mnli": "83edd89c0859",
    "panx": "23c2c4e91845",
    "pawsx": "7e4674d67a88",
    "qqp": "89f325785f59",
    "squad-v1": "deb1ec319241",
    "squad-v2": "610efe4c36f7",
    "tatoeba": "8de65d03698d",
    "text": "ca40e167a451",
    "tydiqa": "b5c6c7e1331c",
    "udpos": "e3b3908257df",
    "xnli": "4df6b1957934",
    "xquad": "65bf48b55d19",
}


@pytest.mark.parametrize("kind", sorted(SIZES))
def test_rows_do_not_change_without_a_new_version(kind):
    assert mini.VERSION == 1
    assert digest(kind) == GOLDEN[kind]
