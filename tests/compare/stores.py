"""Invented stores for the tests: predictions, training logs and phase files that fit given result rows."""

import json
import zlib

import numpy as np

from tests.compare.grid import phase_of
from xfer.core.storage import files
from xfer.core.storage.store import Store

LABELS = ("entailment", "neutral", "contradiction")


def points_of(row, n=60):
    """Points of `n` examples whose mean is the row's value: an example's difficulty is the same for all labels."""
    random = np.random.default_rng(zlib.crc32(f"{row.task} {row.language}".encode()))
    noise = np.random.default_rng(
        zlib.crc32(row.model_dump_json(include={"label", "task", "language", "seed"}).encode())
    )
    points = random.normal(0, 15, n) + noise.normal(0, 5, n)
    return points - points.mean() + row.value


def write_predictions(folder, task, language, ids, points, text="", prediction="neutral"):
    """predictions/<task>.<language>.parquet as an evaluation leaves it; `points=None`: a task scored as a set."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {
        "id": list(ids),
        "prediction": [json.dumps(prediction)] * len(ids),
        "text": [text or f"text of {name}" for name in ids],
        "gold": [LABELS[place % 3] for place in range(len(ids))],
    }
    if points is not None:
        columns["points"] = [None if point is None else float(point) for point in points]
    path = folder / "predictions" / f"{task}.{language}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)


def train_phase(store, id, task, parents=("model:0123",), seed=0, dev=None, seconds=10.0):
    """A training phase with a log of three steps."""
    with store.commit_phase(id) as folder:
        log = [{"step": step, "loss": 2.0 / step, "learning_rate": 1e-5} for step in (10, 20, 30)]
        log += [] if dev is None else [{"step": 30, "dev": dev}]
        files.write_text(folder / "log.jsonl", "".join(files.json_line(entry) for entry in log))
        info = {"id": id, "does": "train", "steps": 30, "best_score": dev, "device": "cpu", "shares": [1.0]}
        info |= {} if seconds is None else {"seconds": seconds}
        identity = {"parents": list(parents), "uses": [{"task": task}], "seed": seed}
        identity["settings"] = {"": {"batch_size": 16}, task: {"batch_size": 16}}
        files.write_json(folder / "phase.json", {**info, "identity": identity})


def make(root, rows, dev=None, training=None, n=60, points=True, seconds=10.0):
    """A store whose phases fit the main rows. `dev` maps (label, task) to an English dev score."""
    store = Store(root)
    by_phase = {}
    for row in rows:
        if row.main and row.value is not None:
            by_phase.setdefault(row.phase, []).append(row)
    for phase, held in by_phase.items():
        first = held[0]
        parents = ["model:0123"]
        if first.intermediate:
            before = phase_of(first.intermediate, "intermediate", first.seed)
            if not store.has_phase(before):
                train_phase(store, before, first.intermediate, seed=first.seed, seconds=seconds)
            parents = [before]
        if "tatoeba" not in first.task:
            task = (training or {}).get(first.task, first.task)
            score = (dev or {}).get((first.label, first.task))
            train_phase(store, f"t-{phase}"[:64], task, parents, first.seed, score, seconds)
            parents = [f"t-{phase}"[:64]]
        with store.commit_phase(phase) as folder:
            for row in held:
                ids = [f"{place}" for place in range(n)]
                wrong = LABELS[zlib.crc32(f"{row.label} {row.seed}".encode()) % 3]
                scores = points_of(row, n) if points else None
                write_predictions(folder, row.task, row.language, ids, scores, prediction=wrong)
            identity = {"parents": parents, "uses": [{"task": first.task}], "seed": None, "settings": {}}
            info = {"id": phase, "does": "evaluate", "identity": identity, "device": "cpu"}
            files.write_json(folder / "phase.json", info)
    return store
