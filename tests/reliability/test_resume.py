"""A run that is cut anywhere goes on as if it had not been: in an epoch, a mixture, an evaluation."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.reliability import campaign
from xfer import commands
from xfer.core.errors import Stopped
from xfer.core.records import PlannedPhase
from xfer.core.run import Reporter, Snapshot

PLAIN = {"train.max_steps": 6, "engine.log_seconds": 1e-9}
KINDS: dict[str, dict[str, Any]] = {
    "one task, several epochs": {"strategy": "none", "set": {"train.epochs": 2.0, "engine.log_seconds": 1e-9}},
    "a mixture of tasks": {"set": PLAIN},
    "tasks in sequence": {"intermediate": "toy-more+toy-tag", "set": PLAIN},
    "accumulated steps": {"strategy": "none", "set": PLAIN | {"train.micro_batch_tokens": 64}},
    "the best weights kept": {"strategy": "none", "set": PLAIN | {"train.keep": "best", "train.eval_every": 2}},
    "snapshots": {"strategy": "checkpoint-average", "set": PLAIN},
    "masked language model": {"strategy": "mlm-only", "set": PLAIN},
    "layers frozen": {"strategy": "none", "set": PLAIN | {"train.frozen_layers": 1}},
    "padding": {"strategy": "none", "set": PLAIN | {"engine.padding": "max"}},
    "half precision": {"strategy": "none", "set": PLAIN | {"engine.precision": "bfloat16"}},
}


class Cutting(Reporter):
    """Asks for a stop at the n-th logged step, or in the middle of an evaluation."""

    def __init__(self, step: int = 0, evaluation: bool = False) -> None:
        self.left, self.evaluation = step, evaluation

    def step_logged(self, planned: PlannedPhase, snapshot: Snapshot) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGTERM)

    def evaluated(self, planned: PlannedPhase, done: int, total: int) -> None:
        if self.evaluation and done < total:
            os.kill(os.getpid(), signal.SIGTERM)


def options(model: Path, root: Path, kind: dict[str, Any]) -> dict[str, Any]:
    given = campaign.options(model, root) | kind
    if given["strategy"] != "english-stilts":
        del given["intermediate"]
    return given


@pytest.mark.parametrize("kind", KINDS)
def test_stopped_and_continued_equals_uninterrupted(
    kind: str, tmp_path: Path, tiny_encoder: Callable[[str], Path]
) -> None:
    model = tiny_encoder("xlm-roberta")
    commands.run(**options(model, tmp_path / "whole", KINDS[kind]))
    for step in (2, 3):
        started = time.monotonic()
        with pytest.raises(Stopped) as caught:
            commands.run(**options(model, tmp_path / "cut", KINDS[kind]), reporter=Cutting(step))
        assert caught.value.status == 75
        assert time.monotonic() - started < 30
    result = commands.run(**options(model, tmp_path / "cut", KINDS[kind]))
    assert result.status == 0
    assert campaign.digests(tmp_path / "cut") == campaign.digests(tmp_path / "whole")
    assert campaign.leftovers(tmp_path / "cut") == []


def test_stopped_in_an_evaluation(tmp_path: Path, tiny_encoder: Callable[[str], Path]) -> None:
    model, kind = tiny_encoder("xlm-roberta"), {"set": PLAIN | {"engine.evaluation_tokens": 64}}
    commands.run(**options(model, tmp_path / "whole", kind))
    with pytest.raises(Stopped, match="tokens of an evaluation"):
        commands.run(**options(model, tmp_path / "cut", kind), reporter=Cutting(evaluation=True))
    commands.run(**options(model, tmp_path / "cut", kind))
    assert campaign.digests(tmp_path / "cut") == campaign.digests(tmp_path / "whole")


def test_a_finished_run_is_not_touched_again(tmp_path: Path, tiny_encoder: Callable[[str], Path]) -> None:
    model = tiny_encoder("xlm-roberta")
    commands.run(**options(model, tmp_path, {"set": PLAIN}))
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "phases").rglob("*") if path.is_file()}
    result = commands.run(**options(model, tmp_path, {"set": PLAIN}))
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "phases").rglob("*") if path.is_file()} == before
    assert len(before) >= 18
    assert result.status == 0


@pytest.mark.parametrize(("keep", "kept"), [("all", 2), ("intermediate", 1), ("none", 0)])
def test_what_keep_keeps(tmp_path: Path, tiny_encoder: Callable[[str], Path], keep: str, kept: int) -> None:
    from xfer.core.storage.store import Store

    commands.run(**options(tiny_encoder("xlm-roberta"), tmp_path, {"set": PLAIN, "keep": keep}))
    store = Store(tmp_path)
    phases = [path.name for path in (tmp_path / "phases").iterdir()]
    assert len(phases) == 3
    assert sum(store.has_weights(id) for id in phases) == kept
    assert all(store.has_phase(id) for id in phases)
