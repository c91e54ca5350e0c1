"""One model on several ranks: torch's DistributedDataParallel, or its parameters in shards (FSDP2, `fully_shard`).

Both are wrapped around one module that holds encoder and heads and computes whatever it is given, so that their
hooks see every use of a weight, whichever head and layers a step takes. Gradients come out as sums over the ranks:
losses are multiplied by the number of ranks, because both ways take means.
"""

import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import torch  # noqa: TID253
from torch import nn  # noqa: TID253

from xfer.core.encoders.device import Device
from xfer.core.encoders.encoder import Encoder
from xfer.core.engine.group import Group

T = TypeVar("T")
Kind = Literal["ddp", "fsdp"]


class Trained(nn.Module):
    """Everything that is trained; a forward pass is a function over its parts."""

    def __init__(self, parts: Iterable[nn.Module]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)

    def forward(self, work: Callable[[], T]) -> T:
        """What `work` gives."""
        return work()


@dataclass(frozen=True)
class Parallel:
    """A model on all ranks of a group.

    module  `Trained` in its wrapper; forward passes of training, and with shards all others, go through it
    """

    kind: Kind
    module: nn.Module
    group: Group

    @property
    def sharded(self) -> bool:
        """Whether a rank holds parts of the weights only, so that all must take part in each forward pass."""
        return self.kind == "fsdp"

    @contextmanager
    def micro_batch(self, last: bool) -> Iterator[None]:
        """One forward and backward pass; replicas add their gradients up over the ranks in the step's last."""
        with nullcontext() if last or self.sharded else self.module.no_sync():  # type: ignore[operator]
            yield

    def whole(self, tensor: torch.Tensor) -> torch.Tensor:
        """All of a tensor: a gathered shard lies on the leader's CPU, and is empty on the others."""
        if not is_shard(tensor):
            return tensor
        found = gathered(tensor)
        return found.cpu() if self.group.leads else found.new_empty(0, device="cpu")


def parallel(
    kind: Kind,
    group: Group,
    device: Device,
    encoder: Encoder,
    modules: Iterable[nn.Module],
    losses: Iterable[Callable[[], torch.Tensor]],
) -> Parallel:
    """The modules (heads, poolings) and their encoder on all ranks. Shards take the place of their parameters.

    `losses` are examples of what steps compute, by which it is found out whether some leave weights out.
    """
    trained = Trained([encoder, *modules])
    if kind == "fsdp":
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard

        mesh = init_device_mesh(device.kind, (group.world,))
        for layer in encoder.layers:
            fully_shard(layer, mesh=mesh)
        fully_shard(trained, mesh=mesh)
        return Parallel(kind, trained, group)
    with warnings.catch_warnings():  # of another name for `broadcast_buffers` from torch 2.13 on
        warnings.simplefilter("ignore", FutureWarning)
        wrapped = nn.parallel.DistributedDataParallel(
            trained,
            # A mixture's step uses one head, pooling of a middle layer not all layers. What has no gradient on any
            # rank must keep none, or AdamW would move it by its moments.
            find_unused_parameters=_leave_out(trained, losses),
            broadcast_buffers=False,
            gradient_as_bucket_view=True,
        )
    return Parallel(kind, wrapped, group)


def _leave_out(trained: nn.Module, losses: Iterable[Callable[[], torch.Tensor]]) -> bool:
    """Whether one of the losses has no gradient by some weight. Tried, for encoders differ in what they use."""
    weights = [p for p in trained.parameters() if p.requires_grad]
    for loss in losses:
        loss().backward()  # type: ignore[no-untyped-call]
        left_out = any(p.grad is None for p in weights)
        trained.zero_grad(set_to_none=True)
        if left_out:
            return True
    return False


def is_shard(tensor: Any) -> bool:
    """Whether a tensor is one rank's part of a larger one."""
    return hasattr(tensor, "full_tensor")


def local(tensor: torch.Tensor) -> torch.Tensor:
    """What this rank holds of a tensor."""
    held: Any = tensor
    return held.to_local() if is_shard(tensor) else tensor


def gathered(tensor: torch.Tensor) -> torch.Tensor:
    """All of a tensor, on all ranks, which must all ask."""
    held: Any = tensor
    return held.full_tensor() if is_shard(tensor) else tensor


def like(value: torch.Tensor, parameter: torch.Tensor) -> torch.Tensor:
    """A whole tensor, which every rank has, in shards as a parameter is; as it is where that is whole."""
    if not is_shard(parameter):
        return value
    from torch.distributed.tensor import distribute_tensor

    placed: Any = parameter
    value = value.to(placed.to_local().device)
    return distribute_tensor(value, placed.device_mesh, placed.placements, src_data_rank=None)
