"""The search on a device finds what the search in NumPy finds, however close the embeddings lie together."""

from typing import Any

import numpy as np
import pytest
import torch  # noqa: TID253

from xfer.core.encoders import neighbours
from xfer.core.encoders.neighbours import device_search, nearest_on
from xfer.core.metrics.retrieval import mine, nearest


def close(count: int, width: int, seed: int, common: float) -> np.ndarray:
    """Embeddings with a large part in common, as pooled ones have."""
    rng = np.random.default_rng(seed)
    shared = np.random.default_rng(99).normal(size=width) * common
    return (rng.normal(size=(count, width)) + shared).astype(np.float32)


def on_cpu(queries: np.ndarray, index: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    unit = [torch.nn.functional.normalize(torch.from_numpy(each)) for each in (queries, index)]
    scores, ids = nearest_on(unit[0], unit[1], k, tile=100)
    return scores.numpy(), ids.numpy()


@pytest.mark.parametrize("common", [0.0, 3.0, 30.0])
@pytest.mark.parametrize(("size", "k"), [(3, 4), (127, 4), (1500, 4), (1500, 20)])
def test_it_is_exact(common: float, size: int, k: int) -> None:
    queries, index = close(250, 32, 1, common), close(size, 32, 2, common)
    scores, ids = on_cpu(queries, index, k)
    expected, numbers = nearest(queries, index, k)
    np.testing.assert_allclose(scores, expected, atol=1e-6)
    exact = np.take_along_axis(queries @ index.T, ids, axis=1)
    assert exact.shape == numbers.shape
    differing = ids != numbers  # only where float32 itself cannot tell
    assert np.all(np.abs(scores - expected)[differing] < 1e-6)
    assert differing.mean() < 0.01 if common < 30 else True


def test_without_the_bound_it_would_not_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """With one candidate a query, rounding misses neighbours that the float32 search then finds."""
    queries, index = close(300, 16, 1, 3.0), close(3000, 16, 2, 3.0)
    monkeypatch.setattr(neighbours, "CANDIDATES", 1)
    truth = nearest(queries, index, 1)[1]
    assert np.array_equal(on_cpu(queries, index, 1)[1], truth)
    own = neighbours._candidates

    def sure(*given: Any) -> Any:
        found, last = own(*given)
        return found, torch.full_like(last, -1e3)

    monkeypatch.setattr(neighbours, "_candidates", sure)
    assert 0 < (on_cpu(queries, index, 1)[1] != truth).mean() < 0.5


def test_equals_go_to_the_lower_row() -> None:
    index = np.repeat(close(5, 8, 0, 1.0), 40, axis=0)
    assert on_cpu(index[:1], index, 3)[1].tolist() == [[0, 1, 2]]


def test_mining_with_it_is_mining() -> None:
    source = close(180, 24, 1, 2.0)
    target = np.concatenate([source[::2] + 0.3 * close(90, 24, 5, 0.0), close(60, 24, 3, 2.0)])
    plain, searched = mine(source, target), mine(source, target, search=on_cpu)
    assert len(plain[0]) > 80
    for one, other in zip(plain, searched, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_small_searches_stay_on_the_processor() -> None:
    assert device_search(1000, 1000) is None
    if not torch.cuda.is_available():
        assert device_search(100_000, 100_000) is None


@pytest.mark.cuda
def test_it_is_exact_on_a_card() -> None:
    queries, index = close(10_000, 256, 1, 3.0), close(20_000, 256, 2, 3.0)
    search = device_search(10_000, 20_000)
    assert search is not None
    scores, ids = search(queries, index, 4)
    expected, numbers = nearest(queries, index, 4)
    np.testing.assert_allclose(scores, expected, atol=1e-5)
    assert (ids == numbers).mean() > 0.999
