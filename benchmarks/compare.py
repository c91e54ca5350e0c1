"""How long `xfer compare` takes for a large grid: 11 strategies, 9 targets, 40 languages, 5 seeds, one core.

    OMP_NUM_THREADS=1 python benchmarks/compare.py [folder] [examples]

Invents a store (19,800 files of predictions) in a fresh folder, or takes the one that is there, then compares.
"""

import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from xfer import results
from xfer.core.languages import LANGUAGES

STRATEGIES, TARGETS, SEEDS = 11, 9, 5
LIMIT_SECONDS = 60.0


def make(store: Path, examples: int) -> None:
    """Write a store: a base score that falls with the language, a gain that grows with the strategy's number."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    random = np.random.default_rng(0)
    rows = []
    ids = pa.array([f"example-{number}" for number in range(examples)])
    texts = pa.array(["text"] * examples)
    predictions = pa.array(['"entailment"'] * examples)
    for target in range(TARGETS):
        hard = random.random((len(LANGUAGES), examples))
        for strategy in range(STRATEGIES):
            label = "none" if strategy == 0 else f"english-stilts[intermediate=task-{strategy}]"
            for seed in range(SEEDS):
                phase = f"p-{strategy}-{target}-{seed}"
                folder = store / "phases" / phase / "predictions"
                folder.mkdir(parents=True)
                info = {"id": phase, "does": "evaluate", "identity": {"parents": []}, "device": "cpu"}
                (folder.parent / "phase.json").write_text(json.dumps(info))
                for place, language in enumerate(LANGUAGES):
                    noise = random.normal(0, 0.2, examples) + random.normal(0, 0.01)
                    right = hard[place] + noise < 0.8 - 0.01 * place + 0.003 * strategy
                    points = pa.array(100.0 * right)
                    columns = {"id": ids, "prediction": predictions, "text": texts, "gold": texts, "points": points}
                    path = folder / f"task-{target}.{language}.parquet"
                    pq.write_table(pa.table(columns), path, compression="zstd")
                    rows.append(
                        _row(label, strategy, target, language, seed, phase, 100.0 * right.mean(), examples)
                    )
    run = store / "runs" / "bench"
    run.mkdir(parents=True)
    (run / "results.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def _row(
    label: str, strategy: int, target: int, language: str, seed: int, phase: str, value: float, n: int
) -> dict[str, object]:
    intermediate = f"task-{strategy}" if strategy else ""
    return {
        "run": "bench", "label": label, "strategy": label.partition("[")[0], "params": {}, "seed": seed,
        "intermediate": intermediate, "suite": "bench", "model": "bench", "model_fingerprint": "bench",
        "task": f"task-{target}", "task_version": 1, "language": language, "split": "test", "metric": "accuracy",
        "value": value, "n": n, "main": True, "phase": phase, "signature": f"task=task-{target}",
        "data_fingerprint": "bench", "xfer_version": "0", "plugin_versions": {}, "seconds": 1.0, "device": "cpu",
        "dtype": "float32",
    }  # fmt: skip


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp()) / "store"
    examples = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    if not folder.exists():
        make(folder, examples)
    started = time.perf_counter()
    comparison = results.compare(folder)
    compared = time.perf_counter()
    sizes = {format: len(results.report(comparison, format).encode()) for format in ("html", "json", "csv")}
    done = time.perf_counter()
    cells = sum(bool(test.language) for test in comparison.tests)
    threads = os.environ.get("OMP_NUM_THREADS", "?")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{len(comparison.labels)} strategies, {cells} tested cells, {threads} thread: "
        f"compared in {compared - started:.1f} s, html, json and csv in {done - compared:.1f} s, "
        f"peak {peak:.0f} MB, bytes {sizes}"
    )
    if done - started > LIMIT_SECONDS:
        raise SystemExit(f"more than {LIMIT_SECONDS:.0f} s")


if __name__ == "__main__":
    main()
