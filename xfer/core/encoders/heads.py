"""Heads on top of the encoder. All read the stream ([T, d], no padding) and never assume a first column."""

import torch  # noqa: TID253
from torch import nn  # noqa: TID253

from xfer.core.formats.base import EncoderShape


class ClassificationHead(nn.Module):
    """RoBERTa's: dropout, dense, tanh, dropout, linear, on each sequence's first token (Liu et al. 2019)."""

    def __init__(self, shape: EncoderShape, outputs: int) -> None:
        super().__init__()
        self.dropout = nn.Dropout(shape.dropout)
        self.dense = _linear(shape, shape.hidden_size)
        self.out = _linear(shape, outputs)

    def forward(self, hidden: torch.Tensor, starts: torch.Tensor) -> torch.Tensor:
        """Hidden states [T, d] and first tokens [n] to logits [n, outputs]."""
        first = self.dropout(hidden[starts])
        return self.out(self.dropout(torch.tanh(self.dense(first))))  # type: ignore[no-any-return]


class TokenHead(nn.Module):
    """Dropout and a linear layer on every token, as in token classification of BERT (Devlin et al. 2019)."""

    def __init__(self, shape: EncoderShape, outputs: int) -> None:
        super().__init__()
        self.dropout = nn.Dropout(shape.dropout)
        self.out = _linear(shape, outputs)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Hidden states [T, d] to logits [T, outputs]."""
        return self.out(self.dropout(hidden))  # type: ignore[no-any-return]


class SpanHead(nn.Module):
    """A linear layer to a start and an end logit for every token (Devlin et al. 2019, SQuAD)."""

    def __init__(self, shape: EncoderShape) -> None:
        super().__init__()
        self.out = _linear(shape, 2)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Hidden states [T, d] to logits [T, 2]."""
        return self.out(hidden)  # type: ignore[no-any-return]


def segment_sum(values: torch.Tensor, segments: torch.Tensor, count: int) -> torch.Tensor:
    """Sums of rows by segment: values [m, …], segments [m] in 0 … count to [count, …].

    Rows of segment `count` (filler) are left out.
    """
    sums = values.new_zeros((count + 1, *values.shape[1:]))
    return sums.index_add(0, segments, values)[:count]


def segment_logsumexp(values: torch.Tensor, segments: torch.Tensor, count: int) -> torch.Tensor:
    """log sum exp over each segment: values [m, k], segments [m] in 0 … count to [count, k].

    Every segment below `count` must hold a row; rows of segment `count` (filler) are left out.
    """
    index = segments[:, None].expand_as(values)
    highest = values.new_full((count + 1, values.shape[1]), -torch.inf)
    # The maximum only keeps exp in range; its gradient cancels.
    highest = highest.scatter_reduce(0, index, values.detach(), "amax")
    sums = segment_sum((values - highest[segments]).exp(), segments, count)
    return sums.log() + highest[:count]


def _linear(shape: EncoderShape, outputs: int) -> nn.Linear:
    layer = nn.Linear(shape.hidden_size, outputs)
    nn.init.normal_(layer.weight, std=shape.initializer_range)
    nn.init.zeros_(layer.bias)
    return layer
