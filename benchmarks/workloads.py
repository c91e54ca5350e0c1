"""What the benchmarks share: an encoder, ragged data of measured lengths, timing in turn, the machine's own rate.

Lengths are lognormal with the medians and means of real data under XLM-R's vocabulary (MNLI pairs 36 / 39.5 tokens
cut at 128, SQuAD windows 175 / 190 cut at 384, Tatoeba 14 / 16, BUCC 28 / 30). Weights are random: no number
here depends on them.
"""

import argparse
import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import get_args

import numpy as np
import torch  # noqa: TID253
from torch.nn.functional import linear as torch_product  # noqa: TID253

from xfer.core.batches.batching import Collator
from xfer.core.batches.features import Column, Features
from xfer.core.encoders.device import Device
from xfer.core.encoders.encoder import Encoder
from xfer.core.encoders.linear import Products, is_right, set_products
from xfer.core.encoders.linear import product as onednn_product
from xfer.core.formats import ClassificationOptions
from xfer.core.formats.classification import Classification
from xfer.core.records import TaskSpec

LABELS = ("entailment", "neutral", "contradiction")
SMALL = {
    "vocab_size": 70_000,
    "hidden_size": 384,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 1536,
    "max_position_embeddings": 514,
    "type_vocab_size": 1,
    "pad_token_id": 1,
    "bos_token_id": 0,
    "eos_token_id": 2,
}
"""12 layers of 384: the shape of multilingual MiniLM and multilingual-e5-small, half their vocabulary."""
SHAPES = {"mnli": (36, 39.5, 128), "squad": (175, 190, 384), "tatoeba": (14, 16, 128), "bucc": (28, 30, 128)}
"""Median, mean and cut of the lengths."""
PAD = 1


def lengths(kind: str, count: int, seed: int) -> np.ndarray:
    """So many lengths of a kind of data."""
    median, mean, cut = SHAPES[kind]
    drawn = np.random.default_rng(seed).lognormal(math.log(median), math.sqrt(2 * math.log(mean / median)), count)
    return np.clip(np.round(drawn), 6, cut).astype(np.int64)


def features(kind: str, count: int, vocabulary: int, seed: int = 0, **columns: Column) -> Features:
    """Random tokens of these lengths, an item a sequence, with labels unless other columns are given."""
    sizes, rng = lengths(kind, count, seed), np.random.default_rng(seed + 1)
    tokens = rng.integers(5, vocabulary, int(sizes.sum())).astype(np.int32)
    numbers = np.arange(count + 1, dtype=np.int64)
    given = columns or {"labels": Column("item", rng.integers(0, len(LABELS), count))}
    return Features(tokens, np.concatenate([[0], np.cumsum(sizes)]), numbers, numbers[:-1], given)


def sequences(data: Features, items: Sequence[int] | np.ndarray) -> list[np.ndarray]:
    """The token ids of items, one array each."""
    return [data.tokens[data.offsets[item] : data.offsets[item + 1]] for item in items]


def padded(rows: Sequence[np.ndarray], to: int | None = None) -> dict[str, torch.Tensor]:
    """What a padding data collator hands to a model."""
    width = to or max(map(len, rows))
    ids = np.full((len(rows), width), PAD, dtype=np.int64)
    mask = np.zeros((len(rows), width), dtype=np.int64)
    for number, row in enumerate(rows):
        ids[number, : len(row)], mask[number, : len(row)] = row, 1
    return {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask)}


def task(format: str, name: str = "benchmark") -> TaskSpec:
    """A task that nothing is loaded for."""
    return TaskSpec(
        name=name,
        summary="for timing",
        citation="none",
        licence="CC0-1.0",
        format=format,
        languages=("en",),
        labels=LABELS if format == "classification" else (),
        example=lambda row, language: None,
        score=lambda values, examples, language: {"accuracy": 0.0},
        main_score="accuracy",
    )


def classification() -> Classification:
    """The format's code with three labels."""
    return Classification(task("classification"), LABELS, ClassificationOptions())


def encoder(products: Products = "auto") -> Encoder:
    """The small encoder with random weights, as the engine loads one."""
    torch.manual_seed(0)
    made = Encoder.from_config(SMALL)
    assert made.stream
    set_products(made, Device(torch.device("cpu"), "float32"), products)
    return made


def collator(data: Features, device: str = "cpu") -> Collator:
    """As the engine makes it."""
    return Collator(data, PAD, 2, device, sort=device == "cpu")


def matmul_rate(product: Callable[..., torch.Tensor] = torch_product, seconds: float = 1.0) -> float:
    """GFLOP/s of a float32 product of 1024 × 384 × 1536 on the threads that are set, the best in a second."""
    one, two = torch.randn(1024, 384), torch.randn(1536, 384)
    best, end = math.inf, time.perf_counter() + seconds
    while time.perf_counter() < end:
        started = time.process_time()
        for _ in range(4):
            product(one, two, None)
        best = min(best, (time.process_time() - started) / 4)
    return 2 * 1024 * 384 * 1536 / best / 1e9


def in_turn(ways: Mapping[str, Callable[[int], int]], repeats: int) -> dict[str, list[tuple[float, int]]]:
    """CPU seconds and real tokens of each way in each repeat: all ways once, then again.

    A way gets the number of the repeat and returns its real tokens. One turn goes before that is not counted.
    """
    found: dict[str, list[tuple[float, int]]] = {name: [] for name in ways}
    for turn in range(-1, repeats):
        for name, way in ways.items():
            started = time.process_time()
            tokens = way(max(turn, 0))
            if turn >= 0:
                found[name].append((time.process_time() - started, tokens))
    return found


def report(title: str, found: Mapping[str, list[tuple[float, int]]], own: str, bars: Mapping[str, float]) -> bool:
    """Print a table; the ratio is the median over the repeats. Returns whether all bars are met."""
    rates = {name: [tokens / seconds for seconds, tokens in runs] for name, runs in found.items()}
    print(f"\n{title} ({len(rates[own])} repeats)")
    print(f"{'':<44} {'tokens/s':>10} {'xfer over it':>13} {'must':>6}")
    met = True
    for name, values in rates.items():
        line = f"{name:<44} {statistics.median(values):>10.0f}"
        if name != own:
            ratio = statistics.median(mine / other for mine, other in zip(rates[own], values, strict=True))
            line += f" {ratio:>12.2f}×"
            if name in bars:
                met &= ratio >= bars[name]
                line += f" {bars[name]:>5.1f}× {'' if ratio >= bars[name] else ' MISSED'}"
        print(line)
    return met


def one_thread() -> None:
    """One thread for torch and for the tokeniser, and say what the machine multiplies."""
    torch.set_num_threads(1)
    rates = f"{matmul_rate(torch_product):.0f} GFLOP/s by the library that torch calls"
    rates += f", {matmul_rate(onednn_product):.0f} by oneDNN" if is_right() else ""
    print(f"torch {torch.__version__}, one thread, float32 matrix product {rates}")


def asked(repeats: int) -> argparse.Namespace:
    """The command's `--repeats` and `--products`, for one thread."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=repeats)
    parser.add_argument("--products", choices=get_args(Products), default="auto", help="xfer's engine.products")
    one_thread()
    return parser.parse_args()
