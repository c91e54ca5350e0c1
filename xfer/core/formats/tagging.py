"""`tagging`: a tag for every word. No scored word is ever lost to truncation."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain, pairwise

import numpy as np
import torch  # noqa: TID253
from torch import nn  # noqa: TID253

from xfer.core.batches.features import Axis, Batch, Column, Features
from xfer.core.encoders.heads import TokenHead
from xfer.core.encoders.tokeniser import Tokeniser
from xfer.core.errors import DataError, UserError
from xfer.core.examples import TaggedExample
from xfer.core.formats.base import EncoderShape, FormatCode
from xfer.core.formats.sequences import (
    LONE_PIECE,
    UNLABELLED,
    Ragged,
    encodings,
    framed,
    gather_names,
    layout,
    offsets_of,
    ragged,
    single_items,
    wrong_label,
)


class Tagging(FormatCode):
    """Words are tokenised one by one; a sentence that is too long becomes several items, cut between words."""

    output_axes: Mapping[str, Axis] = {"tags": "token"}

    @staticmethod
    def gather_labels(examples: Sequence[TaggedExample]) -> tuple[str, ...]:
        """The tags that occur, sorted: for open sets such as CCG's."""
        return gather_names(chain.from_iterable(example.tags or () for example in examples))

    def featurise(
        self, examples: Sequence[TaggedExample], tokeniser: Tokeniser, max_length: int, training: bool
    ) -> Features:
        """Columns "labels" (token, -100: none) and "word" (token: the word whose tag this piece carries, or -1).

        A word that gives no piece becomes the unknown token; one longer than a sequence is cut. Training drops
        examples without words or tags. Raises `DataError` for unequal numbers of words and tags and for a tag
        that the task does not have; only in evaluation with gathered tags (CCG) may a gold tag be new.
        Source: XTREME's `utils_tag.py`, which splits long sentences in the same way.
        """
        kept = [i for i, example in enumerate(examples) if not training or (example.tokens and example.tags)]
        sentences = [examples[i] for i in kept]
        tags = self._tag_ids(sentences, training)
        frame = layout(tokeniser, pair=False)
        room = max_length - frame.length
        first_word = offsets_of([len(sentence.tokens) for sentence in sentences])
        pieces = _pieces(sentences, first_word, tokeniser, room)
        scored = self._scored_pieces(pieces, tokeniser)
        cuts, sentence_of = _cuts(first_word, pieces.offsets, room)
        tokens, place = framed(Ragged(pieces.values, pieces.offsets[cuts]), frame)
        labels = np.full(len(tokens.values), UNLABELLED, np.int64)
        labels[place[scored]] = tags
        word = np.full(len(tokens.values), -1, np.int32)
        word[place[scored]] = np.arange(len(tags)) - np.repeat(first_word[:-1], np.diff(first_word))
        return single_items(
            tokens,
            np.array(kept, np.int64)[sentence_of],
            {"labels": Column("token", labels), "word": Column("token", word)},
            {"no words or no tags": len(examples) - len(kept)},
        )

    def head(self, shape: EncoderShape) -> nn.Module:
        """A fresh `TokenHead`. Raises `UserError` when there are no labels."""
        self._require_labels()
        return TokenHead(shape, len(self.labels))

    def loss(self, head: nn.Module | None, hidden: torch.Tensor, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Summed cross-entropy over the pieces that carry a tag, and their number."""
        assert head is not None
        labels = batch.columns["labels"]
        loss = nn.functional.cross_entropy(head(hidden).float(), labels, ignore_index=UNLABELLED, reduction="sum")
        return loss, (labels != UNLABELLED).sum().float()

    def outputs(self, head: nn.Module | None, hidden: torch.Tensor, batch: Batch) -> dict[str, torch.Tensor]:
        """`tags` int64 [T]: the tag with the highest logit at every token."""
        assert head is not None
        return {"tags": head(hidden).argmax(dim=1)}

    def decode(
        self, examples: Sequence[TaggedExample], features: Features, outputs: Mapping[str, np.ndarray]
    ) -> list[tuple[str, ...]]:
        """For each example a tuple of tags, one a word."""
        carries = features.columns["word"].values >= 0
        tags = outputs["tags"][carries].tolist()
        ends = offsets_of([len(example.tokens) for example in examples]).tolist()
        if len(tags) != ends[-1]:
            raise ValueError(f"{len(tags)} tagged words in the features, {ends[-1]} in the examples")
        names = [self.labels[tag] for tag in tags]
        return [tuple(names[start:end]) for start, end in pairwise(ends)]

    def chance(self, examples: Sequence[TaggedExample], rng: np.random.Generator) -> list[tuple[str, ...]]:
        """Tags drawn uniformly."""
        self._require_labels()
        return [
            tuple(self.labels[tag] for tag in rng.integers(len(self.labels), size=len(example.tokens)).tolist())
            for example in examples
        ]

    def heuristic(
        self, training: Sequence[TaggedExample], examples: Sequence[TaggedExample]
    ) -> list[tuple[str, ...]]:
        """The word's commonest training tag; else the commonest of words that look alike; else the commonest.

        Words look alike when both begin with a digit, with a capital, with another letter, or with neither.
        Without training examples every word gets the first tag.
        """
        self._require_labels()
        counts: dict[tuple[str, str], Counter[str]] = {}
        for example in training:
            for word, tag in zip(example.tokens, example.tags or (), strict=False):
                for key in _keys(word):
                    counts.setdefault(key, Counter())[tag] += 1
        # Ties go to the first name, so that the order of the rows does not show.
        best = {key: min(found, key=lambda tag: (-found[tag], tag)) for key, found in counts.items()}

        def guess(word: str) -> str:
            return next((best[key] for key in _keys(word) if key in best), self.labels[0])

        return [tuple(guess(word) for word in example.tokens) for example in examples]

    def _tag_ids(self, sentences: Sequence[TaggedExample], training: bool) -> np.ndarray:
        known = {name: number for number, name in enumerate(self.labels)}
        strict = training or bool(self.task.labels)
        ids: list[int] = []
        for sentence in sentences:
            where = f"example {sentence.id} ({sentence.language})"
            if sentence.tags is None:
                ids += [UNLABELLED] * len(sentence.tokens)
                continue
            if len(sentence.tags) != len(sentence.tokens):
                what = f"{self.task.name}: {len(sentence.tokens)} words but {len(sentence.tags)} tags"
                raise DataError(what, where=where)
            found = [known.get(tag, UNLABELLED) for tag in sentence.tags]
            if strict and UNLABELLED in found:
                raise wrong_label(sentence.tags[found.index(UNLABELLED)], self.labels, self.task.name, where)
            ids += found
        return np.array(ids, np.int64)

    def _scored_pieces(self, pieces: Ragged, tokeniser: Tokeniser) -> np.ndarray:
        """The piece of each word that carries its tag, int64 [words]."""
        first = pieces.offsets[:-1]
        lone = tokeniser.backend.token_to_id(LONE_PIECE)
        if self.options.label_piece == "first" or lone is None or not len(first):
            return first
        beyond = len(pieces.values)
        content = np.where(pieces.values == lone, beyond, np.arange(beyond))
        best = np.minimum.reduceat(content, first)
        return np.where(best < beyond, best, first)

    def _require_labels(self) -> None:
        if not self.labels:
            raise UserError(
                f"{self.task.name} has no labels",
                fix="name them in the task's `labels`, or give tagged training examples",
            )


def _pieces(sentences: Sequence[TaggedExample], first_word: np.ndarray, tokeniser: Tokeniser, room: int) -> Ragged:
    """The pieces of every word, one to `room` each."""
    filled = [number for number, sentence in enumerate(sentences) if sentence.tokens]
    texts = [list(sentences[number].tokens) for number in filled]
    rows, owners = [], []
    for number, encoding in zip(filled, encodings(tokeniser, texts, special=False, pretokenised=True), strict=True):
        rows.append(np.array(encoding.ids, np.int32))
        owners.append(np.array(encoding.word_ids, np.int64) + first_word[number])
    ids, owner = ragged(rows).values, ragged(owners, np.int64).values
    missing = np.flatnonzero(np.bincount(owner, minlength=first_word[-1]) == 0)
    if len(missing):
        at = np.searchsorted(owner, missing)
        unknown = tokeniser.fast.unk_token_id
        ids = np.insert(ids, at, tokeniser.pad_id if unknown is None else unknown)
        owner = np.insert(owner, at, missing)
    lengths = np.bincount(owner, minlength=first_word[-1])
    within = np.arange(len(ids)) - offsets_of(lengths)[owner]
    return Ragged(ids[within < room], offsets_of(np.minimum(lengths, room)))


def _cuts(first_word: np.ndarray, first_piece: np.ndarray, room: int) -> tuple[np.ndarray, np.ndarray]:
    """The words at which sequences begin (and the number of words, last), and each sequence's sentence."""
    begins, owners = [first_word[:-1]], [np.arange(len(first_word) - 1)]
    for sentence in np.flatnonzero(np.diff(first_piece[first_word]) > room).tolist():
        word, end = int(first_word[sentence]), int(first_word[sentence + 1])
        more = []
        while (word := int(np.searchsorted(first_piece, first_piece[word] + room, side="right")) - 1) < end:
            more.append(word)
        begins.append(np.array(more))
        owners.append(np.full(len(more), sentence))
    begin, owner = np.concatenate(begins), np.concatenate(owners)
    order = np.lexsort((begin, owner))
    return np.append(begin[order], first_word[-1]), owner[order]


def _keys(word: str) -> tuple[tuple[str, str], ...]:
    """What the heuristic knows a word by, the most special first."""
    first = word[:1]
    shape = "digit" if first.isdigit() else "upper" if first.isupper() else "letter" if first.isalpha() else "other"
    return ("word", word), ("shape", shape), ("any", "")
