"""Tests on stored predictions: how examples are joined, what counts as one, what is corrected for what."""

import numpy as np
import pytest

from tests.compare import stores
from tests.compare.grid import LABELS, TARGETS, TRAINING, grid, row
from tests.compare.test_statistics import coverage, paired_test
from xfer import bootstrap
from xfer.core.compare.comparison import compare
from xfer.core.compare.evidence import Evidence
from xfer.core.compare.paired import paired_tests
from xfer.core.compare.significance import Procedure, checked_procedure
from xfer.core.compare.statistics import holm
from xfer.core.data.load import load_examples
from xfer.core.errors import UnknownName, UserError
from xfer.core.reports import render

QUICK = Procedure(resamples=500)


def store(tmp_path, cells):
    """A store with one evaluation phase per cell: (label, seed, language) to (ids, points, value)."""
    rows = []
    for (label, seed, language), (ids, points, value) in cells.items():
        made = row(label, "mini-xnli", language, seed, value)
        folder = tmp_path / "phases" / made.phase
        stores.write_predictions(folder, "mini-xnli", language, ids, points)
        rows.append(made)
    return rows, Evidence((tmp_path,))


def judged(rows, evidence, procedure=QUICK):
    comparison = compare(rows, evidence=evidence, procedure=procedure)
    return {(test.label, test.target, test.language): test for test in comparison.tests}, comparison


def test_examples_are_joined_by_id_and_what_was_not_asked_is_left_out(tmp_path):
    random = np.random.default_rng(0)
    base, mine = random.integers(0, 2, 50) * 100.0, random.integers(0, 2, 50) * 100.0
    ids = [f"x{place}" for place in range(50)]
    order = random.permutation(50)
    points = [None if place == 3 else mine[place] for place in order]
    asked = [place for place in range(50) if place != 3]
    rows, evidence = store(tmp_path, {
        ("none", 0, "de"): (ids, base, base.mean()),
        ("english-stilts", 0, "de"): ([ids[place] for place in order], points, mine[asked].mean()),
    })  # fmt: skip
    found, _ = judged(rows, evidence)
    expected = mine[asked].mean() - base[asked].mean()
    assert found["english-stilts", "mini-xnli", "de"].difference == pytest.approx(expected)
    assert found["english-stilts", "mini-xnli", "de"].n == 49


def test_seeds_that_only_one_side_has_are_tested_as_means(tmp_path):
    ids = [str(place) for place in range(20)]
    first, second = np.arange(20.0), np.full(20, 5.0)
    rows, evidence = store(tmp_path, {
        ("none", 0, "de"): (ids, first, first.mean()),
        ("none", 1, "de"): (ids, first + 2, first.mean() + 2),
        ("english-stilts", 7, "de"): (ids, second, 5.0),
    })  # fmt: skip
    test = judged(rows, evidence)[0]["english-stilts", "mini-xnli", "de"]
    assert test.difference == pytest.approx(5 - (first.mean() + 1))
    assert test.seeds == 1


def test_translations_of_one_example_are_drawn_together(tmp_path):
    random = np.random.default_rng(1)
    gain = random.choice([-100.0, 0.0, 100.0], 200)
    cells, apart = {}, {}
    for language in ("en", "de", "zh"):
        for held, prefix in ((cells, ""), (apart, language)):
            ids = [f"{prefix}{place}" for place in range(200)]
            held["none", 0, language] = (ids, np.zeros(200), 0.0)
            held["english-stilts", 0, language] = (ids, gain, gain.mean())
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    key = ("english-stilts", "mini-xnli", "")
    together = judged(*store(tmp_path / "one", cells))[0][key]
    separate = judged(*store(tmp_path / "two", apart))[0][key]
    assert (together.n, separate.n) == (200, 600)
    assert together.difference == pytest.approx(separate.difference)
    # The same gain in every language is no more evidence than in one of them: wider by the root of three.
    assert (together.high - together.low) / (separate.high - separate.low) == pytest.approx(3**0.5, rel=0.15)


