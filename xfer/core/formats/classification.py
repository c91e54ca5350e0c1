"""`classification`: one label for a text or a pair of texts."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import torch  # noqa: TID253
from torch import nn  # noqa: TID253

from xfer.core.batches.features import Axis, Batch, Column, Features
from xfer.core.encoders.heads import ClassificationHead
from xfer.core.encoders.tokeniser import Tokeniser
from xfer.core.errors import UserError
from xfer.core.examples import TextExample
from xfer.core.formats.base import EncoderShape, FormatCode
from xfer.core.formats.sequences import UNLABELLED, encode, gather_names, single_items, words, wrong_label

BUCKETS = 6


class Classification(FormatCode):
    """Label names in, label names out; a pair is laid out as the tokeniser does it, its longer text cut first."""

    output_axes: Mapping[str, Axis] = {"logits": "item"}

    @staticmethod
    def gather_labels(examples: Sequence[TextExample]) -> tuple[str, ...]:
        """The label names that occur, sorted: for tasks that declare none."""
        return gather_names(example.label for example in examples)

    def featurise(
        self, examples: Sequence[TextExample], tokeniser: Tokeniser, max_length: int, training: bool
    ) -> Features:
        """One item an example, with the column "labels" (item, -100: none).

        Training drops examples without a label. Raises `DataError` for a label that the task does not have.
        """
        kept = [i for i, example in enumerate(examples) if example.label is not None or not training]
        labels = np.array([self._label_id(examples[i]) for i in kept], np.int64)
        texts = [_text(examples[i]) for i in kept]
        return single_items(
            encode(tokeniser, texts, max_length),
            kept,
            {"labels": Column("item", labels)},
            {"no label": len(examples) - len(kept)},
        )

    def head(self, shape: EncoderShape) -> nn.Module:
        """A fresh `ClassificationHead`. Raises `UserError` when there are no labels."""
        self._require_labels()
        return ClassificationHead(shape, len(self.labels))

    def loss(self, head: nn.Module | None, hidden: torch.Tensor, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Summed cross-entropy over labelled items, and their number."""
        labels = batch.columns["labels"]
        logits = _run(head, hidden, batch)
        loss = nn.functional.cross_entropy(logits, labels, ignore_index=UNLABELLED, reduction="sum")
        return loss, (labels != UNLABELLED).sum().float()

    def outputs(self, head: nn.Module | None, hidden: torch.Tensor, batch: Batch) -> dict[str, torch.Tensor]:
        """`logits` float32 [items, labels]."""
        return {"logits": _run(head, hidden, batch)}

    def decode(
        self, examples: Sequence[TextExample], features: Features, outputs: Mapping[str, np.ndarray]
    ) -> list[str]:
        """The label name with the highest logit."""
        best = np.zeros(len(examples), np.int64)
        best[features.example] = outputs["logits"].argmax(axis=1)
        return [self.labels[label] for label in best.tolist()]

    def chance(self, examples: Sequence[TextExample], rng: np.random.Generator) -> list[str]:
        """Labels drawn uniformly."""
        self._require_labels()
        return [self.labels[label] for label in rng.integers(len(self.labels), size=len(examples)).tolist()]

    def heuristic(self, training: Sequence[TextExample], examples: Sequence[TextExample]) -> list[str]:
        """The commonest training label among pairs that share as many words; for single texts the commonest.

        The share of the second text's words that occur in the first is cut into six equal ranges; a range that
        training never met gets the commonest label overall, and without training examples that is the first.
        """
        self._require_labels()
        counts: dict[int | None, Counter[str]] = {}
        for example in training:
            if example.label is not None:
                for bucket in {None, _bucket(example)}:
                    counts.setdefault(bucket, Counter())[example.label] += 1
        majority = self._commonest(counts.get(None, Counter()))
        rule = {bucket: self._commonest(counter) for bucket, counter in counts.items()}
        return [rule.get(_bucket(example), majority) for example in examples]

    def _commonest(self, counter: Counter[str]) -> str:
        # max keeps the first of equals: ties follow the order of the labels, not of the rows.
        return max(self.labels, key=lambda label: counter[label])

    def _label_id(self, example: TextExample) -> int:
        if example.label is None:
            return UNLABELLED
        try:
            return self.labels.index(example.label)
        except ValueError:
            where = f"example {example.id} ({example.language})"
            raise wrong_label(example.label, self.labels, self.task.name, where) from None

    def _require_labels(self) -> None:
        if not self.labels:
            raise UserError(
                f"{self.task.name} has no labels",
                fix="name them in the task's `labels`, or give labelled training examples",
            )


def _run(head: nn.Module | None, hidden: torch.Tensor, batch: Batch) -> torch.Tensor:
    assert head is not None
    logits: torch.Tensor = head(hidden, batch.starts)
    return logits.float()


def _text(example: TextExample) -> str | tuple[str, str]:
    return example.text if example.text_pair is None else (example.text, example.text_pair)


def _bucket(example: TextExample) -> int | None:
    if example.text_pair is None:
        return None
    first, second = set(words(example.text)), set(words(example.text_pair))
    share = len(first & second) / max(len(second), 1)
    return min(int(share * BUCKETS), BUCKETS - 1)
