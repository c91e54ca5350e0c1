"""How much faster two workers finish a grid than one, beside what the machine itself gains from two processes.

    python benchmarks/grid.py [--repeats 3] [--steps 400]

The grid: four seeds of one target, a training phase and an evaluation each, every job pinned to one thread. The
ceiling: two processes that multiply matrices on one thread each, at once against one after the other. Times are
wall-clock, jobs' start-up included; the least of the repeats counts, one and two workers in turn.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"), "1")
MULTIPLY = """
import sys, torch
torch.set_num_threads(1)
a = torch.rand(512, 512)
for _ in range(int(sys.argv[1])):
    a = torch.nn.functional.normalize(a @ a)
"""


def environment() -> dict[str, str]:
    path = os.pathsep.join([str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, **ONE_THREAD, "PYTHONPATH": path}


def grid(jobs: int, steps: int) -> float:
    """Seconds of a grid with so many workers."""
    with tempfile.TemporaryDirectory() as store:
        line = [
            sys.executable,
            "-m",
            "xfer",
            "run",
            "--strategy",
            "none",
            "--target",
            "mini-xnli",
            "--seeds",
            "0,1,2,3",
        ]
        line += ["--limit", "train=2000,test=100", "--set", f"train.max_steps={steps}", "--store", store, "-q"]
        begun = time.perf_counter()
        subprocess.run(
            [*line, "--executor", "local", "--jobs", str(jobs)],
            env=environment(),
            check=True,
            stdout=subprocess.DEVNULL,
        )
        return time.perf_counter() - begun


def ceiling(rounds: int = 2000) -> tuple[float, float]:
    """Seconds of two processes one after the other, and at once."""

    def begin() -> "subprocess.Popen[bytes]":
        return subprocess.Popen([sys.executable, "-c", MULTIPLY, str(rounds)], env=environment())

    begun = time.perf_counter()
    for _ in range(2):
        assert begin().wait() == 0
    apart = time.perf_counter() - begun
    begun = time.perf_counter()
    both = [begin(), begin()]
    assert [one.wait() for one in both] == [0, 0]
    return apart, time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--steps", type=int, default=400)
    given = parser.parse_args()
    machine = [ceiling() for _ in range(given.repeats)]
    times = [(grid(1, given.steps), grid(2, given.steps)) for _ in range(given.repeats)]
    apart, both = (min(column) for column in zip(*machine, strict=True))
    one, two = (min(column) for column in zip(*times, strict=True))
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs")
    gain = apart / both
    print(f"two processes of matrix products: {apart:.1f} s apart, {both:.1f} s at once: {gain:.2f} times as fast")
    print(f"grid of 8 phases: {one:.1f} s with one worker, {two:.1f} s with two: {one / two:.2f} times as fast")
    print(f"share of what the machine gains: {one / two / gain:.2f}")


if __name__ == "__main__":
    main()
