"""Sequences, batches of them, and transformers' own padded forward pass to compare with."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch  # noqa: TID253
from transformers import AutoModel  # noqa: TID253

from xfer.core.batches.batching import Collator
from xfer.core.batches.features import Batch, Features
from xfer.core.encoders.encoder import Encoder

Folders = Callable[[str], Path]
"""The fixture `tiny_encoder`: a kind of encoder to its folder."""
LENGTHS = (9, 3, 17, 3, 1, 12, 9)
TIGHT: dict[str, Any] = {"atol": 1e-5, "rtol": 1e-5}


def sequences(lengths: tuple[int, ...] = LENGTHS, seed: int = 0) -> list[list[int]]:
    rng = np.random.default_rng(seed)
    return [rng.integers(5, 60, length).tolist() for length in lengths]


def features_of(texts: list[list[int]]) -> Features:
    numbers = np.arange(len(texts) + 1)
    tokens = np.array([token for text in texts for token in text], dtype=np.int32)
    return Features(tokens, np.cumsum([0, *map(len, texts)]), numbers, numbers[:-1])


def batch_of(encoder: Encoder, texts: list[list[int]], sort: bool = True, filler: int | None = None) -> Batch:
    collate = Collator(
        features_of(texts), encoder.pad_id, encoder.position_offset, "cpu", sort=sort, filler_multiple=filler
    )
    return collate.batch(np.arange(len(texts)))


def pad(texts: list[list[int]], pad_id: int) -> dict[str, torch.Tensor]:
    longest = max(map(len, texts))
    ids = [text + [pad_id] * (longest - len(text)) for text in texts]
    mask = [[1] * len(text) + [0] * (longest - len(text)) for text in texts]
    return {"input_ids": torch.tensor(ids), "attention_mask": torch.tensor(mask)}


def by_sequence(hidden: torch.Tensor, batch: Batch, texts: list[list[int]]) -> list[torch.Tensor]:
    starts = batch.starts.tolist()
    return [hidden[start : start + len(text)] for start, text in zip(starts, texts, strict=True)]


def own_states(folder: Path, texts: list[list[int]], layer: int = -1) -> list[torch.Tensor]:
    """Hidden states of transformers' own model, padded."""
    model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        out = model(**pad(texts, model.config.pad_token_id), output_hidden_states=True)
    return [state[: len(text)] for state, text in zip(out.hidden_states[layer], texts, strict=True)]
