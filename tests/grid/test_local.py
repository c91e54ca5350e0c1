"""Jobs as processes of this machine: devices, threads, last words, signals; whole runs with two workers."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.engine.conftest import TOY, Kit
from tests.grid.conftest import TWO, plain
from xfer.core.grid.jobs import THREADS, Job, JobProcess, job_threads
from xfer.core.storage.store import Store
from xfer.plugins.executors.local import Local, cuda_devices
from xfer.testing.pytest_plugin import Outcome


def shell(folder: Path, line: str, name: str = "job") -> Job:
    return Job(name, name, ("sh", "-c", line), str(folder), folder / f"{name}.log")


def finished(executor: Local, handles: list[JobProcess]) -> dict[str, tuple[int, str]]:
    left, found = list(handles), {}
    while left:
        for ended in executor.wait(left, 10):
            left.remove(ended.handle)
            found[ended.handle.job.name] = ended.status, ended.tail
    return found


def test_each_worker_has_a_device_and_its_share_of_the_cores(tmp_path: Path, monkeypatch: Any) -> None:
    for name in THREADS:
        monkeypatch.delenv(name, raising=False)
    say = 'echo "$CUDA_VISIBLE_DEVICES $OMP_NUM_THREADS" >&2; pwd >&2; sleep 0.2'
    executor = Local(2, ("0", "MIG-7"))
    first = finished(executor, executor.submit([shell(tmp_path, say, "a"), shell(tmp_path, say, "b")]))
    share = job_threads(2)["OMP_NUM_THREADS"]
    assert first == {"a": (0, f"0 {share}\n{tmp_path}"), "b": (0, f"MIG-7 {share}\n{tmp_path}")}
    assert finished(executor, executor.submit([shell(tmp_path, say, "a")]))["a"] == first["a"]  # of this attempt
    assert (tmp_path / "a.log").read_text() == 2 * f"0 {share}\n{tmp_path}\n"
    assert job_threads(10_000)["OMP_NUM_THREADS"] == "1"
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert job_threads(2) == {}
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6")
    assert cuda_devices() == ("4", "6")


def test_the_end_of_a_job_its_last_words_and_signals(tmp_path: Path) -> None:
    executor = Local(3)
    line = "trap 'echo saved >&2; exit 75' TERM; echo ready >&2; while true; do sleep 0.02; done"
    deaf = line.replace("echo saved >&2; exit 75", "")
    long = "for i in $(seq 999); do echo long words >&2; done; exit 9"
    polite, stubborn, quick = executor.submit(
        [shell(tmp_path, line, "polite"), shell(tmp_path, deaf, "stubborn"), shell(tmp_path, long, "quick")]
    )
    status, tail = finished(executor, [quick])["quick"]
    assert (status, len(tail)) == (9, 2000 - 1)  # without the line break
    while polite.tail() != "ready" or stubborn.tail() != "ready":
        time.sleep(0.01)
    assert executor.wait([polite, stubborn], 0.0) == []
    executor.cancel([polite, stubborn])
    assert finished(executor, [polite]) == {"polite": (75, "ready\nsaved")}
    executor.close()
    assert stubborn.poll().status == -signal.SIGKILL


def test_an_executor_that_is_not_there_and_options_it_lacks(run_xfer: Callable[..., Outcome], kit: Kit) -> None:
    options = ("run", "--model", kit.model, "--store", kit.store, "--target", "mini-tatoeba", "--strategy", "none")
    for executor, told in (
        ("locl", "no executor named 'locl'"),
        ("local[gpus=2]", "executor local: gpus: Extra inputs are not permitted"),
        ("local[", "executor 'local[' lacks its closing ]"),
    ):
        done = run_xfer(*options, "--executor", executor)
        assert (done.status, told in done.err) == (2, True), done.err
    assert not list(kit.store.glob("runs/*"))


def command(kit: Kit, *more: object, **options: Any) -> list[str]:
    line = [sys.executable, "-m", "xfer", "run", "--suite", "toy", "--plugin", str(TOY), "--model", str(kit.model)]
    line += ["--strategy", "none", "--strategy", "english-stilts", "--target", "toy-class", "--name", "run"]
    line += [f"--set={name}={value}" for name, value in options.items()]
    return [*line, "--store", str(kit.store), "--jobs", "2", "--json", "-q", *map(str, more)]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


@pytest.mark.slow
def test_two_processes_give_the_rows_of_one_and_share_what_is_shared(kit: Kit) -> None:
    done = subprocess.run(
        command(kit, **{"train.max_steps": 2}), env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    alone = kit.run(**TWO, store=kit.store.with_name("alone"))
    assert plain(Store(kit.store).load_run("run").results) == plain(alone.results)
    assert len(json.loads(done.stdout)["results"]) == len(alone.results)
    assert sorted(kit.diary()) == sorted(["intermediate toy-more", *2 * ["target toy-class", "evaluate toy-class"]])


@pytest.mark.slow
def test_a_driver_that_was_killed_is_started_again_and_waits_for_its_jobs(kit: Kit) -> None:
    slow = {"train.max_steps": 300, "engine.checkpoint_seconds": 0.2}
    first = subprocess.Popen(command(kit, **slow), env=environment(), stdout=subprocess.DEVNULL)
    while not list(kit.store.glob("phases/*.partial/step-*")):
        assert first.poll() is None
        time.sleep(0.05)
    first.kill()
    first.wait()
    done = subprocess.run(command(kit, **slow), env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["problems"] == []
    assert sorted(kit.diary()) == sorted(  # no phase was begun twice: the orphans went on
        ["intermediate toy-more", *2 * ["target toy-class", "evaluate toy-class"]]
    )


@pytest.mark.slow
def test_a_driver_that_is_stopped_stops_its_jobs_and_goes_on_from_their_checkpoints(kit: Kit) -> None:
    slow = {"train.max_steps": 300, "engine.checkpoint_seconds": 0.2}
    first = subprocess.Popen(
        command(kit, **slow), env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    while len(list(kit.store.glob("phases/*.partial/step-*"))) < 2:
        assert first.poll() is None
        time.sleep(0.05)
    first.send_signal(signal.SIGTERM)
    _, told = first.communicate(timeout=120)
    assert (first.returncode, b"stopped with 0 of 5 phases done" in told) == (75, True), told
    reports = [json.loads(path.read_text()) for path in (kit.store / "runs" / "run" / "jobs").glob("*.json")]
    assert {report["error"]["status"] for report in reports} == {75}
    done = subprocess.run(command(kit, **slow), env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    alone = kit.run(**{**TWO, "set": slow}, store=kit.store.with_name("alone"))
    assert plain(Store(kit.store).load_run("run").results) == plain(alone.results)
