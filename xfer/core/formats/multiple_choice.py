"""`multiple-choice`: the right continuation of a prompt among several."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch  # noqa: TID253
from torch import nn  # noqa: TID253

from xfer.core.batches.features import Axis, Batch, Column, Features
from xfer.core.encoders.heads import ClassificationHead, segment_logsumexp, segment_sum
from xfer.core.encoders.tokeniser import Tokeniser
from xfer.core.errors import DataError
from xfer.core.examples import ChoiceExample
from xfer.core.formats.base import EncoderShape, FormatCode
from xfer.core.formats.sequences import encode, layout, offsets_of, ragged, words


class MultipleChoice(FormatCode):
    """An item is one sequence a choice, (prompt, choice); examples may differ in their number of choices.

    A choice is kept whole and the prompt loses its beginning where both do not fit, as in jiant.
    """

    output_axes: Mapping[str, Axis] = {"logits": "sequence"}

    def featurise(
        self, examples: Sequence[ChoiceExample], tokeniser: Tokeniser, max_length: int, training: bool
    ) -> Features:
        """The column "right" (sequence: 1 for the right choice, all 0 where the label is not known).

        Training drops examples without a label. Raises `DataError` for an example without choices and for a
        label that counts beyond them.
        """
        kept = [i for i, example in enumerate(examples) if example.label is not None or not training]
        chosen = [examples[i] for i in kept]
        counts = offsets_of([self._checked_count(example) for example in chosen])
        frame = layout(tokeniser, pair=True)
        prompts = encode(tokeniser, [example.prompt for example in chosen], special=False)
        choices = encode(tokeniser, [text for example in chosen for text in example.choices], special=False)
        room = max_length - frame.length
        owners = np.repeat(np.arange(len(chosen)), np.diff(counts))
        rows = []
        for number, owner in enumerate(owners.tolist()):
            prompt, choice = prompts[owner], choices[number][:room]
            prompt = prompt[max(0, len(prompt) + len(choice) - room) :]
            rows.append(np.concatenate([frame.before, prompt, frame.between, choice, frame.after]))
        right = np.zeros(len(rows), np.float32)
        right[[start + e.label for start, e in zip(counts, chosen, strict=False) if e.label is not None]] = 1
        tokens = ragged(rows)
        dropped = len(examples) - len(kept)
        return Features(
            tokens=tokens.values,
            offsets=tokens.offsets,
            items=counts,
            example=np.array(kept, np.int64),
            columns={"right": Column("sequence", right)},
            dropped={"no label": dropped} if dropped else {},
        )

    def head(self, shape: EncoderShape) -> nn.Module:
        """A fresh `ClassificationHead` with one output."""
        return ClassificationHead(shape, 1)

    def loss(self, head: nn.Module | None, hidden: torch.Tensor, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Summed cross-entropy over the choices of each labelled item, and the number of such items."""
        logits = _run(head, hidden, batch)
        right, item, count = batch.columns["right"], batch.sequence_items, batch.item_count
        labelled = segment_sum(right, item, count)
        every = segment_logsumexp(logits[:, None], item, count)[:, 0]
        return (every * labelled).sum() - (logits * right).sum(), labelled.sum()

    def outputs(self, head: nn.Module | None, hidden: torch.Tensor, batch: Batch) -> dict[str, torch.Tensor]:
        """`logits` float32 [sequences], one a choice."""
        return {"logits": _run(head, hidden, batch)}

    def decode(
        self, examples: Sequence[ChoiceExample], features: Features, outputs: Mapping[str, np.ndarray]
    ) -> list[int]:
        """The number of the choice with the highest logit, the first of equals."""
        logits, items = outputs["logits"], features.items
        best = np.zeros(len(examples), np.int64)
        for item, example in enumerate(features.example):
            best[example] = logits[items[item] : items[item + 1]].argmax()
        return best.tolist()

    def chance(self, examples: Sequence[ChoiceExample], rng: np.random.Generator) -> list[int]:
        """Choices drawn uniformly."""
        return list(rng.integers([len(example.choices) for example in examples]).tolist())

    def heuristic(self, training: Sequence[ChoiceExample], examples: Sequence[ChoiceExample]) -> list[int]:
        """The choice that shares most distinct words with the prompt, the first of equals."""
        values = []
        for example in examples:
            prompt = set(words(example.prompt))
            shared = [len(prompt & set(words(choice))) for choice in example.choices]
            values.append(shared.index(max(shared)))
        return values

    def _checked_count(self, example: ChoiceExample) -> int:
        count = len(example.choices)
        where = f"example {example.id} ({example.language})"
        if not count:
            raise DataError(f"{self.task.name}: no choices", where=where)
        if example.label is not None and not 0 <= example.label < count:
            what = f"{self.task.name}: label {example.label} of {count} choices"
            raise DataError(what, where=where, fix="labels count from 0")
        return count


def _run(head: nn.Module | None, hidden: torch.Tensor, batch: Batch) -> torch.Tensor:
    assert head is not None
    logits: torch.Tensor = head(hidden, batch.starts)
    return logits[:, 0].float()