def test_targets_are_means_over_languages_of_unlike_size(tmp_path):
    many, few = [str(n) for n in range(90)], [f"z{n}" for n in range(10)]
    rows, evidence = store(tmp_path, {
        ("none", 0, "de"): (many, np.zeros(90), 0.0),
        ("none", 0, "zh"): (few, np.zeros(10), 0.0),
        ("english-stilts", 0, "de"): (many, np.full(90, 10.0), 10.0),
        ("english-stilts", 0, "zh"): (few, np.full(10, 30.0), 30.0),
    })  # fmt: skip
    assert judged(rows, evidence)[0]["english-stilts", "mini-xnli", ""].difference == pytest.approx(20)


def test_large_sets_are_grouped_without_moving_the_mean(tmp_path):
    random = np.random.default_rng(2)
    gain = random.normal(0.5, 30, 5001)
    ids = [str(place) for place in range(5001)]
    rows, evidence = store(tmp_path, {
        ("none", 0, "de"): (ids, np.zeros(5001), 0.0),
        ("english-stilts", 0, "de"): (ids, gain, gain.mean()),
    })  # fmt: skip
    found = judged(rows, evidence, Procedure(resamples=4000))[0]["english-stilts", "mini-xnli", "de"]
    assert found.n == 5001
    assert found.difference == pytest.approx(gain.mean())
    half = (found.high - found.low) / 2
    assert half == pytest.approx(1.96 * gain.std() / 5001**0.5, rel=0.06)


def test_a_score_that_is_no_mean_of_its_points_is_told(tmp_path):
    ids = [str(place) for place in range(30)]
    rows, evidence = store(tmp_path, {
        ("none", 0, "de"): (ids, np.full(30, 50.0), 20.0),
        ("english-stilts", 0, "de"): (ids, np.arange(30.0), 22.0),
    })  # fmt: skip
    found, comparison = judged(rows, evidence)
    assert found["english-stilts", "mini-xnli", "de"].of_points
    assert "whose mean is not the score" in render(comparison, "markdown")


def test_sets_without_points_are_tested_over_seeds_from_three_on(tmp_path):
    values = {0: (10.0, 13.0), 1: (11.0, 13.0), 2: (12.0, 16.0)}
    cells = {}
    for seed, (base, mine) in values.items():
        cells["none", seed, "de"] = (["a", "b"], None, base)
        cells["english-stilts", seed, "de"] = (["a", "b"], None, mine)
    rows, evidence = store(tmp_path, cells)
    test = judged(rows, evidence)[0]["english-stilts", "mini-xnli", "de"]
    # Differences 3, 2, 4: mean 3, standard error 1 / root 3, t = 5.196 with two degrees of freedom.
    assert (test.test, test.seeds, test.difference) == ("t over seeds", 3, 3)
    assert test.p_value == pytest.approx(0.03509, abs=1e-4)
    assert (test.low, test.high) == pytest.approx((3 - 4.30265 / 3**0.5, 3 + 4.30265 / 3**0.5), abs=1e-4)
    found, comparison = judged([r for r in rows if r.seed < 2], evidence)
    assert not found
    assert any("mini-xnli: not all differences are tested" in note for note in comparison.notes)


def test_each_family_is_corrected_for_its_own_size(tmp_path):
    made = stores.make(tmp_path, grid(seeds=(0,)), n=40)
    _, comparison = judged(grid(seeds=(0,)), Evidence((made.root,)))
    cells = [test for test in comparison.tests if test.language]
    targets = [test for test in comparison.tests if not test.language]
    assert (len(cells), len(targets)) == (2 * 7, 2 * 3)
    for family in (cells, targets):
        assert [t.adjusted for t in family] == pytest.approx(holm([t.p_value for t in family]))
        assert all(t.significant == (t.adjusted < 0.05) for t in family)
    text = render(comparison, "markdown")
    assert "correction holm over 6 targets" in text
    assert "correction holm over 14 cells" in text
    assert "n = 40 examples" in text


@pytest.mark.parametrize("test", ["bootstrap", "permutation"])
@pytest.mark.parametrize("correct", ["holm", "fdr", "none"])
def test_test_and_correction_can_be_chosen_and_are_named(tmp_path, test, correct):
    made = stores.make(tmp_path, grid(seeds=(0,)), n=20)
    procedure = checked_procedure(test=test, correct=correct, alpha=0.01, resamples=200)
    comparison = compare(grid(seeds=(0,)), evidence=Evidence((made.root,)), procedure=procedure)
    assert {one.test for one in comparison.tests} == {test}
    assert all((one.low is None) is (test == "permutation") for one in comparison.tests)
    assert f"{test}, paired, against none" in render(comparison, "table")
    assert f"correction {correct} over" in render(comparison, "table").replace("\n", " ")


