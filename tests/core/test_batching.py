import time

import numpy as np
import pytest
import torch  # noqa: TID253
from hypothesis import given, settings
from hypothesis import strategies as st

from xfer.core.batches.batching import FILLERS, Collator, concatenate, micro_batches, token_budget_batches
from xfer.core.batches.features import Column, Features

SHAPES = st.lists(st.lists(st.integers(1, 12), min_size=1, max_size=4), min_size=1, max_size=12)
"""By item: the lengths of its sequences."""


def make_features(shapes: list[list[int]], seed: int = 0) -> Features:
    rng = np.random.default_rng(seed)
    lengths = np.array([length for item in shapes for length in item])
    counts = np.array([len(item) for item in shapes])
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    tokens = rng.integers(5, 1000, offsets[-1]).astype(np.int32)
    return Features(
        tokens=tokens,
        offsets=offsets,
        items=np.concatenate([[0], np.cumsum(counts)]),
        example=np.arange(len(shapes)) // 2,
        columns={
            "label": Column("item", rng.integers(0, 9, len(shapes)).astype(np.int32)),
            "kind": Column("sequence", rng.integers(0, 9, len(lengths)).astype(np.uint8)),
            "tag": Column("token", (tokens % 7).astype(np.int16)),
            "inside": Column("token", tokens % 2 == 0),
            "spans": Column("token", np.stack([tokens, tokens], 1).astype(np.float64)),
            "name": Column("item", np.array([f"i{number}" for number in range(len(shapes))])),
        },
    )


@settings(max_examples=60, deadline=None)
@given(SHAPES, st.booleans(), st.sampled_from([None, 16, 64]), st.integers(0, 2), st.data())
def test_a_batch_is_its_items_end_to_end(
    shapes: list[list[int]], sort: bool, multiple: int | None, offset: int, data: st.DataObject
) -> None:
    features = make_features(shapes)
    items = np.array(data.draw(st.lists(st.integers(0, len(shapes) - 1), min_size=1, max_size=8)))
    batch = Collator(features, 1, offset, "cpu", sort=sort, filler_multiple=multiple).batch(items)

    # the same, spelled out sequence by sequence, in item order
    expected = []
    for place, item in enumerate(items):
        for sequence in range(features.items[item], features.items[item + 1]):
            expected.append(
                (place, sequence, features.tokens[features.offsets[sequence] : features.offsets[sequence + 1]])
            )
    assert batch.sequence_count == len(expected)
    assert batch.item_count == len(items)
    assert batch.real_tokens == sum(len(tokens) for *_, tokens in expected)
    assert batch.max_seqlen == max(len(tokens) for *_, tokens in expected)
    for number, (place, sequence, tokens) in enumerate(expected):
        where = slice(int(batch.starts[number]), int(batch.starts[number]) + len(tokens))
        assert batch.input_ids[where].tolist() == tokens.tolist()
        assert batch.position_ids[where].tolist() == list(range(offset, offset + len(tokens)))
        assert batch.segments[where].tolist() == [number] * len(tokens)
        assert int(batch.sequence_items[number]) == place
        assert int(batch.columns["kind"][number]) == int(features.columns["kind"].values[sequence])
        np.testing.assert_array_equal(features.tokens[batch.token_index[where]], tokens)
    real = slice(0, batch.real_tokens)
    for name in ("tag", "inside", "spans"):
        assert batch.columns[name][real].tolist() == features.columns[name].values[batch.token_index].tolist()
        assert len(batch.columns[name]) == len(batch.input_ids)
    assert batch.columns["label"].tolist() == features.columns["label"].values[items].tolist()
    assert batch.columns["name"].tolist() == [f"i{item}" for item in items]
    assert np.diff(batch.cu_seqlens.numpy()).tolist() == batch.lengths
    if sort:
        assert sorted(batch.lengths[: len(expected)]) == batch.lengths[: len(expected)]

    filler = slice(batch.real_tokens, None)
    assert int(batch.cu_seqlens[-1]) == len(batch.input_ids)
    if multiple is None:
        assert len(batch.input_ids) == batch.real_tokens
        return
    assert len(batch.input_ids) % multiple == 0
    assert len(batch.input_ids) - batch.real_tokens < multiple
    assert max(batch.lengths[len(expected) :]) <= batch.max_seqlen
    assert set(batch.input_ids[filler].tolist()) <= {1}
    assert set(batch.segments[filler].tolist()) <= {len(expected)}
    assert set(batch.columns["tag"][filler].tolist()) <= {-100}
    assert not batch.columns["inside"][filler].any()
    assert int(batch.position_ids.max()) < offset + batch.max_seqlen


def test_dtypes_are_those_of_the_contract() -> None:
    batch = Collator(make_features([[3, 4], [5]]), 1, 2, "cpu", sort=True).batch(np.array([1, 0]))
    assert batch.cu_seqlens.dtype == torch.int32
    integers = (batch.input_ids, batch.position_ids, batch.starts, batch.segments, batch.sequence_items)
    assert {each.dtype for each in (*integers, batch.columns["label"], batch.columns["tag"])} == {torch.int64}
    assert batch.columns["spans"].dtype == torch.float32
    assert batch.columns["inside"].dtype == torch.bool


