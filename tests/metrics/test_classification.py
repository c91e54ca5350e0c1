import pytest
from hypothesis import given
from hypothesis import strategies as st

from xfer.core.metrics import accuracy, binary_f1

PAIRS = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=1, max_size=40)


def test_accuracy_golden():
    gold = ["entailment", "neutral", "contradiction", "neutral", "neutral", "entailment"]
    guess = ["entailment", "neutral", "entailment", "neutral", "contradiction", "entailment"]
    assert accuracy(guess, gold) == pytest.approx(66.6666667)


def test_binary_f1_golden():
    # two hits, one false alarm, one miss: precision 2/3, recall 2/3
    assert binary_f1([1, 1, 1, 0, 0], [1, 1, 0, 1, 0], positive=1) == pytest.approx(66.6666667)
    # one hit, two false alarms, no miss
    assert binary_f1([1, 1, 1], [1, 0, 0], positive=1) == pytest.approx(50.0)


def test_binary_f1_without_a_hit_is_zero():
    assert binary_f1([0, 0], [0, 0], positive=1) == 0
    assert binary_f1([1, 0], [0, 1], positive=1) == 0


@given(PAIRS, st.randoms())
def test_scores_do_not_depend_on_the_order(pairs, random):
    guess, gold = zip(*pairs, strict=True)
    shuffled_guess, shuffled_gold = zip(*random.sample(pairs, len(pairs)), strict=True)
    assert accuracy(guess, gold) == accuracy(shuffled_guess, shuffled_gold)
    assert binary_f1(guess, gold, "a") == binary_f1(shuffled_guess, shuffled_gold, "a")


@given(PAIRS)
def test_scores_are_points_and_the_gold_labels_score_100(pairs):
    guess, gold = zip(*pairs, strict=True)
    assert 0 <= accuracy(guess, gold) <= 100
    assert 0 <= binary_f1(guess, gold, "a") <= 100
    assert accuracy(gold, gold) == 100
    assert binary_f1(gold, gold, "a") == (100 if "a" in gold else 0)


@given(PAIRS)
def test_accuracy_is_the_sum_of_the_hits_by_label(pairs):
    guess, gold = zip(*pairs, strict=True)
    hits = sum(sum(g == w == label for g, w in pairs) for label in "abc")
    assert accuracy(guess, gold) == pytest.approx(100 * hits / len(pairs))


@pytest.mark.parametrize(("guess", "gold"), [([], []), ([1], [1, 2]), ([1, 2], [1])])
def test_nothing_to_score_or_unequal_lengths_are_errors(guess, gold):
    with pytest.raises(ValueError, match=r"nothing to score|predictions for"):
        accuracy(guess, gold)
    with pytest.raises(ValueError, match=r"nothing to score|predictions for"):
        binary_f1(guess, gold, 1)
