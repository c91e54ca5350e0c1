"""Named random streams from one seed.

Every random choice of a run (order of items, dropout, masking, fresh heads) draws from a stream of its own,
named by what it is for. Nothing depends on what was drawn before, so a resumed run equals an uninterrupted one
without generator states in its checkpoints: a phase seeds dropout anew in every step from
`(seed, phase, "dropout", step)`.
"""

import hashlib
from types import TracebackType
from typing import Any

import numpy as np


def stream_seed(seed: int, *names: str | int) -> int:
    """A seed of 63 bits from the run's seed and the stream's name, the same on every machine.

    Names are kept apart by their length and kind: `("a", "b")`, `("ab",)`, `(1,)` and `("1",)` are four streams.
    """
    digest = hashlib.sha256(f"{int(seed)}".encode())
    for name in names:
        text = f"i{int(name)}" if isinstance(name, int | np.integer) else f"s{name}"
        data = text.encode()
        digest.update(f"|{len(data)}:".encode() + data)
    return int.from_bytes(digest.digest()[:8], "big") >> 1


def numpy_stream(seed: int, *names: str | int) -> np.random.Generator:
    """A fresh NumPy generator of the stream."""
    return np.random.default_rng(stream_seed(seed, *names))


class torch_seeded:  # noqa: N801 - called like a function, or used in a `with` statement
    """Seed torch's global generators (CPU, and CUDA or MPS once in use) from the stream, at once.

    `torch_seeded(seed, "dropout", step)` leaves them seeded; `with torch_seeded(...):` gives the CPU and CUDA
    generators back their former states at the end.
    """

    def __init__(self, seed: int, *names: str | int) -> None:
        self._value = stream_seed(seed, *names)
        self._former: tuple[Any, list[Any]] | None = None
        self._seed()

    def _seed(self) -> None:
        import torch

        cuda = torch.cuda.is_available() and bool(torch.cuda.is_initialized())  # type: ignore[no-untyped-call]
        if self._former is None:
            self._former = (torch.get_rng_state(), torch.cuda.get_rng_state_all() if cuda else [])
        torch.default_generator.manual_seed(self._value)
        if cuda:
            torch.cuda.manual_seed_all(self._value)
        if torch.backends.mps.is_available():
            torch.mps.manual_seed(self._value)

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        import torch

        assert self._former is not None
        cpu, cuda = self._former
        torch.set_rng_state(cpu)
        if cuda:
            torch.cuda.set_rng_state_all(cuda)
