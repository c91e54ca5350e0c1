"""The example plugins that the documentation shows, each used as it says."""

import inspect
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from xfer import bootstrap
from xfer.core import hookspecs
from xfer.testing import check_strategy, check_task
from xfer.testing.pytest_plugin import Outcome

Run = Callable[..., Outcome]
FOLDER = Path(__file__).parents[2] / "examples" / "plugins"
FILES = sorted(path.stem for path in FOLDER.glob("*.py"))


def file(name: str) -> Path:
    return FOLDER / f"{name}.py"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_encoder: Callable[[str], Path]) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.setenv("HOUSE_ENCODER", str(tiny_encoder("xlm-roberta")))


@pytest.fixture
def run(run_xfer: Run, tiny_encoder: Callable[[str], Path]) -> Callable[..., dict[str, Any]]:
    def do(*arguments: object) -> dict[str, Any]:
        quick = ("--set", "train.max_steps=2", "--limit", "test=6", "--language", "en,de", "--json", "-q")
        model = () if "house" in arguments else ("--model", tiny_encoder("xlm-roberta"))
        done = run_xfer("run", *arguments, *model, *quick)
        assert done.status == 0, done.err
        return dict(json.loads(done.out))

    return do


def test_every_file_is_used_here() -> None:
    assert FILES == [
        "fresh_top", "hosts", "house", "mood", "plain_report", "sandwich", "smooth", "smooth_format", "watch",
    ]  # fmt: skip


def test_every_hook_has_an_example() -> None:
    toolkit = bootstrap.load(None, tuple(file(name) for name in FILES if name != "smooth_format"))
    assert toolkit.problems == ()
    hooks = [name for name in dir(hookspecs) if name.startswith("xfer_")]
    shown = {hook for hook in hooks if set(toolkit.manager.asked(hook)) & set(FILES)}
    assert shown == set(hooks)


def test_a_task_and_a_strategy_from_files(run: Callable[..., dict[str, Any]]) -> None:
    toolkit = bootstrap.load(None, (file("mood"), file("sandwich")))
    check_task(toolkit.tasks.get("mood"))
    text = check_strategy(toolkit.strategies.get("sandwich"))
    assert "before: train [kit-classification train original en] from pretrained" in text
    assert "intermediate: train [kit-first train original en] from before" in text
    found = run("--plugin", file("mood"), "--plugin", file("sandwich"), "--target", "mood", "--strategy",
                "sandwich[intermediate=mini-mnli]")  # fmt: skip
    assert {(row["task"], row["language"]) for row in found["results"]} == {("mood", "en"), ("mood", "de")}


def test_a_kind_of_phase_changes_the_weights_it_says(run: Callable[..., dict[str, Any]]) -> None:
    from xfer.core.encoders.encoder import Encoder
    from xfer.core.storage.store import Store

    run("--plugin", file("fresh_top"), "--target", "mini-xnli", "--strategy", "none", "--strategy", "fresh-top",
        "--keep", "all", "--name", "first")  # fmt: skip
    store = Store(Path("runs"))
    (fresh,) = [phase for phase in store.load_run("first").plan.phases if phase.phase.does == "fresh-top"]
    before = Encoder.load(Path(store.load_run("first").settings["model_folder"])).layers
    after = Encoder.load(store.phase_folder(fresh.id)).layers
    same = [
        all((a == b).all() for a, b in zip(one.parameters(), other.parameters(), strict=True))
        for one, other in zip(before, after, strict=True)
    ]
    assert same == [True, False]


