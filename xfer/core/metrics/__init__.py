"""The metrics of XTREME and of the intermediate tasks, in points (0 to 100).

`classification`, `question_answering`, `tagging` and `aggregate` need the standard library only and are
re-exported here. `retrieval` needs numpy: import it by its own name, `xfer.core.metrics.retrieval`.

A programming error (unequal lengths, nothing to score, an unknown language) is a `ValueError`.
"""

from xfer.core.metrics.aggregate import mean, qa_mean, standard_error
from xfer.core.metrics.classification import accuracy, binary_f1
from xfer.core.metrics.question_answering import (
    mlqa_exact_match,
    mlqa_f1,
    mlqa_scores,
    normalise_mlqa,
    normalise_squad,
    squad_exact_match,
    squad_f1,
    squad_scores,
    squad_v2_exact_match,
    squad_v2_f1,
    squad_v2_scores,
)
from xfer.core.metrics.tagging import chunk_f1, chunks, token_accuracy

__all__ = [
    "accuracy",
    "binary_f1",
    "chunk_f1",
    "chunks",
    "mean",
    "mlqa_exact_match",
    "mlqa_f1",
    "mlqa_scores",
    "normalise_mlqa",
    "normalise_squad",
    "qa_mean",
    "squad_exact_match",
    "squad_f1",
    "squad_scores",
    "squad_v2_exact_match",
    "squad_v2_f1",
    "squad_v2_scores",
    "standard_error",
    "token_accuracy",
]
