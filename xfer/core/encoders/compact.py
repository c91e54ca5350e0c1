"""Training only the rows of the embedding that occur: exact, and a multilingual vocabulary is mostly not English.

A row that no token of the phase looks up has no gradient, so Adam leaves it as it is (its moments stay zero) and
the gradient's norm does not know of it; decoupled weight decay shrinks it by a factor that depends on the step
alone. Neither holds where the embedding is also an output matrix, that is in masked LM.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import torch  # noqa: TID253
from torch import nn  # noqa: TID253

from xfer.core.encoders.encoder import Encoder


class CompactEmbedding(nn.Embedding):
    """Some rows of an embedding under their old ids. A look-up of another row is an IndexError."""

    def __init__(self, table: nn.Embedding, rows: torch.Tensor) -> None:
        padding = table.padding_idx
        at = None if padding is None else int((rows == padding).nonzero()[0, 0])
        super().__init__(len(rows), table.embedding_dim, at, _weight=table.weight.detach()[rows])
        place = torch.full((table.num_embeddings,), -1)
        place[rows] = torch.arange(len(rows))
        place = place.to(table.weight.device)
        self.place: torch.Tensor
        self.register_buffer("place", place, persistent=False)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Token ids of any shape to embeddings."""
        return super().forward(self.place[input])


class CompactTable:
    """An embedding of which only some rows are trained.

    name  of its weight among the trained parameters, "encoder.…"
    rows  int64, ascending: the rows that are trained
    """

    def __init__(self, encoder: Encoder, rows: torch.Tensor) -> None:
        self._own = encoder.word_embeddings
        self.rows = rows
        encoder.replace_embeddings(CompactEmbedding(self._own, rows))
        weight = encoder.word_embeddings.weight
        self.name = next(f"encoder.{name}" for name, p in encoder.named_parameters() if p is weight)
        self._own.cpu()  # it would take a gigabyte of XLM-R Large's on the card

    def full(self, values: torch.Tensor, factor: float | None) -> torch.Tensor:
        """All rows, on the CPU: `values` where they are trained, the former weights times `factor` elsewhere.

        None for the factor means zeros elsewhere.
        """
        own = self._own.weight.detach()
        table = torch.zeros_like(own) if factor is None else own * factor
        table[self.rows] = values.to(table)
        return table

    def restore(self, encoder: Encoder) -> nn.Parameter:
        """Give the encoder its embedding back; the weight that it holds is the former one."""
        device = encoder.word_embeddings.weight.device
        encoder.replace_embeddings(self._own.to(device))
        weight = encoder.word_embeddings.weight
        assert isinstance(weight, nn.Parameter)
        return weight


def occurring(tokens: Iterable[np.ndarray], special: Sequence[int], size: int) -> torch.Tensor:
    """The rows that these tokens or the special ones look up, int64, ascending."""
    seen = np.zeros(size, dtype=bool)
    seen[[token for token in special if token < size]] = True
    for part in tokens:
        seen[np.asarray(part)] = True
    return torch.from_numpy(np.flatnonzero(seen))
