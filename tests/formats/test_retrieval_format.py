"""Retrieval: pooling, both directions, mining among distractors, baselines."""

import numpy as np
import pytest
import torch  # noqa: TID253

from xfer.core.examples import PairExample
from xfer.core.formats import RetrievalOptions
from xfer.core.formats.retrieval import HEURISTIC_LIMIT, Retrieval, trigrams

PAIRS = [
    PairExample("a", "zh", "河水流过老磨坊", "The river runs past the old mill"),
    PairExample("b", "th", "แม่น้ำไหลผ่าน", "The river runs"),
    PairExample("c", "de", "👍🏽", "Thumbs up"),
    PairExample("d", "de", "Cafe\u0301 ole\u0301", ""),
]
POOLS = [
    PairExample("a", "de", "der Fluss", "the river"),
    PairExample("x", "de", "niemand fragt danach", None),
    PairExample("b", "de", "die Mühle", "the mill"),
    PairExample("y", "de", None, "nobody asked for this"),
    PairExample("c", "de", "zwei Äpfel", "two apples"),
]


def build(task, **options):
    return Retrieval(task("retrieval"), (), RetrievalOptions(**options))


def token_table(size):
    return torch.randn(size, 12, generator=torch.Generator().manual_seed(1))


def embedded(code, examples, tokeniser, evaluated, max_length=32):
    features = code.featurise(examples, tokeniser, max_length, training=False)
    table = token_table(tokeniser.size)
    return features, evaluated(code, features, None, lambda batch: table[batch.input_ids], 60)["embedding"]


@pytest.mark.parametrize(
    ("options", "inner"),
    [({}, slice(None)), ({"special_tokens": False}, slice(1, -1)), ({"pooling": "cls"}, slice(0, 1))],
)
def test_pooling_is_that_of_the_unpadded_sentence(task, tokeniser, evaluated, options, inner):
    code = build(task, prefix="query: ", **options)
    features, embeddings = embedded(code, PAIRS, tokeniser, evaluated, max_length=16)
    texts = [pair.source for pair in PAIRS] + [pair.target for pair in PAIRS]
    assert features.columns["side"].values.tolist() == [0] * 4 + [1] * 4
    assert features.example.tolist() == [0, 1, 2, 3] * 2
    assert embeddings.dtype == np.float32
    for text, got in zip(texts, embeddings, strict=True):
        ids = tokeniser.fast("query: " + text, truncation=True, max_length=16)["input_ids"][inner]
        np.testing.assert_allclose(got, token_table(tokeniser.size)[ids].mean(dim=0), rtol=1e-4, atol=1e-6)


def test_a_sentence_without_content_pools_to_zero(task, small, evaluated):
    code = build(task, special_tokens=False)
    _, embeddings = embedded(code, [PairExample("a", "de", "", "x")], small, evaluated)
    assert not embeddings[0].any()
    assert embeddings[1].any()


@pytest.mark.parametrize("direction", ["english-to-other", "other-to-english"])
def test_nearest_in_either_direction(task, small, direction):
    code = build(task, direction=direction)
    features = code.featurise(PAIRS, small, 32, training=False)
    sources = np.array([[1, 0], [0, 1], [1, 1], [-1, 0]], np.float32)
    targets = np.array([[1, 0.1], [0.9, 1], [0.1, 1], [-1, 0.1]], np.float32)
    # Asked in English, "b" is nearest to c's other side and "c" to b's; asked the other way round as well.
    values = code.decode(PAIRS, features, {"embedding": np.concatenate([sources, targets])})
    assert values == ["a", "c", "b", "d"]
    values = code.decode(PAIRS, features, {"embedding": np.concatenate([sources, targets * 0 + sources[0]])})
    assert values == (["a"] * 4)
    skewed = np.concatenate([sources, np.roll(sources, 1, axis=0)])
    expected = {"english-to-other": ["d", "a", "b", "c"], "other-to-english": ["b", "c", "d", "a"]}
    assert code.decode(PAIRS, features, {"embedding": skewed}) == expected[direction]


def test_mining_finds_the_pairs_among_distractors(task, small):
    code = build(task, neighbours=2)
    features = code.featurise(POOLS, small, 32, training=False)
    assert features.example.tolist() == [0, 1, 2, 4, 0, 2, 3, 4]
    rng = np.random.default_rng(0)
    # Every two sentences share a direction, as embeddings do; translations are equal, distractors are alone.
    base = np.linalg.qr(rng.normal(size=(8, 8)))[0].astype(np.float32)
    base += 0.7 * base[7]
    #            a        x        b        c        a        b        y        c
    vectors = [base[0], base[1], base[2], base[3], base[0], base[2], base[4], base[3]]
    values = code.decode(POOLS, features, {"embedding": np.stack(vectors)})
    assert [value[0] if value else None for value in (values[0], values[2], values[4])] == ["a", "b", "c"]
    assert values[3] is None
    # What is left over pairs up too: it is for the threshold to part the two kinds.
    assert values[1][0] == "y"
    assert all(isinstance(value[1], float) for value in values if value)
    assert values[1][1] < 1.05 < min(values[i][1] for i in (0, 2, 4))


