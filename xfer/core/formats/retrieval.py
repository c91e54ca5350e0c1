"""`retrieval`: the translation of a sentence among many, by cosine of pooled hidden states. Nothing is trained."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch  # noqa: TID253
from torch import nn  # noqa: TID253

from xfer.core.batches.features import Axis, Batch, Column, Features
from xfer.core.encoders.heads import segment_sum
from xfer.core.encoders.neighbours import device_search
from xfer.core.encoders.tokeniser import Tokeniser
from xfer.core.examples import PairExample
from xfer.core.formats.base import FormatCode
from xfer.core.formats.sequences import encode, layout, offsets_of, single_items
from xfer.core.metrics.retrieval import mine, nearest, occurring_once, unique_texts

SOURCE, TARGET = 0, 1
TRIGRAM_WIDTH = 4096
HEURISTIC_LIMIT = 5_000
"""Sentences on a side above which there is no heuristic: it would take longer than the encoder."""

Value = str | tuple[str, float] | None


class Retrieval(FormatCode):
    """Two problems by one format.

    Search (Tatoeba): a value is the id of the example whose other side is nearest; `direction` says which side
    asks. Mining (BUCC): a value is (id of the example whose target was mined for this source, margin), or None.
    A task that tunes a threshold is mined, whether or not its rows hold sentences without a partner, and so are
    examples of which some have one side only.
    """

    output_axes: Mapping[str, Axis] = {"embedding": "item"}
    trainable = False

    def featurise(
        self, examples: Sequence[PairExample], tokeniser: Tokeniser, max_length: int, training: bool
    ) -> Features:
        """An item for every sentence, sources before targets; columns "side" (item: 0 source, 1 target) and
        "content" (token: not a special token).
        """
        example, side = _sentences(examples)
        prefix = self.options.prefix
        texts = [prefix + text for text in _texts(examples, SOURCE) + _texts(examples, TARGET)]
        tokens = encode(tokeniser, texts, max_length)
        frame = layout(tokeniser, pair=False)
        content = np.ones(len(tokens.values), bool)
        for slot in range(len(frame.before)):
            content[tokens.offsets[:-1] + slot] = False
        for slot in range(len(frame.after)):
            content[tokens.offsets[1:] - 1 - slot] = False
        return single_items(tokens, example, {"side": Column("item", side), "content": Column("token", content)})

    def outputs(self, head: nn.Module | None, hidden: torch.Tensor, batch: Batch) -> dict[str, torch.Tensor]:
        """`embedding` float32 [items, d]: the first token, or the mean over tokens; not normalised."""
        if self.options.pooling == "cls":
            return {"embedding": hidden[batch.starts].float()}
        weights = torch.ones_like(batch.segments) if self.options.special_tokens else batch.columns["content"]
        weights = weights.float()[:, None]
        sums = segment_sum(hidden.float() * weights, batch.segments, batch.sequence_count)
        return {"embedding": sums / segment_sum(weights, batch.segments, batch.sequence_count).clamp(min=1)}

    def decode(
        self, examples: Sequence[PairExample], features: Features, outputs: Mapping[str, np.ndarray]
    ) -> list[Value]:
        """The id retrieved for each example, or what was mined for it: see the class.

        Mining follows XTREME: equal sentences are collapsed, and pairs with a sentence that occurs more than
        once are left out, since its text names no single id.
        """
        # Sources come first; slices are no copies, and there may be a million sentences.
        sources = int((features.columns["side"].values == SOURCE).sum())
        return self._matched(examples, outputs["embedding"][:sources], outputs["embedding"][sources:])

    def limited(self, values: list[Value], examples: Sequence[PairExample], limit: int | None) -> list[Value]:
        """A limit cuts queries, never what they search: later ones count as not asked. Mining stays whole."""
        if limit is None or self._mines(examples):
            return values
        return [*values[:limit], *[None] * len(values[limit:])]

    def chance(self, examples: Sequence[PairExample], rng: np.random.Generator) -> list[Value]:
        """Examples with the side that is looked for, drawn uniformly; margins uniform in 0 … 1."""
        if not self._mines(examples):
            drawn = rng.integers(len(examples), size=len(examples)).tolist()
            return [examples[number].id for number in drawn]
        targets = [example.id for example in examples if example.target is not None]
        drawn = rng.integers(max(len(targets), 1), size=len(examples)).tolist()
        margins = rng.random(len(examples)).tolist()
        return [
            (targets[number], margin) if example.source is not None and targets else None
            for example, number, margin in zip(examples, drawn, margins, strict=True)
        ]

    def heuristic(self, training: Sequence[PairExample], examples: Sequence[PairExample]) -> list[Value]:
        """The same search over counts of character trigrams; an empty list beyond 5,000 sentences a side."""
        sources, targets = _texts(examples, SOURCE), _texts(examples, TARGET)
        if max(len(sources), len(targets)) > HEURISTIC_LIMIT:
            return []
        return self._matched(examples, trigrams(sources), trigrams(targets))

    def _mines(self, examples: Sequence[PairExample]) -> bool:
        return self.task.tune is not None or any(one.source is None or one.target is None for one in examples)

    def _matched(self, examples: Sequence[PairExample], sources: np.ndarray, targets: np.ndarray) -> list[Value]:
        if not examples:
            return []
        if self._mines(examples):
            return self._mined(examples, sources, targets)
        asks_target = self.options.direction == "english-to-other"
        queries, index = (targets, sources) if asks_target else (sources, targets)
        _, found = nearest(queries, index, k=1)
        return [examples[number].id for number in found[:, 0].tolist()]

    def _mined(self, examples: Sequence[PairExample], sources: np.ndarray, targets: np.ndarray) -> list[Value]:
        values: list[Value] = [None] * len(examples)
        owners = [_owners(examples, side) for side in (SOURCE, TARGET)]
        if not len(owners[SOURCE]) or not len(owners[TARGET]):
            return values
        kept, mapping = zip(*(unique_texts(_texts(examples, side)) for side in (SOURCE, TARGET)), strict=True)
        found_in = [_rows(side, rows) for side, rows in zip((sources, targets), kept, strict=True)]
        search = device_search(*(len(rows) for rows in found_in))
        pairs = mine(found_in[SOURCE], found_in[TARGET], self.options.neighbours, search=search)
        single = [occurring_once(groups) for groups in mapping]
        for source, target, margin in zip(*(column.tolist() for column in pairs), strict=True):
            if single[SOURCE][source] and single[TARGET][target]:
                found = examples[owners[TARGET][kept[TARGET][target]]].id
                values[owners[SOURCE][kept[SOURCE][source]]] = (found, margin)
        return values


def trigrams(texts: Sequence[str]) -> np.ndarray:
    """Hashed counts of the lower-case character trigrams of each text, float32 [texts, 4096]."""
    # Two characters on either side, so that the shortest text has trigrams and none reaches into the next.
    joined = "".join(f"  {text.lower()}  " for text in texts)
    codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.uint64)
    lengths = np.array([len(text.lower()) + 2 for text in texts], np.int64)
    starts = offsets_of(lengths + 2)[:-1]
    first = np.arange(lengths.sum()) + np.repeat(starts - offsets_of(lengths)[:-1], lengths)
    # Knuth's multiplicative hash; the high bits are the well mixed ones.
    mixed = (codes[first] * 0x1F123BB5 + codes[first + 1] * 0x2C1B3C6D + codes[first + 2]) * 2654435761
    bucket = (mixed & 0xFFFFFFFF) >> 20
    cells = np.repeat(np.arange(len(texts)), lengths) * TRIGRAM_WIDTH + bucket.astype(np.int64)
    counts = np.bincount(cells, minlength=len(texts) * TRIGRAM_WIDTH)
    return counts.reshape(len(texts), TRIGRAM_WIDTH).astype(np.float32)


def _rows(matrix: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The rows, in order and each at most once; the matrix itself where that is all of them."""
    return matrix if len(rows) == len(matrix) else matrix[rows]


def _side(example: PairExample, side: int) -> str | None:
    return example.source if side == SOURCE else example.target


def _owners(examples: Sequence[PairExample], side: int) -> np.ndarray:
    return np.array([i for i, example in enumerate(examples) if _side(example, side) is not None], np.int64)


def _texts(examples: Sequence[PairExample], side: int) -> list[str]:
    return [text for example in examples if (text := _side(example, side)) is not None]


def _sentences(examples: Sequence[PairExample]) -> tuple[np.ndarray, np.ndarray]:
    """Example and side of every sentence, sources first."""
    owners = [_owners(examples, side) for side in (SOURCE, TARGET)]
    return np.concatenate(owners), np.repeat([SOURCE, TARGET], [len(own) for own in owners])
