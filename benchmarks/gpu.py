"""XLM-R Large on one CUDA card, random weights: training, embeddings, zero-shot classification, mining, MLM head.

    python benchmarks/gpu.py [--only mnli squad embeddings zeroshot knn mlm] [--repeats 5] [--smoke]

XLM-R Large's real configuration (24 layers of 1024, 250 002 words) and the length distributions of real data. All
ways run in turn in one process, medians of the repeats; tokens are real ones. "HF loop" is the best hand-tuned one
(bfloat16 autocast, dynamic padding, fused AdamW, nothing waited for, cuDNN attention off); "HF Trainer" its
arithmetic at the defaults (loss read in every step, cuDNN attention as torch chooses it). Prints the card's own
rate of matrix products; utilisation is FLOPs of real tokens over that rate. `--smoke` runs everything on a
tiny model on the processor: its figures mean nothing, but the script is known to run.
"""

import argparse
import gc
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch  # noqa: TID253
from embeddings import Words, mean
from transformers import XLMRobertaConfig, XLMRobertaForMaskedLM, XLMRobertaForSequenceClassification  # noqa: TID253
from workloads import LABELS, classification, features, padded, sequences, task

from xfer.core.batches.batching import Collator
from xfer.core.batches.features import Column, Features
from xfer.core.batches.sampling import Schedule
from xfer.core.encoders.compact import CompactTable, occurring
from xfer.core.encoders.device import Device, choose
from xfer.core.encoders.encoder import Encoder
from xfer.core.encoders.neighbours import nearest_on
from xfer.core.engine.job import Job, Part, State
from xfer.core.engine.optimizers import make_optimizer
from xfer.core.engine.predict import predict
from xfer.core.engine.recorded import Recorder
from xfer.core.engine.step import take_step
from xfer.core.formats import RetrievalOptions
from xfer.core.formats.masked_lm import MaskedLm
from xfer.core.formats.retrieval import Retrieval
from xfer.core.records import Phase, PlannedPhase, TaskUse, TrainSettings

LARGE = {
    "vocab_size": 250_002,
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
    "max_position_embeddings": 514,
    "type_vocab_size": 1,
    "pad_token_id": 1,
    "bos_token_id": 0,
    "eos_token_id": 2,
}
OCCURRING = 50_000
"""Words that occur in a training set: an assumption, the figure that the compact embedding depends on."""
BATCH, STEPS = 32, 10
SIZES = {"embeddings": 4000, "zeroshot": 6000, "knn": 400_000, "mlm": 8192, "exit": 14}
DEVICE = "cuda"
SETTINGS = TrainSettings(learning_rate=1e-6, batch_size=BATCH)
Timed = dict[str, list[float]]


def clock(work: Callable[[], Any]) -> float:
    """Wall seconds until the card has done it."""
    wait = torch.cuda.synchronize if DEVICE == "cuda" else lambda: None
    wait()
    started = time.perf_counter()
    work()
    wait()
    return time.perf_counter() - started


