"""Nearest neighbours on a device: candidates in bfloat16, scores in float32, and a bound that makes it exact.

The mean of the searched side is taken off before rounding, for x·(y − c) ranks like x·y for fixed x, and pooled
embeddings lie so close together (mean cosines near 0.9) that bfloat16 would hardly tell them apart. Rounding moves
a score by less than a bound; a query whose k-th score does not clear the last candidate by that much is searched in
float32.
"""

from collections.abc import Callable

import numpy as np
import torch  # noqa: TID253

CANDIDATES = 16
COLUMNS = 128
"""Neighbouring columns whose highest score stands for them in the first selection."""
WORTH_IT = 50_000_000
"""Similarities below which NumPy's search is fast enough."""

Search = Callable[[np.ndarray, np.ndarray, int], tuple[np.ndarray, np.ndarray]]


def nearest_on(
    queries: torch.Tensor, index: torch.Tensor, k: int, tile: int = 8192
) -> tuple[torch.Tensor, torch.Tensor]:
    """The `k` rows of `index` with the highest inner product with each query, best first; equals by row number.

    Shapes: float32 queries [n, d] and index [m, d] of unit (or zero) rows on one device; returns scores and row
    numbers, both [n, min(k, m)]. Memory beyond that peaks at about 2 · tile · m bytes. float32 products must not
    be rounded to TF32, which is torch's default.
    """
    k = min(k, len(index))
    wanted = min(max(CANDIDATES, k), len(index))
    centre = index.mean(dim=0)
    shifted = index - centre
    longest = float(torch.linalg.vector_norm(shifted, dim=1).max())
    low = torch.nn.functional.pad(shifted.bfloat16(), (0, 0, 0, -len(index) % COLUMNS))
    scores = queries.new_empty(len(queries), k)
    ids = torch.empty(len(queries), k, dtype=torch.int64, device=queries.device)
    for top in range(0, len(queries), tile):
        rows = slice(top, top + tile)
        part = queries[rows]
        found, last = _candidates(part, low, len(index), wanted)
        scores[rows], ids[rows] = _rescored(part, index, found, k)
        # two rounded factors, a rounded result, and the sum of products
        size = torch.linalg.vector_norm(part, dim=1) * longest
        bound = size * (2**-8 + 2**-14) + last.abs() * 2**-8
        clear = scores[rows][:, -1] - part @ centre >= last + bound
        if wanted < len(index) and not bool(clear.all()):
            unclear = (~clear).nonzero()[:, 0]
            for some in unclear.split(max(1, tile // 8)):
                best = (part[some] @ index.T).sort(dim=1, descending=True, stable=True).indices[:, :wanted]
                scores[top + some], ids[top + some] = _rescored(part[some], index, best, k)
    return scores, ids


def _candidates(
    queries: torch.Tensor, low: torch.Tensor, size: int, wanted: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """The columns of the highest rounded scores, [n, wanted], and the lowest of these scores, [n]."""
    rounded = queries.bfloat16() @ low.T
    rounded[:, size:] = -torch.inf
    blocks = rounded.view(len(queries), -1, COLUMNS)
    chosen = blocks.amax(dim=2).topk(min(wanted, blocks.shape[1])).indices
    within = blocks.gather(1, chosen[:, :, None].expand(-1, -1, COLUMNS)).flatten(1)
    best = within.topk(wanted)
    columns = chosen.gather(1, best.indices // COLUMNS) * COLUMNS + best.indices % COLUMNS
    return columns, best.values[:, -1].float()


def _rescored(
    queries: torch.Tensor, index: torch.Tensor, columns: torch.Tensor, k: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """float32 scores of candidates, the best k in order."""
    ordered = columns.sort(dim=1).values
    scores = (index[ordered] @ queries[:, :, None])[:, :, 0]
    best = scores.sort(dim=1, descending=True, stable=True)
    return best.values[:, :k], ordered.gather(1, best.indices[:, :k])


def device_search(sources: int, targets: int) -> Search | None:
    """The search for so many rows on a CUDA card, from NumPy to NumPy; None where NumPy does it itself."""
    if sources * targets < WORTH_IT or not torch.cuda.is_available():
        return None

    def search(queries: np.ndarray, index: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        unit = [torch.nn.functional.normalize(torch.from_numpy(each).float().cuda()) for each in (queries, index)]
        tile = max(256, min(8192, torch.cuda.mem_get_info()[0] // (4 * len(index))))
        scores, ids = nearest_on(unit[0], unit[1], k, tile)
        return scores.cpu().numpy(), ids.cpu().numpy()

    return search
