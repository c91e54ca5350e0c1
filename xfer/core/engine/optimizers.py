"""Which way steps are computed on a device, and the optimizer that goes with it."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch  # noqa: TID253
from torch import nn  # noqa: TID253

from xfer.core.encoders import attention
from xfer.core.encoders.compact import CompactTable, occurring
from xfer.core.encoders.device import Device
from xfer.core.encoders.encoder import Encoder
from xfer.core.encoders.tokeniser import Tokeniser
from xfer.core.engine.flat_adamw import FlatAdamW
from xfer.core.engine.job import Part
from xfer.core.engine_settings import EngineSettings
from xfer.core.errors import UserError
from xfer.core.records import TrainSettings

Way = Literal["plain", "flat", "recorded"]


def way(settings: EngineSettings, device: Device, encoder: Encoder, ranks: int = 1) -> Way:
    """How steps are computed: as set, or recorded where the card has the kernel for it, plain elsewhere.

    Plain in a group of several ranks, whose gradients must be added up before the update; UserError for another.
    """
    if ranks > 1:
        if settings.step in ("flat", "recorded"):
            raise UserError(f"engine.step={settings.step} works in one process, not in {ranks}", fix="leave it out")
        return "plain"
    if settings.step != "auto":
        return settings.step
    return "recorded" if device.dtype == "bfloat16" and one_kernel(device, encoder) else "plain"


def one_kernel(device: Device, encoder: Encoder) -> bool:
    """Whether attention over a stream is one call of a kernel for sequences of any lengths."""
    if device.kind != "cuda" or not encoder.stream:
        return False
    size = encoder.shape.hidden_size // int(encoder.config.num_attention_heads)
    return attention.backend(device.torch_device, device.torch_dtype, size) == "flash"


def compact_table(
    settings: EngineSettings,
    device: Device,
    encoder: Encoder,
    parts: Sequence[Part],
    tokeniser: Tokeniser,
    ranks: int = 1,
) -> CompactTable | None:
    """Train only the embedding's rows that the parts' features look up; None where all rows are trained.

    All rows are trained in shards, in masked LM, under a transform (whose words are not known beforehand), with a
    frozen embedding, and, unless it is asked for, on other devices than CUDA: there it changes the last bits of a
    result and gains little.
    """
    if settings.parallel == "fsdp" and ranks > 1:
        return None
    wanted = settings.embedding == "compact" or (settings.embedding == "auto" and device.kind == "cuda")
    open_ended = any(part.changed is not None or part.code.task.format == "masked-lm" for part in parts)
    if not wanted or open_ended or encoder.lm_head is not None:
        return None
    if not encoder.word_embeddings.weight.requires_grad:
        return None
    seen = [part.features.tokens for part in parts]
    seen += [part.dev_features.tokens for part in parts if part.dev_features is not None]
    special = [encoder.pad_id, tokeniser.pad_id, *tokeniser.special_ids]
    rows = occurring(seen, special, encoder.word_embeddings.num_embeddings)
    return CompactTable(encoder, rows)


def make_optimizer(
    parameters: Mapping[str, nn.Parameter],
    settings: TrainSettings,
    way: Way = "plain",
    low: Sequence[nn.Module] = (),
) -> torch.optim.Optimizer:
    """AdamW without weight decay on biases and LayerNorms (everything of one dimension).

    Not `plain`: over flat buffers, with the linear layers of the modules `low` kept in bfloat16 for computing.
    """
    decayed = [p for p in parameters.values() if p.dim() > 1]
    plain = [p for p in parameters.values() if p.dim() <= 1]
    groups: list[dict[str, Any]] = [
        {"params": decayed, "weight_decay": settings.weight_decay},
        {"params": plain, "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    common: dict[str, Any] = {
        "lr": settings.learning_rate,
        "betas": settings.adam_betas,
        "eps": settings.adam_epsilon,
    }
    if way != "plain":
        return FlatAdamW(groups, parameters, **common, low=_linear(parameters, low))
    fused = all(p.device.type in ("cpu", "cuda") for p in parameters.values())
    return torch.optim.AdamW(groups, **common, fused=fused)


def _linear(parameters: Mapping[str, nn.Parameter], modules: Sequence[nn.Module]) -> list[nn.Parameter]:
    """The trained parameters of linear layers, without an output matrix that is also the embedding."""
    every = [module for top in modules for module in top.modules()]
    found = {id(p) for m in every if isinstance(m, nn.Linear) for p in m.parameters(recurse=False)}
    tied = {id(m.weight) for m in every if isinstance(m, nn.Embedding)}
    return [p for p in parameters.values() if id(p) in found - tied]
