"""A format with a fault: it loses examples."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from xfer.core.batches.features import Features
from xfer.core.formats.classification import Classification


class Losing(Classification):
    """Loses the last example in evaluation, and all in training."""

    def featurise(self, examples: Sequence[Any], tokeniser: Any, max_length: int, training: bool) -> Features:
        if training:
            return replace(super().featurise([], tokeniser, max_length, True), dropped={"all": len(examples)})
        return super().featurise(examples[:-1], tokeniser, max_length, False)
