"""The general mechanisms, used from a loose file: nothing in core knows a strategy by name."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch  # noqa: TID253

from xfer import commands
from xfer.core.encoders.encoder import Encoder
from xfer.core.errors import PluginError, UserError
from xfer.core.storage.checkpoints import load_weights
from xfer.core.storage.store import Store

Run = Callable[..., commands.RunResult]
PLUGIN = """
from xfer.api import PRETRAINED, Phase, Strategy, TaskUse, hookimpl, target_phases


def plan(context, params):
    target, evaluate = target_phases(context, after="mixed")
    english = TaskUse(task="mini-mnli")
    text = TaskUse(task="mini-text", languages=("de",), steps_ratio=1, options={"masking": 0.3})
    rates = {"one": 1e-3, "two": 2e-3}
    first = [
        Phase(name=name, role="intermediate", uses=(english, text), pooling="1", overrides={"learning_rate": rate})
        for name, rate in rates.items()
    ]
    return [
        *first,
        Phase(name="mean", does="average", role="intermediate", starts_from=("one", "two")),
        Phase(
            name="far", does="combine", role="intermediate", starts_from=("mean", "one", PRETRAINED),
            params={"weights": [1, 0.5, -0.5]},
        ),
        Phase(
            name="mixed", does="select", role="intermediate", starts_from=("mean", "far", "two"),
            uses=(TaskUse(task="mini-mnli", split="dev"),),
        ),
        target,
        evaluate,
    ]


@hookimpl
def xfer_strategies():
    return [Strategy(name="everything", summary="invented", plan=plan)]
"""


@pytest.fixture(scope="module")
def result(run: Run, tmp_path_factory: pytest.TempPathFactory) -> commands.RunResult:
    folder = tmp_path_factory.mktemp("everything")
    (folder / "everything.py").write_text(PLUGIN, encoding="utf-8")
    return run("everything", plugin=(folder / "everything.py",), store=folder / "store", keep="all")


def tensors(result: commands.RunResult, name: str) -> dict[str, torch.Tensor]:
    id = next(planned.id for planned in result.plan.phases if planned.phase.name == name)
    folder = Store(result.store).phase_folder(id)
    return dict(Encoder.load(folder).state_dict()) | load_weights(folder / "heads.safetensors")


def close(found: dict[str, torch.Tensor], expected: Callable[[str], torch.Tensor]) -> None:
    assert len(found) > 20
    for name, tensor in found.items():
        torch.testing.assert_close(tensor, expected(name), rtol=0, atol=1e-6)


def test_everything_runs_and_is_marked(result: commands.RunResult) -> None:
    assert not result.failed
    assert {row.sees for row in result.results} == {("text de",)}
    assert [one.phase.does for one in result.plan.phases] == [
        "train", "train", "average", "combine", "select", "train", "evaluate",
    ]  # fmt: skip


def test_the_average_of_two_runs(result: commands.RunResult) -> None:
    one, two, mean = (tensors(result, name) for name in ("one", "two", "mean"))
    assert any(not torch.equal(one[name], two[name]) for name in one)
    close(mean, lambda name: (one[name] + two[name]) / 2)
    about = Store(result.store).phase_info(next(p.id for p in result.plan.phases if p.phase.name == "mean"))
    assert about["heads"] == {
        "mini-mnli": {
            "format": "classification",
            "labels": ["entailment", "neutral", "contradiction"],
            "pooling": "1",
        }
    }


def test_the_sum_with_the_pretrained_model(result: commands.RunResult, tiny_encoder: Callable[[str], Path]) -> None:
    one, mean, far = (tensors(result, name) for name in ("one", "mean", "far"))
    pretrained = Encoder.load(tiny_encoder("xlm-roberta")).state_dict()

    def expected(name: str) -> torch.Tensor:
        return mean[name] + 0.5 * (one[name] - pretrained[name]) if name in pretrained else mean[name]

    close(far, expected)


def test_the_choice_among_three(result: commands.RunResult) -> None:
    planned = {one.phase.name: one for one in result.plan.phases}
    about = Store(result.store).phase_info(planned["mixed"].id)
    assert [id for id, _ in about["scores"]] == [planned[name].id for name in ("mean", "far", "two")]
    name = next(name for name, one in planned.items() if one.id == about["chosen"])
    chosen = tensors(result, name)
    close(tensors(result, "mixed"), lambda name: chosen[name])


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('starts_from=("one", "two")', 'starts_from=("one", "three")', "unknown \\['three'\\]"),
        ('split="dev"', 'split="dev", languages=("sw",)', "no language of mini-mnli"),
        ('pooling="1"', 'pooling="first"', "pooling"),
    ],
)
def test_plans_at_fault_are_told(
    small: Callable[..., dict[str, object]], tmp_path: Path, old: str, new: str, told: str
) -> None:
    file = tmp_path / "faulty.py"
    assert old in PLUGIN
    file.write_text(PLUGIN.replace(old, new), encoding="utf-8")
    with pytest.raises((UserError, PluginError), match=told):
        commands.prepare(small("everything", plugin=(file,), store=tmp_path, name="x"))


def test_poolings_of_two_parents_must_agree(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "unlike.py"
    changed = PLUGIN.replace('pooling="1"', 'pooling="1" if name == "one" else "2"')
    file.write_text(changed, encoding="utf-8")
    with pytest.raises(UserError, match="heads for mini-mnli differ in labels or pooling"):
        run("everything", plugin=(file,), store=tmp_path / "store", keep="all")
