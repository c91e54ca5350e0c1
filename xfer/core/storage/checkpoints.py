"""Weights and mid-phase checkpoints: safetensors and JSON only, nothing is ever unpickled.

A checkpoint is a committed folder `step-<n>` below `phases/<id>.partial`. Two good ones are kept, so that a
damaged newest one costs steps and not the phase.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xfer.core.errors import Damaged
from xfer.core.storage import disk, files
from xfer.core.storage.faults import operation

if TYPE_CHECKING:
    import torch
    from torch import Tensor

_STEP = re.compile(r"step-(\d+)")
_TENSOR = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,511}")
_SUFFIX = ".safetensors"
_KEPT = 2


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint whose files were verified."""

    path: Path
    step: int
    state: dict[str, Any]
    skipped: tuple[str, ...] = ()
    """What was wrong with newer ones."""

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the groups of tensors."""
        return tuple(sorted(path.stem for path in self.path.glob(f"*{_SUFFIX}")))

    def tensors(self, group: str) -> "dict[str, Tensor]":
        """The tensors of one group, on the CPU."""
        return load_tensors(self.path / f"{group}{_SUFFIX}")


# ---------------------------------------------------------------- checkpoints


def save(folder: Path, step: int, tensors: "Mapping[str, Mapping[str, Tensor]]", state: Mapping[str, Any]) -> Path:
    """Commit a checkpoint: each group of `tensors` in a file of its name, `state` as JSON.

    Older ones but one, and later ones, which a resumed run has left behind, are removed.

    Raises:
        OutOfResources: disk or quota is full; the checkpoints before are as they were.
        NonFinite: `state` holds NaN or infinity.
    """
    final = folder / f"step-{step}"
    files.sweep(folder)
    with files.committed_folder(final, replace=True) as temporary:
        for group, named in tensors.items():
            save_weights(temporary, group, named)
        files.write_json(temporary / "state.json", {"folder": folder.name, "step": step, "state": state})
    good = [path for number, path in _steps(folder) if number <= step and files.is_committed(path)]
    for _, path in _steps(folder):
        if path not in good[:_KEPT]:
            files.remove(path)
    return final


def latest(folder: Path) -> Checkpoint | None:
    """The newest checkpoint that verifies; None if there is none. What a crash left is cleared up."""
    files.sweep(folder)
    skipped: list[str] = []
    for step, path in _steps(folder):
        problems = files.verify(path)
        if not problems:
            match files.read_json(path / "state.json"):
                case {"folder": folder.name, "step": int(found), "state": dict(state)} if found == step:
                    return Checkpoint(path, step, state, tuple(skipped))
            problems = ["it belongs to another step or phase"]
        skipped.append(f"{path.name}: {'; '.join(problems[:3])}")
    return None


def clear(folder: Path) -> None:
    """Remove all checkpoints of a phase."""
    files.remove(folder)


def _steps(folder: Path) -> list[tuple[int, Path]]:
    """Folders of checkpoints, newest first, sound or not."""
    names = ((_STEP.fullmatch(path.name), path) for path in (folder.iterdir() if folder.is_dir() else ()))
    return sorted(((int(match[1]), path) for match, path in names if match), reverse=True)


# ---------------------------------------------------------------- tensors


def save_weights(folder: Path, name: str, tensors: "Mapping[str, Tensor]") -> Path:
    """Write tensors to `folder/name` as safetensors, in the dtype they have. The folder is to be committed.

    Tensors that share memory are written one by one, so that each name is there when they are loaded.

    Raises:
        OutOfResources: disk or quota is full.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    path = folder / (name if name.endswith(_SUFFIX) else name + _SUFFIX)
    whole: dict[str, torch.Tensor] = {}
    seen: set[int] = set()
    for key, tensor in tensors.items():
        if not _is_name(key):
            raise ValueError(f"a tensor cannot be named {key!r}")
        value = tensor.detach().cpu().contiguous()
        address = value.untyped_storage().data_ptr()
        whole[key] = value.clone() if address in seen else value
        seen.add(address)
    needed = sum(value.nbytes for value in whole.values())
    with files.disk_errors(path, needed):
        operation()
        try:
            save_file(whole, path, metadata={"format": "pt"})
        except SafetensorError as error:
            if re.search(r"os error (28|122)\b", str(error)):  # ENOSPC, EDQUOT
                raise files.disk_full(path, needed) from error
            raise
        # The library makes a file that only its owner can read; the folder knows the user's umask.
        disk.share(path)
    return path


