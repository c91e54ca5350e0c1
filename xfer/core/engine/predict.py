"""Run an encoder and a head over features: the fifth stop of the data flow.

All languages of an evaluation form one stream, cut into batches by a budget of tokens; what the head gives is
scattered back to the order of the features, so batching never shows in the result.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch  # noqa: TID253
from torch import nn  # noqa: TID253

from xfer.core.batches.batching import Collator, cut, ranges, token_budget_batches
from xfer.core.batches.features import Axis, Batch, Features
from xfer.core.encoders.device import Device, autocast
from xfer.core.encoders.encoder import Encoder
from xfer.core.encoders.pooling import hidden_states
from xfer.core.encoders.tokeniser import Tokeniser
from xfer.core.engine import memory
from xfer.core.engine.group import SINGLE, Group
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
    *,
    group: Group = SINGLE,
    sharded: nn.Module | None = None,
) -> dict[str, np.ndarray]:
    """Outputs of all items in feature order: "item" outputs [items, …], "token" outputs [tokens, …].

    `pooling` is what the head reads: a hidden layer by number, None for the last, or a module over all. Where
    memory runs out, what is left goes on in batches of half the size, which is told.

    The ranks of a `group` take turns at the batches that one process would make; the leading one gets all outputs,
    the others their own. `progress` is called by all, as often as by any. `sharded` is what forward passes go
    through where a rank holds parts of the weights only.
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

    def compute(items: np.ndarray) -> Batch:
        batch = collator.batch(items)

        def work() -> dict[str, torch.Tensor]:
            return code.outputs(head, hidden_states(encoder, batch, pooling), batch)

        with autocast(device):
            outputs = work() if sharded is None else sharded(work)
        _scatter(results, outputs, code.output_axes, batch, features)
        return batch

    def work_off(waiting: list[np.ndarray], finished: Callable[[Batch], None]) -> None:
        """Compute batches, the last first; in smaller ones from where memory runs out."""
        nonlocal budget
        while waiting:
            items = waiting.pop()
            try:
                batch = compute(items)
            except Exception as error:
                if not memory.ran_out(error) or len(items) == 1 or sharded is not None:
                    raise
                budget = int(features.item_lengths[items].sum()) // 2
            else:
                finished(batch)
                continue
            memory.let_go()
            tell(f"memory ran out: evaluation batches of {budget} tokens from here on")
            rest = np.concatenate([items, *waiting[::-1]])
            waiting = cut(rest, features.item_lengths[rest], budget)[::-1]

    def told(batch: Batch) -> None:
        nonlocal done
        done += batch.real_tokens
        progress(done, total)

    batches = token_budget_batches(features, budget)
    with torch.inference_mode() if sharded is None else torch.no_grad():
        if group.world == 1:
            work_off(batches[::-1], told)
            return results
        for start in range(0, len(batches), group.world):
            turn = batches[start : start + group.world]
            if group.rank < len(turn) or sharded is not None:  # shards are gathered from all for each pass
                own = turn[group.rank % len(turn)]
                work_off(cut(own, features.item_lengths[own], budget)[::-1], lambda batch: None)
            done += sum(int(features.item_lengths[items].sum()) for items in turn)
            progress(done, total)
    return _gathered(results, code.output_axes, features, batches, group)


def _gathered(
    results: dict[str, np.ndarray],
    axes: Mapping[str, Axis],
    features: Features,
    batches: Sequence[np.ndarray],
    group: Group,
) -> dict[str, np.ndarray]:
    """On the leading rank, the rows of the others put into its own results; on the others, their own results."""
    if not batches:
        return results
    own = [np.concatenate([batches[0][:0], *batches[rank :: group.world]]) for rank in range(group.world)]
    names = group.broadcast(list(results))
    for name in names:
        for rank in range(1, group.world):
            rows = _rows(features, axes[name], own[rank])
            if len(rows) and group.rank in (0, rank):
                results[name][rows] = group.to_leader(results[name][rows], rank)
    return results


def _rows(features: Features, axis: Axis, items: np.ndarray) -> np.ndarray:
    """The rows of an output that belong to these items, in their order."""
    if axis == "item":
        return items
    bounds = features.items if axis == "sequence" else features.offsets[features.items]
    return ranges(bounds[items], bounds[items + 1] - bounds[items])


def _scatter(
    results: dict[str, np.ndarray],
    outputs: Mapping[str, torch.Tensor],
    axes: Mapping[str, Axis],
    batch: Batch,
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
        if axis == "token":
            where, values = batch.token_index, values[: batch.real_tokens]
        else:
            where = _rows(features, axis, batch.items)
        results[name][where] = values
