"""Kinds of phases that plugins bring, languages that are absent, encoders with token types."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.engine.conftest import QUICK, Kit, training
from xfer import commands
from xfer.core.batches.features import Batch
from xfer.core.encoders.encoder import Encoder
from xfer.core.engine.train_phase import prepare
from xfer.core.errors import UserError
from xfer.core.records import Problem
from xfer.core.storage.store import Store

KIND = """
from xfer.api import NoParams, Phase, Strategy, hookimpl, target_phases
from xfer.core.storage import checkpoints
from xfer.core.engine.train_phase import load_encoder

def plan(context, params):
    scaled = Phase(name="scaled", does="scale", role="target", params={"by": 0.5})
    return scaled, *target_phases(context, after="scaled")

@hookimpl
def xfer_strategies():
    return [Strategy(name="scaling", summary="invented", plan=plan)]

@hookimpl
def xfer_run_phase(phase, run):
    if phase.phase.does != "scale":
        return None
    encoder = load_encoder(phase, run)
    for parameter in encoder.parameters():
        parameter.data.mul_(phase.phase.params["by"])
    with run.store.commit_phase(phase.id) as folder:
        encoder.save(folder)
    return True
"""


def test_a_plugin_brings_its_own_kind_of_phase(kit: Kit, tmp_path: Path) -> None:
    (tmp_path / "kind.py").write_text(KIND)
    plugins = (kit.flags()["plugin"], tmp_path / "kind.py")
    options: dict[str, Any] = {
        "set": QUICK,
        "plugin": plugins,
        "strategy": ("none", "scaling"),
        "target": "toy-pairs",
    }
    result = kit.run(**options)
    assert kit.diary() == ["evaluate toy-pairs", "scaled", "evaluate toy-pairs"]
    assert {row.label for row in result.results} == {"none", "scaling"}
    scaled = result.plan.cells[1].chain[0]
    kept = Store(kit.store.with_name("kept"))
    kit.run(**options, store=kept.root, keep="all")
    before, after = (Encoder.load(place).model.state_dict() for place in (kit.model, kept.phase_folder(scaled)))
    assert all((after[name] == 0.5 * before[name]).all() for name in before if "weight" in name)
    # its weights were let go, like a target's, and come again when a new target starts from them
    kit.run(**{**options, "target": ("toy-pairs", "toy-class"), "strategy": "scaling"})
    assert kit.diary() == ["scaled", "target toy-class", "evaluate toy-class"]


def test_a_kind_that_nobody_runs_fails_its_cells(kit: Kit, tmp_path: Path) -> None:
    (tmp_path / "kind.py").write_text(KIND.replace('!= "scale"', '!= "other"'))
    plugins = (kit.flags()["plugin"], tmp_path / "kind.py")
    result = kit.run(set=QUICK, plugin=plugins, strategy=("none", "scaling"))
    assert result.status == 3
    assert {row.label for row in result.results} == {"none"}
    assert any("nobody runs phases of the kind 'scale'" in reason for reason in result.failed.values())


def test_a_language_without_rows_is_told_and_marks_the_average(kit: Kit) -> None:
    result = kit.run(set=QUICK, target="toy-gap")
    assert {row.language for row in result.results} == {"en", "de"}
    problem = Problem(stage="data", message="toy-gap: no test rows in zh; its averages are incomplete")
    assert problem in result.problems
    assert problem.message in (kit.store / "runs" / "run" / "problems.jsonl").read_text()


def test_a_named_language_without_rows_is_the_users_mistake(kit: Kit) -> None:
    with pytest.raises(UserError, match="toy-gap: no test rows in zh"):
        kit.run(set=QUICK, target="toy-gap", language="zh")
    assert not kit.store.exists()


@pytest.mark.parametrize("kind", ["bert", "xlm-roberta"])
def test_pairs_have_token_types_where_the_encoder_has_two(
    kit: Kit, tiny_encoder: Callable[..., Path], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Batch] = []
    forward = Encoder.forward

    def watch(self: Encoder, batch: Batch, *arguments: Any, **options: Any) -> Any:
        seen.append(batch)
        return forward(self, batch, *arguments, **options)

    options: dict[str, Any] = {"set": QUICK, "target": "toy-pair-class", "model": str(tiny_encoder(kind))}
    prepared = kit.prepare(**options)
    job = prepare(training(prepared), prepared.run)
    monkeypatch.setattr(Encoder, "forward", watch)
    commands.execute(prepared)
    batches = [batch for batch in seen if batch.real_tokens > 20]
    assert len(batches) >= 3
    for batch in batches:
        if kind == "xlm-roberta":
            assert batch.token_types is None
            continue
        bounds = batch.cu_seqlens.tolist()
        for start, end in pairwise(bounds):
            ids, types = batch.input_ids[start:end].tolist(), batch.token_types[start:end].tolist()  # type: ignore[index]
            separator = ids.index(job.parts[0].collator._separator) if ids[0] == 2 else len(ids)
            assert types == [0] * (separator + 1) + [1] * (len(ids) - separator - 1)