def test_jobs_on_other_machines(
    run_xfer: Run, tiny_encoder: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    ssh = Path("bin/ssh")
    ssh.parent.mkdir()
    ssh.write_text('#!/bin/sh\necho "$1" >> hosts.txt\nexec sh -c "$2"\n')  # every host is this one
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{ssh.parent.absolute()}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    done = run_xfer("run", "--plugin", file("hosts"), "--executor", "hosts[names=ada,grace]", "--target",
                    "mini-tatoeba", "--strategy", "none", "--model", tiny_encoder("xlm-roberta"), "--language",
                    "de", "--limit", "test=6", "--json")  # fmt: skip
    assert done.status == 0, done.err
    assert {row["task"] for row in json.loads(done.out)["results"]} == {"mini-tatoeba"}
    assert json.loads(done.out)["problems"] == []
    assert Path("hosts.txt").read_text().split() == ["grace"]


def test_a_watched_run_and_a_report_of_ones_own(run: Callable[..., dict[str, Any]], run_xfer: Run) -> None:
    found = run("--plugin", file("watch"), "--target", "mini-xnli", "--target", "mini-tatoeba", "--strategy",
                "none", "--seeds", "0,1,2,3")  # fmt: skip
    assert [problem["message"] for problem in found["problems"]] == ["4 phases train: mind the electricity"]
    entries = [json.loads(line) for line in Path("diary.jsonl").read_text().splitlines()]
    assert [entry["event"] for entry in entries][:2] == ["started", "step"]
    assert sum(entry["event"] == "finished" for entry in entries) == 4 + 4 + 1
    report = run_xfer("compare", "--format", "plain", "--plugin", file("plain_report"))
    lines = report.out.splitlines()
    assert [line.split("\t")[:2] for line in lines] == [["none", "mini-xnli"], ["none", "mini-tatoeba"]]
    assert all(float(line.split("\t")[2]) >= 0 for line in lines)
    refused = run_xfer("compare", "--format", "plane", "--plugin", file("plain_report"))
    assert "no report format named 'plane'" in refused.err


def test_a_command_of_ones_own(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    import typer

    Path("diary.jsonl").write_text("{}\n")
    app = typer.Typer()
    app.command("other")(lambda: None)
    bootstrap.load(None, (file("watch"),)).manager.configure("xfer_commands", app=app, settings=None)
    app(["diary"], standalone_mode=False)
    assert capsys.readouterr().out == "{}\n"


def test_a_house_has_its_own_encoder_suite_rows_and_translator(run: Callable[..., dict[str, Any]]) -> None:
    found = run("--plugin", file("house"), "--suite", "house", "--strategy", "none", "--strategy",
                "translated-stilts[via=shouted,languages=de]", "--strategy",
                "translated-stilts[via=mt,languages=de]", "--limit", "train=8,test=6")  # fmt: skip
    labels = {row["label"] for row in found["results"]}
    assert len(labels) == 3
    assert {row["model"] for row in found["results"]} == {"house-encoder"}
    marks = {tuple(row["sees"]) for row in found["results"]}
    assert marks == {(), ("de (mt)",), ("de (shouted)",)}


def test_a_format_and_a_transform(run: Callable[..., dict[str, Any]]) -> None:
    import numpy as np

    Path("task.py").write_text(
        file("mood").read_text().replace('format="classification"', 'format="smooth-classification"')
    )
    Path("left_out.py").write_text(LEFT_OUT)
    plugins = ("--plugin", file("smooth"), "--plugin", "task.py", "--plugin", "left_out.py")
    target = ("--target", "mood", "--strategy", "left-out")
    scores = [
        run(
            *plugins, *target, "--set", f"smooth-classification.smoothing={amount}", "--keep", "all", "--name", name
        )
        for amount, name in ((0.0, "plain"), (0.9, "smoothed"))
    ]
    signatures = [{row["signature"] for row in found["results"]} for found in scores]
    assert signatures[0] != signatures[1]
    transform = bootstrap.load(None, (file("smooth"),)).transforms.get("leave-out")
    example = bootstrap.load(None, (file("mood"),)).tasks.get("mood").example
    first = example({"id": "1", "text": "one two three four", "label": "warm"}, "en")
    rng = np.random.default_rng(0)
    texts = {transform.apply(first, rng, {"share": 0.5}).text for _ in range(20)}
    assert len(texts) > 5
    assert transform.apply(first, rng, {"share": 1.0}).text == first.text


LEFT_OUT = """
from xfer.api import Strategy, hookimpl, target_phases

def plan(context, params):
    train, evaluate = target_phases(context, after=None)
    return train.model_copy(update={"transform": "leave-out", "params": {"share": 0.2}}), evaluate

@hookimpl
def xfer_strategies():
    return [Strategy(name="left-out", summary="invented", plan=plan)]
"""


def test_what_the_examples_import_is_the_promise_or_says_that_it_is_not() -> None:
    inside = {name for name in FILES if "xfer.core" in inspect.cleandoc(file(name).read_text())}
    assert inside == {"fresh_top", "smooth_format"}
    assert "may change between minor versions" in file("fresh_top").read_text()
