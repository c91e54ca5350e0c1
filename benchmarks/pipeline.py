"""What the host does for an epoch of NLI: tokenising, reading back from the store, drawing and collating.

    python benchmarks/pipeline.py [--examples 20000]

Synthetic pairs of words from the bundled tokeniser's own vocabulary. Function calls are counted (`sys.setprofile`)
for steps of 32 and of 256 examples: a loop over examples or sequences would show as a difference.
"""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from workloads import classification, one_thread

from xfer import commands
from xfer.core.batches.batching import Collator
from xfer.core.batches.features import Features
from xfer.core.batches.sampling import Schedule
from xfer.core.engine.inputs import tokeniser
from xfer.core.engine.tokenised import content_key, tokenised
from xfer.core.examples import TextExample


def timed(name: str, count: int, work: Callable[[], Any]) -> Any:
    """Run, print the rate, return the result."""
    started = time.process_time()
    result = work()
    taken = time.process_time() - started
    print(f"{name:<52} {taken:>7.2f} CPU s {1e6 * taken / count:>8.1f} us an example")
    return result


def calls(work: Callable[[], Any]) -> int:
    """Function calls, of Python and of C, that some work makes."""
    counted = 0

    def count(frame: Any, event: str, argument: Any) -> None:
        nonlocal counted
        counted += event in ("call", "c_call")

    work()
    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return counted


def epoch(data: Features, size: int) -> int:
    """Draw and collate every step of an epoch; returns the tokens."""
    schedule = Schedule([data.item_count], [size], epochs=[1])
    collator = Collator(data, 1, 2, "cpu", sort=True)
    steps = range(schedule.total_steps)
    return sum(collator.batch(schedule.draw(step)[1]).real_tokens for step in steps)


def main() -> None:
    """Print rates and counts."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--examples", type=int, default=20_000)
    count = parser.parse_args().examples
    one_thread()
    with tempfile.TemporaryDirectory() as folder:
        settings = {"engine.cache_tokens": 0}
        run = commands.prepare({"store": Path(folder) / "store", "strategy": "none", "set": settings}).run
        words = timed("load the tokeniser", 1, lambda: tokeniser(run))
        rng = random.Random(0)
        known = [word.strip("▁") for word in words.backend.get_vocab() if word.startswith("▁") and len(word) > 3]

        def text() -> str:
            return " ".join(rng.choices(known, k=rng.randint(6, 28)))

        labels = ("entailment", "neutral", "contradiction")
        examples = [TextExample(str(n), "en", text(), text(), rng.choice(labels)) for n in range(count)]
        code = classification()
        given = (run, words, code, examples, 128)
        timed("hash the examples", count, lambda: content_key(words, code, examples, 128, training=True))
        data = timed("tokenise, write, map", count, lambda: tokenised(*given, training=True))
        run.memory.clear()
        timed("find in the store, verify, map", count, lambda: tokenised(*given, training=True))
        print(f"{len(data.tokens)} tokens, mean {len(data.tokens) / count:.1f}")
        for size in (32, 256):
            timed(f"draw and collate an epoch, {size} a step", count, lambda size=size: epoch(data, size))
        collator = Collator(data, 1, 2, "cpu", sort=True)
        order = np.random.default_rng(0).permutation(count)
        made = {size: calls(lambda size=size: collator.batch(order[:size])) for size in (32, 256)}
        print(
            "function calls to collate a step: " + ", ".join(f"{number} of {size}" for size, number in made.items())
        )


if __name__ == "__main__":
    main()
