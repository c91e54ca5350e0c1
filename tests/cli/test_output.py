"""What the commands print: documents on stdout, everything else on stderr."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import xfer
from xfer import __version__, cli, progress
from xfer.core.records import Problem
from xfer.testing.pytest_plugin import Outcome

Run = Callable[..., Outcome]
QUICK = (
    "--suite", "mini", "--limit", "train=16,dev=8,test=6", "--set", "train.max_steps=2", "--language", "de",
    "--language", "en",
)  # fmt: skip
ROW = {
    "run", "label", "strategy", "params", "intermediate", "suite", "model", "model_fingerprint", "seed", "task",
    "language", "split", "metric", "value", "n", "main", "phase", "signature", "data_fingerprint", "xfer_version",
    "plugin_versions", "seconds", "device", "dtype", "chance", "heuristic", "standard_error", "task_version",
}  # fmt: skip


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, tiny_encoder: Callable[[str], Path]) -> Path:
    """A store with one run: two strategies, two targets, two seeds."""
    folder = tmp_path_factory.mktemp("output") / "store"
    result = xfer.run(
        ("none", "english-stilts"),
        model=str(tiny_encoder("xlm-roberta")),
        target=("mini-xnli", "mini-tatoeba"),
        language=("de", "en"),
        seeds=(0, 1),
        limit={"train": 16, "dev": 8, "test": 6},
        set={"train.max_steps": 2},
        store=folder,
        name="first",
    )
    assert result.status == 0
    return folder


@pytest.fixture
def line(store: Path, tiny_encoder: Callable[[str], Path]) -> list[str]:
    """The command that filled the store, but for the strategies and seeds."""
    model = str(tiny_encoder("xlm-roberta"))
    return ["run", "--model", model, "--store", str(store), "--target", "mini-xnli,mini-tatoeba", *QUICK]


# ---------------------------------------------------------------- run


def test_run_prints_one_document(run_xfer: Run, line: list[str], store: Path) -> None:
    outcome = run_xfer(*line, "--strategy", "none", "--name", "json", "--json")
    assert outcome.status == 0
    assert outcome.out.count("\n") == 1
    document = json.loads(outcome.out)
    assert list(document) == ["run", "store", "results", "problems"]
    assert (document["run"], document["store"], document["problems"]) == ("json", str(store), [])
    assert len(document["results"]) == 3
    assert all(set(row) >= ROW for row in document["results"])
    written = [json.loads(row) for row in (store / "runs" / "json" / "results.jsonl").read_text().splitlines()]
    assert written == document["results"]
    assert {path.name for path in (store / "runs" / "json").iterdir()} == {
        "DONE", "run.toml", "plan.json", "progress.json", "results.jsonl", "problems.jsonl",
    }  # fmt: skip


def test_progress_goes_to_stderr_and_may_be_silenced(
    run_xfer: Run, line: list[str], tmp_path: Path, store: Path
) -> None:
    line[line.index(str(store))] = str(tmp_path / "new")
    loud = run_xfer(*line, "--strategy", "none", "--json")
    assert "[1/3] train target mini-mnli" not in loud.out
    assert [part.partition(":")[0] for part in loud.err.splitlines()] == [
        "[1/3] train target mini-xnli (seed 0)", "[1/3] train target mini-xnli (seed 0)",
        "[2/3] evaluate mini-xnli", "[2/3] evaluate mini-xnli",
        "[3/3] evaluate mini-tatoeba", "[3/3] evaluate mini-tatoeba",
    ]  # fmt: skip
    assert "done in " in loud.err
    quiet = run_xfer(*line, "--strategy", "english-stilts", "--quiet")
    assert quiet.err == ""
    assert "english-stilts" in quiet.out


def test_a_run_ends_with_its_table_and_the_next_command(run_xfer: Run, line: list[str], store: Path) -> None:
    outcome = run_xfer(
        *line, "--strategy", "none", "--strategy", "english-stilts", "--seeds", "0,1", "--name", "table"
    )
    assert outcome.status == 0
    for part in ("none", "english-stilts", "chance", "heuristic", "(mini-mnli)"):
        assert part in outcome.out
    assert "a demonstration and a test bed" in " ".join(outcome.out.split())
    assert outcome.out.splitlines()[-2:] == [f"results: {store / 'runs' / 'table'}", f"next: xfer compare {store}"]
    assert "train" not in outcome.err  # all of it was there
    lines = outcome.out.splitlines()
    assert [row for row in lines if row.startswith(("Mean over", "Zero-shot"))] == [
        "Mean over languages, English included (as XTREME counts)",
        "Zero-shot: mean over the languages other than English",
    ]
    assert sum(row.startswith(("chance", "heuristic")) for row in lines) == 4
    assert any("not above chance" in row for row in lines)
    for title in ("by language", "Transfer gap", "Worst languages", "Largest losses", "Wins", "Cost"):
        assert title not in outcome.out, "the next command shows these"
    assert len(lines) < 40


def test_settings_are_written_with_where_they_came_from(run_xfer: Run, line: list[str], store: Path) -> None:
    import tomllib

    run_xfer(*line, "--strategy", "none", "--name", "origin", "--set", "retrieval.prefix=query: ")
    written = tomllib.loads((store / "runs" / "origin" / "run.toml").read_text())
    assert written["origin"]["strategy"] == "command line"
    assert written["origin"]["keep"] == "default"
    assert written["set"] == {"train.max_steps": 2, "retrieval.prefix": "query: "}
    assert written["limit"] == {"train": 16, "dev": 8, "test": 6}
    assert Path(written["model_folder"]).is_dir()


# ---------------------------------------------------------------- dry runs


def test_a_dry_run_prints_the_plan_and_writes_nothing(
    run_xfer: Run, line: list[str], store: Path, tmp_path: Path
) -> None:
    before = sorted(store.rglob("*"))
    outcome = run_xfer(*line, "--strategy", "english-stilts", "--seeds", "0,2", "--dry-run")
    assert outcome.status == 0
    assert outcome.err == ""
    text = outcome.out
    for part in (
        "suite mini, model xlm-roberta (", "cpu, float32", "reused  train intermediate mini-mnli (seed 0)",
        "to run  train intermediate mini-mnli (seed 2)", "16 examples, 2 steps, about ", " tokens; settings 1\n",
        "settings 1: learning_rate=", "evaluate mini-tatoeba, after ", "4 cells (label × seed × target)",
        "4 of 8 phases to run", "disk: ", " at the peak, ", "training: about ",
    ):  # fmt: skip
        assert part in text
    assert sorted(store.rglob("*")) == before
    fresh = tmp_path / "fresh"
    line[line.index(str(store))] = str(fresh)
    assert run_xfer(*line, "--dry-run").status == 0
    assert not fresh.exists()


def test_a_dry_run_tells_equal_settings_once(run_xfer: Run) -> None:
    tasks = ("--target", "mini-xnli,mini-xquad,mini-tatoeba", "--intermediate", "mini-mnli,mini-squad-v1")
    changed = ("--set", "intermediate.mini-squad-v1.lr=1e-3", "--set", "target.mini-xquad.max_steps=3")
    outcome = run_xfer("run", *tasks, *QUICK[2:4], *changed, "--strategy", "english-stilts", "--dry-run")
    assert outcome.status == 0
    text = outcome.out
    assert text.count("learning_rate=0.0008, batch_size=16") == 1
    assert "tokens; settings 1 (mini-mnli), 2 (mini-squad-v1)\n" in text
    assert "settings 2: as 1, but learning_rate=0.001\n" in text
    assert text.count("tokens; settings 3\n") == text.count("settings 3: as 1, but learning_rate=0.0005, ") == 1
    assert re.search(r"^settings \d: as 1, but .*max_steps=3$", text, re.M)
    assert "{" not in text
    assert max(map(len, re.findall(r"^settings .*", text, re.M))) <= 100


def test_a_dry_run_as_data(run_xfer: Run, line: list[str]) -> None:
    document = json.loads(run_xfer(*line, "--strategy", "none", "--dry-run", "--json").out)
    assert [phase["state"] for phase in document["phases"]] == ["reused"] * 3
    assert [phase["does"] for phase in document["phases"]] == ["train", "evaluate", "evaluate"]
    training = document["phases"][0]
    assert (training["examples"], training["steps"], training["seed"]) == (16, 2, 0)
    assert training["parents"] == []
    assert training["settings"].keys() == {"mini-xnli"}
    assert document["disk"] == {"peak_bytes": 0, "final_bytes": 0}
    assert document["training_seconds_estimate"] == 0.0
    assert [cell["target"] for cell in document["cells"]] == ["mini-xnli", "mini-tatoeba"]
    assert document["origin"]["model"] == "command line"


def test_the_steps_of_a_dry_run_are_those_of_the_run(run_xfer: Run, line: list[str], store: Path) -> None:
    for extra in ([], ["--set", "train.max_steps=3"], ["--set", "train.max_steps=null", "--set", "train.epochs=2"]):
        planned = json.loads(run_xfer(*line, *extra, "--strategy", "none", "--dry-run", "--json").out)["phases"][0]
        assert run_xfer(*line, *extra, "--strategy", "none", "--quiet").status == 0
        stored = json.loads((store / "phases" / planned["id"] / "phase.json").read_text())
        assert stored["steps"] == planned["steps"], extra


# ---------------------------------------------------------------- compare


def test_compare_knows_the_usual_store_and_its_runs_by_name(
    run_xfer: Run, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_folder = run_xfer("compare", store / "runs" / "first", "--format", "csv").out
    monkeypatch.setenv("XFER_STORE", str(store))
    assert run_xfer("compare", "first", "--format", "csv").out == by_folder
    assert run_xfer("compare", "--format", "csv") == run_xfer("compare", store, "--format", "csv")
    assert xfer.load_results() == xfer.load_results(store) != []
    assert xfer.load_results("first") == xfer.load_results(store / "runs" / "first")
    missing = run_xfer("compare", "frist")
    assert (missing.status, "no runs here" in missing.err) == (2, True)


def test_compare_has_the_documented_shape(run_xfer: Run, store: Path) -> None:
    document = json.loads(run_xfer("compare", store / "runs" / "first", "--format", "json").out)
    assert {"baseline", "strategies"} <= set(document)
    assert document["baseline"] == "none"
    assert list(document["strategies"]) == ["none", "english-stilts"]
    for strategy in document["strategies"].values():
        assert {"targets", "average", "transfer_gap"} <= set(strategy)
        assert list(strategy["targets"]) == ["mini-xnli", "mini-tatoeba"]
        for target in strategy["targets"].values():
            assert {"mean", "mean_zero_shot", "english", "by_language", "delta", "seeds"} <= set(target)
    nli = document["strategies"]["english-stilts"]["targets"]["mini-xnli"]
    assert nli["by_language"].keys() == {"de", "en"}
    by_seed = [
        (row.value, row.language) for row in xfer.load_results(store / "runs" / "first")
        if (row.label, row.task) == ("english-stilts", "mini-xnli")
    ]  # fmt: skip
    german = [value for value, language in by_seed if language == "de"]
    assert len(german) == 2
    assert nli["mean_zero_shot"] == pytest.approx(sum(german) / 2)


@pytest.mark.parametrize("format", ["table", "markdown", "csv", "latex", "html"])
def test_every_format_goes_to_stdout_or_a_file(run_xfer: Run, store: Path, tmp_path: Path, format: str) -> None:
    place = store / "runs" / "first"
    printed = run_xfer("compare", place, "--format", format)
    assert printed.status == 0
    assert printed.err == ""
    assert "english-stilts" in printed.out
    written = run_xfer("compare", place, "--format", format, "--output", tmp_path / "deep" / "report")
    assert written.out == ""
    assert written.err == f"written to {tmp_path / 'deep' / 'report'}\n"
    assert (tmp_path / "deep" / "report").read_text(encoding="utf-8") == printed.out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--format", "xml"), ("no report format named 'xml'", "mend:")),
        (("--baseline", "nonne"), ("nonne", "mend:")),
        (("--output", "."), ("cannot write", "where: .", "mend:  choose another place")),
    ],
)
def test_what_compare_refuses(
    run_xfer: Run, store: Path, arguments: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    outcome = run_xfer("compare", store / "runs" / "first", *arguments)
    assert outcome.status == 2
    assert outcome.out == ""
    for part in expected:
        assert part in outcome.err


def test_a_torn_result_file_is_told(run_xfer: Run, store: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(store / "runs", tmp_path / "runs")
    path = tmp_path / "runs" / "first" / "results.jsonl"
    path.write_text('{"run": "first"}\n' + path.read_text())
    assert run_xfer("compare", tmp_path / "runs" / "first").status == 7
    (path.parent / "DONE").unlink()  # which knows the checksums
    outcome = run_xfer("compare", tmp_path / "runs" / "first")
    assert outcome.status == 2
    assert f"where: {path} line 1" in outcome.err
    path.write_text("{\n" + path.read_text())
    assert run_xfer("compare", tmp_path / "runs" / "first").status == 7


# ---------------------------------------------------------------- eval, listings, doctor


def test_eval_scores_without_training(run_xfer: Run, store: Path, tiny_encoder: Callable[[str], Path]) -> None:
    model = tiny_encoder("xlm-roberta")
    outcome = run_xfer("eval", model, "--target", "mini-tatoeba", "--store", store, *QUICK[2:4], "--json")
    assert outcome.status == 0
    document = json.loads(outcome.out)
    assert {row["label"] for row in document["results"]} == {"eval"}
    trained = [row for row in xfer.load_results(store / "runs" / "first") if row.task == "mini-tatoeba"]
    german = next(row["value"] for row in document["results"] if row["language"] == "de")
    assert german == next(row.value for row in trained if row.label == "none" and row.language == "de")


def test_listings_are_lines_or_json(run_xfer: Run) -> None:
    lines = run_xfer("tasks").out.splitlines()
    documents = json.loads(run_xfer("tasks", "--json").out)
    assert len(lines) == len(documents) >= 36
    assert [line.split()[0] for line in lines] == [row["name"] for row in documents]
    assert {"name", "summary", "format", "languages"} <= set(documents[0])


def test_show_tells_what_a_record_holds(run_xfer: Run) -> None:
    text = run_xfer("tasks", "show", "xnli").out
    assert "\ntraps:\n  The training set is MultiNLI: " in text
    assert "seen twice.\n  Label ids differ" in text
    for part in (
        "name: xnli",
        "format: classification",
        "main score: accuracy",
        "training task: mnli",
        "licence: ",
    ):
        assert part in text
    document = json.loads(run_xfer("suites", "show", "xtreme", "--json").out)
    assert len(document["targets"]) == len(document["intermediates"]) == 9
    strategy = json.loads(run_xfer("strategies", "show", "english-stilts", "--json").out)
    assert strategy["params"]["intermediate"] == ""
    assert "24 layers" in run_xfer("models", "show", "xlm-r-large").out


def test_what_is_shown_is_no_python(run_xfer: Run) -> None:
    seen = 0
    for kind in ("tasks", "strategies", "suites", "models"):
        for row in json.loads(run_xfer(kind, "--json").out):
            text = run_xfer(kind, "show", row["name"]).out
            assert text.startswith(f"name: {row['name']}\n")
            assert not [sign for sign in ("{'", "['", "()", "None", "True", "False") if sign in text], text
            assert max(map(len, text.splitlines())) < 170
            seen += 1
    assert seen > 50
    shown = run_xfer("tasks", "show", "xquad").out
    assert "\n  columns: id, context, question, answers\n" in shown
    assert "\n  counts: test/ar, test/de, test/el," in shown
    assert (
        "\n  span: max_length=128, step=64, max_question=40, max_answer=12\n"
        in run_xfer("suites", "show", "mini").out
    )


def test_the_version(run_xfer: Run) -> None:
    assert run_xfer("--version") == Outcome(0, f"xfer {__version__}\n", "")


def test_doctor_says_what_is_wrong(run_xfer: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from xfer import doctor

    monkeypatch.setattr(doctor, "CHECKS", {"good": lambda toolkit: "fine", "bad": lambda toolkit: 1 / 0})
    outcome = run_xfer("doctor")
    assert outcome == Outcome(3, "ok    good: fine\nFAIL  bad: ZeroDivisionError: division by zero\n", "")
    assert [check["ok"] for check in json.loads(run_xfer("doctor", "--json").out)] == [True, False]


def test_doctor_checks_versions_device_and_plugins(run_xfer: Run) -> None:
    found = {check["check"]: check for check in json.loads(run_xfer("doctor", "--json").out)}
    assert found["versions"]["ok"]
    assert found["device"]["ok"]
    assert "tasks" in found["plugins"]["detail"]


# ---------------------------------------------------------------- errors and bars


def test_a_bug_leaves_its_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("xfer.commands.prepare", fail)
    with pytest.raises(ZeroDivisionError):  # not an XferError: it passes, and Python leaves with status 1
        cli.run_command(["run"])


@pytest.mark.parametrize("buffered", [True, False])
@pytest.mark.parametrize(
    ("words", "status"), [(["--help"], 0), (["plugins", "--json"], 0), (["compare", "/no"], 2)]
)
def test_a_reader_that_leaves_the_pipe_is_no_fault(words: list[str], status: int, buffered: bool) -> None:
    """As in `xfer compare | head -1`: the command ends as it would have, and says nothing of it."""
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "xfer", *words],
        env={**os.environ, "PYTHONUNBUFFERED": "" if buffered else "1"},
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writer)
    assert done.returncode == status
    assert bool(done.stderr) == bool(status)
    assert "Broken" not in done.stderr


def test_a_bar_gives_the_terminal_back(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    bar = progress.reporter()
    assert isinstance(bar, progress.BarReporter)
    bar._progress.start()
    bar.problem(Problem(stage="data", message="[markup] stays as it is"))
    bar.close()
    assert bar._progress.finished or not bar._progress.live.is_started
    captured = capsys.readouterr()
    assert "note: [markup] stays as it is" in captured.err
    assert captured.out == ""


def test_the_bundled_model_needs_no_option(run_xfer: Run, tmp_path: Path) -> None:
    outcome = run_xfer(
        "run", "--strategy", "none", "--target", "mini-tatoeba", "--store", tmp_path / "store", "--json", "--quiet"
    )
    assert outcome.status == 0
    rows = json.loads(outcome.out)["results"]
    assert {row["model"] for row in rows} == {"mini-xlmr"}
    assert [row["language"] for row in rows] == ["de", "es", "ru", "tr", "zh"]
    means = [sum(row[name] for row in rows) / len(rows) for name in ("value", "chance")]
    assert means[0] > means[1] + 10
    found = {check["check"]: check["ok"] for check in json.loads(run_xfer("doctor", "--json").out)}
    assert found["bundled model"]
