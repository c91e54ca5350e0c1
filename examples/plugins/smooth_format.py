"""What the format of smooth.py computes. It needs torch and is imported late, by name."""

import torch  # noqa: TID253
from torch import nn  # noqa: TID253

from xfer.core.batches.features import Batch
from xfer.core.formats.classification import Classification


class Smooth(Classification):
    """Classification, but for its loss."""

    def loss(self, head: nn.Module | None, hidden: torch.Tensor, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Summed cross-entropy with smoothed labels, and the number of labelled items."""
        labels = batch.columns["labels"]
        logits = self.outputs(head, hidden, batch)["logits"].float()
        loss = nn.functional.cross_entropy(
            logits, labels, ignore_index=-100, reduction="sum", label_smoothing=self.options.smoothing
        )
        return loss, (labels != -100).sum().float()
