"""What a plan will cost: disk by what is held at a time, steps, sizes in words."""

from pathlib import Path
from typing import Any

import pytest

from tests.engine.conftest import Kit
from xfer import commands
from xfer.core.encoders.encoder import Encoder
from xfer.core.engine import execute as engine
from xfer.core.plans import forecast

STATE = 2 * 3 + 1
"""While a phase runs: two checkpoints of weights and both moments, and the weights that are committed."""


def disk(kit: Kit, **options: Any) -> tuple[float, float]:
    """Peak and final disk in weights."""
    prepared = kit.prepare(set={"train.max_steps": 2, **options.pop("set", {})}, **options)
    needed = engine.phases_to_run(prepared.plan, prepared.run)
    found = forecast.disk(prepared.plan, needed, prepared.run.model, prepared.run.settings.keep)
    weights = forecast.weight_bytes(prepared.run.model)
    return found.peak / weights, found.final / weights


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"target": "toy-pairs"}, (0, 0)),
        ({}, (STATE, 0)),
        ({"keep": "all"}, (STATE, 1)),
        ({"set": {"train.keep": "best"}}, (STATE + 2, 0)),
        ({"seeds": (0, 1, 2)}, (STATE, 0)),
        ({"seeds": (0, 1, 2), "keep": "all"}, (STATE + 2, 3)),
        ({"strategy": "english-stilts"}, (STATE + 1, 1)),
        ({"strategy": "english-stilts", "keep": "none"}, (STATE + 1, 0)),
        ({"strategy": "english-stilts", "keep": "none", "target": ("toy-class", "toy-span")}, (STATE + 1, 0)),
        ({"target": ("toy-span", "toy-class", "toy-span-too")}, (STATE + 1, 0)),
    ],
    ids=str,
)
def test_weights_count_while_they_are_held(kit: Kit, options: dict[str, Any], expected: tuple[int, int]) -> None:
    assert disk(kit, **options) == expected


def test_what_is_stored_costs_nothing(kit: Kit) -> None:
    kit.run(set={"train.max_steps": 2})
    assert disk(kit) == (0, 0)


def test_weights_take_what_is_forecast(kit: Kit) -> None:
    result = kit.run(set={"train.max_steps": 2}, keep="all")
    stored = (kit.store / "phases" / result.plan.phases[0].id / "model.safetensors").stat().st_size
    prepared = kit.prepare(name="again")
    assert forecast.weight_bytes(prepared.run.model) == pytest.approx(stored, rel=0.1)


def test_half_precision_counts_as_full(kit: Kit, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(kit.model, tmp_path / "half")
    Encoder.load(kit.model, with_lm_head=True).half().save(tmp_path / "half")
    whole, half = (kit.prepare(model=str(folder)).run.model for folder in (kit.model, tmp_path / "half"))
    assert forecast.weight_bytes(half) == pytest.approx(forecast.weight_bytes(whole), rel=0.05)


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (12_345, "12 kB"), (1_120_000_000, "1.1 GB"), (5e12, "5.0 TB")],
)
def test_sizes_in_words(size: float, text: str) -> None:
    assert forecast.size_text(int(size)) == text


def test_steps_follow_epochs_and_batches(kit: Kit) -> None:
    prepared: commands.Prepared = kit.prepare(set={"train.epochs": 2.5})
    planned = prepared.plan.phases[0]
    assert forecast.steps_of(planned, [64]) == [20]
    assert forecast.steps_of(planned, [65]) == [22]
    assert forecast.steps_of(planned, [1]) == [2]
    capped = kit.prepare(set={"train.epochs": 2.5, "train.max_steps": 3}).plan.phases[0]
    assert forecast.steps_of(capped, [64]) == [3]


def test_time_follows_parameters_and_tokens(kit: Kit) -> None:
    model = kit.prepare().run.model
    # 2 layers of 4 · 32² + 2 · 32 · 64 weights, 6 operations each, at 0.4 of the rate
    assert forecast.training_seconds(model, 1000, 1e6) == pytest.approx(6 * 2 * (4096 + 4096) * 1000 / 4e5)
    assert forecast.matrix_rate(0.01) > 1e6
