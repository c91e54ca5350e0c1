import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xfer.core.metrics.retrieval import accuracy_at_1, nearest, occurring_once, tatoeba_accuracy, unique_texts

SIGNS = st.lists(st.sampled_from([-1.0, 0.0, 1.0]), min_size=4, max_size=4)
# Rows of +-1 and 0 in four dimensions: few different cosines, so ties and repeated rows are the rule.
TIED = st.lists(SIGNS, min_size=1, max_size=12).map(lambda rows: np.array(rows, np.float32))


def cosines(queries, index):
    def unit(rows):
        norms = np.linalg.norm(rows, axis=1, keepdims=True)
        return np.divide(rows, norms, out=np.zeros_like(rows), where=norms > 0)

    return unit(np.asarray(queries, np.float32)) @ unit(np.asarray(index, np.float32)).T


def brute_nearest(queries, index, k):
    """Full sort of all cosines by (-cosine, row)."""
    similarity = cosines(queries, index)
    ids = np.argsort(-similarity, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(similarity, ids, axis=1), ids


@given(TIED, TIED, st.integers(1, 6))
def test_ties_go_to_the_lowest_row(queries, index, k):
    scores, ids = nearest(queries, index, k)
    expected_scores, expected_ids = brute_nearest(queries, index, k)
    np.testing.assert_array_equal(scores, expected_scores)
    np.testing.assert_array_equal(ids, expected_ids)


@settings(max_examples=30, derandomize=True)
@given(st.integers(0, 10**6), st.integers(1, 40), st.integers(1, 40), st.integers(1, 6), st.integers(1, 50))
def test_blocks_do_not_change_the_answer(seed, n, m, k, block):
    random = np.random.default_rng(seed)
    queries, index = random.normal(size=(n, 16)), random.normal(size=(m, 16))
    scores, ids = nearest(queries, index, k, block=block)
    expected_scores, expected_ids = brute_nearest(queries, index, k)
    np.testing.assert_array_equal(ids, expected_ids)
    np.testing.assert_allclose(scores, expected_scores, atol=1e-6)
    assert scores.dtype == np.float32
    assert ids.dtype == np.int64


def test_ties_across_blocks_go_to_the_lowest_row():
    index = np.tile(np.eye(4, dtype=np.float32), (5, 1))
    _, ids = nearest(np.eye(4, dtype=np.float32), index, k=3, block=3)
    np.testing.assert_array_equal(ids, [[row, row + 4, row + 8] for row in range(4)])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_rows_need_not_be_normalised(dtype):
    index = np.array([[1, 0], [1, 1], [0, 3]], dtype)
    scores, ids = nearest(np.array([[0, 100], [5, 4]], dtype), index, k=2)
    np.testing.assert_array_equal(ids, [[2, 1], [1, 0]])
    np.testing.assert_allclose(scores, [[1, 0.70710678], [0.99388373, 0.78086881]], rtol=1e-6)


def test_a_row_of_zeros_is_orthogonal_to_all():
    scores, ids = nearest(np.zeros((1, 2)), np.array([[1.0, 0], [0, 0], [-1, 0]]), k=3)
    np.testing.assert_array_equal(scores, [[0, 0, 0]])
    np.testing.assert_array_equal(ids, [[0, 1, 2]])


def test_the_inputs_are_left_alone():
    queries, index = np.array([[3.0, 4.0]], np.float32), np.array([[6.0, 8.0]], np.float32)
    nearest(queries, index, k=1)
    np.testing.assert_array_equal(queries, [[3, 4]])
    np.testing.assert_array_equal(index, [[6, 8]])


def test_memory_is_that_of_a_block_not_of_the_matrix():
    queries, index = np.ones((3000, 64), np.float32), np.ones((3000, 64), np.float32)
    tracemalloc.start()
    nearest(queries, index, k=2, block=256)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    results = 3000 * 2 * (4 + 8)
    assert peak < 1.5 * 8 * 256 * (256 + 64) + results
    assert peak < 4 * 3000 * 3000 / 20


@pytest.mark.parametrize(
    ("queries", "index", "k", "block", "message"),
    [
        (np.ones((2, 3)), np.ones((2, 4)), 1, 8, "one width"),
        (np.ones(3), np.ones((2, 3)), 1, 8, "two matrices"),
        (np.ones((0, 3)), np.ones((2, 3)), 1, 8, "nothing to search"),
        (np.ones((2, 3)), np.ones((0, 3)), 1, 8, "nothing to search"),
        (np.ones((2, 3)), np.ones((2, 3)), 0, 8, "at least 1"),
        (np.ones((2, 3)), np.ones((2, 3)), 1, 0, "at least 1"),
        (np.full((2, 3), np.nan), np.ones((2, 3)), 1, 8, "not finite"),
        (np.ones((2, 3)), np.full((2, 3), np.inf), 1, 8, "not finite"),
    ],
)
def test_unusable_input_is_an_error(queries, index, k, block, message):
    with pytest.raises(ValueError, match=message):
        nearest(queries, index, k, block)


def test_accuracy_at_1():
    gold = np.array([0, 1, 2, 3])
    assert accuracy_at_1(np.array([0, 1, 1, 3]), gold) == 75
    assert accuracy_at_1(np.array([[0, 9], [9, 1], [2, 9], [9, 3]]), gold) == 50
    with pytest.raises(ValueError, match="nothing to score"):
        accuracy_at_1(gold[:0], gold[:0])


def test_tatoeba_accuracy_depends_on_the_direction():
    english = np.array([[1.0, 0], [0, 1.0], [0.9, 0.1]])
    other = np.array([[1.0, 0.1], [0.1, 1.0], [1.0, -1.0]])
    # English row 2 is nearest to other row 0; the other row 2 is nearest to English row 0.
    assert tatoeba_accuracy(english, other) == pytest.approx({"accuracy": 200 / 3})
    english[0] = [0.5, 1.0]
    # Now English row 0 finds row 1, and the other row 0 finds English row 2.
    assert tatoeba_accuracy(english, other, "english-to-other") == pytest.approx({"accuracy": 100 / 3})
    assert tatoeba_accuracy(english, other, "other-to-english") == pytest.approx({"accuracy": 200 / 3})


def test_tatoeba_rejects_what_it_does_not_know():
    with pytest.raises(ValueError, match="english-to-other, other-to-english"):
        tatoeba_accuracy(np.ones((2, 2)), np.ones((2, 2)), "en-xx")
    with pytest.raises(ValueError, match="2 predictions for 3"):
        tatoeba_accuracy(np.ones((2, 2)), np.ones((3, 2)))


@settings(max_examples=30, derandomize=True)
@given(st.integers(0, 10**6), st.integers(1, 20))
def test_translations_that_are_equal_vectors_score_100(seed, n):
    vectors = np.random.default_rng(seed).normal(size=(n, 8))
    for direction in ("english-to-other", "other-to-english"):
        assert tatoeba_accuracy(vectors, 3 * vectors, direction) == {"accuracy": 100}


def test_unique_texts_keep_the_last_of_equals():
    kept, mapping = unique_texts(["猫", "cat", "猫", "", "cat", "แมว", "猫"])
    assert kept.tolist() == [6, 4, 3, 5]
    assert mapping.tolist() == [0, 1, 0, 2, 1, 3, 0]
    assert occurring_once(mapping).tolist() == [False, False, True, True]


def test_unique_texts_of_none():
    kept, mapping = unique_texts([])
    assert kept.shape == mapping.shape == (0,)
    assert occurring_once(mapping).shape == (0,)


@given(st.lists(st.sampled_from(["a", "b", "b ", "ä", "ä", ""]), max_size=12))
def test_unique_texts_group_exactly_the_equal_texts(texts):
    kept, mapping = unique_texts(texts)
    groups = list(dict.fromkeys(texts))
    assert [texts[position] for position in kept] == groups
    assert [groups[group] for group in mapping] == texts
    assert all(texts[position] not in texts[position + 1 :] for position in kept)
    assert occurring_once(mapping).tolist() == [texts.count(text) == 1 for text in groups]
