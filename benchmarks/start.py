"""How long `xfer --help` and the listings take, beside a bare interpreter and `import torch`.

    python benchmarks/start.py [--runs 7]

Whole processes, one after another in turn; median wall seconds and the ratio to the bare interpreter.
"""

import argparse
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


def seconds(arguments: list[str]) -> float:
    """Wall seconds of one process."""
    started = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    return time.perf_counter() - started


def main() -> None:
    """Time all commands in turn and print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=7)
    runs = parser.parse_args().runs
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for turn in range(runs + 1):
        for name, arguments in COMMANDS.items():
            taken = seconds(arguments)
            if turn:  # the first round fills the disk cache
                times[name].append(taken)
    base = statistics.median(times["python -c pass"])
    print(f"{'command':<18} {'median s':>9} {'min':>7} {'max':>7} {'ratio':>7}")
    for name, taken in times.items():
        middle = statistics.median(taken)
        print(f"{name:<18} {middle:>9.3f} {min(taken):>7.3f} {max(taken):>7.3f} {middle / base:>7.1f}")


if __name__ == "__main__":
    main()
