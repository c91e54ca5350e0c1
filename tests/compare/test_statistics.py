"""The tests and intervals against worked tables, brute force and, where it is installed, scipy."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xfer.core.compare.paired import paired_tests
from xfer.core.compare.statistics import false_discovery_rate, holm, t_interval, t_quantile


def paired_test(first, second, *test, **options):
    """Of one score an example in the same order."""
    differences = np.asarray(first, np.float64) - np.asarray(second, np.float64)
    return paired_tests([differences[None]], *test, **options)[0]


def paired_bootstrap(first, second, **options):
    return paired_test(first, second, "bootstrap", **options)


def permutation_test(first, second, **options):
    return paired_test(first, second, "permutation", **options).p_value


P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=30)
POINTS = st.lists(
    st.tuples(st.sampled_from([0.0, 37.5, 100.0]), st.sampled_from([0.0, 37.5, 100.0])), min_size=2, max_size=40
)


@pytest.mark.parametrize(
    ("degrees", "quantile"),
    [
        (1, 12.7062),
        (2, 4.30265),
        (3, 3.18245),
        (4, 2.77645),
        (5, 2.57058),
        (9, 2.26216),
        (30, 2.04227),
        (120, 1.97993),
    ],
)
def test_student_quantiles_are_those_of_the_printed_tables(degrees, quantile):
    assert t_quantile(0.975, degrees) == pytest.approx(quantile, rel=1e-5)
    assert t_quantile(0.025, degrees) == pytest.approx(-quantile, rel=1e-5)


def test_student_median_is_zero_and_bad_arguments_are_refused():
    assert t_quantile(0.5, 7) == pytest.approx(0, abs=1e-12)
    for probability, degrees in [(0, 3), (1, 3), (0.5, 0)]:
        with pytest.raises(ValueError, match="no quantile"):
            t_quantile(probability, degrees)


def test_interval_over_three_seeds_is_the_worked_one():
    # mean 60, standard deviation 2, t = 4.30265 with two degrees of freedom, root of 3.
    assert t_interval([58.0, 60.0, 62.0]) == pytest.approx((60 - 4.96828, 60 + 4.96828), abs=1e-4)
    with pytest.raises(ValueError, match="two values"):
        t_interval([58.0])


def test_interval_over_seeds_covers_the_truth_as_often_as_it_says():
    draws = np.random.default_rng(5).normal(50, 3, size=(4000, 3))
    covered = sum(low <= 50 <= high for low, high in (t_interval(row.tolist()) for row in draws))
    assert 0.935 <= covered / 4000 <= 0.965


def test_holm_on_a_worked_table():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_false_discovery_rate_on_a_worked_table():
    assert false_discovery_rate([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.02, 0.04, 0.04, 0.02])


@given(P_VALUES)
def test_corrections_never_lower_a_p_value_and_keep_the_order(p_values):
    strict, lenient = holm(p_values), false_discovery_rate(p_values)
    for p, q, r in zip(p_values, lenient, strict, strict=True):
        assert p <= q + 1e-12
        assert q <= r + 1e-12
        assert r <= 1
    for adjusted in (strict, lenient):
        assert [adjusted[i] for i in np.argsort(p_values, kind="stable")] == sorted(adjusted)


def test_p_values_outside_the_unit_interval_are_refused():
    for correct in (holm, false_discovery_rate):
        with pytest.raises(ValueError, match="between 0 and 1"):
            correct([0.2, 1.2])
        assert correct([]) == []


def test_permutation_test_counts_every_assignment_of_signs():
    first, second = [100.0, 100.0, 50.0, 0.0, 100.0], [0.0, 0.0, 100.0, 0.0, 0.0]
    differences = [a - b for a, b in zip(first, second, strict=True)]
    sums = [
        sum(s * d for s, d in zip(signs, differences, strict=True))
        for signs in itertools.product([1, -1], repeat=5)
    ]
    expected = sum(abs(value) >= abs(sum(differences)) for value in sums) / len(sums)
    assert permutation_test(first, second) == expected


@settings(max_examples=40, deadline=None)
@given(POINTS)
def test_tests_are_symmetric_and_within_bounds(pairs):
    first, second = ([pair[side] for pair in pairs] for side in (0, 1))
    forward, backward = (paired_bootstrap(a, b, resamples=200) for a, b in ((first, second), (second, first)))
    assert forward.difference == -backward.difference
    assert forward.low <= forward.high
    assert 0 < forward.p_value <= 1
    assert 0 < permutation_test(first, second, resamples=200) <= 1


def test_equal_systems_differ_by_chance_only_and_unlike_ones_do_not():
    scores = [0.0, 100.0] * 50
    same = paired_bootstrap(scores, scores)
    assert (same.difference, same.low, same.high, same.p_value, same.n, same.seeds) == (0, 0, 0, 1, 100, 1)
    assert permutation_test(scores, scores) == 1
    better = paired_bootstrap([100.0] * 80 + [0.0] * 20, scores)
    assert better.difference == 30
    assert better.low > 0
    assert better.p_value < 0.001
    assert permutation_test([100.0] * 80 + [0.0] * 20, scores) < 0.001


def test_bootstrap_agrees_with_drawing_examples_one_by_one():
    random = np.random.default_rng(0)
    first, second = random.integers(0, 2, 300) * 100.0, random.integers(0, 2, 300) * 100.0
    indices = random.integers(0, 300, size=(10_000, 300))
    low, high = np.quantile((first - second)[indices].mean(axis=1), [0.025, 0.975])
    ours = paired_bootstrap(first, second)
    assert ours.low == pytest.approx(low, abs=0.6)
    assert ours.high == pytest.approx(high, abs=0.6)


def test_drawn_permutations_come_close_to_the_normal_approximation():
    random = np.random.default_rng(1)
    first, second = random.normal(51, 10, 400), random.normal(50, 10, 400)
    differences = first - second
    z = abs(differences.sum()) / math.sqrt((differences**2).sum())
    assert permutation_test(first, second) == pytest.approx(math.erfc(z / math.sqrt(2)), abs=0.015)


@pytest.mark.parametrize("kind", ["bootstrap", "permutation"])
@pytest.mark.parametrize("differences", [[1.0], [0.0, math.nan], []], ids=["one example", "not finite", "none"])
def test_scores_that_cannot_be_tested_are_refused(kind, differences):
    with pytest.raises(ValueError, match="paired scores"):
        paired_tests([np.array([differences])], kind)


def test_many_cells_at_once_are_the_cells_one_by_one():
    random = np.random.default_rng(3)
    cells = [random.normal(shift, 30, size=(1, 80)) for shift in (0, 5, 20)]
    for test in ("bootstrap", "permutation"):
        together = paired_tests(cells, test)
        alone = [paired_tests([cell], test)[0] for cell in cells]
        for one, other in zip(together, alone, strict=True):
            assert one.model_dump() == pytest.approx(other.model_dump(), abs=1e-9)
    assert paired_tests([]) == []


def test_cells_of_unlike_size_are_refused():
    with pytest.raises(ValueError, match="paired scores"):
        paired_tests([np.zeros((1, 5)), np.zeros((1, 6))])
    with pytest.raises(ValueError, match="paired scores"):
        paired_tests([np.zeros(5)])


def test_beyond_the_resamples_p_values_go_on_falling():
    gains = [paired_test([100.0] * n + [0.0] * (200 - n), [0.0] * 200) for n in (20, 40, 80)]
    assert [gain.p_value for gain in gains] == sorted([gain.p_value for gain in gains], reverse=True)
    assert gains[0].p_value < 1e-4
    # 80 of 200 examples won, none lost: the sign test's p-value is 2 ** -79, the normal's is larger.
    assert 2**-79 < gains[2].p_value < 1e-15
    assert permutation_test([100.0] * 80 + [0.0] * 120, [0.0] * 200) < 1e-15


def test_two_seeds_count_as_their_mean_and_three_as_a_source_of_variance():
    random = np.random.default_rng(4)
    examples = random.normal(1, 10, size=200)
    two = np.stack([examples + 6, examples - 6])
    assert paired_tests([two])[0].high == pytest.approx(paired_tests([two.mean(0, keepdims=True)])[0].high)
    three = np.stack([examples + 6, examples, examples - 6])
    alone, wider = paired_tests([examples[None]])[0], paired_tests([three])[0]
    assert wider.difference == pytest.approx(alone.difference)
    # Nearly Student's interval with two degrees of freedom: 4.3 times 6 over the root of 3.
    assert (wider.high - wider.low) / 2 == pytest.approx(4.303 * 6 / 3**0.5, rel=0.05)
    assert alone.p_value < 0.5
    assert wider.p_value > 0.7


def coverage(seeds, n, of_seeds, of_examples, of_both, kind, repeats=1500):
    """The share of intervals of a simulated difference that hold the true one, and of p-values below 0.05."""
    random = np.random.default_rng(6)
    cells = []
    for _ in range(repeats):
        cell = random.normal(0, of_seeds, (seeds, 1)) + random.normal(0, of_examples, n) if kind == "normal" else 0
        if kind == "normal":
            cell = cell + random.normal(0, of_both, (seeds, n))
        else:
            hard = random.beta(1.5, 1, n)
            shift = random.normal(0, of_seeds, (seeds, 1)) / 100
            cell = 100.0 * (random.random((seeds, n)) < np.clip(hard + shift, 0, 1)) - 100.0 * (
                random.random((seeds, n)) < hard
            )
        cells.append(cell)
    found = [test for at in range(0, repeats, 250) for test in paired_tests(cells[at : at + 250], resamples=2000)]
    covered = sum(test.low <= 0 <= test.high for test in found) / repeats
    return covered, sum(test.p_value < 0.05 for test in found) / repeats


def test_scipy_agrees():
    stats = pytest.importorskip("scipy.stats")
    random = np.random.default_rng(2)
    for degrees in range(1, 60):
        for probability in random.uniform(0.001, 0.999, 5):
            assert t_quantile(probability, degrees) == pytest.approx(
                stats.t.ppf(probability, degrees), rel=1e-8, abs=1e-10
            )
    for size in (1, 5, 40):
        p_values = random.uniform(0, 1, size).tolist()
        assert false_discovery_rate(p_values) == pytest.approx(stats.false_discovery_control(p_values).tolist())

    def mean_difference(a, b, axis):
        return (a - b).mean(axis=axis)

    for n in (8, 200):
        first, second = random.integers(0, 2, n) * 100.0, random.integers(0, 2, n) * 100.0
        theirs = stats.permutation_test(
            (first, second), mean_difference, permutation_type="samples", vectorized=True, n_resamples=9999, rng=0
        )
        assert permutation_test(first, second) == pytest.approx(theirs.pvalue, abs=0.015)
        interval = stats.bootstrap(
            (first, second), mean_difference, paired=True, vectorized=True, method="percentile", rng=0
        ).confidence_interval
        ours = paired_bootstrap(first, second)
        assert (ours.low, ours.high) == pytest.approx((interval.low, interval.high), abs=1.5 if n > 8 else 13)
