import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xfer.core.batches.sampling import Schedule, apportion, mixture_shares
from xfer.core.errors import UserError
from xfer.core.records import Sampling

SIZES = st.lists(st.integers(1, 60), min_size=1, max_size=4)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 97), st.integers(1, 40), st.integers(1, 4), st.integers(0, 5))
def test_every_epoch_of_one_task_shows_every_item_once(size: int, batch: int, epochs: int, seed: int) -> None:
    schedule = Schedule([size], [batch], epochs=[epochs], seed=seed, name="p")
    per_epoch = -(-size // batch)
    assert schedule.total_steps == epochs * per_epoch
    assert schedule.shares == (1.0,)
    for epoch in range(epochs):
        batches = [schedule.draw(epoch * per_epoch + place)[1] for place in range(per_epoch)]
        assert all(len(each) == min(batch, size) for each in batches[:-1])
        assert sorted(np.concatenate(batches).tolist()) == list(range(size))


@settings(max_examples=40, deadline=None)
@given(SIZES, st.integers(0, 3), st.randoms(use_true_random=False))
def test_a_draw_does_not_depend_on_earlier_draws(sizes: list[int], seed: int, random: object) -> None:
    def make() -> Schedule:
        return Schedule(sizes, [4] * len(sizes), epochs=[2.5] * len(sizes), seed=seed, name="p")

    schedule = make()
    in_order = [schedule.draw(step) for step in range(schedule.total_steps)]
    steps = list(range(schedule.total_steps))
    random.shuffle(steps)  # type: ignore[attr-defined]
    resumed = make()
    for step in steps:
        use, items = resumed.draw(step)
        assert use == in_order[step][0]
        np.testing.assert_array_equal(items, in_order[step][1])


def test_changing_a_drawn_batch_leaves_the_schedule_alone() -> None:
    schedule = Schedule([8], [4], epochs=[1])
    first = schedule.draw(0)[1]
    kept = first.copy()
    first[:] = -1
    np.testing.assert_array_equal(schedule.draw(0)[1], kept)


def test_epochs_differ_and_so_do_seeds_and_phases() -> None:
    schedule = Schedule([50], [50], epochs=[2], seed=1, name="p")
    orders = [schedule.draw(0)[1], schedule.draw(1)[1]]
    orders += [Schedule([50], [50], epochs=[1], seed=s, name=n).draw(0)[1] for s, n in ((2, "p"), (1, "q"))]
    assert len({tuple(order.tolist()) for order in orders}) == 4


@pytest.mark.parametrize(("epochs", "steps"), [(0.001, 1), (0.5, 2), (1.0, 4), (2.6, 10)])
def test_epochs_may_be_fractions(epochs: float, steps: int) -> None:
    assert Schedule([100], [32], epochs=[epochs]).total_steps == steps


def test_max_steps_wins_over_epochs() -> None:
    assert Schedule([100, 10], [32, 32], epochs=[3, 3], max_steps=7).total_steps == 7


@settings(max_examples=60, deadline=None)
@given(SIZES, st.sampled_from(["proportional", "temperature", "uniform", "weights"]), st.integers(0, 9))
def test_mixtures_meet_their_shares_and_cover_each_epoch(sizes: list[int], kind: str, seed: int) -> None:
    sampling = Sampling(kind=kind, temperature=2.0, cap=30)  # type: ignore[arg-type]
    weights = [index + 1.0 for index in range(len(sizes))]
    schedule = Schedule(
        sizes, [5] * len(sizes), epochs=[3] * len(sizes), sampling=sampling, weights=weights, seed=seed
    )
    assert schedule.total_steps == sum(3 * -(-size // 5) for size in sizes)
    draws = [schedule.draw(step) for step in range(schedule.total_steps)]
    counts = np.bincount([use for use, _ in draws], minlength=len(sizes))
    np.testing.assert_allclose(counts, np.array(schedule.shares) * schedule.total_steps, atol=len(sizes) + 1e-9)
    assert counts.min() >= 1
    for use, size in enumerate(sizes):
        per_epoch = -(-size // 5)
        mine = [items for drawn, items in draws if drawn == use]
        for start in range(0, len(mine) - per_epoch + 1, per_epoch):
            epoch = np.concatenate(mine[start : start + per_epoch])
            assert sorted(epoch.tolist()) == list(range(size))


def test_shares_by_kind() -> None:
    sizes = [100, 400, 10_000]
    expected = {
        "proportional": (100 / 10_500, 400 / 10_500, 10_000 / 10_500),
        "uniform": (1 / 3, 1 / 3, 1 / 3),
        "temperature": (10 / 130, 20 / 130, 100 / 130),
    }
    for kind, shares in expected.items():
        sampling = Sampling(kind=kind, temperature=2.0)  # type: ignore[arg-type]
        assert mixture_shares(sizes, sampling) == pytest.approx(shares)
    assert mixture_shares(sizes, Sampling(cap=400)) == pytest.approx((1 / 9, 4 / 9, 4 / 9))
    assert mixture_shares(sizes, Sampling(kind="weights"), [1.0, 2.0, 1.0]) == pytest.approx((0.25, 0.5, 0.25))


def test_a_mixture_is_shuffled() -> None:
    schedule = Schedule([64, 64], [4, 4], epochs=[4, 4], seed=3)
    uses = [schedule.draw(step)[0] for step in range(schedule.total_steps)]
    changes = sum(a != b for a, b in itertools.pairwise(uses))
    assert 40 <= changes <= 90
    assert uses != [Schedule([64, 64], [4, 4], epochs=[4, 4], seed=4).draw(step)[0] for step in range(128)]


@given(st.integers(0, 500), st.lists(st.floats(0.001, 1), min_size=1, max_size=6))
def test_apportioning_adds_up(total: int, raw: list[float]) -> None:
    counts = apportion(total, [value / sum(raw) for value in raw])
    assert sum(counts) == total
    assert min(counts) >= (1 if total >= len(raw) else 0)


def test_mistakes_are_told() -> None:
    with pytest.raises(UserError, match="no items"):
        Schedule([0], [4], epochs=[1])
    with pytest.raises(UserError, match="weight for every task"):
        Schedule([4, 4], [4, 4], epochs=[1, 1], sampling=Sampling(kind="weights"), weights=[1.0, None])
    with pytest.raises(IndexError, match="step 3 of 3"):
        Schedule([12], [4], epochs=[1]).draw(3)