def test_unknown_procedures_are_refused():
    with pytest.raises(UnknownName, match="no test named 'bootstrp'"):
        checked_procedure(test="bootstrp")
    with pytest.raises(UnknownName, match="no correction named 'bonferroni'"):
        checked_procedure(correct="bonferroni")
    for alpha in (0, 1, -0.1):
        with pytest.raises(UserError, match="between 0 and 1"):
            checked_procedure(alpha=alpha)


def test_losses_are_the_largest_at_most_twenty_a_target_with_both_predictions(tmp_path):
    made = stores.make(tmp_path, grid(seeds=(0,)), n=60)
    comparison = compare(grid(seeds=(0,)), evidence=Evidence((made.root,)), procedure=QUICK)
    for target in TARGETS:
        losses = [loss for loss in comparison.losses if loss.target == target]
        assert len(losses) == 20
        drops = [loss.points - loss.base_points for loss in losses]
        assert drops == sorted(drops)
        assert drops[-1] < 0
        assert {loss.gold for loss in losses} <= set(stores.LABELS)
        assert all(loss.text.startswith("text of ") and loss.prediction and loss.base_prediction for loss in losses)


def test_long_texts_of_predictions_are_cut(tmp_path):
    ids = [str(place) for place in range(5)]
    rows = [row("none", "mini-xnli", "de", value=50.0), row("english-stilts", "mini-xnli", "de", value=40.0)]
    for made, points in zip(rows, (50.0, 40.0), strict=True):
        folder = tmp_path / "phases" / made.phase
        stores.write_predictions(folder, "mini-xnli", "de", ids, np.full(5, points), "x" * 999, "y" * 999)
    comparison = compare(rows, evidence=Evidence((tmp_path,)), procedure=QUICK)
    assert len(comparison.losses) == 5
    assert all(len(loss.text) == len(loss.prediction) == 300 for loss in comparison.losses)


@pytest.mark.parametrize("damage", ["absent", "not parquet", "no points", "hostile"])
def test_evidence_that_is_not_there_or_broken_tests_nothing(tmp_path, damage):
    rows = [row(label, "mini-xnli", "de", value=50.0) for label in ("none", "english-stilts")]
    if damage == "hostile":
        rows = [r.model_copy(update={"phase": "../../etc", "task": "../passwd"}) for r in rows]
    for made in rows:
        if damage == "not parquet":
            path = tmp_path / "phases" / made.phase / "predictions" / "mini-xnli.de.parquet"
            path.parent.mkdir(parents=True)
            path.write_text("no")
        elif damage == "no points":
            stores.write_predictions(tmp_path / "phases" / made.phase, "mini-xnli", "de", ["a", "b"], None)
    comparison = compare(rows, evidence=Evidence((tmp_path,)), procedure=QUICK)
    assert comparison.tests == comparison.losses == comparison.curves == ()
    assert comparison.labels[1].targets


# ---------------------------------------------------------------- calibration


# Standard deviations over seeds, over examples, and of both together; 200 examples.
SPREADS = [(0, 0, 30), (0, 30, 0.1), (10, 10, 10), (0.5, 20, 0), (1, 20, 20), (2, 20, 0), (3, 20, 20), (5, 20, 0)]


@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize("spreads", [SPREADS[2], SPREADS[5]])
def test_intervals_over_seeds_and_examples_cover_95_percent(seeds, spreads):
    covered, false_findings = coverage(seeds, 200, *spreads, "normal", repeats=2500)
    assert 0.935 <= covered <= 0.965
    assert 0.035 <= false_findings <= 0.065


