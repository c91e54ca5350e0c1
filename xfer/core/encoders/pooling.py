"""What a head reads of the encoder: its last layer, another one, or attention over the outputs of all of them."""

import math

import torch  # noqa: TID253
from torch import nn  # noqa: TID253

from xfer.core.batches.features import Batch
from xfer.core.encoders.encoder import Encoder
from xfer.core.formats.base import EncoderShape

ATTENTION = "attention"
LAST = "last"


class LayerAttention(nn.Module):
    """Each token attends over its own states in all layers: query from the last layer, keys from every one.

    Chen et al. 2022 (arXiv 2205.08497) fuse all layers of mBERT by attention in place of the last one; details
    beyond that are not public, so this is the plain form: softmax(q·k / √d) weights, values as they are. Keys
    and queries begin as small random projections, that is near the mean of all layers.
    """

    def __init__(self, shape: EncoderShape) -> None:
        super().__init__()
        self.query = nn.Linear(shape.hidden_size, shape.hidden_size, bias=False)
        self.key = nn.Linear(shape.hidden_size, shape.hidden_size, bias=False)
        for layer in (self.query, self.key):
            nn.init.normal_(layer.weight, std=shape.initializer_range)

    def forward(self, states: list[torch.Tensor]) -> torch.Tensor:
        """Hidden states of all layers, each [T, d], embeddings first, to one [T, d]."""
        stacked = torch.stack(states, dim=1)
        query = self.query(states[-1])[:, :, None]
        scores = (self.key(stacked) @ query)[:, :, 0] / math.sqrt(stacked.shape[2])
        weights = torch.softmax(scores.float(), dim=1).to(stacked.dtype)
        return (weights[:, None] @ stacked)[:, 0]


def hidden_states(encoder: Encoder, batch: Batch, pooling: nn.Module | int | None) -> torch.Tensor:
    """What a head reads, [T, d]: a layer by number, the last (None), or what a module makes of all."""
    if isinstance(pooling, nn.Module):
        pooled: torch.Tensor = pooling(encoder(batch, all_layers=True))
        return pooled
    states: torch.Tensor = encoder(batch, layer=pooling)
    return states


def make_pooling(text: str, shape: EncoderShape) -> nn.Module | int | None:
    """`Phase.pooling` as `hidden_states` takes it; a module has fresh weights from torch's global stream.

    A number beyond the last layer raises where the encoder is asked for it.
    """
    if text == ATTENTION:
        return LayerAttention(shape)
    return None if text == LAST else int(text)