def load_weights(path: Path) -> "dict[str, Tensor]":
    """Weights that `save_weights` wrote; see `load_tensors`."""
    return load_tensors(path)


def load_tensors(path: Path) -> "dict[str, Tensor]":
    """The tensors of a safetensors file, on the CPU, backed by the file.

    Raises:
        Damaged: no safetensors file, a tensor with a hostile name, or one that holds NaN or infinity.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if path.suffix != _SUFFIX:
        raise Damaged(f"{path.name} is not a safetensors file, and no other kind is loaded", where=str(path))
    try:
        tensors: dict[str, torch.Tensor] = load_file(path)
    except (OSError, SafetensorError) as error:
        raise Damaged(f"{path.name} cannot be loaded: {error}", where=str(path)) from error
    for name, tensor in tensors.items():
        if not _is_name(name):
            raise Damaged(f"{path.name} holds a tensor that is named {name!r}", where=str(path))
        if tensor.is_floating_point() and not is_finite(tensor):
            raise Damaged(f"{name} in {path.name} holds a value that is not finite", where=str(path))
    return tensors


def is_finite(tensor: "Tensor") -> bool:
    """Whether a tensor of floating-point numbers holds neither NaN nor infinity."""
    if not tensor.numel():
        return True
    low, high = tensor.detach().aminmax()  # without the mask that isfinite() makes: embeddings have a gigabyte
    return bool(low.isfinite() and high.isfinite())


def _is_name(name: str) -> bool:
    return bool(_TENSOR.fullmatch(name)) and ".." not in name


# ---------------------------------------------------------------- optimizer


def flatten_optimizer(
    optimizer: "torch.optim.Optimizer", names: "Sequence[str] | Mapping[str, Tensor]"
) -> "dict[str, Tensor]":
    """State of an optimizer as tensors `optimizer.<group>.<parameter>.<entry>` (AdamW: exp_avg, exp_avg_sq, step).

    `names`: parameters by name, or names in the order of the optimizer's groups. What the groups set (learning
    rate, …) follows from the step and is not part of it.
    """
    import torch

    flat: dict[str, torch.Tensor] = {}
    for prefix, parameter in _parameters(optimizer, names):
        for entry, value in optimizer.state.get(parameter, {}).items():
            if not isinstance(value, torch.Tensor):
                raise TypeError(f"{entry!r} of {type(optimizer).__name__} is no tensor")
            flat[f"{prefix}.{entry}"] = value.detach()
    return flat


def restore_optimizer(
    optimizer: "torch.optim.Optimizer",
    names: "Sequence[str] | Mapping[str, Tensor]",
    tensors: "Mapping[str, Tensor]",
) -> None:
    """Put the state that `flatten_optimizer` gave into an optimizer of the same parameters, bit by bit.

    Raises:
        Damaged: state of a parameter that the optimizer does not have, in another shape, or not all of it.
    """
    import torch

    found: dict[str, dict[str, torch.Tensor]] = {}
    for key, value in tensors.items():
        prefix, _, entry = key.rpartition(".")
        found.setdefault(prefix, {})[entry] = value.clone()  # the file may be removed before the optimizer ends
    state: dict[int, dict[str, torch.Tensor]] = {}
    for index, (prefix, parameter) in enumerate(_parameters(optimizer, names)):
        if prefix in found:
            state[index] = found.pop(prefix)
            shapes = {entry: value.shape for entry, value in state[index].items()}
            if any(shapes.get(entry) != parameter.shape for entry in ("exp_avg", "exp_avg_sq")):
                raise Damaged(f"{prefix} has no AdamW state of its shape {tuple(parameter.shape)}")
            if shapes.get("step") != torch.Size():
                raise Damaged(f"{prefix} has no step")
    if found:
        raise Damaged(f"optimizer state without a parameter: {', '.join(sorted(found)[:3])}")
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _parameters(
    optimizer: "torch.optim.Optimizer", names: "Sequence[str] | Mapping[str, Tensor]"
) -> "Iterator[tuple[str, Tensor]]":
    """Key prefix and parameter, in the optimizer's order."""
    groups = [group["params"] for group in optimizer.param_groups]
    if isinstance(names, Mapping):
        by_id = {id(parameter): name for name, parameter in names.items()}
        ordered = [by_id[id(parameter)] for group in groups for parameter in group]
    else:
        ordered = list(names)
    numbered = [(number, parameter) for number, group in enumerate(groups) for parameter in group]
    for name, (number, parameter) in zip(ordered, numbered, strict=True):
        yield f"optimizer.{number}.{name}", parameter
