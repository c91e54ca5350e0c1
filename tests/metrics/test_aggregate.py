import math
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xfer.core.metrics.aggregate import mean, precision_recall_f1, qa_mean, standard_error

POINTS = st.lists(st.floats(0, 100), min_size=2, max_size=30)


def test_qa_mean_is_the_score_of_a_qa_task_in_xtreme():
    assert qa_mean(f1=76.6, exact_match=60.8) == pytest.approx(68.7)


def test_standard_error_of_right_and_wrong_answers():
    # p = 0.75, n = 4: sqrt(p (1 - p) / (n - 1)) in points.
    assert standard_error([100, 100, 100, 0]) == pytest.approx(25.0)


@given(POINTS, st.randoms())
def test_mean_and_error_do_not_depend_on_the_order(values, random):
    shuffled = random.sample(values, len(values))
    assert mean(shuffled) == mean(values)
    assert standard_error(shuffled) == standard_error(values)


@given(POINTS)
def test_mean_lies_between_the_extremes(values):
    slack = 1e-9
    assert min(values) - slack <= mean(values) <= max(values) + slack


@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 50))
def test_f1_is_the_harmonic_mean_of_precision_and_recall(correct, wrong, missed):
    scores = precision_recall_f1(correct, correct + wrong, correct + missed)
    expected = 200 * correct / (2 * correct + wrong + missed) if correct else 0.0
    assert math.isclose(scores["f1"], expected, abs_tol=1e-9)
    assert all(0 <= score <= 100 + 1e-9 for score in scores.values())


def test_undefined_values_are_errors():
    with pytest.raises(ValueError, match="no values"):
        mean([])
    with pytest.raises(ValueError, match="two examples"):
        standard_error([100.0])


def test_the_package_does_not_load_numpy():
    code = "import sys, xfer.core.metrics; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
