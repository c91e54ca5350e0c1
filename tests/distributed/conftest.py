"""Launches of two processes with gloo, each shared by as many tests as can be."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.engine.conftest import calm_encoder
from xfer.core.storage.checkpoints import load_weights
from xfer.testing.encoders import Kind

__all__ = ["calm_encoder"]
TOY = Path(__file__).parents[1] / "engine" / "toy.py"
KILLER = TOY.with_name("killer.py")
WORKER = Path(__file__).parent / "worker.py"
Call = tuple[str, str, dict[str, Any], dict[str, str]]
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


def environment(**more: str) -> dict[str, str]:
    fixed = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path), "OMP_NUM_THREADS": "1"}
    return {**os.environ, **fixed, "HF_HUB_OFFLINE": "1", **more}


def process(command: Sequence[str], **more: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        list(command), env=environment(**more), capture_output=True, text=True, timeout=240, check=False
    )


def several(calls: Sequence[Call], folder: Path, ranks: int = 2) -> list[dict[str, Any]]:
    """What several processes answered to the calls, by rank."""
    (folder / "calls.json").write_text(json.dumps(calls, default=str))
    done = process([*TORCHRUN[:-1], str(ranks), str(WORKER), str(folder / "calls.json")])
    assert done.returncode == 0, done.stderr
    return [json.loads((folder / f"rank-{rank}.json").read_text()) for rank in range(ranks)]


def flags(model: Path, store: Path, **options: Any) -> dict[str, Any]:
    """A mixture of two tasks with a head each as intermediate phase, then a target, all of it kept."""
    fixed = {
        "strategy": "english-stilts", "suite": "toy", "plugin": [str(TOY), str(KILLER)], "model": str(model),
        "intermediate": "toy-more,toy-tag", "target": ["toy-class", "toy-pairs"],
        "store": str(store), "keep": "all", "name": "run", "set": {},
    }  # fmt: skip
    # A large epsilon, or Adam would turn the rounding of gradients that are zero into whole steps.
    calm = {"train.adam_epsilon": 0.1, "train.lr": 0.01}
    settings = {**calm, "train.max_steps": 5, "engine.log_seconds": 1e-9, "engine.evaluation_tokens": 64}
    return {**fixed, **options, "set": {**settings, **options.get("set", {})}}


def weights(store: Path) -> dict[str, Any]:
    """All tensors of all phases, by phase, file and name."""
    return {
        f"{path.parent.name}/{path.stem}/{name}": tensor
        for path in sorted((store / "phases").glob("*/*.safetensors"))
        for name, tensor in load_weights(path).items()
    }


def farthest(one: Path, other: Path) -> float:
    """The largest difference between the same weights of two stores."""
    expected, found = weights(one), weights(other)
    assert len(expected) >= 30
    assert expected.keys() == found.keys()
    return max(float((found[name] - tensor).abs().max()) for name, tensor in expected.items())


def logged(store: Path) -> dict[str, list[dict[str, float]]]:
    """The training logs by phase."""
    return {
        path.parent.name: [json.loads(line) for line in path.read_text().splitlines()]
        for path in sorted((store / "phases").glob("*/log.jsonl"))
    }


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory, tiny_encoder: Callable[[Kind], Path]) -> Callable[[Kind], Path]:
    """`calm(kind)` gives a tiny encoder of another kind without dropout."""

    def made(kind: Kind) -> Path:
        folder = tmp_path_factory.mktemp("kinds") / kind
        shutil.copytree(tiny_encoder(kind), folder)
        config = json.loads((folder / "config.json").read_text())
        config |= {name: 0.0 for name in config if "dropout" in name}
        (folder / "config.json").write_text(json.dumps(config))
        return folder

    return made


@pytest.fixture(scope="module")
def model(calm_encoder: Path) -> Path:
    """A tiny encoder without dropout, so that one process and two compute the same up to rounding."""
    return calm_encoder
