"""What `compare` computes from rows, what it refuses, and what it marks."""

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.compare.grid import LABELS, TARGETS, TRAINING, grid, row
from xfer.core.compare.comparable import signature_fields
from xfer.core.compare.comparison import compare
from xfer.core.errors import Problems, UnknownName, UserError
from xfer.core.records import Problem
from xfer.core.reports import render


def by_label(comparison):
    return {label.label: label for label in comparison.labels}


def pair(label, values, seeds=(0,), **changes):
    """Rows of one label on mini-xnli: `values` maps a language to one value a seed."""
    return [
        row(label, "mini-xnli", language, seed, value, **changes)
        for language, numbers in values.items()
        for seed, value in zip(seeds, numbers, strict=True)
    ]


def test_a_worked_example():
    rows = pair("none", {"en": (80, 82), "de": (60, 61), "zh": (40, 43)}, seeds=(0, 1))
    rows += pair("english-stilts", {"en": (84, 84), "de": (66, 65), "zh": (51, 52)}, seeds=(0, 1))
    comparison = compare(rows)
    assert [label.label for label in comparison.labels] == ["none", "english-stilts"]
    base, stilts = (label.targets["mini-xnli"] for label in comparison.labels)
    assert base.by_language["de"].by_seed == {0: 60, 1: 61}
    assert base.mean == pytest.approx((81 + 60.5 + 41.5) / 3)
    assert base.mean_zero_shot == pytest.approx(51)
    assert base.english == 81
    assert base.transfer_gap == pytest.approx(30)
    assert base.delta is None
    assert base.by_seed == pytest.approx({0: 60, 1: 62})
    assert base.spread == pytest.approx(2**0.5)
    assert stilts.by_language["zh"].delta == pytest.approx(10)
    assert stilts.delta == pytest.approx((3 + 5 + 10) / 3)
    assert stilts.delta_zero_shot == pytest.approx(7.5)
    assert stilts.transfer_gap == pytest.approx(84 - 58.5)


def test_averages_are_plain_means_over_targets():
    for label in compare(grid()).labels:
        scores = label.targets.values()
        assert label.average == pytest.approx(sum(score.mean for score in scores) / 3)
        assert label.average_zero_shot == pytest.approx(sum(score.mean_zero_shot for score in scores) / 3)
        assert label.targets["mini-tatoeba"].english is None
        assert label.targets["mini-tatoeba"].mean == label.targets["mini-tatoeba"].mean_zero_shot
        # A target without English has no gap and does not count.
        gaps = [label.targets[name].transfer_gap for name in ("mini-xnli", "mini-udpos")]
        assert label.transfer_gap == pytest.approx(sum(gaps) / 2)
        assert not label.incomplete
        assert label.seeds == (0, 1, 2)


def test_deltas_are_paired_by_the_seeds_that_both_have():
    rows = pair("none", {"en": (50, 90)}, seeds=(1, 2)) + pair("english-stilts", {"en": (10, 53)}, seeds=(0, 1))
    score = by_label(compare(rows))["english-stilts"].targets["mini-xnli"].by_language["en"]
    assert score.delta == 3
    apart = pair("none", {"en": (50, 90)}, seeds=(1, 2)) + pair("english-stilts", {"en": (10, 54)}, seeds=(0, 3))
    assert by_label(compare(apart))["english-stilts"].targets["mini-xnli"].delta == -38


def test_other_metrics_are_there_and_do_not_count():
    score = by_label(compare(grid()))["none"].targets["mini-xnli"].by_language["en"]
    assert score.metrics == pytest.approx({"accuracy": score.value, "loss_free": score.value / 2})


def test_json_has_the_promised_form():
    document = json.loads(render(compare(grid(), training_tasks=TRAINING), "json"))
    assert document["baseline"] == "none"
    assert list(document["strategies"]) == ["none", "english-stilts", "english-stilts[intermediate=mini-squad-v1]"]
    stilts = document["strategies"]["english-stilts"]
    assert stilts["intermediate"] == "mini-mnli"
    assert {"average", "average_zero_shot", "transfer_gap", "delta", "spread"} <= stilts.keys()
    target = stilts["targets"]["mini-xnli"]
    assert {"mean", "mean_zero_shot", "english", "by_language", "delta", "seeds", "spread"} <= target.keys()
    assert target["seeds"] == [0, 1, 2]
    assert target["by_language"]["en"] == target["english"] == target["languages"]["en"]["value"]
    assert target["same_task"] is True


