"""Training on NLI-like lengths on one CPU thread: xfer's own step beside the padding policies of its peers.

    python benchmarks/training.py [--repeats 7] [--products torch]

All ways: the same 12 × 384 encoder and head in the same torch, 32 examples in a step, dropout, clipping, fused
AdamW. The peers run transformers' `XLMRobertaForSequenceClassification` under `sdpa`. Length grouping takes batches
from `LengthGroupedSampler`'s own function, evenly spaced by length over all of them; it changes what SGD sees,
which xfer does not do.
"""

import sys
from collections.abc import Callable

import numpy as np
import torch  # noqa: TID253
from transformers import XLMRobertaConfig, XLMRobertaForSequenceClassification  # noqa: TID253
from transformers.trainer_pt_utils import get_length_grouped_indices  # noqa: TID253
from workloads import (
    LABELS,
    PAD,
    SMALL,
    asked,
    classification,
    collator,
    encoder,
    features,
    in_turn,
    padded,
    report,
    sequences,
)

from xfer.core.batches.sampling import Schedule
from xfer.core.encoders.device import Device
from xfer.core.encoders.linear import Products
from xfer.core.engine.job import Job, Part, State
from xfer.core.engine.optimizers import make_optimizer
from xfer.core.engine.step import take_step
from xfer.core.records import Phase, PlannedPhase, TaskUse, TrainSettings

BATCH = 32
BARS = {"padded to 128": 2.8, "HF Trainer, dynamic padding": 1.8, "HF Trainer, length grouping": 1.3}
EXAMPLES = 1600
SETTINGS = TrainSettings(learning_rate=1e-5, batch_size=BATCH)
DATA = features("mnli", EXAMPLES, SMALL["vocab_size"])


def own_way(batches: list[np.ndarray], products: Products) -> Callable[[int], int]:
    """The engine's step."""
    code, model = classification(), encoder(products)
    model.train()
    head = code.head(model.shape).train()
    parameters = {f"encoder.{name}": p for name, p in model.named_parameters()}
    parameters |= {f"heads.benchmark.{name}": p for name, p in head.named_parameters()}
    part = Part(code, head, DATA, collator(DATA))
    phase = Phase(name="target", does="train", uses=(TaskUse(task="benchmark"),))
    planned = PlannedPhase(id="0" * 12, phase=phase, parents=(), seed=0, settings={}, options={}, identity={})
    schedule = Schedule([EXAMPLES], [BATCH], epochs=[1])
    job = Job(planned, model, [part], schedule, SETTINGS, parameters, make_optimizer(parameters, SETTINGS))
    device = Device(torch.device("cpu"), "float32")

    def step(turn: int) -> int:
        drawn = (DATA, part.collator, batches[turn])
        return take_step(job, part, drawn, State(step=turn), device, None)[1]  # type: ignore[arg-type]

    return step


def peer_way(batches: list[np.ndarray], width: int | None) -> Callable[[int], int]:
    """Forward, backward, clipping and AdamW as HF Trainer does them, without its bookkeeping."""
    torch.manual_seed(0)
    config = XLMRobertaConfig(**SMALL, num_labels=len(LABELS), attn_implementation="sdpa")
    model = XLMRobertaForSequenceClassification(config).train()
    matrices = [p for p in model.parameters() if p.dim() > 1]
    vectors = [p for p in model.parameters() if p.dim() == 1]
    groups = [{"params": matrices, "weight_decay": 0.01}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=1e-5, fused=True)
    labels = DATA.columns["labels"].values

    def step(turn: int) -> int:
        batch = padded(sequences(DATA, batches[turn]), width)
        loss = model(**batch, labels=torch.from_numpy(labels[batches[turn]])).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        loss.item()
        return int((batch["input_ids"] != PAD).sum())

    return step


def main() -> int:
    """Time all ways in turn and print a table."""
    options = asked(7)
    repeats = options.repeats
    order = np.random.default_rng(3).permutation(EXAMPLES)
    drawn = [order[start : start + BATCH] for start in range(0, EXAMPLES, BATCH)]
    torch.manual_seed(0)
    sizes = np.diff(DATA.offsets).tolist()
    grouped = np.array(get_length_grouped_indices(sizes, BATCH)).reshape(-1, BATCH)
    by_size = grouped[np.argsort([np.mean([sizes[i] for i in batch]) for batch in grouped])]
    spaced = [by_size[int((number + 0.5) * len(by_size) / repeats)] for number in range(repeats)]
    real = [DATA.item_lengths[batch].sum() / (BATCH * DATA.item_lengths[batch].max()) for batch in drawn]
    print(f"real tokens in a dynamically padded batch: {np.mean(real):.2f}")
    found = in_turn(
        {
            "xfer": own_way(drawn, options.products),
            "padded to 128": peer_way(drawn, 128),
            "HF Trainer, dynamic padding": peer_way(drawn, None),
            "HF Trainer, length grouping": peer_way(spaced, None),
        },
        repeats,
    )
    # its batches are short or long as a whole: only their sum compares
    total = [sum(column) for column in zip(*found["HF Trainer, length grouping"], strict=True)]
    found["HF Trainer, length grouping"] = [(total[0], int(total[1]))] * repeats
    return 0 if report("Training, 32 examples a step", found, "xfer", BARS) else 1


if __name__ == "__main__":
    sys.exit(main())
