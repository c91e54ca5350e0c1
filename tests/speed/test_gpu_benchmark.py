"""The benchmark for cards runs, on a machine without one, on a tiny model: it must not rot between cards."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "gpu.py"), *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.slow
def test_every_row_is_printed() -> None:
    done = run("--smoke", "--repeats", "1")
    assert done.returncode == 0, done.stderr
    for row in ("Training, mnli", "Training, squad", "embeddings", "zeroshot", "kNN", "MLM head"):
        assert row in done.stdout
    assert "recall@4 1.0000" in done.stdout
