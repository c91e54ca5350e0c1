import pytest
from hypothesis import given
from hypothesis import strategies as st

from xfer.core.metrics import chunk_f1, chunks, token_accuracy

UPOS = [
    "ADJ",
    "ADP",
    "ADV",
    "AUX",
    "CCONJ",
    "DET",
    "INTJ",
    "NOUN",
    "NUM",
    "PART",
    "PRON",
    "PROPN",
    "PUNCT",
    "SCONJ",
    "SYM",
    "VERB",
    "X",
]
BIO = ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]


def corpora(tags):
    """Lists of sentences; a sentence is a list of (predicted, gold) tags and may be blank."""
    tag = st.sampled_from(tags)
    return st.lists(st.lists(st.tuples(tag, tag), max_size=6), min_size=1, max_size=4)


def split(corpus):
    return [[p for p, _ in sentence] for sentence in corpus], [[g for _, g in sentence] for sentence in corpus]


def sentences(text):
    return [sentence.split() for sentence in text.split("|")]


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("B-PER I-PER O B-LOC", [("PER", 0, 1), ("LOC", 3, 3)]),
        ("I-PER I-PER O", [("PER", 0, 1)]),  # I without a beginning starts a chunk
        ("B-PER I-LOC", [("PER", 0, 0), ("LOC", 1, 1)]),
        ("B-PER B-PER I-PER", [("PER", 0, 0), ("PER", 1, 2)]),
        ("S-PER S-PER E-PER", [("PER", 0, 0), ("PER", 1, 1), ("PER", 2, 2)]),
        ("B-PER I-PER E-PER I-PER", [("PER", 0, 2), ("PER", 3, 3)]),
        ("B-MISC-X I-MISC-X", [("X", 0, 1)]),  # the type is what follows the LAST hyphen
        ("O O", []),
        ("B-PER I-PER O-PER B-LOC O-LOC", [("PER", 0, 1), ("LOC", 3, 3)]),  # O with a type is outside, too
        ("", []),
        # Bare tags: the first letter is the prefix, the whole tag the type.
        ("DET NOUN NOUN NOUN VERB", [("DET", 0, 0), ("NOUN", 1, 3), ("VERB", 4, 4)]),
        ("SYM SYM SCONJ SCONJ", [("SYM", 0, 0), ("SYM", 1, 1), ("SCONJ", 2, 2), ("SCONJ", 3, 3)]),
        ("INTJ INTJ X", [("INTJ", 0, 1), ("X", 2, 2)]),
        ("NOUN . NOUN", [("NOUN", 0, 0), ("NOUN", 2, 2)]),  # a lone full stop is outside
    ],
)
def test_chunks(tags, expected):
    assert chunks(tags.split()) == expected


# Computed with seqeval 0.0.12 on these sentences: precision, recall, F1; then token accuracy by hand.
SEQEVAL_0_0_12 = [
    (
        "DET ADJ NOUN NOUN VERB ADP PROPN PUNCT",
        "DET ADJ NOUN VERB VERB ADP PROPN PUNCT",
        500 / 7,
        500 / 7,
        500 / 7,
        87.5,
    ),
    (
        "DET NOUN NOUN AUX VERB PUNCT|PRON VERB SCONJ PRON VERB INTJ PUNCT|X",
        "DET NOUN PROPN AUX VERB PUNCT|PRON VERB CCONJ PRON AUX INTJ PUNCT|NOUN",
        64.285714286,
        69.230769231,
        66.666666667,
        71.428571429,
    ),
    ("NOUN CCONJ NOUN", "NOUN SCONJ NOUN", 66.666666667, 66.666666667, 66.666666667, 66.666666667),
    ("X|NOUN", "NOUN|NOUN", 50, 50, 50, 50),
    ("SYM SYM NUM NUM", "SYM NUM NUM NUM", 50, 33.333333333, 40, 75),
    ("NOUN VERB NOUN NOUN PART", "NOUN NOUN NOUN NOUN PART", 50, 25, 33.333333333, 80),
    (
        "B-PER I-PER O B-LOC|O I-ORG I-ORG|B-ORG I-LOC O O",
        "B-PER I-PER O I-LOC|O B-ORG I-ORG|B-ORG I-ORG O B-PER",
        60,
        60,
        60,
        63.636363636,
    ),
    ("I-PER I-PER O", "B-PER I-PER O", 100, 100, 100, 66.666666667),
]


