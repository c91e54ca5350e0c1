import pickle
from pathlib import Path
from typing import Any

import pytest
import torch  # noqa: TID253
from safetensors.torch import save_file  # noqa: TID253
from torch import nn  # noqa: TID253

from xfer.core.errors import Damaged, NonFinite
from xfer.core.storage import checkpoints, files


def save(folder: Path, step: int, state: dict[str, Any] | None = None) -> Path:
    tensors = {"weights": {"a.w": torch.full((2, 3), float(step))}, "best": {"b": torch.arange(step)}}
    return checkpoints.save(folder, step, tensors, {"step": step} if state is None else state)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# ---------------------------------------------------------------- checkpoints


def test_two_checkpoints_are_kept_and_the_newest_is_loaded(tmp_path: Path) -> None:
    folder = tmp_path / "a1.partial"
    assert checkpoints.latest(folder) is None
    for step in (5, 10, 100):
        assert save(folder, step, {"rng": [1, 2**63], "log": [{"loss": 0.1}]}) == folder / f"step-{step}"
    assert names(folder) == ["step-10", "step-100"]
    found = checkpoints.latest(folder)
    assert found is not None
    assert (found.step, found.groups, found.skipped) == (100, ("best", "weights"), ())
    assert found.state == {"rng": [1, 2**63], "log": [{"loss": 0.1}]}
    assert torch.equal(found.tensors("weights")["a.w"], torch.full((2, 3), 100.0))
    assert found.tensors("best")["b"].dtype == torch.int64
    checkpoints.clear(folder)
    assert list(tmp_path.iterdir()) == []
    checkpoints.clear(folder)


@pytest.mark.parametrize("damaged", ["weights.safetensors", "best.safetensors", "state.json", "DONE"])
@pytest.mark.parametrize("how", ["flip", "cut", "remove"])
def test_the_older_checkpoint_is_used_when_the_newest_is_damaged(tmp_path: Path, damaged: str, how: str) -> None:
    save(tmp_path, 10)
    path = save(tmp_path, 20) / damaged
    data = bytearray(path.read_bytes())
    data[-5] ^= 4
    path.write_bytes(data if how == "flip" else data[:-1])
    if how == "remove":
        path.unlink()
    found = checkpoints.latest(tmp_path)
    assert found is not None
    assert found.step == 10
    [problem] = found.skipped
    assert problem.startswith("step-20: ")
    assert damaged in problem
    # The run goes on from step 10, and what it left behind does not stand in its way.
    save(tmp_path, 15)
    assert names(tmp_path) == ["step-10", "step-15"]
    save(tmp_path, 20)
    assert names(tmp_path) == ["step-15", "step-20"]
    assert not files.verify(tmp_path / "step-20")


def test_a_checkpoint_of_the_same_step_is_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "a1.partial"
    save(folder, 5, {"try": 1})
    save(folder, 5, {"try": 2})
    found = checkpoints.latest(folder)
    assert found is not None
    assert (found.step, found.state) == (5, {"try": 2})
    assert names(folder) == ["step-5"]


def test_a_broken_checkpoint_does_not_count_as_one_of_two(tmp_path: Path) -> None:
    for step in (10, 20):
        save(tmp_path, step)
    (tmp_path / "step-20" / "DONE").unlink()
    save(tmp_path, 30)
    assert names(tmp_path) == ["step-10", "step-30"]


def test_no_checkpoint_is_left(tmp_path: Path) -> None:
    for step in (10, 20):
        (save(tmp_path, step) / "state.json").write_text("{}")
    assert checkpoints.latest(tmp_path) is None


def test_a_checkpoint_of_another_phase_or_step_is_not_used(tmp_path: Path) -> None:
    save(tmp_path / "a1.partial", 10)
    (tmp_path / "b2.partial").mkdir()
    (tmp_path / "a1.partial" / "step-10").rename(tmp_path / "b2.partial" / "step-10")
    assert checkpoints.latest(tmp_path / "b2.partial") is None
    save(tmp_path / "c3.partial", 10).rename(tmp_path / "c3.partial" / "step-11")
    assert checkpoints.latest(tmp_path / "c3.partial") is None


