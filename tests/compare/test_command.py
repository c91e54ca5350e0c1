"""`xfer compare` on a store that a run filled: every format and option, from the command and from Python."""

import csv
import io
import json
import re
import shlex
import shutil

import numpy as np
import pytest

import xfer
from xfer import commands, results
from xfer.core.reports import FORMATS


@pytest.fixture(scope="module")
def store(tmp_path_factory, tiny_encoder):
    root = tmp_path_factory.mktemp("runs")
    commands.run(
        ("none", "english-stilts[intermediate=mini-mnli]", "english-stilts[intermediate=mini-squad-v1]"),
        model=str(tiny_encoder("xlm-roberta")),
        target=("mini-xnli", "mini-tatoeba"),
        language=("en", "de", "zh"),
        limit={"train": 32, "dev": 16, "test": 24},
        set={"train.epochs": 1, "target.keep": "best"},
        store=root,
        name="first",
    )
    return root


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_says_what_the_run_found(run_xfer, store, format):
    status, text, _ = run_xfer("compare", store, "--format", format, "--against", "paper")
    assert status == 0
    score = xfer.compare(store).labels[0].targets["mini-xnli"].mean
    assert (repr(score) if format in ("csv", "json") else f"{score:.1f}") in text


def test_what_the_phases_stored_is_in_the_comparison(store):
    comparison = xfer.compare(store)
    held = {"mini-xnli": ("", "en", "de", "zh"), "mini-tatoeba": ("", "de", "zh")}
    tested = {(test.target, test.language) for test in comparison.tests}
    assert tested == {(target, code) for target, codes in held.items() for code in codes}
    assert not any(test.of_points for test in comparison.tests)
    assert [cost.train_seconds > 0 for cost in comparison.costs] == [True] * 3
    assert all(cost.train_steps and cost.devices == ("cpu",) for cost in comparison.costs)
    # Three trainings on mini-xnli, two intermediate ones; the ones with keep=best have dev scores.
    assert [bool(curve.dev) for curve in comparison.curves].count(True) == 3
    assert len(comparison.curves) == 5
    (selection,) = comparison.selections
    assert set(selection.chosen) == {"mini-xnli"}
    assert not selection.uses_labels
    assert comparison.losses
    assert all(loss.text and loss.gold and loss.prediction for loss in comparison.losses)
    assert comparison.reproduction["commands"][0].startswith("xfer run --strategy none")
    assert str(store) not in comparison.reproduction["commands"][0]
    assert f"numpy {np.__version__}" in comparison.reproduction["libraries"]
    assert f"numpy {np.__version__}" in results.report(comparison, "html")
    assert any(line.startswith("mini-xnli: ") for line in comparison.reproduction["licences"])
    assert any(line.startswith("mini-mnli: ") for line in comparison.reproduction["licences"])


def test_options_choose_rows_tests_and_groups(run_xfer, store):
    label = "english-stilts[intermediate=mini-squad-v1]"
    words = ["--strategy", label, "--target", "mini-xnli", "--language", "en,de", "--by", "script"]
    words += ["--test", "permutation", "--correct", "fdr", "--alpha", "0.1", "--metric", "accuracy"]
    _, text, _ = run_xfer("compare", store, "--format", "json", *words)
    document = json.loads(text)
    assert list(document["strategies"]) == ["none", label]
    assert document["targets"] == {"mini-xnli": ["en", "de"]}
    assert document["by"] == "script"
    _, text, _ = run_xfer("compare", store, "--format", "markdown", *words)
    assert "xfer compare first --format html --baseline none --by script --test permutation" in text
    assert "--correct fdr --alpha 0.1" in text
    (line,) = re.findall("^- command: (.*)$", text, re.MULTILINE)
    again = shlex.split(re.sub(r"\\(.)", r"\1", line))
    _, repeated, _ = run_xfer("compare", store, *again[again.index("--baseline") :], "--format", "json")
    assert json.loads(repeated) == document, "the box holds the command of this very report"
    assert document["procedure"] == {"test": "permutation", "correct": "fdr", "alpha": 0.1, "resamples": 10_000}
    assert not document["missing"]


@pytest.mark.parametrize(
    ("option", "value"),
    [("--test", "t"), ("--correct", "x"), ("--by", "x"), ("--against", "x"), ("--metric", "x"), ("--target", "x"),
     ("--strategy", "x"), ("--language", "x"), ("--alpha", "2"), ("--baseline", "x"), ("--format", "x")],
)  # fmt: skip
def test_what_is_not_there_is_refused(run_xfer, store, option, value):
    status, out, err = run_xfer("compare", store, option, value)
    assert status == 2
    assert not out
    assert err.startswith("error: ")


def test_numbers_are_the_same_in_all_formats(run_xfer, store):
    texts = {format: run_xfer("compare", store, "--format", format)[1] for format in FORMATS}
    rows = [r for r in csv.DictReader(io.StringIO(texts["csv"])) if r["value"] and r["main"] == "true"]
    assert len(rows) > 20
    document = json.loads(texts["json"])
    for r in rows:
        held = document["strategies"].get(r["label"], {}).get("targets", {}).get(r["target"], {})
        if r["language"] in held.get("by_language", {}):
            assert float(r["value"]) == held["by_language"][r["language"]]
        if not r["target"].startswith("(") and r["label"] in document["strategies"]:
            for format in ("table", "markdown", "html", "latex"):
                assert f"{float(r['value']) + 0.0:.1f}" in re.sub(r"[\\$]", "", texts[format]), format


