"""`--tracker`: real trackers told of a real run, a plugin's own, and what goes wrong with them."""

import json
import os
import sqlite3
import subprocess
import sys

import pytest

import xfer
from xfer.core.errors import UnknownName, UserError

RUN = """
import json, socket, sys

def refuse(*arguments, **options):
    raise AssertionError(f"network: {arguments}")

socket.getaddrinfo = socket.socket.connect = refuse
from xfer.cli import run_command
sys.exit(run_command(sys.argv[1:]))
"""
"""The command in a process that cannot reach a network."""


@pytest.fixture
def options(tmp_path, tiny_encoder):
    return {
        "model": str(tiny_encoder("xlm-roberta")),
        "store": tmp_path / "store",
        "target": "mini-xnli",
        "language": ("de", "en"),
        "limit": {"train": 16, "test": 6},
        "set": {"train.max_steps": 3, "engine.log_seconds": 1e-9},
        "name": "one",
    }


def scores_of(result):
    return {f"test/mini-xnli/{row.language}/{row.metric}": row.value for row in result.results}


def command(options, tracker):
    line = ["run", "--strategy", "none", "--tracker", tracker, "--limit", "train=16,test=6", "--json"]
    for name in ("model", "store", "target", "name"):
        line += [f"--{name}", str(options[name])]
    line += ["--language", "de,en", "--set", "train.max_steps=3", "--set", "engine.log_seconds=1e-9"]
    return [sys.executable, "-c", RUN, *line]


