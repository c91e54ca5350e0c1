"""The masked-LM head over XLM-R's 250 002 words: masked positions only, beside logits at every position.

    python benchmarks/mlm_head.py [--repeats 5] [--tokens 1024]

Forward and backward of transformers' own head (dense, GELU, LayerNorm, decoder) on one CPU thread, 15 % masked.
Time is CPU seconds, in turn; memory is what the peak of a fresh process rises by in the step, the gradient of the
decoder (384 MB, needed by both) included.
"""

import argparse
import multiprocessing
import resource
import statistics
import sys
import time

import torch  # noqa: TID253
from transformers import XLMRobertaConfig  # noqa: TID253
from transformers.models.xlm_roberta.modeling_xlm_roberta import XLMRobertaLMHead  # noqa: TID253
from workloads import SMALL, task

from xfer.core.batches.features import Batch
from xfer.core.formats import MaskedLmOptions
from xfer.core.formats.masked_lm import MaskedLm

VOCABULARY = 250_002
TIME_BAR, MEMORY_BAR = 4.0, 4.0


class Work:
    """A head, hidden states and labels."""

    def __init__(self, tokens: int) -> None:
        torch.set_num_threads(1)
        torch.manual_seed(0)
        self.head = XLMRobertaLMHead(XLMRobertaConfig(**{**SMALL, "vocab_size": VOCABULARY}))
        self.hidden = torch.randn(tokens, SMALL["hidden_size"], requires_grad=True)
        chosen = torch.rand(tokens) < 0.15
        self.labels = torch.where(chosen, torch.randint(5, VOCABULARY, (tokens,)), -100)
        self.code = MaskedLm(task("masked-lm"), (), MaskedLmOptions())

    def step(self, masked_only: bool) -> float:
        """Loss of a step, with gradients."""
        for parameter in [*self.head.parameters(), self.hidden]:
            parameter.grad = None
        if masked_only:
            batch = Batch(**dict.fromkeys(Batch.__dataclass_fields__))
            batch.columns = {"labels": self.labels}
            total, terms = self.code.loss(self.head, self.hidden, batch)
            loss = total / terms
        else:
            loss = torch.nn.functional.cross_entropy(self.head(self.hidden).float(), self.labels)
        loss.backward()
        return float(loss.detach())


def peak(tokens: int, masked_only: bool) -> float:
    """MB by which a step raises the peak of this (fresh) process."""
    work = Work(tokens)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    work.step(masked_only)
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def main() -> int:
    """Time both in turn, measure both in fresh processes, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=1024)
    options = parser.parse_args()
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        sizes = [pool.apply(peak, (options.tokens, masked_only)) for masked_only in (True, False)]
    work = Work(options.tokens)
    times: dict[bool, list[float]] = {True: [], False: []}
    losses = {masked_only: work.step(masked_only) for masked_only in times}
    for _ in range(options.repeats):
        for masked_only, found in times.items():
            started = time.process_time()
            work.step(masked_only)
            found.append(time.process_time() - started)
    ratio = statistics.median(slow / fast for fast, slow in zip(times[True], times[False], strict=True))
    print(f"masked-LM head, {options.tokens} tokens, {(work.labels >= 0).sum()} masked, {VOCABULARY} words of 384")
    print(f"{'':<28} {'CPU s':>8} {'MB more':>9}")
    for masked_only, name in ((True, "masked positions (xfer)"), (False, "all positions")):
        print(f"{name:<28} {statistics.median(times[masked_only]):>8.2f} {sizes[not masked_only]:>9.0f}")
    memory = sizes[1] / sizes[0]
    print(f"times faster {ratio:.1f} (must be {TIME_BAR}), times less memory {memory:.1f} (must be {MEMORY_BAR})")
    print(f"losses {losses[True]:.5f} and {losses[False]:.5f}")
    return 0 if ratio >= TIME_BAR and memory >= MEMORY_BAR else 1


if __name__ == "__main__":
    sys.exit(main())