def test_the_same_from_python(store):
    rows = xfer.load_results(store)
    assert {row.label for row in rows} == {label.label for label in xfer.compare(store, by="family").labels}
    assert xfer.compare(store / "runs" / "first", against="paper").published


def test_a_problem_that_several_runs_met_is_told_once(store, tmp_path):
    line = '{"stage": "data", "message": "two rows are empty", "where": "mini-xnli test (de)"}'
    held = [shutil.copytree(store, tmp_path / name) / "runs" / "first" for name in ("one", "two")]
    for folder in held:
        (folder / "DONE").unlink()
        (folder / "problems.jsonl").write_text(f"{line}\n{line}\n")
    told = [problem for problem in xfer.compare(*held).problems if problem.message == "two rows are empty"]
    assert len(told) == 1


# ---------------------------------------------------------------- chosen on dev of all languages


@pytest.fixture
def options(tmp_path, tiny_encoder):
    return {
        "strategy": ("none", *(f"english-stilts[intermediate={name}]" for name in ("mini-mnli", "mini-squad-v1"))),
        "model": str(tiny_encoder("xlm-roberta")), "target": ("mini-udpos", "mini-tatoeba"),
        "language": ("en", "de"),
        "limit": {"train": 16, "dev": 10, "test": 8}, "set": {"train.max_steps": 2}, "store": tmp_path / "store",
        "name": "one",
    }  # fmt: skip


def test_dev_of_all_languages_is_scored_only_when_asked_and_chooses_a_marked_row(options):
    plain = xfer.run(**options)
    assert {row.split for row in plain.results} == {"test"}
    asked = xfer.run(**options, dev_languages="all")
    before, after = ({planned.id for planned in result.plan.phases} for result in (plain, asked))
    added = [planned for planned in asked.plan.phases if planned.id in after - before]
    # One more scoring for each start point on the target that has dev rows; everything else is the same work.
    assert before < after
    assert [(planned.phase.does, planned.phase.uses[0].split) for planned in added] == [("evaluate", "dev")] * 3
    assert [problem.message for problem in asked.problems if "dev" in problem.message] == [
        "mini-tatoeba: no dev rows in de; nothing is chosen on dev of all its languages"
    ]
    dev = [row for row in asked.results if row.split == "dev" and row.main]
    assert {(row.task, row.language) for row in dev} == {("mini-udpos", "en"), ("mini-udpos", "de")}
    assert {row.n for row in dev} == {10}
    comparison = xfer.compare(options["store"])
    (selection,) = [one for one in comparison.selections if one.uses_labels]
    assert set(selection.chosen) == {"mini-udpos"}
    means = selection.dev["mini-udpos"]
    assert selection.chosen["mini-udpos"] in {label for label in means if means[label] == max(means.values())}
    for label, mean in means.items():
        values = [row.value for row in dev if row.label == label]
        assert mean == pytest.approx(sum(values) / len(values))
    assert "selection on target-language labels" in results.report(comparison, "markdown")
    # The scores that are compared are those of the test set, as before.
    assert [label.average for label in comparison.labels] == [
        label.average for label in xfer.compare(options["store"] / "runs" / "one").labels
    ]
    tested = {(row.label, row.task, row.language): row.value for row in plain.results}
    assert tested == {(r.label, r.task, r.language): r.value for r in asked.results if r.split == "test"}


def test_dev_languages_are_english_or_all(run_xfer):
    outcome = run_xfer("run", "--dev-languages", "some", "--dry-run")
    assert outcome.status == 2
    assert "dev_languages" in outcome.err


def test_rows_of_the_plan_before_do_not_count_while_a_command_is_issued_again(options, run_xfer):
    """The same --name with more, and with something else: what is not scored yet is told, and nothing is stale."""
    store = options["store"]
    options |= {"strategy": ("none",), "language": ("de",), "name": "again"}
    commands.run(**{**options, "target": ("mini-tatoeba",)})
    whole = xfer.load_results(store)
    assert {row.task for row in whole} == {"mini-tatoeba"}
    wider = commands.prepare({**options, "target": ("mini-tatoeba", "mini-xnli")})
    wider.run.store.start_run("again", {}, wider.plan)
    assert xfer.load_results(store) == whole, "the plan still asks for these"
    comparison = xfer.compare(store)
    note = "run again: 1 of 2 cells have no scores (`xfer status` says why)"
    assert note in comparison.notes
    assert "run again: 1 of 2 cells have no scores" in results.report(comparison, "table")
    other = commands.prepare({**options, "target": ("mini-xnli",)})
    other.run.store.start_run("again", {}, other.plan)
    assert xfer.load_results(store) == []
    outcome = run_xfer("compare", store)
    assert outcome.status == 2
    assert "Traceback" not in outcome.err
    assert (store / "runs" / "again" / "results.jsonl").stat().st_size, "nothing is lost before the run ends"