def test_mappings_are_rows_too_and_a_bad_one_is_named():
    rows = grid()
    assert compare([r.model_dump(mode="json") for r in rows]) == compare(rows)
    with pytest.raises(UserError, match=r"not a result row: value") as caught:
        compare([rows[0], {**rows[1].model_dump(), "value": "much"}])
    assert caught.value.where == "row 2"


def test_without_rows_there_is_nothing_to_compare():
    with pytest.raises(UserError, match="no results to compare"):
        compare([])


# ---------------------------------------------------------------- baseline


def test_an_absent_default_baseline_leaves_deltas_out_and_says_so():
    comparison = compare(grid(labels=("english-stilts",)))
    assert comparison.baseline is None
    assert comparison.labels[0].delta is None
    assert any("deltas are left out" in note for note in comparison.notes)


def test_an_absent_named_baseline_is_the_users_mistake():
    with pytest.raises(UnknownName, match="no label named 'english-stilt'") as caught:
        compare(grid(), baseline="english-stilt")
    assert "english-stilts" in caught.value.fix


def test_any_label_can_be_the_baseline_and_comes_first():
    comparison = compare(grid(), baseline="english-stilts")
    assert comparison.labels[0].label == "english-stilts"
    assert by_label(comparison)["none"].targets["mini-xnli"].by_language["en"].delta == pytest.approx(-6)


# ---------------------------------------------------------------- repeated and unlike rows


def test_the_same_phase_reported_by_two_runs_counts_once():
    rows = grid()
    again = [r.model_copy(update={"run": "second"}) for r in rows]
    assert compare(rows + again).labels == compare(rows).labels
    assert compare(rows + again).notes == compare(rows).notes


def test_of_different_phases_the_last_run_counts_and_a_note_tells():
    rows = pair("none", {"en": (50,)}) + pair("none", {"en": (60,)}, run="second", phase="other")
    comparison = compare(rows)
    assert comparison.labels[0].targets["mini-xnli"].mean == 60
    assert comparison.notes == ("none on mini-xnli, seed 0: of several runs the last is used, not first",)
    assert compare(rows[::-1]).labels[0].targets["mini-xnli"].mean == 50


def test_a_failed_row_supersedes_nothing():
    rows = pair("none", {"en": (50,)}) + pair("none", {"en": (None,)}, run="second", phase="other")
    assert compare(rows).labels[0].targets["mini-xnli"].mean == 50
    assert compare(rows[::-1]).labels[0].targets["mini-xnli"].mean == 50


def test_unlike_signatures_are_refused_by_field_and_label():
    rows = pair("none", {"en": (50,), "de": (40,)})
    rows += [
        r.model_copy(update={"label": "english-stilts", "signature": r.signature.replace("limit=200", "limit=500")})
        for r in rows
    ]
    with pytest.raises(UserError, match=r"mini-xnli: limit differs \(200: none; 500: english-stilts\)") as caught:
        compare(rows)
    assert caught.value.where == "languages de, en"
    comparison = compare(rows, mixed=True)
    assert all(s.mixed for label in comparison.labels for s in label.targets["mini-xnli"].by_language.values())
    assert "‡ rows of unlike signatures were averaged." in render(comparison, "table")


def test_signatures_fall_into_their_fields():
    assert signature_fields("task=x-v1;layer=12;prefix=query: ") == {
        "task": "x-v1",
        "layer": "12",
        "prefix": "query: ",
    }
    assert signature_fields("f1|panx|lang:sw") == {"part 1": "f1", "part 2": "panx", "lang": "sw"}


def test_unlike_test_data_is_refused():
    rows = pair("none", {"en": (50,)}) + pair("english-stilts", {"en": (50,)}, data_fingerprint="newer")
    with pytest.raises(UserError, match=r"data differs \(data-mini-xnli-en: none; newer: english-stilts\)"):
        compare(rows)


def test_unlike_languages_of_one_target_may_have_unlike_signatures():
    rows = pair("none", {"en": (50,)}) + pair("none", {"de": (50,)}, signature="accuracy|limit:7")
    assert not any(s.mixed for s in compare(rows).labels[0].targets["mini-xnli"].by_language.values())


def test_two_models_or_suites_are_not_one_comparison():
    rows = pair("none", {"en": (50,)}) + pair(
        "none", {"de": (50,)}, run="b", model_fingerprint="f2", suite="xtreme"
    )
    with pytest.raises(Problems, match=r"differ in suite \(mini: first; xtreme: b\)") as caught:
        compare(rows)
    assert "differ in model_fingerprint (0123abcd: first; f2: b)" in str(caught.value)


