"""Tagging: every word keeps its tag, whatever the tokeniser and the length do."""

import numpy as np
import pytest
import torch  # noqa: TID253
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn  # noqa: TID253

from xfer.core.errors import DataError, UserError
from xfer.core.examples import TaggedExample
from xfer.core.formats import TaggingOptions
from xfer.core.formats.tagging import Tagging

TAGS = ("NOUN", "PUNCT", "VERB")
WORDS = [
    "The",
    "river",
    ",",
    "河水",
    "流过",
    "แม่น้ำ",
    "👍🏽",
    "cafe\u0301",
    "\u200b",
    "",
    "कमला",
    "x" * 90,
    "10 000",
]
SENTENCES = [
    ("The", "river", "runs"),
    ("河水", "流过", "老", "磨坊", "。"),
    ("แม่น้ำไหลผ่านโรงสีเก่าและตลาด",),
    ("\u200b", "a", "", "\ufeff"),
    tuple(WORDS) * 12,
    ("👍🏽", "cafe\u0301"),
]


def tagged(sentences, seed=0):
    rng = np.random.default_rng(seed)
    return [
        TaggedExample(str(i), "en", tuple(words), tuple(TAGS[t] for t in rng.integers(3, size=len(words))))
        for i, words in enumerate(sentences)
    ]


def build(task, rule="first", labels=TAGS, declared=TAGS):
    return Tagging(task("tagging", declared), labels, TaggingOptions(label_piece=rule))


def gold_hidden(batch):
    return nn.functional.one_hot(batch.columns["labels"].clamp(min=0), len(TAGS)).float()


@pytest.mark.parametrize("rule", ["first", "first-content"])
@pytest.mark.parametrize("max_length", [8, 13, 64])
def test_gold_tags_come_back_for_every_word(task, tokeniser, evaluated, rule, max_length):
    code, examples = build(task, rule), [*tagged(SENTENCES), TaggedExample("empty", "en", (), ())]
    features = code.featurise(examples, tokeniser, max_length, training=False)
    assert features.sequence_lengths.max() <= max_length
    outputs = evaluated(code, features, nn.Identity(), gold_hidden, budget=100)
    assert code.decode(examples, features, outputs) == [example.tags for example in examples]


@settings(max_examples=60, deadline=None)
@given(
    sentences=st.lists(st.lists(st.sampled_from(WORDS) | st.text(max_size=6), max_size=12), min_size=1, max_size=5),
    max_length=st.integers(8, 30),
)
def test_any_words_round_trip(task, small, sentences, max_length):
    code, examples = build(task, "first-content"), tagged(sentences)
    features = code.featurise(examples, small, max_length, training=False)
    assert features.sequence_lengths.max() <= max_length
    labels = features.columns["labels"].values
    assert code.decode(examples, features, {"tags": np.maximum(labels, 0)}) == [e.tags for e in examples]
    assert set(features.example.tolist()) == set(range(len(examples)))


def test_short_sentence_is_laid_out_as_the_tokeniser_does(task, tokeniser):
    examples = tagged([("The", "river", "runs", "past"), ("河水", "磨坊")])
    features = build(task).featurise(examples, tokeniser, 64, training=True)
    for number, example in enumerate(examples):
        encoding = tokeniser.fast(list(example.tokens), is_split_into_words=True)
        span = slice(features.offsets[number], features.offsets[number + 1])
        assert features.tokens[span].tolist() == encoding["input_ids"]
        words = encoding.word_ids()
        first = [words[i] is not None and words[i] != words[i - 1] for i in range(len(words))]
        carried = features.columns["word"].values[span]
        assert [int(word) for word in carried if word >= 0] == list(range(len(example.tokens)))
        assert (carried >= 0).tolist() == first


def test_first_content_passes_over_the_lone_piece(task, small):
    example = TaggedExample("1", "zh", ("河水", "🙂", "The"), ("NOUN", "PUNCT", "VERB"))
    ids = small.encode([["河水", "🙂", "The"]], pretokenised=True)[0]
    lone = small.backend.token_to_id("▁")
    assert ids.ids[1] == lone, "the tokeniser must show the case"
    for rule, carrier in (("first", "▁"), ("first-content", "河")):
        features = build(task, rule).featurise([example], small, 64, training=True)
        carriers = features.tokens[features.columns["word"].values >= 0]
        assert small.backend.id_to_token(int(carriers[0])) == carrier
        assert len(carriers) == 3
    only = build(task, "first-content").featurise(
        [TaggedExample("1", "zh", ("▁",), ("NOUN",))], small, 64, training=True
    )
    assert only.tokens[only.columns["word"].values == 0].tolist() == [lone]


