"""The third and fourth stop of the data flow: features (tokenised examples) and batches (streams of tokens).

Vocabulary used throughout:

* *sequence*: what the encoder reads as one, special tokens included;
* *item*: the unit of a training batch; one sequence, or all choices of a multiple-choice example. A long
  example may give several items (windows of a `span` example, pieces of a long tagged sentence);
* *stream*: the sequences of a batch laid end to end, without padding.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    import torch

Axis = Literal["token", "sequence", "item"]


@dataclass(frozen=True)
class Column:
    """Numbers that travel with the features: one entry a token, a sequence or an item (first dimension)."""

    axis: Axis
    values: np.ndarray


@dataclass(frozen=True)
class Features:
    """Tokenised examples of one task, split and language, without padding.

    tokens    int32 [tokens]       token ids, sequence after sequence
    offsets   int64 [sequences+1]  sequence s is tokens[offsets[s]:offsets[s+1]]
    items     int64 [items+1]      item i is the sequences items[i] … items[i+1]-1
    example   int64 [items]        the position of the example that item i belongs to
    columns   by name; "labels"-like columns feed the loss, others the decoding
    dropped   reasons and numbers of examples that gave no item (training only)
    """

    tokens: np.ndarray
    offsets: np.ndarray
    items: np.ndarray
    example: np.ndarray
    columns: dict[str, Column] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)

    @property
    def item_count(self) -> int:
        """Number of items."""
        return len(self.items) - 1

    @property
    def sequence_lengths(self) -> np.ndarray:
        """Tokens in each sequence, int64 [sequences]."""
        return np.diff(self.offsets)

    @property
    def item_lengths(self) -> np.ndarray:
        """Tokens in each item over its sequences, int64 [items]."""
        lengths: np.ndarray = self.offsets[self.items[1:]] - self.offsets[self.items[:-1]]
        return lengths


@dataclass
class Batch:
    """A stream of sequences on a device.

    Stream order is the collator's choice (sorted by length on CPU). Everything that a head indexes with is in
    *item order*: sequences in the order of `items`, then of their place in the item.

    input_ids      int64 [T]    T = tokens in the stream, filler included
    position_ids   int64 [T]    restart in every sequence, by the model's convention
    cu_seqlens     int32 [S+1]  boundaries in the stream; S counts filler sequences too
    max_seqlen     the longest sequence
    lengths        lengths of the stream's sequences, as Python integers (no device sync)
    starts         int64 [n]    item order: stream index of the first token of each real sequence
    segments       int64 [T]    item order number of the sequence that a token belongs to; n for filler
    sequence_items int64 [n]    position in `items` of each real sequence
    token_types    int64 [T]    1 behind the first separator of a sequence; None where the model knows one type
    items          numpy int64  feature item numbers
    token_index    numpy int64  [real tokens] feature token number of each stream token, stream order
    columns        by name; token columns in stream order, sequence and item columns in item order
    """

    input_ids: "torch.Tensor"
    position_ids: "torch.Tensor"
    cu_seqlens: "torch.Tensor"
    max_seqlen: int
    lengths: list[int]
    starts: "torch.Tensor"
    segments: "torch.Tensor"
    sequence_items: "torch.Tensor"
    items: np.ndarray
    token_index: np.ndarray
    columns: dict[str, Any]
    token_types: "torch.Tensor | None" = None

    @property
    def sequence_count(self) -> int:
        """Real sequences, filler not counted."""
        return int(self.starts.shape[0])

    @property
    def item_count(self) -> int:
        """Items in the batch."""
        return len(self.items)

    @property
    def real_tokens(self) -> int:
        """Tokens without filler."""
        return len(self.token_index)