def test_two_main_scores_of_one_target_are_refused():
    with pytest.raises(UserError, match="mini-xnli has accuracy and f1 as its main score"):
        compare(pair("none", {"en": (50,)}) + pair("none", {"de": (50,)}, metric="f1"))
    with pytest.raises(UserError, match="mini-xnli has nothing as its main score"):
        compare(pair("none", {"en": (50,)}, main=False))


def test_test_rows_are_preferred_to_dev_rows():
    rows = pair("none", {"en": (50,)}) + pair("none", {"en": (70,)}, split="dev")
    assert compare(rows).labels[0].average == 50
    assert compare(rows, split="dev").labels[0].average == 70
    assert compare(rows[1:]).labels[0].average == 70
    with pytest.raises(UserError, match="no results on split 'train'"):
        compare(rows, split="train")
    with pytest.raises(UserError, match="mini-xnli has results on dev, train"):
        compare(rows[1:] + pair("none", {"en": (70,)}, split="train"))


def test_several_devices_are_told():
    rows = pair("none", {"en": (50,)}) + pair("none", {"de": (50,)}, device="cuda", dtype="bfloat16")
    assert compare(rows).notes == ("rows come from several devices: cpu (float32), cuda (bfloat16)",)


# ---------------------------------------------------------------- what is missing


def without(label, task, language=None, seed=None):
    return [
        r
        for r in grid()
        if (r.label, r.task) != (label, task) or language not in (None, r.language) or seed not in (None, r.seed)
    ]


def test_a_missing_target_marks_the_average():
    comparison = compare(without("english-stilts", "mini-udpos"))
    label = by_label(comparison)["english-stilts"]
    assert label.missing == ("mini-udpos",)
    assert label.incomplete
    assert label.partial
    assert not by_label(comparison)["none"].incomplete
    # Over the targets that both have.
    deltas = [label.targets[name].delta for name in ("mini-xnli", "mini-tatoeba")]
    assert label.delta == pytest.approx(sum(deltas) / 2)
    assert [(m.label, m.target, m.language, m.why) for m in comparison.missing] == [
        ("english-stilts", "mini-udpos", "", "absent")
    ]


def test_a_missing_language_marks_target_and_average_and_is_left_out_of_the_delta():
    comparison = compare(without("none", "mini-xnli", "zh"))
    base, stilts = (by_label(comparison)[name].targets["mini-xnli"] for name in ("none", "english-stilts"))
    assert (base.missing, base.incomplete, base.partial) == (("zh",), True, True)
    assert (stilts.missing, stilts.incomplete, stilts.partial) == ((), False, False)
    assert stilts.by_language["zh"].delta is None
    assert stilts.delta == pytest.approx((stilts.by_language["en"].delta + stilts.by_language["de"].delta) / 2)


def test_a_missing_seed_is_listed_and_its_mean_is_not_formed():
    comparison = compare(without("none", "mini-xnli", "zh", seed=1))
    target = by_label(comparison)["none"].targets["mini-xnli"]
    assert target.incomplete
    assert not target.partial
    assert set(target.by_seed) == {0, 2}
    assert [(m.target, m.language, m.seeds) for m in comparison.missing] == [("mini-xnli", "zh", (1,))]


def test_languages_that_the_task_has_and_nobody_scored_are_missing_for_all():
    comparison = compare(grid(), languages={"mini-udpos": ("en", "de", "tr"), "mini-xnli": ("en", "de", "zh")})
    assert list(comparison.targets) == ["mini-udpos", "mini-xnli", "mini-tatoeba"]
    assert comparison.targets["mini-udpos"] == ("en", "de", "tr")
    assert all(label.incomplete and not label.partial for label in comparison.labels)
    assert "missing (absent): mini-udpos in tr of every label" in render(comparison, "table")


def test_failed_cells_are_missing_and_never_numbers():
    value = None
    rows = pair("none", {"en": (50,), "de": (value,)}) + pair("english-stilts", {"en": (value,), "de": (value,)})
    comparison = compare(rows)
    assert by_label(comparison)["none"].average == 50
    failed = by_label(comparison)["english-stilts"]
    assert (failed.average, failed.targets, failed.missing) == (None, {}, ("mini-xnli",))
    assert {(m.label, m.language, m.why) for m in comparison.missing} == {
        ("none", "de", "failed"),
        ("english-stilts", "", "failed"),
    }
    assert json.loads(render(comparison, "json"))["strategies"]["english-stilts"]["average"] is None


