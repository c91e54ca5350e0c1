"""What every format implements. One object serves one task in one phase."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from xfer.core.batches.features import Axis, Batch, Features
from xfer.core.records import TaskSpec

if TYPE_CHECKING:
    import torch
    from torch import nn

    from xfer.core.encoders.tokeniser import Tokeniser


@dataclass(frozen=True)
class EncoderShape:
    """What a head needs to know of the encoder."""

    hidden_size: int
    layers: int
    vocabulary: int
    dropout: float
    initializer_range: float


class FormatCode(ABC):
    """Featurise, head, loss, outputs, decoding and model-free baselines of one task.

    `labels` are the label names in id order; `options` is the format's validated options record.
    """

    output_axes: Mapping[str, Axis] = {}
    """Axis of each tensor that `outputs` returns."""
    trainable = True
    """False for pure evaluation formats, which have no head and no loss."""

    def __init__(self, task: TaskSpec, labels: tuple[str, ...], options: Any) -> None:
        self.task, self.labels, self.options = task, labels, options

    @abstractmethod
    def featurise(
        self, examples: Sequence[Any], tokeniser: "Tokeniser", max_length: int, training: bool
    ) -> Features:
        """Tokenise in one batch. Training drops and counts examples that cannot be used; evaluation never drops."""

    def head(self, shape: EncoderShape) -> "nn.Module | None":
        """A freshly initialised head, or None. Uses torch's global random stream."""
        return None

    def loss(
        self, head: "nn.Module | None", hidden: "torch.Tensor", batch: Batch
    ) -> "tuple[torch.Tensor, torch.Tensor]":
        """Summed loss and the number of terms (both scalars, float32), so that accumulated steps normalise once.

        `hidden` is [T, hidden_size] in stream order.
        """
        raise TypeError(f"{self.task.format} has no loss")

    def prepare(self, batch: Batch, rng: np.random.Generator, tokeniser: "Tokeniser") -> Batch:
        """Change a training batch before the encoder sees it (masking). The default changes nothing."""
        return batch

    @abstractmethod
    def outputs(self, head: "nn.Module | None", hidden: "torch.Tensor", batch: Batch) -> "dict[str, torch.Tensor]":
        """Tensors of an evaluated batch; rows follow `output_axes`: item order, or stream order for tokens."""

    @abstractmethod
    def decode(self, examples: Sequence[Any], features: Features, outputs: Mapping[str, np.ndarray]) -> list[Any]:
        """One prediction value an example. Outputs lie in feature order ([items, …] or [tokens, …])."""

    def limited(self, values: list[Any], examples: Sequence[Any], limit: int | None) -> list[Any]:
        """Values under `--limit`. Most formats get examples that are cut already and change nothing."""
        return values

    @abstractmethod
    def chance(self, examples: Sequence[Any], rng: np.random.Generator) -> list[Any]:
        """Predictions that know only the shape of the task; an empty list where the format has none."""

    @abstractmethod
    def heuristic(self, training: Sequence[Any], examples: Sequence[Any]) -> list[Any]:
        """Predictions of a rule without a model, or an empty list; `training` are English examples, if any."""