@pytest.mark.parametrize(("gold", "predicted", "precision", "recall", "f1", "accuracy"), SEQEVAL_0_0_12)
def test_chunk_f1_golden(gold, predicted, precision, recall, f1, accuracy):
    gold, predicted = sentences(gold), sentences(predicted)
    assert chunk_f1(predicted, gold) == pytest.approx({"precision": precision, "recall": recall, "f1": f1})
    assert token_accuracy(predicted, gold) == pytest.approx(accuracy)


def test_all_outside_scores_zero_f1_and_full_accuracy():
    gold = [["O", "O"], []]
    assert chunk_f1(gold, gold) == {"precision": 0, "recall": 0, "f1": 0}
    assert token_accuracy(gold, gold) == 100


def test_no_chunk_crosses_a_sentence():
    assert chunk_f1([["NOUN"], ["NOUN"]], [["NOUN"], ["NOUN"]])["f1"] == 100
    one_gold_chunk, two_predicted = [["NOUN", "NOUN"]], [["NOUN", "SYM"]]
    assert chunk_f1(two_predicted, one_gold_chunk)["f1"] == 0


@given(corpora(UPOS))
def test_bare_tags_merge_runs(corpus):
    """Oracle: runs of an equal tag, except that tags in S stand alone."""
    for tags in split(corpus)[1]:
        runs = []
        for position, tag in enumerate(tags):
            if runs and runs[-1][0] == tag and not tag.startswith("S"):
                runs[-1] = (tag, runs[-1][1], position)
            else:
                runs.append((tag, position, position))
        assert chunks(tags) == runs


@given(st.lists(st.tuples(st.sampled_from(["LOC", "PER"]), st.integers(1, 3), st.integers(0, 2)), max_size=6))
def test_chunks_reads_back_what_bio_wrote(spans):
    tags, expected = [], []
    for kind, length, gap in spans:
        expected.append((kind, len(tags), len(tags) + length - 1))
        tags += [f"B-{kind}"] + [f"I-{kind}"] * (length - 1) + ["O"] * gap
    assert chunks(tags) == expected


@given(st.sampled_from([UPOS, BIO]).flatmap(corpora), st.randoms())
def test_f1_does_not_depend_on_the_order_of_sentences(corpus, random):
    shuffled = random.sample(corpus, len(corpus))
    assert chunk_f1(*split(corpus)) == chunk_f1(*split(shuffled))


@given(st.sampled_from([UPOS, BIO]).flatmap(corpora))
def test_bounds_identity_and_symmetry(corpus):
    predicted, gold = split(corpus)
    scores, swapped = chunk_f1(predicted, gold), chunk_f1(gold, predicted)
    assert all(0 <= score <= 100 for score in scores.values())
    assert scores["precision"] == swapped["recall"]
    assert scores["f1"] == pytest.approx(swapped["f1"])
    assert chunk_f1(gold, gold)["f1"] == (100 if any(map(chunks, gold)) else 0)


@given(st.sampled_from([UPOS, BIO]).flatmap(corpora))
def test_blank_sentences_do_not_count(corpus):
    predicted, gold = split(corpus)
    assert chunk_f1([[], *predicted, []], [[], *gold, []]) == chunk_f1(predicted, gold)


@given(corpora(UPOS).filter(any), st.randoms())
def test_accuracy_is_that_of_the_flat_tokens(corpus, random):
    tokens = [token for sentence in corpus for token in sentence]
    expected = 100 * sum(p == g for p, g in tokens) / len(tokens)
    assert token_accuracy(*split(corpus)) == pytest.approx(expected)
    assert token_accuracy(*split([random.sample(tokens, len(tokens))])) == pytest.approx(expected)


@pytest.mark.parametrize("score", [chunk_f1, token_accuracy])
@pytest.mark.parametrize(
    ("predicted", "gold", "message"),
    [
        ([], [], "nothing to score"),
        ([["O"]], [["O"], ["O"]], "1 predictions for 2"),
        ([["O"], ["O"]], [["O"], ["O", "O"]], "sentence 1 has 1 predicted tags for 2"),
    ],
)
def test_misaligned_input_is_an_error(score, predicted, gold, message):
    with pytest.raises(ValueError, match=message):
        score(predicted, gold)


def test_empty_tags_and_no_tokens_are_errors():
    with pytest.raises(ValueError, match="position 1 is empty"):
        chunks(["O", ""])
    with pytest.raises(ValueError, match="no tokens"):
        token_accuracy([[]], [[]])