def test_mining_leaves_repeated_sentences_out(task, small):
    examples = [*POOLS, PairExample("z", "de", None, "the river")]
    code = build(task)
    features = code.featurise(examples, small, 32, training=False)
    table = {text: row for row, text in enumerate(dict.fromkeys(t for e in examples for t in (e.source, e.target)))}
    base = np.eye(len(table), dtype=np.float32) + 0.1
    for german, english in (("der Fluss", "the river"), ("die Mühle", "the mill")):
        base[table[german]] = base[table[english]]
    order = [e.source for e in examples if e.source] + [e.target for e in examples if e.target]
    values = code.decode(examples, features, {"embedding": base[[table[text] for text in order]]})
    assert values[0] is None
    assert values[2][0] == "b"
    assert values[5] is None


def test_a_task_with_a_threshold_is_mined_without_distractors(task, small):
    """A copy of BUCC that holds gold pairs only: margins all the same, so that a threshold can be tuned."""
    tuning = task("retrieval").model_copy(update={"tune": lambda values, examples, language: 1.0})
    code = Retrieval(tuning, (), RetrievalOptions(neighbours=1))
    features = code.featurise(PAIRS, small, 32, training=False)
    sources = np.array([[1, 0], [0, 1], [-1, 0], [0, -1]], np.float32)
    targets = np.array([[1, 0], [-0.2, 1], [0.3, -1], [-1, 0.1]], np.float32)
    values = code.decode(PAIRS, features, {"embedding": np.concatenate([sources, targets])})
    assert [value[0] for value in values] == ["a", "b", "d", "c"]
    assert all(margin == pytest.approx(1) for _, margin in values)
    assert code.limited(values, PAIRS, 1) == values
    assert all(isinstance(margin, float) for _, margin in code.chance(PAIRS, np.random.default_rng(0)))
    mined = code.heuristic([], PAIRS)
    assert {type(value) for value in mined} <= {tuple, type(None)}
    assert code.decode([], code.featurise([], small, 32, training=False), {"embedding": np.zeros((0, 4))}) == []


def test_one_side_only(task, small):
    examples = [PairExample("x", "de", "allein", None), PairExample("y", "de", "auch", None)]
    code = build(task)
    features = code.featurise(examples, small, 32, training=False)
    assert code.decode(examples, features, {"embedding": np.ones((2, 4), np.float32)}) == [None, None]
    assert code.chance(examples, np.random.default_rng(0)) == [None, None]


def test_chance(task):
    values = build(task).chance(PAIRS * 100, np.random.default_rng(0))
    assert [values.count(name) / 400 for name in "abcd"] == pytest.approx([0.25] * 4, abs=0.08)
    mined = build(task).chance(POOLS, np.random.default_rng(0))
    assert mined[3] is None
    assert all(value[0] in "abyc" and 0 <= value[1] < 1 for i, value in enumerate(mined) if i != 3)


def test_heuristic_finds_what_looks_alike(task):
    examples = [
        PairExample("a", "de", "Die Stadt Hamburg liegt im Norden", "The city of Hamburg lies in the north"),
        PairExample("b", "de", "1848 begann die Revolution", "The revolution began in 1848"),
        PairExample("c", "de", "Präsident Lincoln", "President Lincoln"),
    ]
    assert build(task).heuristic([], examples) == ["a", "b", "c"]
    pools = [*examples, PairExample("d", "de", "Ganz etwas anderes", None), PairExample("e", "de", None, "xyz")]
    found = build(task).heuristic([], pools)
    assert [value[0] for value in found[:3]] == ["a", "b", "c"]
    assert found[4] is None
    many = [PairExample(str(i), "de", "x", "y") for i in range(HEURISTIC_LIMIT + 1)]
    assert build(task).heuristic([], many) == []


def test_trigrams_are_counted_within_each_text():
    table = trigrams(["abcabc", "", "ABCabc", "河水流", "abc"])
    assert table.sum(axis=1).tolist() == [8, 2, 8, 5, 5]
    assert np.array_equal(table[0], table[2])
    apart = trigrams(["abc"])
    assert np.array_equal(table[4], apart[0])
    assert table[0].max() == 2
