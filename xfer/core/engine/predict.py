"""Run an encoder and a head over features: the fifth stop of the data flow.

All languages of an evaluation form one stream, cut into batches by a budget of tokens; what the head gives is
scattered back to the order of the features, so batching never shows in the result.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch  # noqa: TID253
from torch import nn  # noqa: TID253

from xfer.core.batches.batching import Collator, cut, token_budget_batches
from xfer.core.batches.features import Features
from xfer.core.encoders.device import Device, autocast
from xfer.core.encoders.encoder import Encoder
from xfer.core.encoders.pooling import hidden_states
from xfer.core.encoders.tokeniser import Tokeniser
from xfer.core.engine import memory
from xfer.core.formats.base import FormatCode


def predict(
    code: FormatCode,
    encoder: Encoder,
    head: nn.Module | None,
    features: Features,
    tokeniser: Tokeniser,
    device: Device,
    budget: int,
    pooling: nn.Module | int | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    tell: Callable[[str], None] = lambda message: None,
) -> dict[str, np.ndarray]:
    """Outputs of all items in feature order: "item" outputs [items, …], "token" outputs [tokens, …].

    `pooling` is what the head reads: a hidden layer by number, None for the last, or a module over all. Where
    memory runs out, what is left goes on in batches of half the size, which is told.
    """
    encoder.eval()
    for module in (head, pooling):
        if isinstance(module, nn.Module):
            module.eval()
    collator = Collator(
        features,
        tokeniser.pad_id,
        encoder.position_offset,
        device.torch_device,
        sort=device.kind != "cuda",
        separator=tokeniser.separator,
    )
    results: dict[str, np.ndarray] = {}
    done, total = 0, len(features.tokens)
    waiting = token_budget_batches(features, budget)[::-1]
    with torch.inference_mode():
        while waiting:
            items = waiting.pop()
            try:
                batch = collator.batch(items)
                with autocast(device):
                    outputs = code.outputs(head, hidden_states(encoder, batch, pooling), batch)
                _scatter(results, outputs, code.output_axes, batch, features)
            except Exception as error:
                if not memory.ran_out(error) or len(items) == 1:
                    raise
                budget = int(features.item_lengths[items].sum()) // 2
            else:
                done += batch.real_tokens
                progress(done, total)
                continue
            memory.let_go()
            tell(f"memory ran out: evaluation batches of {budget} tokens from here on")
            rest = np.concatenate([items, *waiting[::-1]])
            waiting = cut(rest, features.item_lengths[rest], budget)[::-1]
    return results


def _scatter(
    results: dict[str, np.ndarray],
    outputs: Mapping[str, torch.Tensor],
    axes: Mapping[str, Any],
    batch: Any,
    features: Features,
) -> None:
    sizes = {
        "item": features.item_count,
        "sequence": len(features.offsets) - 1,
        "token": len(features.tokens),
    }
    for name, tensor in outputs.items():
        values = tensor.detach().float().cpu().numpy() if tensor.is_floating_point() else tensor.cpu().numpy()
        axis = axes[name]
        if name not in results:
            results[name] = np.zeros((sizes[axis], *values.shape[1:]), dtype=values.dtype)
        if axis == "item":
            where = batch.items
        elif axis == "token":
            where, values = batch.token_index, values[: batch.real_tokens]
        else:
            where = np.concatenate(
                [np.arange(features.items[item], features.items[item + 1]) for item in batch.items]
            )
        results[name][where] = values
