"""From features to batches: cutting into batches by tokens, and laying sequences end to end.

Only index arithmetic: no loop over sequences, no padding. On devices that replay recorded steps the stream is
rounded up to a multiple by filler sequences, so that few stream lengths occur.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from xfer.core.batches.features import Batch, Column, Features

if TYPE_CHECKING:
    import torch

FILLERS = 8
"""Filler sequences in a stream; doubled while they would be longer than the longest real sequence."""
IGNORED = -100
"""Value of integer token columns at filler tokens, torch's `ignore_index`."""


def ranges(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The numbers starts[i] … starts[i]+lengths[i]-1 for every i, end to end."""
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    index: np.ndarray = np.arange(total, dtype=np.int64) + np.repeat(starts - (ends - lengths), lengths)
    return index


def _filler_lengths(real: int, longest: int, multiple: int) -> np.ndarray:
    """Lengths of the filler sequences (some may be 0) that bring `real` tokens to a multiple."""
    fill, count = -real % multiple, FILLERS
    # The number must not follow from `fill`, or streams of equal length would differ in their sequences.
    while count * longest < multiple - 1:
        count *= 2
    return np.full(count, fill // count) + (np.arange(count) < fill % count)


class Collator:
    """Makes batches of one set of features.

    pad_id, position_offset  token of filler sequences, and position of a sequence's first token
    device                   where the tensors go
    sort                     lay the sequences by length, as attention without variable-length kernels wants
                             it; otherwise in item order
    filler_multiple          round the stream up to a multiple of so many tokens
    separator                token after whose first place in a sequence token types are 1 (BERT's pairs);
                             None for models with one type
    """

    def __init__(
        self,
        features: Features,
        pad_id: int,
        position_offset: int,
        device: "torch.device | str",
        *,
        sort: bool,
        filler_multiple: int | None = None,
        separator: int | None = None,
    ) -> None:
        import torch

        self._features, self._pad_id, self._position_offset = features, pad_id, position_offset
        self._device = torch.device(device)
        self._sort, self._multiple, self._separator = sort, filler_multiple, separator

    def _tensor(self, values: np.ndarray) -> "torch.Tensor":
        import torch

        if np.issubdtype(values.dtype, np.integer) and values.dtype != np.int32:
            values = values.astype(np.int64, copy=False)
        elif np.issubdtype(values.dtype, np.floating):
            values = values.astype(np.float32, copy=False)
        host = torch.from_numpy(np.ascontiguousarray(values))
        if self._device.type == "cuda":
            return host.pin_memory().to(self._device, non_blocking=True)
        return host.to(self._device)

    def batch(self, items: np.ndarray, multiple: int | None = None) -> Batch:
        """The stream of these items, in the order given where the batch is in item order.

        `multiple` stands for `filler_multiple` in this batch. Integer columns become int64, floating ones
        float32; others stay NumPy arrays. Token columns cover filler too, with -100, False or 0.
        """
        features = self._features
        items = np.asarray(items, dtype=np.int64)
        first = features.items[items]
        counts = features.items[items + 1] - first
        sequences = ranges(first, counts)
        lengths = features.offsets[sequences + 1] - features.offsets[sequences]

        order = np.argsort(lengths, kind="stable") if self._sort else np.arange(len(sequences))
        laid = lengths[order]
        token_index = ranges(features.offsets[sequences[order]], laid)
        real = len(token_index)
        filler = np.zeros(0, dtype=np.int64)
        multiple = multiple or self._multiple
        if multiple is not None:
            filler = _filler_lengths(real, int(laid.max()), multiple)
        all_lengths = np.concatenate([laid, filler])
        cu = np.concatenate([[0], np.cumsum(all_lengths)])
        total = int(cu[-1])

        ids = np.full(total, self._pad_id, dtype=np.int64)
        ids[:real] = features.tokens[token_index]
        positions = np.arange(total) - np.repeat(cu[:-1] - self._position_offset, all_lengths)
        segments = np.full(total, len(sequences), dtype=np.int64)
        segments[:real] = np.repeat(order, laid)
        starts = np.empty(len(sequences), dtype=np.int64)
        starts[order] = cu[: len(sequences)]

        return Batch(
            input_ids=self._tensor(ids),
            position_ids=self._tensor(positions),
            cu_seqlens=self._tensor(cu.astype(np.int32)),
            max_seqlen=int(laid.max()),
            lengths=all_lengths.tolist(),
            starts=self._tensor(starts),
            segments=self._tensor(segments),
            sequence_items=self._tensor(np.repeat(np.arange(len(items)), counts)),
            items=items,
            token_index=token_index,
            columns={
                name: self._column(column, items, sequences, token_index, total)
                for name, column in features.columns.items()
            },
            token_types=self._token_types(ids, cu, all_lengths),
        )

    def _token_types(self, ids: np.ndarray, cu: np.ndarray, lengths: np.ndarray) -> "torch.Tensor | None":
        """Types of a stream: 1 for tokens with a separator before them in their sequence."""
        if self._separator is None:
            return None
        seen = np.concatenate([[0], np.cumsum(ids == self._separator)])
        before = seen[:-1] - np.repeat(seen[cu[:-1]], lengths)
        return self._tensor((before > 0).astype(np.int64))

    def _column(
        self, column: Column, items: np.ndarray, sequences: np.ndarray, token_index: np.ndarray, total: int
    ) -> Any:
        values = column.values[{"item": items, "sequence": sequences, "token": token_index}[column.axis]]
        if column.axis == "token" and total > len(token_index):
            blank = IGNORED if np.issubdtype(values.dtype, np.signedinteger) else 0
            tail = np.full((total - len(token_index), *values.shape[1:]), blank).astype(values.dtype)
            values = np.concatenate([values, tail])
        if values.dtype == np.int32:
            values = values.astype(np.int64)
        return self._tensor(values) if values.dtype.kind in "biuf" else values


def cut(items: np.ndarray, lengths: np.ndarray, budget: int) -> list[np.ndarray]:
    """Consecutive groups of `items` with at most `budget` tokens each, a longer item alone."""
    ends = np.cumsum(lengths)
    groups, start = [], 0
    while start < len(items):
        used = int(ends[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, used + budget, side="right")))
        groups.append(items[start:stop])
        start = stop
    return groups


def token_budget_batches(features: Features, budget: int, order: str = "length") -> list[np.ndarray]:
    """All items once, in batches of at most `budget` tokens and at least one item.

    `order="length"` puts the longest first, so that a lack of memory shows at once; `"given"` keeps the
    features' order.
    """
    lengths = features.item_lengths
    if order == "length":
        items = np.argsort(-lengths, kind="stable")
    elif order == "given":
        items = np.arange(features.item_count)
    else:
        raise ValueError(f"order is 'length' or 'given', not {order!r}")
    return cut(items, lengths[items], budget)


def micro_batches(features: Features, items: np.ndarray, budget: int) -> list[np.ndarray]:
    """One optimizer step's items, in their order, in parts of at most `budget` tokens and at least one item."""
    items = np.asarray(items, dtype=np.int64)
    return cut(items, features.item_lengths[items], budget)


def concatenate(features: Sequence[Features]) -> tuple[Features, np.ndarray]:
    """Several features as one, and the item bounds: part k has the items bounds[k] … bounds[k+1]-1.

    `example` is left as it is, so it counts within each part. Names and axes of the columns must agree
    (`ValueError`).
    """
    kinds = [{name: column.axis for name, column in part.columns.items()} for part in features]
    if any(kind != kinds[0] for kind in kinds):
        raise ValueError(f"columns differ: {kinds}")
    tokens = np.cumsum([0, *(len(part.tokens) for part in features)])
    sequences = np.cumsum([0, *(len(part.offsets) - 1 for part in features)])
    bounds = np.cumsum([0, *(part.item_count for part in features)])
    dropped: dict[str, int] = {}
    for part in features:
        for reason, number in part.dropped.items():
            dropped[reason] = dropped.get(reason, 0) + number

    def joined(shifts: np.ndarray, parts: list[np.ndarray]) -> np.ndarray:
        moved = [part[:-1] + shift for part, shift in zip(parts, shifts, strict=False)]
        return np.concatenate([*moved, shifts[-1:]])

    return (
        Features(
            tokens=np.concatenate([part.tokens for part in features]),
            offsets=joined(tokens, [part.offsets for part in features]),
            items=joined(sequences, [part.items for part in features]),
            example=np.concatenate([part.example for part in features]),
            columns={
                name: Column(axis, np.concatenate([part.columns[name].values for part in features]))
                for name, axis in kinds[0].items()
            },
            dropped=dropped,
        ),
        bounds,
    )
