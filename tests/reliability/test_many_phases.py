"""Many phases in one process: what each of them leaves behind in memory, open files and temporary names."""

import ctypes
import gc
import itertools
import os
import resource
import shutil
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.reliability import campaign
from tests.reliability.conftest import Bench
from xfer import commands


class Point(NamedTuple):
    """What a process holds after so many phases; the rest after a full collection of garbage."""

    phases: int
    before: float
    """Megabytes as they were found, before that collection."""
    megabytes: float
    """When glibc has given back the pages that it held free."""
    containers: int
    """Objects that the garbage collector knows."""
    blocks: int
    """Blocks of Python's allocator: every small object, numbers and strings too."""
    files: int
    threads: int
    names: int
    """Temporary names in the store and the folder of temporary files."""


def point(phases: int, store: Path, passing: Path) -> Point:
    """This process as it is now, settled; `passing` is its folder of temporary files."""

    def megabytes() -> float:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6

    before = megabytes()
    gc.collect()
    getattr(ctypes.CDLL(None), "malloc_trim", lambda kept: 0)(0)
    after = megabytes()  # before anything is counted, for that takes lists
    files, threads = (len(os.listdir(f"/proc/self/{kind}")) for kind in ("fd", "task"))
    below = (name for _, folders, others in os.walk(store) for name in (*folders, *others))
    left = [name for name in below if name.startswith((".tmp-", ".old-")) or name.endswith(".partial")]
    containers, blocks = len(gc.get_objects()), sys.getallocatedblocks()
    return Point(phases, before, after, containers, blocks, files, threads, len(left) + len(os.listdir(passing)))


def rise(points: Sequence[Point], field: str) -> float:
    """What a phase adds: the median over the fifths, for what happens once in a run is not what each phase adds.

    Python doubles its table of interned strings, by 3.8 MB, in one of these fifths.
    """
    pairs = itertools.pairwise(points)
    return statistics.median((getattr(b, field) - getattr(a, field)) / (b.phases - a.phases) for a, b in pairs)


def kept_by_safetensors(file: Path) -> float:
    """Blocks that safetensors alone never lets go, for each tensor that it reads (0.8.0: two integers)."""
    from safetensors import safe_open

    def read() -> int:
        with safe_open(file, "pt") as opened:
            names = opened.keys()
            return len([opened.get_tensor(name) for name in names])

    rounds, tensors = 50, read()
    gc.collect()
    before = sys.getallocatedblocks()
    for _ in range(rounds):
        read()
    gc.collect()
    return (sys.getallocatedblocks() - before) / rounds / tensors


def many(bench: Bench, seeds: int) -> tuple[list[Point], float]:
    """What this process holds after each fifth of its phases, two a seed; what safetensors keeps a phase."""
    from xfer.core.encoders.encoder import Encoder
    from xfer.core.records import PlannedPhase
    from xfer.core.run import Reporter

    root, passing = bench.folder / "many", bench.folder / "passing"
    passing.mkdir()
    points: list[Point] = []

    class Counting(Reporter):
        done = 0

        def phase_finished(self, planned: PlannedPhase, seconds: float, reused: bool) -> None:
            self.done += 1
            if self.done % (2 * seeds // 5) == 0:
                points.append(point(self.done, root, passing))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(passing))
        commands.run(
            "none", suite="toy", plugin=campaign.TOY, model=str(bench.model), target="toy-class", language="de",
            limit={"train": 8, "test": 2, "dev": 2}, set={"train.max_steps": 1}, seeds=tuple(range(seeds)),
            store=root, name="run", reporter=Counting(),
        )  # fmt: skip
    shutil.rmtree(root)
    passing.rmdir()
    read = len(Encoder.load(bench.model).model.state_dict()) + 1  # two of a head, in every second phase
    return points, read * kept_by_safetensors(bench.model / "model.safetensors")


@pytest.mark.parametrize(
    ("seeds", "kilobytes", "objects", "containers"),
    [(30, 100, 20, 0.4), pytest.param(500, 8, 8, 0.1, marks=pytest.mark.slow)],
)
def test_phases_leave_nothing_behind(
    bench: Bench,
    capsys: pytest.CaptureFixture[str],
    seeds: int,
    kilobytes: float,
    objects: float,
    containers: float,
) -> None:
    points, reader = many(bench, seeds)
    assert [p.phases for p in points] == [2 * seeds * fifth // 5 for fifth in range(1, 6)]
    first, last = points[0], points[-1]
    grown, added, blocks = last.megabytes - first.megabytes, rise(points, "megabytes"), rise(points, "blocks")
    with capsys.disabled():
        print(
            f"\n  {last.phases} phases in one process: {last.files - first.files:+d} open files, "
            f"{last.threads - first.threads:+d} threads, {last.names} temporary names, {grown:+.2f} MB "
            f"from a fifth of them to the end"
            f"\n  MB after each fifth: {', '.join(f'{p.megabytes:.2f}' for p in points)} "
            f"(before garbage was collected: {', '.join(f'{p.before:.1f}' for p in points)})"
            f"\n  a phase adds {1000 * added:.2f} kB, {rise(points, 'containers'):.2f} containers and {blocks:.1f} "
            f"small objects, {reader:.1f} of which safetensors keeps"
        )
    assert {p.names for p in points} == {0}
    assert last.files <= first.files
    assert last.threads <= first.threads
    assert rise(points, "containers") < containers
    assert blocks - reader < objects
    assert 1000 * added < kilobytes
    assert grown < 10
