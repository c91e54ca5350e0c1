"""Where a run computes, and in which precision."""

import contextlib
import os
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xfer.core.errors import UserError

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Device:
    """A torch device, and the precision of matrix products on it (weights are always float32)."""

    torch_device: "torch.device"
    dtype: str
    """float32 or bfloat16."""

    @property
    def kind(self) -> str:
        """cpu, cuda or mps."""
        return self.torch_device.type

    @property
    def torch_dtype(self) -> "torch.dtype":
        """The precision as torch names it."""
        import torch

        return torch.bfloat16 if self.dtype == "bfloat16" else torch.float32


def _best() -> str:
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def choose(device: str | None = None) -> Device:
    """The named device ("cpu", "cuda", "cuda:1", "mps"), or the best there is.

    CPU and MPS compute in float32, CUDA in bfloat16 where the card has it. Raises `UserError` for a device
    that is not there.
    """
    import torch

    name = device or _best()
    try:
        chosen = torch.device(name)
    except RuntimeError as error:
        raise UserError(f"no device named {name!r}", fix="use cpu, cuda, cuda:<number> or mps") from error
    there = {
        "cpu": True,
        "cuda": torch.cuda.is_available() and (chosen.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not there.get(chosen.type, False):
        raise UserError(
            f"this machine has no device {name!r} that torch {torch.__version__} can use",
            fix=f"use --device {_best()}, or install a build of torch for that device",
        )
    if chosen.type != "cuda":
        return Device(chosen, "float32")
    # cuDNN's attention builds a plan for every new length (4 times slower while lengths vary, on an H100)
    torch.backends.cuda.enable_cudnn_sdp(False)
    with torch.cuda.device(chosen):
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    return Device(chosen, "bfloat16" if native else "float32")


def autocast(device: Device, *, cache: bool = True) -> AbstractContextManager[Any]:
    """The precision of a forward pass; nothing at all in float32. Recorded steps need `cache=False`."""
    import torch

    if device.dtype == "float32":
        return contextlib.nullcontext()
    return torch.autocast(device.kind, dtype=device.torch_dtype, cache_enabled=cache)


def available_cores(root: Path = Path("/sys/fs/cgroup")) -> int:
    """Cores that this process may use: its affinity and its control group's quota, at least 1."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = (root / "cpu.max").read_text().split()
        if quota != "max":
            cores = min(cores, max(1, int(quota) // int(period)))
    except (OSError, ValueError):
        pass
    return max(1, cores)


SMALL = 256
"""Hidden sizes below this take one thread: two gain nothing, and wait for each other on a busy machine."""


def threads(hidden_size: int) -> int:
    """Set torch's threads for an encoder of this width; returns the number.

    All available cores, or one for small encoders, and never more than OMP_NUM_THREADS says.
    """
    import torch

    asked = os.environ.get("OMP_NUM_THREADS", "")
    number = available_cores() if hidden_size >= SMALL else 1
    if asked.isdecimal() and int(asked) > 0:
        number = min(number, int(asked))
    torch.set_num_threads(number)
    return number
