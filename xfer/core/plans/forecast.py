"""What a plan will cost: steps, examples, disk, and time measured on this machine.

Disk: a stored training phase holds its weights in float32. While one runs, its partial folder holds two
checkpoints of weights and both AdamW moments (and the best weights so far, with `keep=best`).
"""

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xfer.core.batches.sampling import shared_steps
from xfer.core.encoders.models import Model
from xfer.core.encoders.tokeniser import Tokeniser
from xfer.core.errors import OutOfResources, UserError
from xfer.core.records import Plan, PlannedPhase

CHECKPOINTS_KEPT = 2
MOMENTS = 2
SAMPLE = 64
"""Examples tokenised to estimate the length of the rest."""
WITH_WEIGHTS = ("train", "average", "combine", "select")
"""Kinds of phases that leave weights behind."""


@dataclass(frozen=True)
class Disk:
    """Bytes that a plan adds to the store: at its peak, and when it has ended."""

    peak: int
    final: int


def weight_bytes(model: Model) -> int:
    """Bytes of the model's weights in float32 (files are taken to hold 2 bytes a number when smaller dtype)."""
    size = sum(path.stat().st_size for path in model.folder.glob("*.safetensors"))
    dtype = str(model.config.get("dtype") or model.config.get("torch_dtype") or "float32")
    return size * 2 if dtype in ("float16", "bfloat16") else size


def disk(plan: Plan, needed: set[str], model: Model, keep: str) -> Disk:
    """Forecast for the phases of `needed`: weights lie there until all that starts from them is done."""
    weights = weight_bytes(model)
    last_use = {parent: place for place, planned in enumerate(plan.phases) for parent in planned.parents}
    held: dict[str, tuple[PlannedPhase, int]] = {}
    peak = 0
    for place, planned in enumerate(plan.phases):
        if planned.id in needed and planned.phase.does in WITH_WEIGHTS:
            own = weights
            running = weights
            if planned.phase.does == "train":
                best = any(settings.keep == "best" for settings in planned.settings.values())
                own *= 1 + planned.settings[""].snapshots
                running = CHECKPOINTS_KEPT * weights * (1 + MOMENTS + best) + 2 * own - weights
            peak = max(peak, sum(size for _, size in held.values()) + running)
            held[planned.id] = planned, own
        for id, (one, _) in list(held.items()):
            if last_use.get(id, place) <= place and not _kept(one, keep):
                del held[id]
    return Disk(peak=peak, final=sum(size for _, size in held.values()))


def _kept(planned: PlannedPhase, keep: str) -> bool:
    return keep == "all" or (keep == "intermediate" and planned.phase.role == "intermediate")


def refuse_if_full(forecast: Disk, store: Path) -> None:
    """Raise OutOfResources when the peak does not fit the store's disk, UserError where no file can be put."""
    place = store
    while not place.exists():
        place = place.parent
    total, _, free = shutil.disk_usage(place)
    if not total:  # of the system's own making, such as /proc
        raise UserError("cannot write: no disk is here", where=str(store), fix="choose another place")
    if forecast.peak > free:
        raise OutOfResources(
            f"the run needs up to {size_text(forecast.peak)} of disk and {size_text(free)} are free",
            where=str(store),
            fix="free some, choose another disk with --store, or keep less with --keep none",
        )


def size_text(size: int) -> str:
    """Bytes as people read them."""
    value = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if value >= 10 or unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def steps_of(planned: PlannedPhase, examples: Sequence[int]) -> list[int]:
    """Optimizer steps of each use of a training phase, from the number of examples of each."""
    uses = planned.phase.uses
    own = [planned.settings[use.task] for use in uses]
    alone = [
        max(1, round(settings.epochs * -(-count // settings.batch_size)))
        for count, settings in zip(examples, own, strict=True)
    ]
    return shared_steps(
        examples,
        alone,
        planned.settings[""].max_steps,
        planned.phase.sampling,
        [use.weight for use in uses],
        [use.steps_ratio for use in uses],
        [not use.counts_only for use in uses],
    )


def mean_tokens(tokeniser: Tokeniser, examples: Sequence[Any]) -> float:
    """Mean tokens of an example's texts, whatever its kind, uncut; by the first `SAMPLE`."""
    texts = [
        [value if isinstance(value, str) else " ".join(map(str, value)) for value in _text_fields(example)]
        for example in examples[:SAMPLE]
    ]
    flat = [text for group in texts for text in group]
    if not flat:
        return 0.0
    return sum(len(encoding.ids) for encoding in tokeniser.encode(flat)) / len(texts)


def _text_fields(example: Any) -> list[Any]:
    names = ("text", "text_pair", "prompt", "choices", "question", "context", "tokens", "parallel")
    return [getattr(example, name) for name in names if getattr(example, name, None)]


def matrix_rate(seconds: float = 0.2) -> float:
    """Floating-point operations a second of a 512 × 512 matrix product on this machine, on the default device."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    size = 4096 if device == "cuda" else 512
    a = torch.randn(size, size, device=device, dtype=dtype)
    a @ a
    count, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        a @ a
        count += 1
        if device == "cuda":
            torch.cuda.synchronize()
    return count * 2 * size**3 / (time.perf_counter() - started)


def training_seconds(model: Model, tokens: float, rate: float, share: float = 0.4) -> float:
    """Seconds to train on `tokens`, at `share` of `rate`.

    6 operations for each token and parameter outside the embeddings (forward 2, backward 4).
    """
    layers = int(model.config.get("num_hidden_layers", model.config.get("n_layers", 12)))
    hidden = int(model.config.get("hidden_size", model.config.get("dim", 768)))
    inner = int(model.config.get("intermediate_size", model.config.get("hidden_dim", 4 * hidden)))
    parameters = layers * (4 * hidden * hidden + 2 * hidden * inner)
    return 6 * parameters * tokens / (rate * share)
