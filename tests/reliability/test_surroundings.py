"""The same numbers wherever a command runs, no secret in what it writes, and terminals and pipes that are odd."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import xfer

ROOT = Path(xfer.__file__).parents[1]
TOY = ROOT / "tests" / "engine" / "toy.py"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
SECRETS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "WANDB_API_KEY", "AWS_SECRET_ACCESS_KEY", "XFER_TEST_PASSWORD")


def command(
    *line: object, cwd: Path, stdout: Any = subprocess.PIPE, **environment: str
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "xfer", *map(str, line)], cwd=cwd, env=ENVIRONMENT | environment, stdout=stdout,
        stderr=subprocess.PIPE, text=True, check=False, timeout=120,
    )  # fmt: skip


@pytest.mark.slow
def test_another_folder_locale_zone_and_hash_seed_give_the_same_files_and_no_secret_is_written(
    tmp_path: Path, tiny_encoder: Callable[[str], Path]
) -> None:
    places = {
        "one": {"PYTHONHASHSEED": "1", "LC_ALL": "C.UTF-8", "TZ": "UTC"},
        "two": {"PYTHONHASHSEED": "77", "LC_ALL": "C", "TZ": "Asia/Tokyo", "PYTHONUTF8": "0", "COLUMNS": "40"},
    }
    kept = {}
    for name, environment in places.items():
        (tmp_path / name).mkdir()
        ended = command(
            "run", "--suite", "toy", "--plugin", TOY, "--model", tiny_encoder("xlm-roberta"), "--store", "store",
            "--target", "toy-class", "--target", "toy-pairs", "--intermediate", "toy-more", "--name", "r",
            "--set", "train.max_steps=3", "--limit", "train=16,test=8,dev=8", "--json",
            cwd=tmp_path / name, **environment, **{secret: f"hush-{secret}-9d1f" for secret in SECRETS},
        )  # fmt: skip
        assert ended.returncode == 0, ended.stderr
        store = tmp_path / name / "store"
        written = [path for path in store.rglob("*") if path.is_file()]
        assert len(written) > 15
        for text in (ended.stdout.encode(), ended.stderr.encode(), *(path.read_bytes() for path in written)):
            assert b"hush-" not in text
        rows = [
            {key: value for key, value in json.loads(line).items() if key != "seconds"}
            for line in (store / "runs" / "r" / "results.jsonl").read_text(encoding="utf-8").splitlines()
        ]
        weights = {path.relative_to(store): path.read_bytes() for path in store.rglob("*.safetensors")}
        assert len(rows) == 3
        assert len(weights) >= 1
        kept[name] = rows, weights
    assert kept["one"] == kept["two"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full")
@pytest.mark.parametrize("line", [("tasks",), ("tasks", "--json"), ("suites",)])
def test_output_that_does_not_fit_is_told(tmp_path: Path, line: tuple[str, ...]) -> None:
    with open("/dev/full", "w") as full:
        ended = command(*line, cwd=tmp_path, stdout=full)
    assert ended.returncode == 9
    assert ended.stderr.startswith(
        "error: disk full: what the command prints does not fit\n  where: standard output"
    )
    assert "Traceback" not in ended.stderr
    assert "Exception ignored" not in ended.stderr


def test_a_reader_that_leaves_and_a_narrow_terminal_without_letters_cause_no_trace(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    left = command("tasks", "--json", cwd=tmp_path, stdout=writer)
    os.close(writer)
    assert "Traceback" not in left.stderr
    plain = command("tasks", "show", "xquad", cwd=tmp_path, LC_ALL="C", PYTHONUTF8="0", COLUMNS="20", TERM="dumb")
    assert plain.returncode == 0, plain.stderr
    assert "xquad" in plain.stdout
    strict = command("tasks", "show", "udpos", cwd=tmp_path, LC_ALL="C", PYTHONIOENCODING="ascii")
    assert strict.returncode == 0, strict.stderr
    assert "\\u2581" in strict.stdout
