"""Running text and how well it is predicted."""

import math
from collections.abc import Sequence
from typing import Any


def score_text(
    predictions: Sequence[tuple[float, int]], examples: Sequence[Any], language: str
) -> dict[str, float]:
    """Bits per masked token and their perplexity; not points: lower is better.

    A prediction is the summed negative log-likelihood in nats and the number of masked tokens.
    """
    nats = math.fsum(loss for loss, _ in predictions)
    tokens = sum(count for _, count in predictions)
    mean = nats / tokens if tokens else 0.0
    return {"bits_per_token": mean / math.log(2), "perplexity": math.exp(mean)}
