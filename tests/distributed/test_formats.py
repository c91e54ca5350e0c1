"""Every format, cut of a step, pooling and kind of encoder gives the weights of one process in two and in three."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.distributed.conftest import farthest, flags, several
from xfer import commands
from xfer.core.errors import Stopped
from xfer.testing.encoders import Kind

WAYS = ("ddp", "fsdp")
PLAIN: dict[str, Any] = {"strategy": "none", "intermediate": [], "target": ["toy-class"]}
CASES: dict[str, dict[str, Any]] = {
    "formats": PLAIN | {"target": ["toy-span", "toy-choice", "toy-tag"]},
    "all-layers": PLAIN | {"strategy": "layer-attention[of=none]"},
    "one-layer": PLAIN | {"strategy": "layer-attention[of=none,pooling=1]"},  # the second is left out
    "frozen": PLAIN | {"set": {"train.frozen_layers": 1}},
    "one-item": PLAIN | {"set": {"train.batch_size": 1}},  # a rank has none
    "micro": PLAIN | {"set": {"train.batch_size": 25, "train.micro_batch_tokens": 64}},  # unlike numbers of passes
    "snapshots": PLAIN | {"strategy": "checkpoint-average[of=none]", "set": {"train.max_steps": 8}},
}
KINDS: tuple[Kind, ...] = ("bert", "distilbert", "deberta-v2")
MASKED = {"strategy": "mlm-stilts[languages=en]", "intermediate": "toy-more", "target": ["toy-class"]}


@pytest.mark.slow
def test_two_processes_give_the_weights_of_one(model: Path, calm: Callable[[Kind], Path], tmp_path: Path) -> None:
    every = {**{name: (model, case) for name, case in CASES.items()}, **{k: (calm(k), PLAIN) for k in KINDS}}
    calls = [
        (f"{name}-{way}", "run", _flags(folder, tmp_path / f"{name}-{way}", case, {"engine.parallel": way}), {})
        for name, (folder, case) in every.items()
        for way in WAYS
    ]
    compact = {"engine.embedding": "compact"}
    calls.append(("compact", "run", _flags(model, tmp_path / "compact", CASES["formats"], compact), {}))
    for way in WAYS:
        calls.append((f"masked-{way}", "run", _flags(model, tmp_path / way, MASKED, {"engine.parallel": way}), {}))
    for rank in several(calls, tmp_path):
        assert [(name, told.get("error")) for name, told in rank.items() if told["status"]] == []
    for name, (folder, case) in every.items():
        commands.run(**_flags(folder, tmp_path / name, case))
        for way in WAYS:
            assert farthest(tmp_path / name, tmp_path / f"{name}-{way}") < 1e-6, (name, way)
    assert farthest(tmp_path / "formats", tmp_path / "compact") < 1e-6
    # Each rank masks its own share, so there are other masks than in one process, but the same for both ways.
    assert farthest(tmp_path / "ddp", tmp_path / "fsdp") < 1e-6


@pytest.mark.slow
def test_three_processes_into_which_nothing_divides(model: Path, tmp_path: Path) -> None:
    calls = [(way, "run", _flags(model, tmp_path / way, PLAIN, {"engine.parallel": way}), {}) for way in WAYS]
    ranks = several(calls, tmp_path, ranks=3)
    alone = commands.run(**_flags(model, tmp_path / "one", PLAIN))
    rows = [{**row.model_dump(mode="json"), "seconds": 0, "run": ""} for row in alone.results]
    for way in WAYS:
        assert [rank[way]["rows"] for rank in ranks] == [rows] * 3
        assert farthest(tmp_path / "one", tmp_path / way) < 1e-6


@pytest.mark.slow
def test_a_checkpoint_goes_from_one_process_to_shards_to_replicas_and_back(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    best = {"train.keep": "best", "train.eval_every": 2, "train.snapshots": 2, "engine.checkpoint_seconds": 0}
    commands.run(**_flags(model, tmp_path / "one", PLAIN, best))
    store = tmp_path / "store"
    monkeypatch.setenv("XFER_TEST_SIGNAL", "target:2:TERM")
    with pytest.raises(Stopped):
        commands.run(**_flags(model, store, PLAIN, best))
    monkeypatch.delenv("XFER_TEST_SIGNAL")
    shards = _flags(model, store, PLAIN, {**best, "engine.parallel": "fsdp"})
    calls = [
        ("shards", "run", shards, {"XFER_TEST_SIGNAL": "target:3:TERM"}),
        ("replicas", "run", _flags(model, store, PLAIN, best), {"XFER_TEST_SIGNAL": "target:4:TERM"}),
        ("end", "run", shards, {}),
    ]
    for rank in several(calls, tmp_path):
        assert [told["status"] for told in rank.values()] == [75, 75, 0], rank
    assert farthest(tmp_path / "one", store) < 1e-6
    infos = [json.loads(path.read_text()) for path in store.glob("phases/*/phase.json")]
    assert [info["processes"] for info in infos if info["does"] == "train"] == [[1, 2, 2, 2]]


def _flags(
    model: Path, store: Path, case: dict[str, Any], settings: dict[str, Any] | None = None
) -> dict[str, Any]:
    return flags(model, store, **{**case, "set": {**case.get("set", {}), **(settings or {})}})
