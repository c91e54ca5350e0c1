"""How several processes are started, what they make of the environment, and how one answers for all of them."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.distributed.conftest import TORCHRUN, TOY, environment, process, weights
from xfer import launching
from xfer.core.batches.sampling import dealt
from xfer.core.engine.failures import Lost, described, rebuilt
from xfer.core.engine.place import Place, place, slurm_address
from xfer.core.engine.signals import StopFlag
from xfer.core.errors import NonFinite, UnknownName, UserError
from xfer.core.settings import RunSettings, load_settings
from xfer.testing.pytest_plugin import Outcome

STRIKER = Path(__file__).parent / "striker.py"
LAUNCHER = ("--launcher", "torchrun", "--nproc", "2")
Run = Callable[..., Outcome]


# ---------------------------------------------------------------- the environment


def test_a_place_by_torchrun_by_srun_and_alone() -> None:
    assert place({}) == Place(0, 1, 0)
    assert place({"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "SLURM_PROCID": "0"}) == Place(3, 4, 1)
    step = {"SLURM_PROCID": "5", "SLURM_STEP_NUM_TASKS": "8", "SLURM_LOCALID": "1", "SLURM_NTASKS": "8"}
    assert place(step) == Place(5, 8, 1)
    assert place({"SLURM_PROCID": "0", "SLURM_NTASKS": "8"}) == Place()  # the batch script itself
    assert place(step | {"SLURM_STEP_NUM_TASKS": "1", "SLURM_PROCID": "0"}) == Place()
    for wrong in ({"RANK": "2", "WORLD_SIZE": "2"}, {"RANK": "x", "WORLD_SIZE": "2"}):
        with pytest.raises(UserError, match="describes no group"):
            place(wrong)


@pytest.mark.parametrize(
    ("nodes", "first"),
    [("gpu3", "gpu3"), ("n[01-04,07]", "n01"), ("n[5,7]", "n5"), ("a1,b[1-2]", "a1"), ("a-b[9]", "a-b9")],
)
def test_the_first_node_of_a_step_is_the_meeting_point(nodes: str, first: str) -> None:
    found = slurm_address({"SLURM_STEP_NODELIST": nodes, "SLURM_JOB_ID": "123456", "SLURM_STEP_ID": "0"})
    assert found["MASTER_ADDR"] == first
    assert 20000 <= int(found["MASTER_PORT"]) < 40000


def test_fewer_processes_than_were_asked_for_are_refused(run_xfer: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = run_xfer("run", "--nproc", "2", "--limit", "train=8,test=4")
    assert refused.status == 2
    assert "2 processes were asked for, and 1 began this run" in refused.err
    monkeypatch.setenv("XFER_NPROC", "2")  # as `accelerate launch --cpu --num_processes 2` may start one
    refused = run_xfer("run", "--limit", "train=8,test=4")
    assert refused.status == 2
    assert "XFER_NPROC=2" in refused.err


def test_a_process_whose_others_are_nowhere_says_so(run_xfer: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    lone = run_xfer("run", "--limit", "train=8,test=4")
    assert lone.status == 2
    assert "process 0 of 2 does not find the others" in lone.err
    assert "MASTER_ADDR" in lone.err


def test_a_launcher_wants_a_number(run_xfer: Run) -> None:
    refused = run_xfer("run", "--launcher", "torchrun")
    assert (refused.status, "--nproc N" in refused.err) == (2, True)


# ---------------------------------------------------------------- parts


@pytest.mark.parametrize("ranks", [1, 2, 3, 8])
def test_items_are_dealt_once_each_and_evenly(ranks: int) -> None:
    rng = np.random.default_rng(0)
    items = rng.permutation(100)[:32]
    lengths = rng.integers(1, 128, size=32)
    shares = dealt(items, lengths, ranks)
    assert sorted(np.concatenate(shares).tolist()) == sorted(items.tolist())
    length = dict(zip(items.tolist(), lengths.tolist(), strict=True))
    loads = [sum(length[item] for item in share.tolist()) for share in shares]
    assert max(loads) - min(loads) <= max(lengths)
    order = {item: number for number, item in enumerate(items.tolist())}
    assert all(
        [order[item] for item in share.tolist()] == sorted(order[i] for i in share.tolist()) for share in shares
    )
    assert [len(share) for share in dealt(items[:1], lengths[:1], 2)] == [1, 0]


def test_a_failure_keeps_its_kind_words_and_status_between_processes() -> None:
    known = rebuilt(described(NonFinite("loss nan", "phase x", "a lower rate")), rank=1)
    assert isinstance(known, NonFinite)
    assert (known.what, known.where, known.fix, known.status) == ("rank 1: loss nan", "phase x", "a lower rate", 8)
    assert isinstance(rebuilt(described(Lost("gone"))), Lost)
    odd = rebuilt(described(UnknownName("task", "x", ["y"])))
    assert (odd.status, odd.what) == (2, "no task named 'x'")
    assert rebuilt(described(ValueError("a bug"))).status == 1


def test_the_words_of_a_command_mean_the_same_settings(tmp_path: Path) -> None:
    given: dict[str, Any] = {
        "strategy": ("none", "english-stilts"), "target": ("mini-xnli",), "seeds": (0, 2), "store": tmp_path,
        "limit": {"train": 8, "test": 4}, "set": {"train.lr": 1e-5, "train": {"decay": "constant"}},
        "plugin": (TOY,), "launcher": "torchrun", "nproc": 2, "name": "a",
    }  # fmt: skip
    settings, origin = load_settings(given)
    words = launching.words(settings, origin)
    assert words[words.index("--set") + 1] == "train.learning_rate=1e-05"
    assert 'train.decay="constant"' in words
    assert words[words.index("--seeds") + 1] == "0,2"
    assert words[words.index("--limit") + 1] == "train=8,test=4"
    assert [words[place + 1] for place, word in enumerate(words) if word == "--strategy"] == [
        "none",
        "english-stilts",
    ]
    assert not {"--launcher", "--nproc", "--model"} & set(words)


@pytest.mark.parametrize(("told", "code"), [('{"status": 0}', 134), ('{"status": 9}', 1)])
def test_what_counts_is_what_the_leading_process_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: str, code: int
) -> None:
    fake = tmp_path / "python"  # processes with gloo may abort when all is done, which torchrun calls a failure
    fake.write_text(f"#!/bin/sh\necho '{told}' >\"$XFER_LAUNCH/status.json\"\nexit {code}\n")
    fake.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(fake))
    settings = RunSettings(launcher="torchrun", nproc=2, store=tmp_path / "store")
    assert launching.launch(settings, ()) == json.loads(told)
    assert list((tmp_path / "store" / "launches").iterdir()) == []


def test_a_leading_process_without_a_last_word_was_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/true")
    with pytest.raises(Lost, match="ended without a word"):
        launching.launch(RunSettings(launcher="torchrun", nproc=2, store=tmp_path), ())


def test_a_signal_between_two_stretches_of_a_command_counts_in_the_next() -> None:
    with StopFlag() as outer:
        with StopFlag() as first:
            assert not first.requested
        os.kill(os.getpid(), signal.SIGTERM)
        with StopFlag() as second:
            assert second.requested
        assert outer.signal == signal.SIGTERM


# ---------------------------------------------------------------- whole launches


def command(model: Path, store: Path, *more: str, steps: int = 20) -> list[str]:
    return [
        "run", "--suite", "toy", "--plugin", str(TOY), "--plugin", str(STRIKER), "--model", str(model),
        "--strategy", "none", "--target", "toy-class", "--set", f"train.max_steps={steps}", "--keep", "all",
        "--set", "engine.checkpoint_seconds=0", "--store", str(store), "--name", "r", "--quiet", "--json", *more,
    ]  # fmt: skip


def rows(text: str) -> list[dict[str, Any]]:
    return [{**row, "seconds": 0} for row in json.loads(text)["results"]]


@pytest.mark.slow
def test_a_killed_rank_fails_the_job_cleanly_and_the_same_command_continues(model: Path, tmp_path: Path) -> None:
    whole = process([*TORCHRUN, "-m", "xfer", *command(model, tmp_path / "whole")])
    assert whole.returncode == 0, whole.stderr
    store = tmp_path / "store"
    own = [sys.executable, "-m", "xfer", *command(model, store, *LAUNCHER)]
    killed = process(own, XFER_TEST_STRIKE=f"1:KILL:{store}")
    assert killed.returncode == 75, killed.stderr
    assert killed.stderr.count("error: another process of the group was lost") == 1
    assert killed.stdout == ""
    assert len(list(store.glob("phases/*.partial/step-*"))) >= 2
    killed = process(own, XFER_TEST_STRIKE=f"0:KILL:{store}")
    assert killed.returncode == 75, killed.stderr
    assert "the leading process ended without a word" in killed.stderr
    again = process(own)
    assert again.returncode == 0, again.stderr
    assert rows(again.stdout) == rows(whole.stdout)
    expected, found = weights(tmp_path / "whole"), weights(store)
    assert expected.keys() == found.keys()
    assert all(bool((found[name] == tensor).all()) for name, tensor in expected.items())
    assert not list(store.glob("phases/*.partial"))
    assert list((store / "launches").iterdir()) == []


@pytest.mark.slow
def test_a_mistake_is_told_once_by_the_leading_process(model: Path, tmp_path: Path) -> None:
    done = process([*TORCHRUN, "-m", "xfer", *command(model, tmp_path), "--set", "train.nonsense=1"])
    assert done.returncode == 1  # torchrun's own; the processes leave with 2
    assert done.stderr.count("error: no setting named 'train.nonsense'") == 1
    assert "exitcode  : 2" in done.stderr


@pytest.mark.slow
def test_memory_that_runs_out_on_one_rank_ends_all_with_its_status(model: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    done = process(
        [sys.executable, "-m", "xfer", *command(model, store, *LAUNCHER)], XFER_TEST_STRIKE=f"1:USR2:{store}"
    )
    assert done.returncode == 9, done.stderr
    assert "rank 1: error: memory ran out: no more of it" in done.stderr
    assert "error: rank 1: memory ran out: no more of it" in done.stderr  # the leading one's word


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_command_saves_the_state_and_one_process_continues(
    model: Path, tmp_path: Path, number: signal.Signals
) -> None:
    store = tmp_path / "store"
    words = command(model, store, *LAUNCHER, steps=150)
    running = subprocess.Popen(
        [sys.executable, "-m", "xfer", *words],
        env=environment(),
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    for _ in range(6000):
        if any(store.glob("phases/*.partial/step-*")) or running.poll() is not None:
            break
        time.sleep(0.02)
    running.send_signal(number)
    _, said = running.communicate(timeout=120)
    assert running.returncode == (130 if number == signal.SIGINT else 75), said
    assert said.count("error: stopped as asked after step") == 1
    assert "Traceback" not in said
    if number == signal.SIGINT:
        return
    alone = process([sys.executable, "-m", "xfer", *command(model, store, steps=150)])
    assert alone.returncode == 0, alone.stderr
    info = [json.loads(path.read_text()) for path in store.glob("phases/*/phase.json")]
    assert [one["processes"] for one in info if one["does"] == "train"] == [[2, 1]]


@pytest.mark.slow
def test_the_bundled_suite_with_a_launcher_and_from_python(tmp_path: Path) -> None:
    limits = {"train": 64, "dev": 16, "test": 16}
    words = [
        "run", "--intermediate", "mini-pawsx", "--target", "mini-xnli", "--target", "mini-tatoeba", "--limit",
        ",".join(f"{split}={number}" for split, number in limits.items()), "--set", "train.max_steps=6", "--store",
        str(tmp_path / "store"), "--name", "two",
    ]  # fmt: skip
    done = process([sys.executable, "-m", "xfer", *words, *LAUNCHER])
    assert done.returncode == 0, done.stderr
    assert "error" not in done.stderr
    assert done.stderr.count("train target mini-xnli (seed 0)") == 2  # its begin and its end, told once
    assert done.stdout.count("results:") == 1
    script = f"""
import json, xfer
result = xfer.run("english-stilts", intermediate="mini-pawsx", target=("mini-xnli", "mini-tatoeba"), limit={limits},
                  set={{"train.max_steps": 6}}, store={str(tmp_path / "store")!r}, name="again",
                  launcher="torchrun", nproc=2)
print(json.dumps([result.run, int(result.status), len(result.results), sorted(row.task for row in result.results)]))
"""
    python = process([sys.executable, "-c", script])
    assert python.returncode == 0, python.stderr
    name, status, count, tasks = json.loads(python.stdout)
    assert (name, status) == ("again", 0)
    assert set(tasks) == {"mini-xnli", "mini-tatoeba"}
    stored = (tmp_path / "store" / "runs" / "two" / "results.jsonl").read_text().splitlines()
    assert len(stored) == count > 8
    assert os.path.exists(tmp_path / "store" / "runs" / "again" / "DONE")