def test_problems_are_handed_on():
    problem = Problem(stage="data", message="no rows for tr", where="mini-udpos")
    assert "problem (data): no rows for tr [mini-udpos]" in render(compare(grid(), problems=[problem]), "table")


# ---------------------------------------------------------------- same task, floors


@pytest.mark.parametrize(
    ("intermediate", "same"),
    [
        ("mini-mnli", True),
        ("mini-ccg,mini-mnli", True),
        ("mini-ccg+mini-mnli", True),
        ("mini-ccg", False),
        ("", False),
    ],
)
def test_an_intermediate_task_that_is_the_targets_own_is_flagged(intermediate, same):
    rows = [row("x", intermediate=intermediate), row("x", "mini-udpos", intermediate=intermediate)]
    targets = compare(rows, training_tasks=TRAINING).labels[0].targets
    assert targets["mini-xnli"].same_task is same
    assert targets["mini-udpos"].same_task is False
    assert ("more data of the same task" in render(compare(rows, training_tasks=TRAINING), "table")) is same


@pytest.mark.parametrize(
    ("values", "not_above"),
    [
        ((20, 30), ("chance", "heuristic")),
        ((40, 42), ("heuristic",)),
        ((43.9, 44.1), ("heuristic",)),
        ((44, 44.2), ()),
    ],
)
def test_zero_shot_means_must_exceed_their_floors_by_two_standard_errors(values, not_above):
    # Floors 33.3 and 40, standard error 2 in each language; English does not count.
    rows = pair("none", {"en": (90,), "de": values[:1], "zh": values[1:]})
    assert compare(rows).labels[0].targets["mini-xnli"].not_above == not_above


def test_seeds_widen_the_standard_error_of_the_zero_shot_mean():
    rows = pair("none", {"en": (90, 10), "de": (40, 52)}, seeds=(0, 1))
    target = compare(rows).labels[0].targets["mini-xnli"]
    assert target.standard_error == pytest.approx((2**2 + 72 / 2) ** 0.5)
    # 46 exceeds 40 by three standard errors of the examples, but by less than one with the seeds'.
    assert target.not_above == ("heuristic",)


def test_without_floors_nothing_is_claimed():
    rows = pair("none", {"en": (9,), "de": (8,)}, chance=None, heuristic=None, standard_error=None)
    target = compare(rows).labels[0].targets["mini-xnli"]
    assert (target.not_above, target.chance, target.standard_error) == ((), None, None)
    text = render(compare(rows), "table")
    assert "above" not in text
    assert "chance" not in text


# ---------------------------------------------------------------- properties

VALUES = st.floats(0, 100)


@st.composite
def ragged_grids(draw):
    """Labels with one to three targets and seeds each, any values."""
    return [
        row(label, task, language, seed, draw(VALUES))
        for label in LABELS
        for task in list(TARGETS)[: draw(st.integers(1, 3))]
        for language in TARGETS[task][1]
        for seed in range(draw(st.integers(1, 3)))
    ]


@settings(max_examples=30, deadline=None)
@given(ragged_grids(), st.randoms(use_true_random=False))
def test_the_order_of_rows_and_duplicates_change_nothing(rows, rng):
    expected = compare(rows)
    shuffled = rows + rng.sample(rows, min(len(rows), 5))
    rng.shuffle(shuffled)
    assert compare(shuffled) == expected


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 4))
def test_on_a_complete_grid_the_mean_of_deltas_is_the_delta_of_means(seed, seeds):
    rng = random.Random(seed)
    rows = [r.model_copy(update={"value": rng.uniform(0, 100)}) for r in grid(seeds=range(seeds))]
    comparison = compare(rows)
    base = comparison.labels[0]
    for label in comparison.labels[1:]:
        assert label.delta == pytest.approx(label.average - base.average)
        assert label.delta_zero_shot == pytest.approx(label.average_zero_shot - base.average_zero_shot)
        for name, target in label.targets.items():
            assert target.delta == pytest.approx(target.mean - base.targets[name].mean)
            assert target.mean == pytest.approx(sum(target.by_seed.values()) / seeds)


@settings(max_examples=20, deadline=None)
@given(ragged_grids())
def test_means_lie_between_their_extremes(rows):
    for label in compare(rows).labels:
        for target in label.targets.values():
            values = [score.value for score in target.by_language.values()]
            assert min(values) - 1e-9 <= target.mean <= max(values) + 1e-9
