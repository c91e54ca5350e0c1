"""Linear layers on processors whose matrix products oneDNN computes faster than the BLAS that torch calls.

torch's builds for x86 call MKL, which leaves the wide vector units of other makers' processors idle: on one thread
of an AMD EPYC with AVX-512 it reached 95 GFLOP/s in float32 where oneDNN, which comes with torch too, reached 210.
The layers stay transformers' own `nn.Linear`, with their own weights: only the product is computed elsewhere, by
the operator that torch's compiler emits for it. It is no public interface of torch, so its numbers are tried
before it is used, forward and backward, and where they are not right, torch's own product stays.

oneDNN makes code for every shape that it meets and keeps it, which costs time and memory. Rows are therefore
rounded up to a multiple, with zeros.
"""

import functools
import platform
from pathlib import Path
from typing import Any, Literal

import torch  # noqa: TID253
import torch.nn.functional as F  # noqa: TID253
from torch import nn  # noqa: TID253
from torch.autograd.function import once_differentiable  # noqa: TID253

from xfer.core.encoders.device import Device
from xfer.core.errors import UserError

Products = Literal["auto", "torch", "onednn"]
MULTIPLE = 32
"""Rows come in multiples of so many."""
LARGE = 2**16
"""Layers of fewer weights keep torch's product: there the two are equally fast."""


def product(rows: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """[n, in] times [out, in] transposed, plus bias; any strides."""
    out: torch.Tensor = torch.ops.mkldnn._linear_pointwise(rows, weight, bias, "none", [], "")
    return out


def _rounded(rows: torch.Tensor) -> torch.Tensor:
    """With rows of zeros below, up to a multiple."""
    return F.pad(rows, (0, 0, 0, -len(rows) % MULTIPLE)) if len(rows) % MULTIPLE else rows


class _Linear(torch.autograd.Function):
    """What `F.linear` computes, [n, in] to [n, out], and its gradients."""

    @staticmethod
    def forward(ctx: Any, rows: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        given = _rounded(rows)
        ctx.save_for_backward(given, weight)
        ctx.count = len(rows)
        return product(given, weight, bias)[: len(rows)]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        rows, weight = ctx.saved_tensors
        gradient = _rounded(gradient.contiguous())
        for_rows, for_weight, for_bias = ctx.needs_input_grad
        return (
            product(gradient, weight.t(), None)[: ctx.count] if for_rows else None,
            product(gradient.t(), rows.t(), None) if for_weight else None,
            gradient.sum(0) if for_bias else None,
        )


class OneDnnLinear(nn.Linear):
    """A linear layer whose products are oneDNN's in float32; in other precisions it is `nn.Linear`."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """[…, in] to […, out]."""
        plain = input.dtype == self.weight.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
        if not plain or input.numel() == 0 or input.device.type != "cpu":
            return super().forward(input)
        rows = input.reshape(-1, self.in_features)
        found: torch.Tensor = _Linear.apply(rows, self.weight, self.bias)  # type: ignore[no-untyped-call]
        return found.view(*input.shape[:-1], self.out_features)


def set_products(model: nn.Module, device: Device, wanted: Products = "auto") -> int:
    """Let oneDNN compute the products of a model's larger linear layers; returns how many layers that are.

    "auto" does so in float32 on processors where it is known to be faster, "onednn" on every CPU, "torch" nowhere.
    Raises `UserError` where it is asked for and this build of torch lacks it.
    """
    if wanted == "torch" or device.kind != "cpu" or device.dtype != "float32":
        return 0
    if wanted == "auto" and not (_faster() and is_right()):
        return 0
    if not is_right():
        raise UserError(
            f"engine.products=onednn: torch {torch.__version__} has no oneDNN whose products are right",
            fix="leave the setting out",
        )
    layers = [m for m in model.modules() if type(m) is nn.Linear and m.weight.numel() >= LARGE]
    for layer in layers:
        layer.__class__ = OneDnnLinear
    return len(layers)


@functools.cache
def is_right() -> bool:
    """Whether the operator is there and agrees with torch's own product, forward and backward."""
    generator = torch.Generator().manual_seed(0)
    with torch.inference_mode(False), torch.enable_grad(), torch.autocast("cpu", enabled=False):
        values = [torch.randn(*shape, generator=generator) for shape in ((45, 96), (64, 96), (64,))]
        given = [value.clone().requires_grad_() for value in values]
        expected = [value.clone().requires_grad_() for value in values]
        weight = torch.randn(45, 64, generator=generator)
        try:
            first = F.linear(*expected)
            second = _Linear.apply(*given)  # type: ignore[no-untyped-call]
            wanted = torch.autograd.grad((first * weight).sum(), expected)
            got = torch.autograd.grad((second * weight).sum(), given)
        except (AttributeError, RuntimeError, NotImplementedError, TypeError):
            return False
    pairs = [(first, second), *zip(wanted, got, strict=True)]
    return all(bool(torch.allclose(one, other, atol=1e-3, rtol=1e-4)) for one, other in pairs)


@functools.cache
def _faster() -> bool:
    """Whether this processor has vector units that MKL leaves idle: AVX-512, and not of MKL's maker."""
    wide = torch.backends.cpu.get_cpu_capability().startswith("AVX512")
    mkl = bool(torch.backends.mkl.is_available())  # type: ignore[no-untyped-call]
    return wide and mkl and _maker() not in ("", "GenuineIntel")


def _maker(information: Path = Path("/proc/cpuinfo")) -> str:
    """Who made the processor, as it says itself; empty where that cannot be told."""
    if not information.is_file():
        return next((name for name in ("GenuineIntel", "AuthenticAMD") if name in platform.processor()), "")
    with information.open() as lines:
        found = (line.partition(":")[2].strip() for line in lines if line.startswith("vendor_id"))
        return next(found, "")
