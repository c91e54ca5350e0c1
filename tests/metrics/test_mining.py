import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xfer.core.metrics.retrieval import best_threshold, mine, mining_f1

# Scores on a grid of eighths: ties are frequent and midpoints are exact.
CANDIDATES = st.lists(st.tuples(st.integers(1, 12).map(lambda x: x / 8), st.booleans()), max_size=15)
# The same examples in every run: two margins drawn at random may lie closer than fp32 tells apart.
DRAWN = settings(max_examples=40, derandomize=True)


def pairs_of(mined):
    return set(zip(mined[0].tolist(), mined[1].tolist(), strict=True))


def brute_mine(source, target, k=4):
    """The definition of the margin and of the matching, pair by pair, without blocks or arrays."""
    unit = [[row / np.linalg.norm(row) for row in np.asarray(side, np.float64)] for side in (source, target)]
    cosine = [[float(one @ other) for other in unit[1]] for one in unit[0]]
    columns = [list(column) for column in zip(*cosine, strict=True)]

    def neighbours(row):
        return sorted(range(len(row)), key=lambda j: -row[j])[:k]

    def average(row):
        return sum(row[j] for j in neighbours(row)) / len(neighbours(row))

    def margin(i, j):
        return cosine[i][j] / ((average(cosine[i]) + average(columns[j])) / 2)

    pairs = [(max(neighbours(row), key=lambda j: margin(i, j)), i) for i, row in enumerate(cosine)]
    proposals = {(i, j) for j, i in pairs}
    proposals |= {(max(neighbours(column), key=lambda i: margin(i, j)), j) for j, column in enumerate(columns)}
    found, used = [], set()
    for i, j in sorted(proposals, key=lambda pair: -margin(*pair)):
        if margin(i, j) > 0 and ("s", i) not in used and ("t", j) not in used:
            used |= {("s", i), ("t", j)}
            found.append((i, j, margin(i, j)))
    return found


@DRAWN
@given(st.integers(0, 10**6), st.integers(1, 12), st.integers(1, 12), st.integers(1, 5), st.integers(1, 15))
def test_mining_follows_the_definition(seed, n, m, k, block):
    random = np.random.default_rng(seed)
    # An offset keeps the cosines above 0, as those of sentence embeddings are.
    source, target = random.normal(size=(n, 6)) + 1, random.normal(size=(m, 6)) + 1
    found = {(i, j): margin for i, j, margin in zip(*mine(source, target, k, block), strict=True)}
    expected = {(i, j): margin for i, j, margin in brute_mine(source, target, k)}
    assert found == {pair: pytest.approx(margin, rel=2e-5) for pair, margin in expected.items()}


@DRAWN
@given(st.integers(0, 10**6), st.integers(1, 15), st.integers(1, 15))
def test_mining_is_one_to_one_sorted_and_positive(seed, n, m):
    random = np.random.default_rng(seed)
    sources, targets, margins = mine(random.normal(size=(n, 4)), random.normal(size=(m, 4)))
    assert len(set(sources.tolist())) == len(sources) <= min(n, m)
    assert len(set(targets.tolist())) == len(targets)
    assert (margins > 0).all()
    assert (np.diff(margins) <= 0).all()


@DRAWN
@given(st.integers(0, 10**6))
def test_mining_does_not_depend_on_the_order_of_sentences(seed):
    random = np.random.default_rng(seed)
    source, target = random.normal(size=(9, 5)) + 1, random.normal(size=(8, 5)) + 1
    rows, columns = random.permutation(9), random.permutation(8)
    shuffled = pairs_of(mine(source[rows], target[columns]))
    assert {(rows[i], columns[j]) for i, j in shuffled} == pairs_of(mine(source, target))


@DRAWN
@given(st.integers(0, 10**6), st.integers(1, 10))
def test_mining_is_symmetric_in_the_two_sides(seed, n):
    random = np.random.default_rng(seed)
    source, target = random.normal(size=(n, 5)) + 1, random.normal(size=(7, 5)) + 1
    forward, backward = pairs_of(mine(source, target)), pairs_of(mine(target, source))
    assert forward == {(i, j) for j, i in backward}