def test_a_state_that_is_not_finite_is_refused(tmp_path: Path) -> None:
    save(tmp_path, 10)
    with pytest.raises(NonFinite):
        save(tmp_path, 20, {"loss": float("nan")})
    assert names(tmp_path) == ["step-10"]


# ---------------------------------------------------------------- weights


def test_weights_keep_dtype_bits_and_names(tmp_path: Path) -> None:
    tied = torch.randn(4, 4)
    tensors = {
        "half": torch.tensor([65504.0, -0.0, 6e-8], dtype=torch.float16),
        "brain": torch.tensor([3e38, -0.0], dtype=torch.bfloat16),
        "double": torch.tensor([5e-324, 1e308], dtype=torch.float64),
        "ids": torch.tensor([2**62, -1]),
        "empty": torch.zeros(0, 3),
        "scalar": torch.tensor(1.5),
        "turned": tied.t(),
        "tied": tied,
        "tied.again": tied,
        "part": tied[1:3],
        "parameter": nn.Parameter(torch.randn(3)),
    }
    (tmp_path / "phase").mkdir(mode=0o750)
    path = checkpoints.save_weights(tmp_path / "phase", "model", tensors)
    assert path == tmp_path / "phase" / "model.safetensors"
    assert path.stat().st_mode & 0o777 == 0o640
    for loaded in (checkpoints.load_weights(path), checkpoints.load_tensors(path)):
        assert set(loaded) == set(tensors)
        for name, value in tensors.items():
            assert loaded[name].dtype == value.dtype
            assert loaded[name].shape == value.shape
            assert torch.equal(loaded[name], value)
            assert torch.equal(torch.signbit(loaded[name]), torch.signbit(value))
    assert checkpoints.load_weights(checkpoints.save_weights(tmp_path, "none.safetensors", {})) == {}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_weights_that_are_not_finite_are_refused(tmp_path: Path, value: float, dtype: torch.dtype) -> None:
    path = checkpoints.save_weights(tmp_path, "m", {"w": torch.tensor([0.0, value, 1.0], dtype=dtype)})
    with pytest.raises(Damaged, match=r"w in m\.safetensors holds a value that is not finite"):
        checkpoints.load_weights(path)


@pytest.mark.parametrize("name", ["", "../../x", "/etc/passwd", "a\x1b[0m", "a b", "a" * 600, "é"])
def test_hostile_tensor_names_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="cannot be named"):
        checkpoints.save_weights(tmp_path, "m", {name: torch.zeros(1)})
    save_file({name: torch.zeros(1)}, tmp_path / "m.safetensors")
    with pytest.raises(Damaged, match="named"):
        checkpoints.load_weights(tmp_path / "m.safetensors")


class Marker:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("name", ["m.safetensors", "m.bin", "m.pt"])
def test_nothing_is_unpickled(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(pickle.dumps(Marker(tmp_path / "ran")))
    with pytest.raises(Damaged, match=name):
        checkpoints.load_weights(tmp_path / name)
    torch.save(Marker(tmp_path / "ran"), tmp_path / name)
    with pytest.raises(Damaged, match=name):
        checkpoints.load_weights(tmp_path / name)
    assert not (tmp_path / "ran").exists()
    pickle.loads(pickle.dumps(Marker(tmp_path / "ran")))
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "data", [b"", b"\xff" * 8, (2**62).to_bytes(8, "little"), (4).to_bytes(8, "little") + b"[[[[", b"x" * 100]
)
def test_malformed_safetensors(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "m.safetensors").write_bytes(data)
    with pytest.raises(Damaged, match="cannot be loaded"):
        checkpoints.load_weights(tmp_path / "m.safetensors")
    with pytest.raises(Damaged, match="cannot be loaded"):
        checkpoints.load_weights(tmp_path / "none.safetensors")


# ---------------------------------------------------------------- optimizer


