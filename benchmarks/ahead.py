"""What a run gains when a second process tokenises the data of later phases while the first is trained.

    python benchmarks/ahead.py [--rows 60000] [--steps 300] [--repeats 5]

Two targets of generated pairs, the encoder of the bundled suite: the first trains for so many steps on few rows,
the second for ten steps on many. Whole runs with `engine.ahead=off` and `on`, in turn, wall-clock, with start-up:
medians and the median ratio of a turn, also of the second target's training phase (rows read, tokenised or mapped,
ten steps). One thread for torch; the tokeniser takes all cores in the run itself, idle ones in the second process.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PLUGIN = """
import random
from xfer.api import TaskSpec, TextExample, accuracy, hookimpl

WORDS = "the old red house stands near a green river where three people meet and talk about their work".split()

def task(name, count):
    def rows(split, language):
        rng = random.Random(split)
        for number in range(count if split == "train" else 200):
            first, second = (" ".join(rng.choices(WORDS, k=rng.randint(8, 24))) for _ in range(2))
            yield {"first": first, "second": second, "label": rng.choice("ab")}

    return TaskSpec(
        name=name, summary="generated", citation="none", licence="CC0-1.0", format="classification",
        languages=("en",), train_languages=("en",), labels=("a", "b"), rows=rows, main_score="accuracy",
        example=lambda row, language: TextExample("", language, row["first"], row["second"], row["label"]),
        score=lambda values, examples, language: {"accuracy": accuracy(values, [one.label for one in examples])},
    )

@hookimpl
def xfer_tasks():
    return [task("few-rows", 2000), task("many-rows", ROWS)]
"""


def run(folder: Path, rows: int, steps: int, ahead: str) -> tuple[float, float]:
    """Seconds of a run, and of the second target's training phase in it."""
    plugin = folder / "generated.py"
    plugin.write_text(PLUGIN.replace("ROWS", str(rows)))
    with tempfile.TemporaryDirectory(dir=folder) as store:
        line = [sys.executable, "-m", "xfer", "run", "--strategy", "none", "--plugin", str(plugin), "-q"]
        line += ["--target", "few-rows", "--target", "many-rows", "--store", store, "--name", "run", "--json"]
        line += ["--set", f"target.few-rows.max_steps={steps}", "--set", "target.many-rows.max_steps=10"]
        line += ["--set", f"engine.ahead={ahead}"]
        path = os.pathsep.join([str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])])
        begun = time.perf_counter()
        done = subprocess.run(
            line,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path},
            check=True,
            stdout=subprocess.PIPE,
        )
        took = time.perf_counter() - begun
        assert json.loads(done.stdout)["problems"] == []
        plan = json.loads((Path(store) / "runs" / "run" / "plan.json").read_text())["phases"]
        phases = json.loads((Path(store) / "runs" / "run" / "progress.json").read_text())["phases"]
        second = next(
            planned["id"]
            for planned in plan
            if planned["phase"]["does"] == "train" and planned["phase"]["uses"][0]["task"] == "many-rows"
        )
        return took, phases[second]["seconds"]


def main() -> None:
    """Print medians and their ratios."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    took: dict[str, list[tuple[float, float]]] = {"off": [], "on": []}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(given.repeats):
            for ahead, found in took.items():
                found.append(run(Path(folder), given.rows, given.steps, ahead))
                print(
                    f"{ahead:>4}: run {found[-1][0]:6.1f} s, second training phase {found[-1][1]:6.1f} s",
                    flush=True,
                )
    for place, what in enumerate(("run", "second training phase")):
        off, on = ([one[place] for one in took[ahead]] for ahead in ("off", "on"))
        gain = statistics.median(before / after for before, after in zip(off, on, strict=True))
        before, after = statistics.median(off), statistics.median(on)
        print(f"{what}: {before:.1f} s without, {after:.1f} s with (medians); median ratio of a turn {gain:.2f}")
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs")


if __name__ == "__main__":
    main()
