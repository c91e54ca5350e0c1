"""Masked LM: what is masked, how often, and that nothing but the draws decides it."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch  # noqa: TID253
from torch import nn  # noqa: TID253

from xfer.core.batches.batching import Collator
from xfer.core.errors import UserError
from xfer.core.examples import LineExample
from xfer.core.formats import MaskedLmOptions
from xfer.core.formats.masked_lm import MaskedLm

MONO = [LineExample(str(i), "en", f"The river runs past the old mill {i} and the market") for i in range(60)]
PAIRS = [
    LineExample(str(i), "en", f"The river runs past {i} mills", f"河水流过老磨坊和市场 {i} 市场", "zh")
    for i in range(300)
]


def build(task, **options):
    return MaskedLm(task("masked-lm"), (), MaskedLmOptions(**options))


def vocabulary_head(size, width=8):
    torch.manual_seed(0)
    return nn.Linear(width, size)


def prepared(code, examples, tokeniser, seed=0, items=None, sort=True, filler=None):
    features = code.featurise(examples, tokeniser, 64, training=True)
    items = np.arange(features.item_count) if items is None else items
    plain = Collator(features, tokeniser.pad_id, 2, "cpu", sort=sort, filler_multiple=filler).batch(items)
    return plain, code.prepare(plain, np.random.default_rng(seed), tokeniser)


def test_rates_of_masking(task, small):
    plain, batch = prepared(build(task), MONO * 20, small, filler=128)
    labels, before, after = batch.columns["labels"], plain.input_ids, batch.input_ids
    chosen = labels != -100
    special = torch.isin(before, torch.tensor(small.special_ids))
    assert not (chosen & special).any()
    assert chosen.sum() / (~special).sum() == pytest.approx(0.15, abs=0.01)
    assert (before[chosen] == labels[chosen]).all()
    assert (before[~chosen] == after[~chosen]).all()
    masked, kept = (after == small.mask_id)[chosen].float().mean(), (after == before)[chosen].float().mean()
    assert masked == pytest.approx(0.8, abs=0.02)
    assert kept == pytest.approx(0.1, abs=0.02)
    random = after[chosen & (after != small.mask_id) & (after != before)]
    assert not torch.isin(random, torch.tensor(small.special_ids)).any()
    assert len(random.unique()) > 100
    assert int(random.max()) < small.size


def test_masks_follow_from_the_generator_alone(task, small):
    code = build(task, pair_restart=0.5)
    items = np.random.default_rng(1).permutation(200)
    one = prepared(code, PAIRS, small, seed=3, items=items, sort=True, filler=64)[1]
    two = prepared(code, PAIRS, small, seed=3, items=items, sort=False)[1]
    other = prepared(code, PAIRS, small, seed=4, items=items, sort=False)[1]
    for name in ("input_ids", "position_ids"):
        for number in range(200):
            a, b = (getattr(batch, name)[batch.segments == number] for batch in (one, two))
            assert torch.equal(a, b)
    assert not torch.equal(two.input_ids, other.input_ids)


def test_masks_of_pairs(task, small):
    plain, batch = prepared(build(task), PAIRS * 5, small)
    chosen, side = (batch.columns["labels"] != -100).float(), plain.columns["side"]
    assert set(side.unique().tolist()) == {-1, 0, 1}
    shares = torch.stack(
        [
            torch.zeros(1500).index_add(0, plain.segments, chosen * (side == s))
            / torch.zeros(1500).index_add(0, plain.segments, (side == s).float())
            for s in (0, 1)
        ]
    )
    # Means over all pairs: each side is heavy in 40 %, light in 40 %, even in 20 %.
    expected = 0.4 * 0.5 + 0.4 * 0.08 + 0.2 * 0.35
    assert shares.mean(dim=1).tolist() == pytest.approx([expected] * 2, abs=0.02)
    assert torch.corrcoef(shares)[0, 1] < -0.3
    even = prepared(build(task, pair_one_sided=0.0), PAIRS * 5, small)[1]
    content = ~torch.isin(plain.input_ids, torch.tensor(small.special_ids))
    assert (even.columns["labels"] != -100)[content].float().mean() == pytest.approx(0.35, abs=0.01)


def test_pairs_are_laid_out_as_the_tokeniser_does(task, tokeniser):
    features = build(task).featurise(PAIRS[:3], tokeniser, 64, training=True)
    for number in range(3):
        span = slice(features.offsets[number], features.offsets[number + 1])
        encoding = tokeniser.fast(PAIRS[number].text, PAIRS[number].parallel)
        assert features.tokens[span].tolist() == encoding["input_ids"]
        assert [None if s < 0 else s for s in features.columns["side"].values[span]] == encoding.sequence_ids()


def test_positions_restart_in_the_second_text(task, small):
    mixed = [MONO[0], *PAIRS[:9]]
    plain, batch = prepared(build(task, pair_restart=1.0), mixed, small, filler=32)
    for number in range(10):
        here = plain.segments == number
        side, old, new = plain.columns["side"][here], plain.position_ids[here], batch.position_ids[here]
        if number == 0:
            assert torch.equal(old, new)
            continue
        first, second = (side == 0).nonzero()[0, 0], (side == 1).nonzero()[0, 0]
        assert torch.equal(new[:second], old[:second])
        assert torch.equal(new[second:], old[first] + torch.arange(len(new) - second))
    filler = plain.segments == plain.sequence_count
    assert torch.equal(plain.position_ids[filler], batch.position_ids[filler])
    half_plain, half = prepared(build(task, pair_restart=0.5), PAIRS * 3, small)
    moved = {int(s) for s in half_plain.segments[half.position_ids != half_plain.position_ids]}
    assert len(moved) / 900 == pytest.approx(0.5, abs=0.05)


def test_long_texts_are_cut_and_nothing_is_lost(task, small):
    text = "河水流过老磨坊和市场。 The river runs. " * 20
    examples = [LineExample("0", "zh", text), LineExample("1", "zh", ""), PAIRS[0], LineExample("2", "en", "mill")]
    features = build(task).featurise(examples, small, 24, training=True)
    assert features.sequence_lengths.max() == 24
    assert features.dropped == {"no text": 1}
    assert sorted(set(features.example.tolist())) == [0, 2, 3]
    assert features.example.tolist() == sorted(features.example)
    first = np.flatnonzero(features.example == 0)
    inner = np.concatenate([features.tokens[features.offsets[i] + 1 : features.offsets[i + 1] - 1] for i in first])
    assert inner.tolist() == small.encode([text], special=False)[0].ids


def test_every_batch_has_a_masked_token(task, small):
    for seed in range(20):
        plain, batch = prepared(build(task, masking=0.001), [LineExample("0", "en", "mill")], small, seed)
        assert (batch.columns["labels"] != -100).sum() == 1
        assert plain.columns.keys() == {"side"}


def test_loss_is_the_padded_cross_entropy_of_masked_tokens(task, small, padded):
    code = build(task)
    batch = prepared(code, MONO[:9] + PAIRS[:5], small, filler=64)[1]
    hidden, head = torch.randn(len(batch.input_ids), 8, requires_grad=True), vocabulary_head(small.size)
    loss, count = code.loss(head, hidden, batch)
    labels = padded(batch, batch.columns["labels"].float()).nan_to_num(-100).long()
    logits = head(padded(batch, hidden).nan_to_num(0)).flatten(0, 1)
    torch.testing.assert_close(loss, nn.functional.cross_entropy(logits, labels.flatten(), reduction="sum"))
    assert count.item() == (labels != -100).sum() > 10
    loss.backward()
    assert not hidden.grad[batch.columns["labels"] == -100].any()


def test_evaluation_masks_by_item_number(task, small, evaluated):
    code = build(task)
    long = LineExample("long", "en", "The old mill " * 60)
    examples = [*MONO[:8], long, *PAIRS[:4], LineExample("empty", "en", "")]
    features = code.featurise(examples, small, 32, training=False)
    again = code.featurise(examples[:9], small, 32, training=False)
    assert np.array_equal(again.tokens, features.tokens[: len(again.tokens)])
    assert (features.tokens == small.mask_id).any()
    assert features.item_count > len(examples)
    labels = features.columns["labels"].values
    per_item = np.add.reduceat(labels != -100, features.offsets[:-1])
    assert (per_item[:-1] > 0).all()
    assert per_item[-1] == 0

    table = torch.randn(small.size, 8)
    outputs = evaluated(code, features, vocabulary_head(small.size), lambda batch: table[batch.input_ids], 100)
    values = code.decode(examples, features, outputs)
    logits = vocabulary_head(small.size)(table[torch.from_numpy(features.tokens).long()])
    nll = nn.functional.cross_entropy(logits, torch.from_numpy(labels), reduction="none").detach().numpy()
    owner = np.repeat(features.example, features.sequence_lengths)
    assert [value for value, _ in values] == pytest.approx(np.bincount(owner, nll).tolist(), rel=1e-5)
    assert [count for _, count in values] == np.bincount(owner, labels != -100).tolist()
    assert code.chance(examples, np.random.default_rng(0)) == code.heuristic([], examples) == []


def test_uniform_logits_give_the_size_of_the_vocabulary(task, small, evaluated):
    code = build(task)
    head = nn.Linear(4, small.size)
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    features = code.featurise(MONO, small, 64, training=False)
    outputs = evaluated(code, features, head, lambda batch: torch.randn(len(batch.input_ids), 4))
    values = code.decode(MONO, features, outputs)
    perplexity = math.exp(sum(loss for loss, _ in values) / sum(count for _, count in values))
    assert perplexity == pytest.approx(small.size, rel=1e-4)


def test_a_masked_batch_is_left_alone(task, small):
    code = build(task)
    batch = prepared(code, MONO[:3], small)[1]
    assert code.prepare(batch, np.random.default_rng(9), small) is batch
    unlabelled = replace(batch, columns={"side": batch.columns["side"]})
    assert code.prepare(unlabelled, np.random.default_rng(9), small) is not unlabelled


def test_a_tokeniser_without_mask_token(task, small, monkeypatch):
    monkeypatch.setattr(small, "mask_id", None)
    with pytest.raises(UserError, match="no mask token"):
        build(task).featurise(MONO, small, 64, training=True)