def put(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Tensors on the card, without waiting for them."""
    if DEVICE == "cpu":
        return dict(tensors)
    return {name: tensor.pin_memory().cuda(non_blocking=True) for name, tensor in tensors.items()}


def smoke() -> None:
    """A tiny model and little data, on the processor."""
    global DEVICE, OCCURRING, STEPS
    DEVICE, OCCURRING, STEPS = "cpu", 300, 2
    LARGE.update(vocab_size=500, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64)
    SIZES.update(embeddings=40, zeroshot=40, knn=700, mlm=64, exit=1)


def free() -> None:
    """Give memory back between ways that do not fit beside each other."""
    gc.collect()
    if DEVICE == "cuda":
        torch.cuda.empty_cache()


def peak_rate() -> float:
    """TFLOP/s of a bfloat16 product, 8192 a side."""
    size = 8192 if DEVICE == "cuda" else 256
    one = torch.randn(size, size, device=DEVICE, dtype=torch.bfloat16)
    one @ one
    return 2 * size**3 * 20 / clock(lambda: [one @ one for _ in range(20)]) / 1e12


def table(title: str, tokens: int, found: Mapping[str, Timed | list[float]], bars: Mapping[str, float]) -> None:
    """Tokens a second and ratios of medians; the first way is xfer's."""
    print(f"\n{title}")
    own = statistics.median(next(iter(found.values())))
    for name, seconds in found.items():
        middle = statistics.median(seconds)
        bar = f"must {bars[name]:g}×{'' if middle / own >= bars[name] else ' MISSED'}" if name in bars else ""
        print(f"{name:<46} {tokens / middle:>11.0f} tokens/s {middle / own:>7.2f}× {bar}", flush=True)


# ---------------------------------------------------------------- training


def own_training(data: Features, batches: list[np.ndarray], device: Device, compiled: bool) -> Callable[[], None]:
    """The engine's recorded steps, with the compact embedding."""
    code = classification()
    torch.manual_seed(0)
    with torch.device(DEVICE):
        model = Encoder.from_config(LARGE).train()
        head = code.head(model.shape).train()
    if compiled:
        model.compile_layers()
    compact = CompactTable(model, occurring([data.tokens], [1, 2], LARGE["vocab_size"]))
    parameters = {f"encoder.{name}": p for name, p in model.named_parameters()}
    parameters |= {f"heads.benchmark.{name}": p for name, p in head.named_parameters()}
    part = Part(code, head, data, Collator(data, 1, 2, DEVICE, sort=DEVICE == "cpu"))
    phase = Phase(name="target", does="train", uses=(TaskUse(task="benchmark"),))
    planned = PlannedPhase(id="0" * 12, phase=phase, parents=(), seed=0, settings={}, options={}, identity={})
    schedule = Schedule([data.item_count], [BATCH], epochs=[1])
    optimizer = make_optimizer(parameters, SETTINGS, "recorded", [model, head])
    job = Job(planned, model, [part], schedule, SETTINGS, parameters, optimizer, compact, True)
    recorder, state = Recorder(job, device), State()

    def steps() -> None:
        for items in batches:
            drawn = (data, part.collator, items)
            if recorder.take(part, drawn, state) is None:
                take_step(job, part, drawn, state, device, None)  # type: ignore[arg-type]
        recorder.check()

    return steps


def peer_training(
    data: Features, batches: list[np.ndarray], width: int | None, low: bool, trainer: bool
) -> Callable[[], None]:
    """transformers' model, padded; `trainer` reads the loss in every step and leaves cuDNN attention on."""
    config = XLMRobertaConfig(**LARGE, num_labels=len(LABELS), attn_implementation="sdpa")
    torch.manual_seed(0)
    with torch.device(DEVICE):
        model = XLMRobertaForSequenceClassification(config).train()
    matrices = [p for p in model.parameters() if p.dim() > 1]
    vectors = [p for p in model.parameters() if p.dim() == 1]
    groups = [{"params": matrices, "weight_decay": 0.01}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=1e-6, fused=True)
    labels = torch.from_numpy(data.columns["labels"].values)

    def steps() -> None:
        torch.backends.cuda.enable_cudnn_sdp(trainer)
        for items in batches:
            batch = put({**padded(sequences(data, items), width), "labels": labels[items]})
            with torch.autocast(DEVICE, torch.bfloat16, enabled=low):
                loss = model(**batch).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            if trainer:
                loss.item()
        torch.backends.cuda.enable_cudnn_sdp(False)

    return steps


def training(kind: str, device: Device, repeats: int, rate: float, compiled: bool) -> None:
    """Steps of 32: ways that fit on the card together run in turn."""
    cut = 128 if kind == "mnli" else 384
    data = features(kind, BATCH * STEPS, OCCURRING)
    order = np.random.default_rng(1).permutation(data.item_count)
    batches = [order[start : start + BATCH] for start in range(0, len(order), BATCH)]
    tokens = len(data.tokens)
    ways: dict[str, Callable[[], Callable[[], None]]] = {
        "xfer": lambda: own_training(data, batches, device, compiled),
        "HF Trainer, bf16, dynamic padding": lambda: peer_training(data, batches, None, True, True),
        "HF loop, bf16, dynamic padding, tuned": lambda: peer_training(data, batches, None, True, False),
        f"fp32, padded to {cut}": lambda: peer_training(data, batches, cut, False, False),
    }
    found: dict[str, list[float]] = {}
    made = {name: make() for name, make in ways.items()}
    for turn in range(-2, repeats):
        for name, steps in made.items():
            taken = clock(steps)
            if turn >= 0:
                found.setdefault(name, []).append(taken)
    bars = dict(zip(list(ways)[1:], (5, 3.5, 10) if kind == "mnli" else (3, 2, 12), strict=True))
    table(f"Training, {kind} lengths, {BATCH} a step", tokens, found, bars)
    layers, wide = LARGE["num_hidden_layers"], LARGE["hidden_size"]
    flops = 6 * 12 * layers * wide**2 * tokens + 12 * layers * wide * float((data.item_lengths**2).sum())
    seconds = statistics.median(found["xfer"])
    used = flops / seconds / rate / 1e12
    print(f"xfer: {1000 * seconds / STEPS:.1f} ms a step, utilisation {used:.3f} (squad: must 0.33)")
    if DEVICE == "cuda":
        idle, whole = torch.cuda.mem_get_info()
        print(f"memory of the card in use by all four ways: {(whole - idle) / 2**30:.1f} GiB")


# ---------------------------------------------------------------- inference


def peer(kind: Any, **fields: Any) -> Any:
    """transformers' model on the card, in evaluation mode."""
    torch.manual_seed(0)
    with torch.device(DEVICE):
        return kind(XLMRobertaConfig(**LARGE, attn_implementation="sdpa", **fields)).eval()


def inference(kind: str, device: Device, repeats: int) -> None:
    """Embeddings (bucc lengths) or zero-shot classification (mnli lengths, languages in one stream)."""
    embeddings = kind == "embeddings"
    count = SIZES[kind]
    column = {"side": Column("item", np.zeros(count, np.int64))} if embeddings else {}
    data = features("bucc" if embeddings else "mnli", count, LARGE["vocab_size"], **column)
    rows = sequences(data, range(count))
    order = np.argsort([-len(row) for row in rows], kind="stable")
    torch.manual_seed(0)
    with torch.device(DEVICE):
        own = Encoder.from_config(LARGE).eval()
        code: Any = Retrieval(task("retrieval"), (), RetrievalOptions()) if embeddings else classification()
        head = None if embeddings else code.head(own.shape).eval()
    net = peer(XLMRobertaForSequenceClassification, num_labels=len(LABELS))
    base = net.roberta if embeddings else net

    def stream() -> None:
        predict(code, own, head, data, Words(), device, 16384, SIZES["exit"] if embeddings else None)  # type: ignore[arg-type]

    def batched(numbers: np.ndarray, size: int, width: int | None, low: bool, every: bool) -> None:
        with torch.no_grad(), torch.autocast(DEVICE, torch.bfloat16, enabled=low):
            for start in range(0, count, size):
                batch = put(padded([rows[number] for number in numbers[start : start + size]], width))
                out = base(**batch, output_hidden_states=every)
                if not embeddings:
                    out.logits.float().cpu()
                    continue
                for state in out.hidden_states if every else [out.last_hidden_state]:
                    mean(state, batch["attention_mask"]).float().cpu()

    given = np.arange(count)
    if embeddings:
        ways = {
            "xfer": stream,
            "XTREME's evaluate_retrieval.py, fp32": lambda: batched(given, 100, None, False, True),
            "HF bf16, length-sorted, batches of 256": lambda: batched(order, 256, None, True, False),
        }
        bars = dict(zip(list(ways)[1:], (25, 2), strict=True))
    else:
        ways = {
            "xfer": stream,
            "HF bf16, dynamic batches of 64": lambda: batched(given, 64, None, True, False),
            "XTREME: fp32, batches of 8, padded to 128": lambda: batched(given, 8, 128, False, False),
        }
        bars = {"HF bf16, dynamic batches of 64": 4}
    found = {name: [clock(way) for _ in range(repeats + 1)][1:] for name, way in ways.items()}
    table(f"{kind}, {count} sequences", len(data.tokens), found, bars)


def mining(repeats: int) -> None:
    """Exact nearest neighbours of 400k × 400k × 1024, one direction, and their recall against float32."""
    generator = torch.Generator(DEVICE).manual_seed(0)
    common = torch.randn(1024, device=DEVICE, generator=generator) * 3
    both = [torch.randn(SIZES["knn"], 1024, device=DEVICE, generator=generator) + common for _ in range(2)]
    queries, index = (torch.nn.functional.normalize(each) for each in both)
    seconds = [clock(lambda: nearest_on(queries, index, 4)) for _ in range(repeats + 1)][1:]
    _, ids = nearest_on(queries, index, 4)
    exact = queries[:2048].double() @ index.double().T
    least = exact.topk(4).values[:, -1:] - 1e-6  # float32 itself does not tell nearer ones apart
    hits = (exact.gather(1, ids[:2048]) >= least).float().mean()
    middle = statistics.median(seconds)
    print(f"\nkNN 400k × 400k × 1024: {middle:.2f} s (must 2), recall@4 {float(hits):.4f} (must 1.0)")


def mlm(repeats: int) -> None:
    """The head over 250 002 words, 8 192 tokens, 15 % masked, bf16."""
    from xfer.core.formats import MaskedLmOptions

    net = peer(XLMRobertaForMaskedLM).lm_head
    code = MaskedLm(task("masked-lm"), (), MaskedLmOptions())
    tokens, words = SIZES["mlm"], LARGE["vocab_size"]
    hidden = torch.randn(tokens, LARGE["hidden_size"], device=DEVICE, requires_grad=True)
    chosen = torch.rand(tokens, device=DEVICE) < 0.15
    labels = torch.where(chosen, torch.randint(5, words, (tokens,), device=DEVICE), -100)

    class Only:
        columns = {"labels": labels}  # noqa: RUF012

    def step(masked: bool) -> None:
        for p in [*net.parameters(), hidden]:
            p.grad = None
        with torch.autocast(DEVICE, torch.bfloat16):
            if masked:
                total, terms = code.loss(net, hidden, Only)  # type: ignore[arg-type]
                loss = total / terms
            else:
                loss = torch.nn.functional.cross_entropy(net(hidden).float(), labels)
        loss.backward()

    seconds, sizes = {}, {}
    for masked in (True, False):
        free()
        before = torch.cuda.memory_allocated() if DEVICE == "cuda" else 0
        if DEVICE == "cuda":
            torch.cuda.reset_peak_memory_stats()
        seconds[masked] = statistics.median([clock(lambda m=masked: step(m)) for _ in range(repeats + 1)][1:])
        sizes[masked] = torch.cuda.max_memory_allocated() - before if DEVICE == "cuda" else 1
    print(
        f"\nMLM head: {1000 * seconds[True]:.1f} ms and {sizes[True] / 2**30:.1f} GiB, at all positions "
        f"{1000 * seconds[False]:.1f} ms and {sizes[False] / 2**30:.1f} GiB: {seconds[False] / seconds[True]:.1f}× "
        f"(must 4), memory {sizes[False] / sizes[True]:.1f}× less (must 4)"
    )


def main() -> int:
    """Print the tables that were asked for; nothing without a card."""
    parser = argparse.ArgumentParser()
    rows = ("mnli", "squad", "embeddings", "zeroshot", "knn", "mlm")
    parser.add_argument("--only", nargs="+", choices=rows, default=list(rows))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--compile", action="store_true", help="xfer's training with engine.compile=true")
    parser.add_argument("--smoke", action="store_true", help="a tiny model on the processor: no figures")
    options = parser.parse_args()
    if options.smoke:
        smoke()
    elif not torch.cuda.is_available():
        print("no CUDA device: nothing was measured")
        return 1
    device = Device(torch.device("cpu"), "bfloat16") if options.smoke else choose(DEVICE)
    rate = peak_rate()
    card = torch.cuda.get_device_name() if DEVICE == "cuda" else "no card, figures mean nothing"
    print(f"{card}, torch {torch.__version__}, bf16 product {rate:.0f} TFLOP/s")
    for row in options.only:
        if row in ("mnli", "squad"):
            training(row, device, options.repeats, rate, options.compile)
        elif row in ("embeddings", "zeroshot"):
            inference(row, device, options.repeats)
        elif row == "knn":
            mining(options.repeats)
        else:
            mlm(options.repeats)
        free()
    return 0


if __name__ == "__main__":
    sys.exit(main())