def offline(options, tracker, **environment):
    """The document of a run with a tracker, in a process without a network, and what it said on stderr."""
    path = os.pathsep.join(sys.path)
    done = subprocess.run(
        command(options, tracker), env={**os.environ, "PYTHONPATH": path, **environment}, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


def read_events(folder):
    """Tag to (step, value), of the only event file in a folder."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    return {tag: [(one.step, one.value) for one in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def test_tensorboard_holds_every_logged_step_and_every_score(options):
    pytest.importorskip("tensorboard")
    result = xfer.run("none", **options, tracker="tensorboard")
    assert result.problems == []
    train, score = sorted(
        (options["store"] / "runs" / "one" / "tensorboard").iterdir(), key=lambda p: p.name[0] == "e"
    )
    assert train.name.startswith("train-mini-xnli-seed0-")
    (phase,) = [planned for planned in result.plan.phases if planned.phase.does == "train"]
    lines = (options["store"] / "phases" / phase.id / "log.jsonl").read_text().splitlines()
    logged = [json.loads(line) for line in lines]
    held = read_events(train)
    assert [step for step, _ in held["train/loss"]] == [entry["step"] for entry in logged] == [1, 2, 3]
    assert [value for _, value in held["train/loss"]] == pytest.approx([entry["loss"] for entry in logged])
    assert set(held) == {"train/loss", "train/learning_rate", "train/tokens_per_second"}
    expected = scores_of(result)
    assert {tag: [(0, pytest.approx(value))] for tag, value in expected.items()} == read_events(score)
    again = xfer.run("none", **{**options, "name": "two"}, tracker="tensorboard")
    assert again.problems == []
    (stored,) = (options["store"] / "runs" / "two" / "tensorboard").iterdir()
    assert set(read_events(stored)) == set(expected)


@pytest.mark.slow
def test_trackio_holds_the_run_reaches_no_network_and_leaves_stdout_alone(options, tmp_path):
    pytest.importorskip("trackio")
    document, err = offline(options, "trackio", TRACKIO_DIR=str(tmp_path / "trackio"), HF_HOME=str(tmp_path / "hf"))
    assert document["problems"] == []
    assert "Trackio project initialized" in err
    with sqlite3.connect(tmp_path / "trackio" / "xfer.db") as base:
        rows = base.execute("select run_name, step, metrics from metrics").fetchall()
    held = {}
    for run, step, metrics in rows:
        for name, value in json.loads(metrics).items():
            held[run.rpartition("-")[0], name, step] = value
    steps = [step for run, name, step in held if (run, name) == ("one/train-mini-xnli-seed0", "train/loss")]
    assert sorted(steps) == [1, 2, 3]
    for row in document["results"]:
        name = f"test/mini-xnli/{row['language']}/{row['metric']}"
        assert held["one/evaluate-mini-xnli", name, 0] == pytest.approx(row["value"])


def test_wandb_keeps_a_run_offline(options):
    pytest.importorskip("wandb")
    result = None
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WANDB_MODE", "offline")
        patch.setenv("WANDB_SILENT", "true")
        result = xfer.run("none", **options, tracker="wandb")
    assert result.problems == []
    files = list((options["store"] / "runs" / "one" / "wandb").glob("offline-run-*/run-*.wandb"))
    assert len(files) == 2


def test_mlflow_holds_metrics_and_parameters(options, tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "mlruns").as_uri())
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    result = xfer.run("none", **options, tracker="mlflow")
    assert result.problems == []
    client = mlflow.MlflowClient()
    found = {
        run.info.run_name.partition("-")[0]: run
        for run in client.search_runs([client.get_experiment_by_name("xfer").experiment_id])
    }
    assert set(found) == {"train", "evaluate"}
    assert found["train"].data.params["mini-xnli.max_steps"] == "3"
    assert [one.step for one in client.get_metric_history(found["train"].info.run_id, "train/loss")] == [1, 2, 3]
    assert found["evaluate"].data.metrics == pytest.approx(scores_of(result))


# ---------------------------------------------------------------- others, and faults

OWN = """
from pathlib import Path

class Writer:
    def __init__(self, phase):
        self.phase, self.path = phase, Path(__file__).with_name("told.txt")
        self.say(f"open {phase.config['does']} {phase.run}")

    def say(self, text):
        with self.path.open("a") as file:
            file.write(text + "\\n")

    def log(self, values, step):
        if FAIL in self.phase.name:
            raise RuntimeError("no connection")
        self.say(f"{step} {sorted(values)[0]}")

    def close(self, failed):
        self.say(f"close {failed}")
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """`own(fail)` makes a tracker of one's own, named module:function; it fails in phases so named."""

    def make(name, fail="nothing"):
        (tmp_path / f"{name}.py").write_text(OWN.replace("FAIL", repr(fail)))
        monkeypatch.syspath_prepend(tmp_path)
        return f"{name}:Writer", tmp_path / "told.txt"

    return make


def test_a_tracker_of_ones_own_is_named_by_module_and_function(options, own):
    tracker, told = own("own_tracker")
    assert xfer.run("none", **options, tracker=tracker).problems == []
    assert told.read_text().splitlines() == [
        "open train one", "1 train/learning_rate", "2 train/learning_rate", "3 train/learning_rate", "close False",
        "open evaluate one", "0 test/mini-xnli/de/accuracy", "close False",
    ]  # fmt: skip


def test_a_tracker_that_fails_is_told_of_once_and_ends_nothing(options, own):
    tracker, told = own("failing_tracker", fail="train")
    result = xfer.run("none", **options, tracker=tracker)
    assert (result.status, len(result.results)) == (0, 2)
    (problem,) = result.problems
    assert problem.stage == "observe"
    assert "no connection" in problem.message
    assert told.read_text().splitlines()[-1] == "close False"


def test_a_tracker_that_fails_keeps_nothing_from_the_others(options, own):
    broken, _ = own("first_tracker", fail="train")
    sound, told = own("second_tracker")
    result = xfer.run("none", **options, tracker=(broken, sound))
    assert [problem.stage for problem in result.problems] == ["observe"]
    lines = told.read_text().splitlines()
    assert lines.count("3 train/learning_rate") == 1
    assert lines.count("close False") == 4


def test_a_tracker_that_cannot_be_opened_keeps_nothing_from_the_others(options, own):
    own("silent_tracker")
    sound, told = own("sound_tracker")
    result = xfer.run("none", **options, tracker=("silent_tracker:Absent", sound))
    assert {problem.stage for problem in result.problems} == {"observe"}
    assert "3 train/learning_rate" in told.read_text()
    assert told.read_text().splitlines()[-1] == "close False"


def test_a_phase_that_fails_closes_its_writer(options, own):
    tracker, told = own("closing_tracker")
    options["set"] |= {"train.learning_rate": 1e30, "train.max_steps": 5, "train.clip_norm": 1e30}
    with pytest.raises(Exception, match=r"not finite|loss|gradient"):
        xfer.run("none", **options, tracker=tracker)
    assert told.read_text().splitlines()[-1] == "close True"


def test_unknown_names_and_absent_packages_are_told_before_any_work(options, monkeypatch):
    with pytest.raises(UnknownName, match=r"no tracker named 'tensorbord'\n.*did you mean tensorboard\?"):
        xfer.run("none", **options, tracker="tensorbord")
    monkeypatch.setattr("xfer.plugins.trackers.observer.find_spec", lambda name: None)
    with pytest.raises(UserError, match="needs the package wandb, which is not installed") as caught:
        xfer.run("none", **options, tracker="wandb")
    assert caught.value.fix == "pip install 'xfer-stilts[wandb]'"
    assert not options["store"].exists()