def test_words_without_a_piece_become_unknown(task, small):
    features = build(task).featurise(tagged([("\u200b", "a", "")]), small, 64, training=True)
    unknown = small.fast.unk_token_id
    assert features.tokens[features.columns["word"].values == 0].tolist() == [unknown]
    assert features.tokens[features.columns["word"].values == 2].tolist() == [unknown]


def test_long_sentences_are_cut_between_words_at_the_last_that_fits(task, small):
    words = ["river", "x" * 90, "a", "mill", "河水"] * 6
    features = build(task).featurise(tagged([words]), small, 20, training=True)
    lengths = [min(len(small.encode([[w]], special=False, pretokenised=True)[0].ids), 18) for w in words]
    expected, used = [], 0
    for length in lengths:
        if used + length > 18:
            expected.append(used + 2)
            used = 0
        used += length
    assert features.sequence_lengths.tolist() == [*expected, used + 2]
    assert features.example.tolist() == [0] * features.item_count


def test_loss_is_the_padded_cross_entropy(task, small, shape, batch_of, padded):
    code = build(task)
    features = code.featurise(tagged(SENTENCES), small, 30, training=True)
    batch = batch_of(features)
    torch.manual_seed(0)
    head, hidden = code.head(shape).eval(), torch.randn(len(batch.input_ids), shape.hidden_size)
    loss, count = code.loss(head, hidden, batch)
    logits = head.out(padded(batch, hidden)).flatten(0, 1)
    labels = padded(batch, batch.columns["labels"].float()).nan_to_num(-100).long().flatten()
    logits = torch.where(labels[:, None] == -100, 0.0, logits)
    torch.testing.assert_close(loss, nn.functional.cross_entropy(logits, labels, reduction="sum"))
    assert count.item() == sum(len(words) for words in SENTENCES)


def test_training_drops_and_counts(task, small):
    examples = [
        TaggedExample("1", "en", ("a",), None),
        TaggedExample("2", "en", (), ()),
        TaggedExample("3", "en", ("a", "b"), ("NOUN", "VERB")),
    ]
    features = build(task).featurise(examples, small, 30, training=True)
    assert features.dropped == {"no words or no tags": 2}
    assert features.example.tolist() == [2]
    features = build(task).featurise(examples, small, 30, training=False)
    assert features.example.tolist() == [0, 1, 2]
    tags = np.zeros(len(features.tokens), np.int64)
    assert build(task).decode(examples, features, {"tags": tags}) == [("NOUN",), (), ("NOUN", "NOUN")]


def test_unknown_tags(task, small):
    example = TaggedExample("9", "ta", ("a", "b"), ("NOUN", "VERBS"))
    for training in (True, False):
        with pytest.raises(DataError, match="VERBS") as error:
            build(task).featurise([example], small, 30, training)
        assert "example 9 (ta)" in str(error.value)
    # Gathered tags are an open set: evaluation may meet a new one, training may not.
    open_set = build(task, declared=())
    features = open_set.featurise([example], small, 30, training=False)
    assert sorted(features.columns["labels"].values.tolist())[-2:] == [-100, 0]
    with pytest.raises(DataError, match="VERBS"):
        open_set.featurise([example], small, 30, training=True)


def test_unequal_numbers_of_words_and_tags(task, small):
    with pytest.raises(DataError, match="2 words but 1 tags"):
        build(task).featurise([TaggedExample("9", "ta", ("a", "b"), ("NOUN",))], small, 30, training=False)


def test_labels_are_gathered(task, shape):
    assert Tagging.gather_labels(tagged(SENTENCES)) == TAGS
    with pytest.raises(UserError, match="no labels"):
        build(task, labels=(), declared=()).head(shape)


def test_chance_and_heuristic(task):
    code, examples = build(task), tagged(SENTENCES)
    values = code.chance(examples * 100, np.random.default_rng(0))
    assert [len(value) for value in values] == [len(words) for words in SENTENCES] * 100
    flat = [tag for value in values for tag in value]
    assert [flat.count(tag) / len(flat) for tag in TAGS] == pytest.approx([1 / 3] * 3, abs=0.02)
    training = [
        TaggedExample("1", "en", ("Anna", "runs", ",", "Bob", "."), ("NOUN", "VERB", "PUNCT", "NOUN", "PUNCT")),
        TaggedExample("2", "en", ("runs", "home"), ("VERB", "NOUN")),
    ]
    test = [TaggedExample("3", "de", ("runs", "Karl", "singt", "!", "home"))]
    assert code.heuristic(training, test) == [("VERB", "NOUN", "VERB", "PUNCT", "NOUN")]
    assert code.heuristic([], test) == [("NOUN",) * 5]