def test_equal_numbers_of_sequences_give_equal_numbers_of_fillers() -> None:
    rng = np.random.default_rng(1)
    features = make_features([[int(length)] for length in rng.integers(16, 90, 400)])
    collate = Collator(features, 1, 2, "cpu", sort=False, filler_multiple=128)
    batches = [collate.batch(rng.permutation(400)[:32]) for _ in range(50)]
    assert {len(batch.lengths) for batch in batches} == {32 + FILLERS}
    assert len({batch.real_tokens % 128 for batch in batches}) > 20
    assert len({len(batch.input_ids) for batch in batches}) < 12


def test_fillers_multiply_where_sequences_are_short() -> None:
    batch = Collator(make_features([[5], [3]]), 1, 0, "cpu", sort=False, filler_multiple=128).batch(np.arange(2))
    assert sum(batch.lengths) == 128
    assert max(batch.lengths) == 5
    assert len(batch.lengths) == 2 + 32


@settings(max_examples=60, deadline=None)
@given(SHAPES, st.integers(1, 60), st.sampled_from(["length", "given"]))
def test_token_budgets_cover_every_item_once(shapes: list[list[int]], budget: int, order: str) -> None:
    features = make_features(shapes)
    groups = token_budget_batches(features, budget, order)
    flat = np.concatenate(groups)
    assert sorted(flat.tolist()) == list(range(len(shapes)))
    lengths = features.item_lengths
    for group, following in zip(groups, [*groups[1:], None], strict=True):
        assert len(group) == 1 or lengths[group].sum() <= budget
        if following is not None:
            assert lengths[group].sum() + lengths[following[0]] > budget
    if order == "length":
        assert lengths[flat].tolist() == sorted(lengths.tolist(), reverse=True)
    else:
        assert flat.tolist() == list(range(len(shapes)))


@settings(max_examples=40, deadline=None)
@given(SHAPES, st.integers(1, 40), st.randoms(use_true_random=False))
def test_micro_batches_keep_the_order_of_a_step(shapes: list[list[int]], budget: int, random: object) -> None:
    features = make_features(shapes)
    items = list(range(len(shapes)))
    random.shuffle(items)  # type: ignore[attr-defined]
    parts = micro_batches(features, np.array(items), budget)
    assert np.concatenate(parts).tolist() == items
    assert all(len(part) == 1 or features.item_lengths[part].sum() <= budget for part in parts)


def test_an_unknown_order_is_refused() -> None:
    with pytest.raises(ValueError, match="given"):
        token_budget_batches(make_features([[3]]), 10, "random")


@settings(max_examples=40, deadline=None)
@given(st.lists(SHAPES, min_size=1, max_size=4))
def test_concatenated_features_are_their_parts(parts: list[list[list[int]]]) -> None:
    features = [make_features(shapes, seed) for seed, shapes in enumerate(parts)]
    joined, bounds = concatenate(features)
    assert np.diff(bounds).tolist() == [len(shapes) for shapes in parts]
    whole = Collator(joined, 1, 0, "cpu", sort=False)
    for part, start in zip(features, bounds, strict=False):
        alone = Collator(part, 1, 0, "cpu", sort=False).batch(np.arange(part.item_count))
        batch = whole.batch(np.arange(start, start + part.item_count))
        assert torch.equal(batch.input_ids, alone.input_ids)
        assert batch.lengths == alone.lengths
        assert all(batch.columns[name].tolist() == alone.columns[name].tolist() for name in alone.columns)
        assert joined.example[batch.items].tolist() == part.example.tolist()
    assert len(joined.offsets) - 1 == sum(len(part.offsets) - 1 for part in features)


def test_concatenating_adds_up_what_was_dropped_and_refuses_unlike_columns() -> None:
    first, second = make_features([[3]]), make_features([[4]])
    first.dropped.update(long=2, empty=1)
    second.dropped.update(long=3)
    assert concatenate([first, second])[0].dropped == {"long": 5, "empty": 1}
    del second.columns["tag"]
    with pytest.raises(ValueError, match="columns differ"):
        concatenate([first, second])


def test_collating_takes_no_python_per_sequence() -> None:
    rng = np.random.default_rng(0)
    features = make_features([[int(length)] for length in rng.integers(4, 6, 4000)])
    collate = Collator(features, 1, 0, "cpu", sort=True)
    few, many = np.arange(40), np.arange(4000)
    costs = []
    for items in (few, many):
        collate.batch(items)
        started = time.process_time()
        for _ in range(20):
            collate.batch(items)
        costs.append((time.process_time() - started) / 20)
    # 3 960 more sequences: a Python loop over them would cost some 5 us each
    assert costs[1] - costs[0] < 3960 * 5e-6
