"""Every format on ragged examples, and transformers' own model with a head for the same work."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch  # noqa: TID253
import torch.nn.functional as F  # noqa: TID253
import transformers  # noqa: TID253
from torch import nn  # noqa: TID253

from tests.engine import toy
from xfer.core.batches.batching import Collator
from xfer.core.batches.features import Batch, Features
from xfer.core.encoders.encoder import Encoder
from xfer.core.encoders.pooling import hidden_states
from xfer.core.encoders.tokeniser import Tokeniser
from xfer.core.formats import BUILTIN_FORMATS
from xfer.core.formats.base import FormatCode
from xfer.core.loading import load_object

TASKS = {
    "classification": "toy-pair-class",
    "multiple-choice": "toy-choice",
    "span": "toy-span",
    "tagging": "toy-tag",
    "masked-lm": "toy-text",
    "retrieval": "toy-pairs",
}
TRAINED = tuple(name for name in TASKS if name != "retrieval")
LAYER = 1
"""The hidden layer that retrieval pools."""
OWN: dict[str, Any] = {
    "classification": transformers.AutoModelForSequenceClassification,
    "multiple-choice": transformers.AutoModelForMultipleChoice,
    "span": transformers.AutoModelForQuestionAnswering,
    "tagging": transformers.AutoModelForTokenClassification,
    "masked-lm": transformers.AutoModelForMaskedLM,
    "retrieval": transformers.AutoModel,
}


@dataclass
class Setting:
    """A format at work: what xfer runs, and the same weights in transformers' own model with a head."""

    name: str
    tokeniser: Tokeniser
    code: FormatCode
    examples: list[Any]
    features: Features
    encoder: Encoder
    head: nn.Module | None
    own: Any

    @property
    def layer(self) -> int | None:
        """What is read of the encoder."""
        return LAYER if self.name == "retrieval" else None

    def batch(self, filler: int | None = None, sort: bool = True, items: Any = None) -> Batch:
        """Items (all) as one stream."""
        collator = Collator(
            self.features,
            self.encoder.pad_id,
            self.encoder.position_offset,
            "cpu",
            sort=sort,
            filler_multiple=filler,
            separator=self.tokeniser.separator,
        )
        return collator.batch(np.arange(self.features.item_count) if items is None else items)

    def streamed(self, batch: Batch) -> dict[str, torch.Tensor]:
        """What xfer computes for a batch, in feature order (tokens, sequences or items)."""
        hidden = hidden_states(self.encoder, batch, self.layer)
        if self.name in ("tagging", "masked-lm"):
            assert self.head is not None
            found = self.head(hidden).float()
        else:
            (found,) = self.code.outputs(self.head, hidden, batch).values()
        if len(found) != len(batch.input_ids):
            return {"out": found}
        order = torch.from_numpy(np.argsort(batch.token_index, kind="stable"))
        return {"out": found[: batch.real_tokens][order]}

    def padded(self) -> torch.Tensor:
        """The same from transformers' own forward pass over the padded batch."""
        rows = np.split(self.features.tokens, self.features.offsets[1:-1])
        longest, pad = max(map(len, rows)), self.encoder.pad_id
        ids = torch.tensor([[*row.tolist(), *[pad] * (longest - len(row))] for row in rows])
        inside = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
        given = {"input_ids": ids, "attention_mask": inside}
        if self.tokeniser.separator is not None:
            types = torch.zeros_like(ids)
            for number, row in enumerate(rows):
                second = row.tolist().index(self.tokeniser.separator) + 1
                types[number, second : len(row)] = 1
            given["token_type_ids"] = types
        if self.name == "multiple-choice":
            choices = int(self.features.items[1])
            out = self.own(**{name: value.unflatten(0, (-1, choices)) for name, value in given.items()})
            logits: torch.Tensor = out.logits.flatten()
            return logits
        if self.name == "retrieval":
            states = self.own(**given, output_hidden_states=True).hidden_states[LAYER].float()
            weights = inside[..., None].float()
            mean: torch.Tensor = (states * weights).sum(1) / weights.sum(1)
            return mean
        out = self.own(**given)
        if self.name == "span":
            return torch.stack([out.start_logits, out.end_logits], dim=2)[inside == 1].float()
        own = out.logits.float()
        return own if self.name == "classification" else own[inside == 1]  # type: ignore[no-any-return]

    def own_loss(self, out: torch.Tensor) -> torch.Tensor:
        """The mean loss of the format, written down once more from outputs in feature order."""
        columns = {name: torch.from_numpy(column.values) for name, column in self.features.columns.items()}
        if self.name == "multiple-choice":
            choices = out.unflatten(0, (-1, int(self.features.items[1])))
            return F.cross_entropy(choices, columns["right"].view_as(choices).argmax(1))
        if self.name == "span":
            losses = []
            for item, (start, end) in enumerate(
                zip(self.features.offsets, self.features.offsets[1:], strict=False)
            ):
                for side in (0, 1):
                    losses.append(F.cross_entropy(out[start:end, side][None], columns["targets"][item, side][None]))
            return torch.stack(losses).mean()
        return F.cross_entropy(out, columns["labels"])


def make(name: str, folder: Path) -> Setting:
    """A format with 9 ragged examples on a tiny encoder; both sides in evaluation mode, without dropout."""
    task = next(task for task in toy.TASKS if task.name == TASKS[name])
    record = next(record for record in BUILTIN_FORMATS if record.name == name)
    code = load_object(record.implementation)(task, task.labels, record.options())
    language = task.languages[0]
    rows = list(task.rows("train", language))[:9]  # type: ignore[misc]
    examples = [task.example(row, language) for row in rows]
    tokeniser = Tokeniser.load(folder)
    features = code.featurise(examples, tokeniser, 64, training=name not in ("masked-lm", "retrieval"))
    assert len(set(features.sequence_lengths.tolist())) > 3
    encoder = Encoder.load(folder, with_lm_head=name == "masked-lm")
    assert encoder.stream
    torch.manual_seed(1)
    head = encoder.lm_head if name == "masked-lm" else code.head(encoder.shape)
    extra = {"num_labels": len(task.labels)} if task.labels else {}
    own = OWN[name].from_pretrained(folder, dtype=torch.float32, attn_implementation="sdpa", **extra).eval()
    if name not in ("masked-lm", "retrieval"):
        _copy_head(head, own, name)
    if head is not None:
        head.eval()
    return Setting(name, tokeniser, code, examples, features, encoder, head, own)


def _copy_head(head: Any, own: Any, name: str) -> None:
    """The head's weights into transformers' classification head, or its pooler and classifier."""
    if name == "span":
        own.qa_outputs.load_state_dict(head.out.state_dict())
        return
    last = own.classifier
    if name != "tagging":
        base = getattr(own, own.base_model_prefix)
        dense = base.pooler.dense if getattr(base, "pooler", None) is not None else last.dense
        dense.load_state_dict(head.dense.state_dict())
        last = getattr(last, "out_proj", last)
    last.load_state_dict(head.out.state_dict())


def shuffled(count: int) -> np.ndarray:
    """All numbers below `count` in an order of no meaning."""
    numbers = list(range(count))
    random.Random(4).shuffle(numbers)
    return np.array(numbers)


Folders = Callable[[str], Path]
