"""Kills, full disks, flipped bits, many processes: each campaign prints its figures.

The fast level takes a sample, the full level (marked slow) all of it.
"""

import random
import shutil
import signal
import time
from functools import partial
from pathlib import Path

import pytest

from tests.reliability import campaign
from tests.reliability.conftest import Bench
from xfer.core.errors import ExitStatus
from xfer.core.storage import checkpoints, files
from xfer.core.storage.store import Store


def figures(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print(f"\n  {text}")


def equal_again(bench: Bench, root: Path) -> bool:
    """Whether the same command ends with what an uninterrupted one leaves, and with nothing else."""
    status = campaign.ended(campaign.in_child(lambda: campaign.run(bench.model, root).status))
    return status == 0 and campaign.digests(root) == bench.digests and campaign.leftovers(root) == []


# ---------------------------------------------------------------- kills


def kill_at_operations(bench: Bench, every: int) -> tuple[int, int]:
    """How many kills, and how many of these runs ended bitwise as an uninterrupted one."""
    struck = good = 0
    for number in range(1, bench.operations + 1, every):
        root = bench.folder / f"kill-{number}"
        # How far it has come is written by the clock, so that some runs have fewer operations.
        struck += campaign.killed_at(bench.model, root, number) == -signal.SIGKILL
        assert equal_again(bench, root), number
        good += 1
        shutil.rmtree(root)
    assert struck >= 0.9 * good
    return struck, good


def test_a_sample_of_kills_at_file_operations(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.operations >= 300
    points, good = kill_at_operations(bench, every=29)
    assert points >= 10
    figures(f"SIGKILL at {points} of {bench.operations} file operations: {good} ended bitwise equal", capsys)


@pytest.mark.slow
def test_a_kill_at_every_file_operation(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    started = time.monotonic()
    points, good = kill_at_operations(bench, every=1)
    assert points >= 150
    spent = time.monotonic() - started
    figures(f"SIGKILL at {points} file operations: {good} of {good} ended bitwise equal, {spent:.0f} s", capsys)


def random_kills(bench: Bench, histories: int, most: int = 3) -> tuple[int, int]:
    """Runs of the whole command, each killed from outside up to `most` times, and how many kills struck."""
    draw = random.Random(20)
    started = time.monotonic()
    root = bench.folder / "timed"
    assert campaign.ended(campaign.in_child(lambda: campaign.run(bench.model, root).status)) == 0
    span = time.monotonic() - started
    struck = 0
    for history in range(histories):
        root = bench.folder / f"random-{history}"
        for _ in range(draw.randint(1, most)):
            struck += campaign.killed_after(bench.model, root, draw.uniform(0, span)) == -signal.SIGKILL
        assert equal_again(bench, root), history
        shutil.rmtree(root)
    return histories, struck


def test_a_few_random_kills_from_outside(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    histories, struck = random_kills(bench, 5)
    assert struck >= 3
    figures(f"{histories} of {histories} runs equal after {struck} kills from outside at random times", capsys)


@pytest.mark.slow
def test_fifty_random_kills_from_outside(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    histories, struck = random_kills(bench, 50)
    assert struck >= 30
    figures(f"{histories} of {histories} runs equal after {struck} kills from outside at random times", capsys)


# ---------------------------------------------------------------- full disks


def full_disks(bench: Bench, every: int) -> int:
    full, numbers = 0, range(1, bench.operations + 1, every)
    for number in numbers:
        root = bench.folder / f"full-{number}"
        status = campaign.killed_at(bench.model, root, number, "edquot" if number % 2 else "enospc")
        full += status == ExitStatus.RESOURCES
        assert status in (ExitStatus.RESOURCES, ExitStatus.DONE), (number, status)
        assert not [name for name in campaign.leftovers(root) if name.startswith(".old-")], number
        assert equal_again(bench, root), number
        shutil.rmtree(root)
    assert full >= 0.9 * len(numbers)
    return full


def test_a_disk_that_is_full_at_a_sample_of_operations(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    points = full_disks(bench, every=29)
    figures(f"disk full at {points} operations: status 9 each time, {points} continued bitwise", capsys)


@pytest.mark.slow
def test_a_disk_that_is_full_at_every_operation(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    points = full_disks(bench, every=1)
    assert points >= 300
    figures(f"disk full at {points} operations: status 9 each time, {points} continued bitwise", capsys)


# ---------------------------------------------------------------- damage


@pytest.fixture(scope="module")
def stores(bench: Bench) -> tuple[Path, Path]:
    """A store with a finished run, and one that was killed when a phase had two checkpoints."""
    root = bench.folder / "unfinished"
    for number in range(100, bench.operations):
        campaign.killed_at(bench.model, root, number)
        (partial,) = root.glob("phases/*.partial")
        newest = checkpoints.latest(partial)  # which clears up what the kill left
        if newest is not None and len(list(partial.glob("step-*"))) == 2:
            break
        shutil.rmtree(root)
    return bench.copy("finished"), root


def damage(bench: Bench, stores: tuple[Path, Path], flips: int, cuts: int, ends: int) -> dict[str, int]:
    """Damage every file in turn; how many were hit, noticed, and how many of a sample ended the same."""
    draw = random.Random(6)
    # Who works on what, and how far a run has come, is of no use afterwards and is not under checksums.
    passing = {"locks", "progress.json", "diary.txt"}
    found = [(root, path) for root in stores for path in sorted(root.rglob("*"))]
    targets = [
        (root, path)
        for root, path in found
        if path.is_file() and path.stat().st_size and not passing & {path.name, path.parent.name}
    ]
    told = {"files": len(targets), "hits": 0, "noticed": 0, "ends": 0}
    for number in range(flips + cuts):
        root, path = targets[number % len(targets)]
        with campaign.put_back(path):
            (campaign.flip if number < flips else campaign.cut)(path, draw)
            told["hits"] += 1
            assert campaign.detected(root, path), (number, path)
            told["noticed"] += 1
            if number % ((flips + cuts) // ends) == 0:
                copy = Path(shutil.copytree(root, bench.folder / "damaged"))
                assert campaign.ended(campaign.in_child(partial(campaign.run, bench.model, copy))) == 0
                assert differing(bench, copy) == [], (number, path)
                told["ends"] += 1
                shutil.rmtree(copy)
    return told


def differing(bench: Bench, root: Path) -> list[str]:
    """Files that pass for sound and are not those of an uninterrupted run; what nobody needs may stay damaged."""
    seen = campaign.digests(root)
    damaged = {path.name for path in (root / "phases").iterdir() if files.verify(path)}
    wrong = [name for name, digest in bench.digests.items() if seen.get(name) != digest]
    return [name for name in wrong if name.split("/")[1] not in damaged]


def say(told: dict[str, int]) -> str:
    return (
        f"{told['noticed']} of {told['hits']} flipped bits and cuts over {told['files']} files noticed; "
        f"{told['ends']} of {told['ends']} runs on a damaged store ended the same"
    )


def test_some_damage_is_noticed(
    bench: Bench, stores: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    told = damage(bench, stores, flips=120, cuts=40, ends=5)
    assert told["noticed"] == told["hits"] == 160
    assert told["files"] >= 35
    figures(say(told), capsys)


@pytest.mark.slow
def test_all_damage_is_noticed(bench: Bench, stores: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    told = damage(bench, stores, flips=500, cuts=100, ends=40)
    assert told["noticed"] == told["hits"] == 600
    assert told["ends"] >= 40
    figures(say(told), capsys)


# ---------------------------------------------------------------- many processes


def together(bench: Bench, processes: int) -> tuple[int, int]:
    """Processes that issue the same command on one store until they have their rows; phases and rounds."""
    root = bench.folder / f"shared-{processes}"

    def work(number: int) -> int:
        from xfer.cli import run_command

        for _ in range(200):
            status = run_command(campaign.command(bench.model, root, f"run-{number}"))
            if status != ExitStatus.LOCKED:
                return int(status)
            time.sleep(0.05)
        return 99

    children = [campaign.in_child(lambda number=number: work(number), quiet=True) for number in range(processes)]  # type: ignore[misc]
    assert [campaign.ended(child) for child in children] == [0] * processes
    diary = (root / "diary.txt").read_text().splitlines()
    store = Store(root)
    phases = [path for path in (root / "phases").iterdir() if path.is_dir()]
    assert sorted(diary) == sorted(set(diary)), "a phase was computed twice"
    assert len(diary) == len(phases) == 3
    assert all(store.has_phase(path.name) for path in phases)
    rows = [
        [row.model_copy(update={"run": "", "seconds": 0.0}) for row in store.load_run(name).results]
        for name in store.runs()
    ]
    assert len(rows) == processes
    assert all(each == rows[0] for each in rows), "a row was lost or doubled"
    assert len(rows[0]) == 2
    assert campaign.leftovers(root) == []
    shutil.rmtree(root)
    return len(diary), processes


@pytest.mark.parametrize("processes", [2, pytest.param(8, marks=pytest.mark.slow)])
def test_processes_on_one_store(bench: Bench, capsys: pytest.CaptureFixture[str], processes: int) -> None:
    computed, _ = together(bench, processes)
    figures(
        f"{processes} processes on one store: {computed} phases, each computed once; equal rows for all", capsys
    )
