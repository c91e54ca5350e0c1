"""`masked-lm`: hidden tokens of running text, or of a text and its translation (translation LM)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch  # noqa: TID253
from torch import nn  # noqa: TID253

from xfer.core.batches.features import Axis, Batch, Column, Features
from xfer.core.encoders.heads import segment_sum
from xfer.core.encoders.tokeniser import Tokeniser
from xfer.core.errors import UserError
from xfer.core.examples import LineExample
from xfer.core.formats.base import FormatCode
from xfer.core.formats.sequences import UNLABELLED, Ragged, encodings, layout, ragged, single_items

SPECIAL = -1
MASKED, RANDOM = 0.8, 0.1
"""Of the predicted tokens 80 % become the mask token, 10 % a random one, the rest stay (Devlin et al. 2019)."""
_EVALUATION_SEED = 2005_13013


class MaskedLm(FormatCode):
    """Long texts are cut into pieces of `max_length`; texts are not joined. A pair is one sequence, cut to fit.

    The head is the encoder's own `lm_head`. Training masks anew in every batch (`prepare`); for evaluation the
    features are masked once, by the item's number, so that perplexities compare between checkpoints.
    """

    output_axes: Mapping[str, Axis] = {"nll": "item", "masked": "item"}

    def featurise(
        self, examples: Sequence[LineExample], tokeniser: Tokeniser, max_length: int, training: bool
    ) -> Features:
        """The column "side" (token: 0 first text, 1 its translation, -1 special token); see `prepare` for the rest.

        Evaluation features hold masked tokens and the column "labels". Training drops texts without a token.
        Raises `UserError` for a tokeniser without a mask token.
        """
        mask_id(tokeniser)
        sequences: list[np.ndarray] = []
        sides: list[np.ndarray] = []
        owners: list[int] = []
        for number, tokens, side in _sequences(examples, tokeniser, max_length):
            if training and not (side >= 0).any():
                continue
            sequences.append(tokens)
            sides.append(side)
            owners.append(number)
        packed, side_column = ragged(sequences), ragged(sides, np.int8).values
        columns = {"side": Column("token", side_column)}
        if not training:
            packed, labels = self._masked_by_number(packed, side_column, tokeniser)
            columns["labels"] = Column("token", labels)
        dropped = {"no text": len(examples) - len(set(owners))}
        return single_items(packed, owners, columns, dropped if training else None)

    def prepare(self, batch: Batch, rng: np.random.Generator, tokeniser: Tokeniser) -> Batch:
        """Mask a training batch: new `input_ids`, the column "labels" [T], and `position_ids` of restarted pairs.

        Draws follow item order, so the order of the stream does not change them. Never leaves a batch without a
        masked token unless it holds none that could be. A batch that is masked already comes back as it is.
        """
        if "labels" in batch.columns:
            return batch
        real = batch.real_tokens
        order = np.argsort(batch.segments[:real].cpu().numpy(), kind="stable")
        sequence = batch.segments[:real].cpu().numpy()[order]
        side = batch.columns["side"][:real].cpu().numpy()[order]
        ids = batch.input_ids.cpu().numpy().copy()
        labels = np.full(len(ids), UNLABELLED, np.int64)
        ids[order], labels[order] = self._mask(ids[order], side, sequence, rng, tokeniser)
        positions = batch.position_ids.cpu().numpy().copy()
        positions[order] -= self._restarts(side, sequence, rng)
        device = batch.input_ids.device
        return replace(
            batch,
            input_ids=torch.from_numpy(ids).to(device),
            position_ids=torch.from_numpy(positions).to(device),
            columns={**batch.columns, "labels": torch.from_numpy(labels).to(device)},
        )

    def loss(self, head: nn.Module | None, hidden: torch.Tensor, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Summed negative log-likelihood of the masked tokens, and their number.

        Only masked positions meet the vocabulary matrix.
        """
        nll, where = _token_nll(head, hidden, batch)
        return nll.sum(), torch.tensor(float(len(where)), device=hidden.device)

    def outputs(self, head: nn.Module | None, hidden: torch.Tensor, batch: Batch) -> dict[str, torch.Tensor]:
        """`nll` float32 [items]: summed over the item's masked tokens; `masked` float32 [items]: their number."""
        nll, where = _token_nll(head, hidden, batch)
        item = batch.sequence_items[batch.segments[where]]
        return {
            "nll": segment_sum(nll, item, batch.item_count),
            "masked": segment_sum(torch.ones_like(nll), item, batch.item_count),
        }

    def decode(
        self, examples: Sequence[LineExample], features: Features, outputs: Mapping[str, np.ndarray]
    ) -> list[tuple[float, int]]:
        """For each example (summed negative log-likelihood in nats, masked tokens).

        Over a set, exp of the sum of the first over the sum of the second is the perplexity of masked tokens.
        """
        nll = np.bincount(features.example, outputs["nll"], minlength=len(examples))
        masked = np.bincount(features.example, outputs["masked"], minlength=len(examples))
        return [(loss, round(count)) for loss, count in zip(nll.tolist(), masked.tolist(), strict=True)]

    def chance(self, examples: Sequence[LineExample], rng: np.random.Generator) -> list[tuple[float, int]]:
        """None: chance depends on the vocabulary."""
        return []

    def heuristic(
        self, training: Sequence[LineExample], examples: Sequence[LineExample]
    ) -> list[tuple[float, int]]:
        """None."""
        return []

    def _masked_by_number(
        self, packed: Ragged, side: np.ndarray, tokeniser: Tokeniser
    ) -> tuple[Ragged, np.ndarray]:
        tokens, labels = packed.values.copy(), np.full(len(packed.values), UNLABELLED, np.int64)
        for item in range(len(packed)):
            span = slice(packed.offsets[item], packed.offsets[item + 1])
            rng = np.random.default_rng([_EVALUATION_SEED, item])
            one = np.zeros(span.stop - span.start, np.int64)
            tokens[span], labels[span] = self._mask(tokens[span], side[span], one, rng, tokeniser)
        return Ragged(tokens, packed.offsets), labels

    def _mask(
        self,
        ids: np.ndarray,
        side: np.ndarray,
        sequence: np.ndarray,
        rng: np.random.Generator,
        tokeniser: Tokeniser,
    ) -> tuple[np.ndarray, np.ndarray]:
        """New ids and labels of tokens in item order."""
        special = np.array(tokeniser.special_ids)
        maskable = (side >= 0) & ~np.isin(ids, special)
        luck = rng.random(len(ids))
        chosen = maskable & (luck < self._rates(side, sequence, rng)[sequence, np.maximum(side, 0)])
        if not chosen.any() and maskable.any():
            chosen[np.argmin(np.where(maskable, luck, 2.0))] = True
        fate = rng.random(len(ids))
        draws = rng.integers(tokeniser.size - len(special), size=len(ids))
        random_ids = _ordinary_ids(draws, tokeniser.special_ids)
        noise = np.where(fate < MASKED, mask_id(tokeniser), np.where(fate < MASKED + RANDOM, random_ids, ids))
        return np.where(chosen, noise, ids), np.where(chosen, ids, UNLABELLED)

    def _rates(self, side: np.ndarray, sequence: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Share of tokens to predict for each sequence and side, [sequences, 2]."""
        count = int(sequence.max(initial=-1)) + 1
        options = self.options
        one_sided = rng.random(count)[:, None] < options.pair_one_sided
        heavy = rng.integers(2, size=count)[:, None] == np.arange(2)
        pair = np.where(one_sided, np.where(heavy, options.pair_heavy, options.pair_light), options.pair_symmetric)
        rates: np.ndarray = np.where(_paired(side, sequence, count)[:, None], pair, options.masking)
        return rates

    def _restarts(self, side: np.ndarray, sequence: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """How much to take off each token's position, in item order."""
        count = int(sequence.max(initial=-1)) + 1
        restarted = _paired(side, sequence, count) & (rng.random(count) < self.options.pair_restart)
        index = np.arange(len(side))
        first = np.zeros((2, count), np.int64)
        for number in (0, 1):
            # Written backwards, so that the first token of the side is what stays.
            members = np.flatnonzero(side == number)[::-1]
            first[number, sequence[members]] = members
        behind = restarted[sequence] & (index >= first[1, sequence])
        return np.where(behind, (first[1] - first[0])[sequence], 0)


def mask_id(tokeniser: Tokeniser) -> int:
    """The mask token. Raises `UserError` where the tokeniser has none."""
    if tokeniser.mask_id is None:
        raise UserError("this model's tokeniser has no mask token", fix="choose a model trained by masked LM")
    return tokeniser.mask_id


def _sequences(
    examples: Sequence[LineExample], tokeniser: Tokeniser, max_length: int
) -> list[tuple[int, np.ndarray, np.ndarray]]:
    """For each sequence the number of its example, its token ids and their sides; in order of the examples."""
    found: list[tuple[int, np.ndarray, np.ndarray]] = []
    frame = layout(tokeniser, pair=False)
    room = max_length - frame.length
    single = [number for number, example in enumerate(examples) if example.parallel is None]
    texts = [examples[number].text for number in single]
    for number, encoding in zip(single, encodings(tokeniser, texts, special=False), strict=True):
        ids = np.array(encoding.ids, np.int32)
        for start in range(0, max(len(ids), 1), room):
            tokens = np.concatenate([frame.before, ids[start : start + room], frame.after])
            side = np.zeros(len(tokens), np.int8)
            side[: len(frame.before)] = SPECIAL
            side[len(tokens) - len(frame.after) :] = SPECIAL
            found.append((number, tokens, side))
    paired = [number for number, example in enumerate(examples) if example.parallel is not None]
    pairs = [(examples[number].text, examples[number].parallel) for number in paired]
    for number, encoding in zip(paired, encodings(tokeniser, pairs, max_length=max_length), strict=True):
        side = np.array([SPECIAL if part is None else part for part in encoding.sequence_ids], np.int8)
        found.append((number, np.array(encoding.ids, np.int32), side))
    return sorted(found, key=lambda sequence: sequence[0])


def _paired(side: np.ndarray, sequence: np.ndarray, count: int) -> np.ndarray:
    """Which of `count` sequences hold tokens of both sides."""
    both = [np.bincount(sequence[side == number], minlength=count) > 0 for number in (0, 1)]
    return both[0] & both[1]


def _ordinary_ids(draws: np.ndarray, special: Sequence[int]) -> np.ndarray:
    """Numbers 0, 1, … to the ids that are not special; `special` is sorted."""
    for number in special:
        draws = draws + (draws >= number)
    return draws


def _token_nll(head: nn.Module | None, hidden: torch.Tensor, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Negative log-likelihood of each masked token, float32 [m], and the tokens' places in the stream [m]."""
    assert head is not None
    labels = batch.columns["labels"]
    where = torch.nonzero(labels != UNLABELLED)[:, 0]
    logits = head(hidden[where]).float()
    return nn.functional.cross_entropy(logits, labels[where], reduction="none"), where