def test_mining_golden():
    source = np.eye(3)
    target = np.array([[0.8, 0.6, 0.0], [0.0, 0.6, 0.8]])
    sources, targets, margins = mine(source, target, k=1)
    # k = 1: own bests are 0.8, 0.6, 0.8 and 0.8, 0.8, so the outer rows match with margin 1. The middle row
    # (0.6 / 0.7) comes too late: both targets are taken.
    assert list(zip(sources.tolist(), targets.tolist(), strict=True)) == [(0, 0), (2, 1)]
    np.testing.assert_allclose(margins, [1.0, 1.0], rtol=1e-6)
    # k = 2: averages 0.4, 0.6, 0.4 and 0.7, 0.7; margin 0.8 / 0.55.
    np.testing.assert_allclose(mine(source, target, k=2)[2], [0.8 / 0.55] * 2, rtol=1e-6)


def test_equal_margins_go_to_the_lowest_rows():
    vectors = np.ones((3, 4), np.float32)
    sources, targets, margins = mine(vectors, vectors)
    assert sources[0] == targets[0] == 0
    np.testing.assert_allclose(margins, 1)
    sources, targets, _ = mine(np.eye(3), np.eye(3)[[2, 0, 1]])
    assert sources.tolist() == [0, 1, 2]
    assert targets.tolist() == [1, 2, 0]


def test_margins_of_zero_and_below_are_dropped():
    sources, targets, margins = mine(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]]))
    assert sources.tolist() == targets.tolist() == margins.tolist() == []


@given(CANDIDATES, st.integers(1, 5))
def test_the_best_threshold_beats_every_other(candidates, missed):
    scores, correct = [score for score, _ in candidates], [flag for _, flag in candidates]
    gold = sum(correct) + missed - (1 if any(correct) else 0)
    threshold, f1 = best_threshold(scores, correct, gold)
    assert mining_f1(scores, correct, gold, threshold)["f1"] == (f1 if any(correct) else 0)
    rivals = [mining_f1(scores, correct, gold, rival)["f1"] for rival in {*scores, 0.0, 2.0}]
    assert f1 == pytest.approx(max(rivals))


@given(CANDIDATES, st.randoms())
def test_the_threshold_does_not_depend_on_the_order(candidates, random):
    shuffled = random.sample(candidates, len(candidates))
    answers = [
        best_threshold([score for score, _ in rows], [flag for _, flag in rows], len(candidates) + 1)
        for rows in (candidates, shuffled)
    ]
    assert answers[0] == answers[1]


def test_the_threshold_is_a_midpoint():
    assert best_threshold([1.5, 1.0, 1.25], [True, False, True], 2) == (1.125, 100)
    # One wrong above one right: taking both is better than none.
    assert best_threshold([1.5, 1.25, 0.5], [False, True, False], 1) == pytest.approx((0.875, 200 / 3))


def test_all_candidates_may_be_accepted():
    """The original reads one past the end of the list here."""
    assert best_threshold([1.5, 1.25], [True, True], 2) == (1.25, 100)
    assert best_threshold([1.5], [True], 2) == pytest.approx((1.5, 200 / 3))


def test_equal_scores_are_accepted_together():
    threshold, f1 = best_threshold([1.0, 1.0, 1.0, 0.5], [True, False, False, False], 1)
    assert (threshold, f1) == pytest.approx((0.75, 50))


def test_neighbouring_floats_have_no_midpoint():
    above = np.nextafter(1.0, 2.0)
    assert best_threshold([above, 1.0], [True, False], 1) == (above, 100)


def test_nothing_found():
    assert best_threshold([], [], 3) == (0.0, 0.0)
    assert best_threshold([1.0, 2.0], [False, False], 3) == (0.0, 0.0)
    assert mining_f1([], [], 3, 0.0) == {"precision": 0, "recall": 0, "f1": 0}


def test_mining_f1_golden():
    scores = mining_f1([1.5, 1.25, 1.0, 0.5], [True, False, True, True], 5, threshold=1.0)
    assert scores == pytest.approx({"precision": 200 / 3, "recall": 40, "f1": 50})


@pytest.mark.parametrize(
    ("scores", "correct", "gold", "message"),
    [
        ([1.0], [True, False], 2, "shape"),
        ([float("nan")], [True], 1, "non-finite"),
        ([1.0, 2.0], [True, True], 1, "2 correct candidates for 1 gold"),
        ([], [], 0, "0 gold pairs"),
    ],
)
def test_impossible_input_is_an_error(scores, correct, gold, message):
    with pytest.raises(ValueError, match=message):
        best_threshold(scores, correct, gold)
    with pytest.raises(ValueError, match=message):
        mining_f1(scores, correct, gold, 0.5)
