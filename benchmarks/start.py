"""How long `xfer --help` and the listings take, beside a bare interpreter and `import torch`.

    python benchmarks/start.py [--runs 7]

Whole processes, one after another in turn; median wall seconds, the ratio to the bare interpreter, and median
processor seconds, which other work on the machine disturbs less.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import time

COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "xfer --help": ["-m", "xfer", "--help"],
    "xfer tasks": ["-m", "xfer", "tasks"],
    "xfer strategies": ["-m", "xfer", "strategies"],
    "xfer plugins": ["-m", "xfer", "plugins"],
    "import torch": ["-c", "import torch"],
}


def seconds(arguments: list[str]) -> tuple[float, float]:
    """Wall and processor seconds of one process."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Time all commands in turn and print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=7)
    runs = parser.parse_args().runs
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in COMMANDS}
    for turn in range(runs + 1):
        for name, arguments in COMMANDS.items():
            taken = seconds(arguments)
            if turn:  # the first round fills the disk cache
                times[name].append(taken)
    base = statistics.median(wall for wall, _ in times["python -c pass"])
    print(f"{'command':<18} {'median s':>9} {'min':>7} {'max':>7} {'ratio':>7} {'CPU s':>7}")
    for name, taken in times.items():
        walls, middle = [wall for wall, _ in taken], statistics.median(cpu for _, cpu in taken)
        wall = statistics.median(walls)
        print(f"{name:<18} {wall:>9.3f} {min(walls):>7.3f} {max(walls):>7.3f} {wall / base:>7.1f} {middle:>7.3f}")


if __name__ == "__main__":
    main()
