"""When memory runs out in a training step: smaller micro-batches first, then activations computed again.

Both leave the step's examples and its gradient as they are (up to rounding, and to dropout being drawn anew for
micro-batches). What was found is kept in the loop's state, and so for the rest of the phase.
"""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xfer.core.encoders.encoder import Encoder
    from xfer.core.engine.job import State

_MESSAGES = re.compile(r"OutOfMemoryError|can't allocate memory|not enough memory|CUDA out of memory")


def ran_out(error: BaseException) -> bool:
    """Whether an error means that memory ran out: torch's on any device, its CPU allocator's, or Python's."""
    return isinstance(error, MemoryError) or bool(_MESSAGES.search(f"{type(error).__name__}: {error}"))


def tighten(state: "State", encoder: "Encoder", tokens: int, largest: int, budget: int) -> str | None:
    """Ask for less memory; says what is done from here on, or None where nothing is left to do.

    tokens   in the step that failed
    largest  tokens of its largest item, below which a micro-batch cannot go
    budget   tokens in a micro-batch up to now
    """
    budget = min(budget, tokens)
    if budget > largest:
        state.micro_batch_tokens = max(largest, budget // 2)
        return f"micro-batches of {state.micro_batch_tokens} tokens"
    if not state.checkpointing and encoder.checkpoint_activations():
        state.checkpointing = True
        return "activations computed again in the backward pass"
    return None


def let_go() -> None:
    """Give back what torch holds of the device's memory without using it."""
    import gc

    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
