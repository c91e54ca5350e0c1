"""Exact nearest neighbours, margin mining and the scores of Tatoeba and BUCC.

The only module of `xfer.core.metrics` that needs numpy. All searches are by cosine in fp32 and in blocks of
both sides, so that no full similarity matrix and no second copy of the embeddings is ever held.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xfer.core.metrics.aggregate import precision_recall_f1, require_pairs

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.int64]
Search = Callable[[Floats, Floats, int], tuple[NDArray[Any], NDArray[Any]]]
DIRECTIONS = ("english-to-other", "other-to-english")


def nearest(queries: Floats, index: Floats, k: int, block: int = 4096) -> tuple[NDArray[np.float32], Ints]:
    """The `k` rows of `index` with the highest cosine to each query, best first.

    Shapes: queries (n, d), index (m, d); returns scores and row numbers, both (n, min(k, m)). Rows need not
    be normalised; a row of zeros has cosine 0 with everything. Equal fp32 scores go to the lower row number.
    Beyond inputs and results, memory peaks at 8 * block * (block + d) bytes (0.17 GB for block 4096, d 1024)
    whatever n and m. Raises `ValueError` for wrong shapes, values that are not finite, or k or block below 1.
    Source: the search of LASER and XTREME (faiss `IndexFlatIP` on unit vectors), done exactly.
    """
    _require_matrices(queries, index, k, block)
    best = _BestRows(len(queries), min(k, len(index)))
    for rows, columns, cosines in _blocks(queries, index, block):
        best.offer(rows, columns, cosines)
    return best.scores, best.ids


def accuracy_at_1(nearest_ids: Ints, gold_ids: Ints) -> float:
    """Share of queries whose first neighbour is the gold one, in points.

    Shapes: nearest_ids (n,) or (n, k) with the best first, gold_ids (n,), n >= 1; `ValueError` otherwise.
    Source: the accuracy of Tatoeba in XTREME's `evaluate.py`.
    """
    require_pairs(nearest_ids, gold_ids)
    first = nearest_ids if np.ndim(nearest_ids) == 1 else np.asarray(nearest_ids)[:, 0]
    return 100 * float(np.mean(np.asarray(first) == np.asarray(gold_ids)))


def tatoeba_accuracy(english: Floats, other: Floats, direction: str = DIRECTIONS[0]) -> dict[str, float]:
    """`accuracy` in points of finding the translation in row i of one side for row i of the other.

    Shapes: english and other (n, d), row by row translations of each other. XTREME queries with the English
    sentences among those of the other language ("english-to-other", by plain cosine, k = 1); LASER's own
    figures and others use "other-to-english". Raises `ValueError` for an unknown direction or unequal sizes.
    Source: `similarity_search` and `evaluate.py` of XTREME.
    """
    if direction not in DIRECTIONS:
        raise ValueError(f"unknown direction {direction!r}, known: {', '.join(DIRECTIONS)}")
    require_pairs(english, other)
    queries, index = (english, other) if direction == DIRECTIONS[0] else (other, english)
    _, ids = nearest(queries, index, k=1)
    return {"accuracy": accuracy_at_1(ids, np.arange(len(queries)))}


def mine(
    source: Floats, target: Floats, k: int = 4, block: int = 4096, search: Search | None = None
) -> tuple[Ints, Ints, NDArray[np.float64]]:
    """Pairs of sentences that are likely translations: source rows, target rows and margins, best first.

    The margin of a pair is its cosine over the mean of the average cosines of both sentences to their `k`
    nearest neighbours on the other side ("ratio"). Each sentence proposes, among its k neighbours, the one of
    highest margin; the proposals of both sides are accepted greedily from the highest margin down, each
    sentence at most once, and margins of 0 or less are dropped. (As in the source, a negative cosine over a
    negative average is above 0; sentence embeddings hardly show it.) Equal margins go to the lower source row,
    then the lower target row. Sentences should be distinct: see `unique_texts`.

    Shapes: source (n, d), target (m, d); results have one length <= min(n, m). k is cut to the size of the
    searched side. One pass over the similarities serves both directions, unless `search` finds the neighbours,
    as `nearest` does (scores and row numbers of the k best by cosine), on a device. Memory and errors as for
    `nearest`.
    Source: Artetxe and Schwenk (2019), "Margin-based parallel corpus mining", with retrieval "max" as in
    `mine_bitext` of LASER and XTREME (BUCC 2018).
    """
    _require_matrices(source, target, k, block)
    forward = _BestRows(len(source), min(k, len(target)))
    backward = _BestRows(len(target), min(k, len(source)))
    if search is not None:
        forward.scores, forward.ids = search(source, target, forward.scores.shape[1])
        backward.scores, backward.ids = search(target, source, backward.scores.shape[1])
    for rows, columns, cosines in _blocks(source, target, block) if search is None else ():
        backward.offer(columns, rows, cosines.T.copy())
        forward.offer(rows, columns, cosines)
    source_mean = forward.scores.mean(axis=1, dtype=np.float64)
    target_mean = backward.scores.mean(axis=1, dtype=np.float64)
    forward_ids, forward_margins = _proposals(forward, source_mean, target_mean)
    backward_ids, backward_margins = _proposals(backward, target_mean, source_mean)
    return _one_to_one(
        np.concatenate([np.arange(len(source)), backward_ids]),
        np.concatenate([forward_ids, np.arange(len(target))]),
        np.concatenate([forward_margins, backward_margins]),
    )


def best_threshold(scores: Sequence[float], correct: Sequence[bool], gold_count: int) -> tuple[float, float]:
    """The threshold that gives the highest F1 when pairs with score >= threshold are predicted, and that F1.

    Shapes: one score and one flag for each of n >= 0 candidate pairs; `gold_count` >= 1 is the number of gold
    pairs, found or not. F1 is in points, the threshold in the unit of the scores. The threshold lies midway
    between the last accepted and the first rejected score; if all are accepted it is the lowest score. Equal
    scores are accepted together, since no threshold parts them. Of equal F1 the highest threshold wins. When
    no candidate is correct the answer is (0.0, 0.0). Raises `ValueError` for unequal lengths, non-finite
    scores, or more correct candidates than gold pairs.
    Source: `bucc_optimize` of LASER and XTREME, without its faults: it reads past the end of the list when
    all candidates are best, and counts cuts within equal scores, which its threshold cannot make.
    """
    values, flags = _candidates(scores, correct, gold_count)
    order = np.argsort(-values, kind="stable")
    values, hits = values[order], np.cumsum(flags[order])
    if not flags.any():
        return 0.0, 0.0
    last_of_equals = np.append(values[1:] != values[:-1], True)
    f1 = np.where(last_of_equals, 2 * hits / (np.arange(1, len(values) + 1) + gold_count), -1.0)
    cut = int(np.argmax(f1))
    threshold = lowest = float(values[cut])
    if cut + 1 < len(values):
        rejected = float(values[cut + 1])
        threshold = rejected + (lowest - rejected) / 2
        # Between neighbouring floats there is no midpoint: it may fall on the rejected score.
        threshold = threshold if threshold > rejected else lowest
    return threshold, mining_f1(scores, correct, gold_count, threshold)["f1"]


def mining_f1(
    scores: Sequence[float], correct: Sequence[bool], gold_count: int, threshold: float
) -> dict[str, float]:
    """`precision`, `recall` and `f1` in points when pairs with score >= threshold are predicted.

    Shapes and errors as for `best_threshold`. Source: `bucc_eval` of LASER and XTREME.
    """
    values, flags = _candidates(scores, correct, gold_count)
    accepted = values >= threshold
    return precision_recall_f1(int((accepted & flags).sum()), int(accepted.sum()), gold_count)


def unique_texts(texts: Sequence[str]) -> tuple[Ints, Ints]:
    """Collapse equal texts: `kept` (u,) positions in `texts`, and `mapping` (n,) from each text to its group.

    Groups are in order of first appearance; each is kept at its LAST position, so `embeddings[kept]` are the
    embeddings that the reference code uses, and `kept[mapping[i]]` is the last text equal to text i.
    Source: `text_load_unify` and `unique_embeddings` of LASER and XTREME.
    """
    groups: dict[str, int] = {}
    mapping = np.fromiter((groups.setdefault(text, len(groups)) for text in texts), np.int64, len(texts))
    kept = np.zeros(len(groups), np.int64)
    np.maximum.at(kept, mapping, np.arange(len(texts)))
    return kept, mapping


def occurring_once(mapping: Ints) -> NDArray[np.bool_]:
    """For each group of `unique_texts`, whether its text occurs exactly once; shape (u,).

    XTREME leaves every mined pair out that holds a repeated sentence, since its text no longer names one id.
    Source: `read_sent2id` of LASER and XTREME.
    """
    once: NDArray[np.bool_] = np.bincount(mapping) == 1
    return once


class _BestRows:
    """The k best columns seen so far for each row, filled block by block."""

    def __init__(self, rows: int, k: int) -> None:
        self.scores = np.full((rows, k), -np.inf, np.float32)
        self.ids = np.zeros((rows, k), np.int64)

    def offer(self, rows: slice, columns: slice, cosines: NDArray[np.float32]) -> None:
        """Merge a block of similarities, which is overwritten. Blocks of columns must come in order."""
        k = self.ids.shape[1]
        found_scores, found_ids = [self.scores[rows]], [self.ids[rows]]
        every_row = np.arange(len(cosines))
        # argmax returns the first of equal maxima, which partial sorts do not promise.
        for _ in range(min(k, cosines.shape[1])):
            position = cosines.argmax(axis=1)
            found_scores.append(cosines[every_row, position][:, None])
            found_ids.append(position[:, None] + columns.start)
            cosines[every_row, position] = -np.inf
        scores, ids = np.hstack(found_scores), np.hstack(found_ids)
        # Stable, and earlier columns stand first: ties stay with the lower number.
        order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        self.scores[rows] = np.take_along_axis(scores, order, axis=1)
        self.ids[rows] = np.take_along_axis(ids, order, axis=1)


def _blocks(queries: Floats, index: Floats, block: int) -> Iterator[tuple[slice, slice, NDArray[np.float32]]]:
    """Row range, column range and cosines of every block; the receiver may overwrite the cosines."""
    for top in range(0, len(queries), block):
        rows = slice(top, min(top + block, len(queries)))
        units = _unit_rows(queries[rows])
        for left in range(0, len(index), block):
            columns = slice(left, min(left + block, len(index)))
            yield rows, columns, units @ _unit_rows(index[columns]).T


def _unit_rows(matrix: Floats) -> NDArray[np.float32]:
    rows = np.asarray(matrix, np.float32)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    if not np.isfinite(norms).all():
        raise ValueError("embeddings hold values that are not finite or too large for a norm in fp32")
    units: NDArray[np.float32] = np.divide(rows, norms, out=np.zeros_like(rows), where=norms > 0)
    return units


def _proposals(
    best: _BestRows, own_mean: NDArray[np.float64], other_mean: NDArray[np.float64]
) -> tuple[Ints, NDArray[np.float64]]:
    """For each row, its neighbour of highest margin (the nearer of equals) and that margin."""
    scale = (own_mean[:, None] + other_mean[best.ids]) / 2
    margins = np.divide(best.scores, scale, out=np.zeros_like(scale), where=scale != 0)
    chosen = margins.argmax(axis=1)[:, None]
    return np.take_along_axis(best.ids, chosen, axis=1)[:, 0], np.take_along_axis(margins, chosen, axis=1)[:, 0]


def _one_to_one(
    sources: Ints, targets: Ints, margins: NDArray[np.float64]
) -> tuple[Ints, Ints, NDArray[np.float64]]:
    """Greedy matching from the highest margin down; only margins above 0."""
    used_sources: set[int] = set()
    used_targets: set[int] = set()
    accepted = []
    for position in np.lexsort((targets, sources, -margins)).tolist():
        source, target = int(sources[position]), int(targets[position])
        if margins[position] > 0 and source not in used_sources and target not in used_targets:
            used_sources.add(source)
            used_targets.add(target)
            accepted.append(position)
    order = np.array(accepted, np.int64)
    return sources[order], targets[order], margins[order]


def _candidates(
    scores: Sequence[float], correct: Sequence[bool], gold_count: int
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    values, flags = np.asarray(scores, np.float64), np.asarray(correct, np.bool_)
    if values.ndim != 1 or values.shape != flags.shape:
        raise ValueError(f"scores of shape {values.shape} for flags of shape {flags.shape}")
    if not np.isfinite(values).all():
        raise ValueError("scores hold non-finite values")
    if gold_count < max(1, int(flags.sum())):
        raise ValueError(f"{int(flags.sum())} correct candidates for {gold_count} gold pairs")
    return values, flags


def _require_matrices(queries: Floats, index: Floats, k: int, block: int) -> None:
    if queries.ndim != 2 or index.ndim != 2 or queries.shape[1] != index.shape[1]:
        raise ValueError(f"need two matrices of one width, not {queries.shape} and {index.shape}")
    if not len(queries) or not len(index):
        raise ValueError("there is nothing to search")
    if k < 1 or block < 1:
        raise ValueError(f"k and block must be at least 1, not {k} and {block}")