def build(fused: bool, dtype: torch.dtype) -> tuple[nn.Module, torch.optim.AdamW]:
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(5, 7), nn.LayerNorm(7), nn.Linear(7, 3), nn.Embedding(4, 2)).to(dtype)
    decay = [p for p in model.parameters() if p.dim() > 1]
    plain = [p for p in model.parameters() if p.dim() == 1]
    groups = [{"params": decay, "weight_decay": 0.01}, {"params": plain, "weight_decay": 0.0}]
    return model, torch.optim.AdamW(groups, lr=1e-2, fused=fused)


def step(model: nn.Module, optimizer: torch.optim.AdamW, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    dtype = next(model.parameters()).dtype
    inputs = torch.randn(8, 5, generator=generator).to(dtype)
    optimizer.zero_grad()
    model[:3](inputs).square().mean().backward()  # type: ignore[index]
    for group in optimizer.param_groups:
        group["lr"] = 1e-2 / (seed + 1)
    optimizer.step()


@pytest.mark.parametrize("mapping", [True, False])
@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_a_restored_optimizer_goes_on_bit_by_bit(
    tmp_path: Path, fused: bool, dtype: torch.dtype, mapping: bool
) -> None:
    model, optimizer = build(fused, dtype)

    def called(model: nn.Module, optimizer: torch.optim.AdamW) -> Any:
        by_name = dict(model.named_parameters())
        if mapping:
            return by_name
        names = {id(parameter): name for name, parameter in by_name.items()}
        return [names[id(p)] for group in optimizer.param_groups for p in group["params"]]

    for seed in range(4):
        step(model, optimizer, seed)
    flat = checkpoints.flatten_optimizer(optimizer, called(model, optimizer))
    assert {key for key in flat if key.startswith("optimizer.1.0.bias")} == {
        "optimizer.1.0.bias.exp_avg",
        "optimizer.1.0.bias.exp_avg_sq",
        "optimizer.1.0.bias.step",
    }
    assert len(flat) == 6 * 3, "the embedding has no gradient and no state"
    checkpoints.save(tmp_path, 4, {"weights": dict(model.named_parameters()), "optimizer": flat}, {})

    again, restored = build(fused, dtype)
    found = checkpoints.latest(tmp_path)
    assert found is not None
    again.load_state_dict(found.tensors("weights"))
    checkpoints.restore_optimizer(restored, called(again, restored), found.tensors("optimizer"))
    checkpoints.clear(tmp_path)
    for seed in range(4, 8):
        step(model, optimizer, seed)
        step(again, restored, seed)
    for one, other in zip(model.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)
    flat, other_flat = (
        checkpoints.flatten_optimizer(o, called(m, o)) for m, o in ((model, optimizer), (again, restored))
    )
    assert flat.keys() == other_flat.keys()
    for key, value in flat.items():
        assert value.dtype == other_flat[key].dtype
        assert torch.equal(value, other_flat[key])


def test_state_that_does_not_fit_is_refused() -> None:
    model, optimizer = build(False, torch.float32)
    step(model, optimizer, 0)
    parameters = dict(model.named_parameters())
    flat = checkpoints.flatten_optimizer(optimizer, parameters)
    key = "optimizer.0.0.weight"

    def without(entry: str) -> dict[str, torch.Tensor]:
        return {name: value for name, value in flat.items() if name != f"{key}.{entry}"}

    wrong: list[tuple[dict[str, torch.Tensor], str]] = [
        (flat | {"optimizer.0.gone.exp_avg": torch.zeros(1)}, "without a parameter"),
        (flat | {f"{key}.exp_avg": torch.zeros(5, 7)}, "no AdamW state of its shape"),
        (without("exp_avg_sq"), "no AdamW state of its shape"),
        (without("step"), "no step"),
    ]
    for tensors, message in wrong:
        with pytest.raises(Damaged, match=message):
            checkpoints.restore_optimizer(optimizer, parameters, tensors)
    with pytest.raises(ValueError, match="zip"):
        checkpoints.flatten_optimizer(optimizer, ["one"])