@pytest.mark.slow
def test_intervals_cover_95_percent_wherever_the_variance_comes_from():
    settings = [(seeds, *spreads) for seeds in (3, 4, 5) for spreads in SPREADS]
    found = {setting: coverage(setting[0], 200, *setting[1:], "normal", repeats=4000) for setting in settings}
    assert len(found) == 24
    outside = {setting: both for setting, both in found.items() if not 0.935 <= both[0] <= 0.965}
    assert outside == {}
    assert all(0.035 <= false_findings <= 0.065 for _, false_findings in found.values())


@pytest.mark.parametrize("n", [60, 1000])
@pytest.mark.parametrize("setting", [(0, 0, 30, "normal"), (0, 0, 0, "accuracy")])
def test_intervals_over_the_examples_of_one_seed_cover_95_percent(n, setting):
    covered, false_findings = coverage(1, n, *setting)
    assert 0.935 <= covered <= 0.965
    assert 0.035 <= false_findings <= 0.065


@pytest.mark.parametrize("seeds", [3, 5])
def test_intervals_of_accuracies_over_seeds_cover_95_percent(seeds):
    covered, false_findings = coverage(seeds, 200, 2, 0, 0, "accuracy")
    assert 0.935 <= covered <= 0.965
    assert 0.035 <= false_findings <= 0.065


def test_permutation_errs_as_often_as_it_says():
    random = np.random.default_rng(9)
    cells = [100.0 * (random.random((1, 200)) < 0.6) - 100.0 * (random.random((1, 200)) < 0.6) for _ in range(1500)]
    found = [
        test
        for at in range(0, 1500, 250)
        for test in paired_tests(cells[at : at + 250], "permutation", resamples=1000)
    ]
    assert 0.035 <= sum(test.p_value < 0.05 for test in found) / 1500 <= 0.065


def test_three_seeds_without_examples_of_their_own_keep_the_null():
    same = np.zeros((3, 50))
    assert paired_tests([same])[0].p_value == 1
    assert paired_test([1.0, 0.0], [1.0, 0.0]).p_value == 1


def test_training_tasks_and_labels_of_the_grid_are_what_these_tests_assume():
    assert set(TRAINING) <= set(TARGETS)
    assert next(iter(LABELS)) == "none"


# ---------------------------------------------------------------- translations of one another


@pytest.mark.parametrize("name", ["xnli", "pawsx", "mini-xnli", "mini-pawsx"])
def test_translations_without_identifiers_have_the_same_one_in_every_language(name):
    task = bootstrap.load().tasks.get(name)
    rows = task.fixture or list(task.rows("test", "de"))[:3]
    ids = {
        language: [one.id for one in load_examples(task, "test", language, rows).examples]
        for language in task.languages
    }
    assert len(ids) >= 6
    assert len(set(map(tuple, ids.values()))) == 1
    assert len(set(ids["en"])) == len(ids["en"]) >= 2


def test_rows_that_are_no_translations_keep_their_language_in_the_name():
    task = bootstrap.load().tasks.get("udpos")
    names = [load_examples(task, "test", language, task.fixture).examples[0].id for language in ("de", "en")]
    assert names == ["de-1", "en-1"]


def test_a_targets_interval_is_no_narrower_for_being_translated(tmp_path):
    """The same examples in three languages say as much as they say in one."""
    points = np.random.default_rng(0).normal(55, 30, 400)
    verdicts = {}
    for kind in ("translated", "apart"):
        rows = [
            row(label, "mini-xnli", code) for label in ("none", "english-stilts") for code in ("en", "de", "zh")
        ]
        for made in rows:
            ids = [str(place) if kind == "translated" else f"{made.language}-{place}" for place in range(400)]
            own = np.full(400, 50.0) if made.label == "none" else points
            folder = tmp_path / kind / "phases" / made.phase
            stores.write_predictions(folder, "mini-xnli", made.language, ids, own)
        comparison = compare(rows, evidence=Evidence((tmp_path / kind,)), procedure=QUICK)
        (verdicts[kind],) = [test for test in comparison.tests if not test.language]
    assert (verdicts["translated"].n, verdicts["apart"].n) == (400, 1200)
    widths = {kind: verdict.high - verdict.low for kind, verdict in verdicts.items()}
    assert widths["translated"] == pytest.approx(3.92 * points.std() / 20, rel=0.1)
    assert widths["apart"] == pytest.approx(widths["translated"] / 3**0.5, rel=0.1)
