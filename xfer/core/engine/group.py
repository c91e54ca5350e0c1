"""Several processes that work on one phase together. Only this module and `parallel` touch torch.distributed.

Every process (rank) is started with the same command by torchrun, accelerate or srun. Rank 0 leads: it alone walks
through the plan, takes locks, writes and reports. The others follow: they wait for its orders in the key-value
store that comes with the group, so that a long wait is no collective operation that could time out, and work with
it on the phases whose work is shared (`together`).

Small objects and arrays travel as JSON and bytes over gloo, on the CPU; only the model's gradients and weights use
the device's own way (nccl on CUDA). Nothing is pickled.
"""

import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from xfer.core.engine.failures import Lost, described, rebuilt
from xfer.core.engine.place import NPROC, Place, place, slurm_address
from xfer.core.errors import UserError, XferError

if TYPE_CHECKING:
    import numpy as np

T = TypeVar("T")
TIMEOUT = timedelta(hours=6)
"""How long a collective operation waits for a rank, such as one that writes a checkpoint to a slow disk."""
MEETING = timedelta(minutes=10)
"""How long processes wait for each other at the start."""
GRACE = 10.0
"""Seconds in which the others must fail as well, or be through, for a failure to be one that all agree on."""
GONE = 1.0
"""The same where a rank was lost already: what it failed with, it said before."""
_POLL = (0.005, 0.25)
"""Seconds between two looks at an order, at first and later."""
_PIECE = 1 << 28
"""Bytes in one message."""
_LOST = re.compile(r"gloo|nccl|Connection (closed|reset|refused)|Broken pipe|DistStoreError|DistNetworkError", re.I)


@dataclass
class Group:
    """The processes that work together. Alone, which is the default, every method is the plain thing."""

    rank: int = 0
    world: int = 1
    store: Any = None
    """torch's key-value store, through which orders and failures go."""
    number: int = 0
    """Shared stretches of work so far, the same on all ranks."""
    broken: XferError | None = None
    """A failure on which the ranks did not agree: there is no group any more."""
    agreed: bool = False
    """Whether the last failure was everybody's, so that only the leader tells it."""

    @property
    def leads(self) -> bool:
        """Whether this process walks through the plan, writes and reports."""
        return self.rank == 0

    # ------------------------------------------------------------ collective operations

    def sums(self, numbers: Sequence[float]) -> list[float]:
        """Sums over all ranks, in double precision."""
        if self.world == 1:
            return list(numbers)
        import torch

        tensor = torch.tensor(numbers, dtype=torch.float64)
        _dist().all_reduce(tensor)
        return tensor.tolist()

    def any(self, *flags: bool) -> tuple[bool, ...]:
        """Of each flag, whether it is set on any rank."""
        return tuple(value > 0 for value in self.sums([float(flag) for flag in flags]))

    def broadcast(self, value: Any = None) -> Any:
        """The leader's value, which JSON must be able to hold, on all ranks."""
        if self.world == 1:
            return value
        import torch

        data = json.dumps(value).encode() if self.leads else b""
        length = torch.tensor([len(data)])
        _dist().broadcast(length, 0)
        content = torch.frombuffer(bytearray(data), dtype=torch.uint8) if data else None
        buffer = content if content is not None else torch.empty(int(length), dtype=torch.uint8)
        _dist().broadcast(buffer, 0)
        return json.loads(bytes(buffer.tolist())) if not self.leads else value

    def led(self, work: Callable[[], T]) -> T:
        """What the leader's work gives (JSON), on all ranks. Where it fails, it fails on all."""
        if self.world == 1:
            return work()
        answer: dict[str, Any] = {}
        failure: Exception | None = None
        if self.leads:
            try:
                answer = {"value": work()}
            except Exception as error:
                failure, answer = error, {"error": described(error)}
        answer = self.broadcast(answer)
        if failure is not None:
            raise failure
        if "error" in answer:
            raise rebuilt(answer["error"])
        return answer["value"]  # type: ignore[no-any-return]

    def to_leader(self, array: "np.ndarray", rank: int) -> "np.ndarray":
        """A rank's array, for both ends: the rank gives it, the leader an array of that shape and type to fill."""
        import numpy as np
        import torch

        array = np.ascontiguousarray(array)
        content = torch.from_numpy(array.reshape(-1).view(np.uint8))
        for start in range(0, len(content), _PIECE):
            piece = content[start : start + _PIECE]
            _ = _dist().recv(piece, rank) if self.leads else _dist().send(piece, 0)
        return array

    # ------------------------------------------------------------ orders, and how a stretch of work ends

    def order(self, name: str) -> None:
        """The leader's word to the others: work on this phase with me."""
        if self.world > 1 and self.broken is None:
            self._set(f"order-{self.number}", {"phase": name})

    def dismiss(self, **result: Any) -> None:
        """The leader's last word: how it ended. Waits a little, for the leader may be where the orders are kept."""
        if self.world == 1 or self.broken is not None:
            return
        self._set(f"order-{self.number}", {"end": result})
        self.number += 1
        self._wait([f"gone-{self.number}-{rank}" for rank in range(1, self.world)], GRACE)

    def follow(self, work: Callable[[str], None], asked: Callable[[], bool]) -> dict[str, Any]:
        """Work on what the leader orders until it says how it ended, and return that.

        Raises Lost where a stop is `asked` for and the leader says nothing more.
        """
        while True:
            order = self._order(asked)
            if "end" in order:
                self.number += 1
                self._set(f"gone-{self.number}-{self.rank}", {})
                return dict(order["end"])
            try:
                work(order["phase"])
            except Exception:  # the leader has it too, and tells it
                if self.broken is not None:
                    raise

    def farewell(self) -> None:
        """The last thing before a process ends: the others let the leader end first, for launchers end all that are
        left when one fails, and it may have something to say."""
        with suppress(Lost):
            if self.leads:
                self._set("left", {})
            elif self.broken is None:
                self._wait(["left"], GRACE)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """What torch says in a group where another process is gone becomes `Lost`."""
        try:
            yield
        except RuntimeError as error:
            if self.world == 1 or not _LOST.search(f"{type(error).__name__}: {error}"):
                raise
            raise Lost(
                "another process of the group was lost",
                where=str(error).splitlines()[0][:120],
                fix="see what it said, if it could; the same command continues from the newest checkpoint",
            ) from error

    @contextmanager
    def together(self) -> Iterator[None]:
        """A stretch of work that all ranks do. It ends in the same way for all of them, or the group is broken.

        Raises the failure of the first rank that has one, where all failed or got through.
        """
        if self.world == 1:
            yield
            return
        if self.broken is not None:
            raise self.broken
        self.number += 1
        failure: Exception | None = None
        try:
            with self.watched():
                yield
        except Exception as error:
            failure = error
        self._set(f"{self.number}-{self.rank}", {"error": described(failure)} if failure else {})
        if failure is None and not self.leads:
            return
        waiting = [f"{self.number}-{rank}" for rank in range(self.world)]
        limit = TIMEOUT.total_seconds() if failure is None else GONE if isinstance(failure, Lost) else GRACE
        everyone = self._wait(waiting, limit)
        told = {rank: self._get(key).get("error") for rank, key in enumerate(waiting) if self._there([key])}
        found = [(rank, error) for rank, error in told.items() if error]
        if everyone and not found:
            return
        self.agreed = everyone and all(error["kind"] != Lost.__name__ for _, error in found)
        found.sort(key=lambda pair: pair[1]["kind"] == Lost.__name__)  # what led to the loss, if it was told
        rank, first = found[0] if found else (self.rank, described(Lost("a rank did not answer")))
        raised = failure if rank == self.rank and failure is not None else rebuilt(first, rank)
        if not self.agreed:
            self.broken = raised if isinstance(raised, XferError) else rebuilt(described(raised))
        raise raised

    def _order(self, asked: Callable[[], bool]) -> dict[str, Any]:
        """The next order; waits for it without end, but not for long once a stop is asked for."""
        pause, limit = _POLL[0], float("inf")
        while not self._there([f"order-{self.number}"]):
            if asked() and limit == float("inf"):
                limit = time.monotonic() + GRACE
            if time.monotonic() > limit:
                self.broken = Lost("stopped as asked, while the leading process said nothing")
                raise self.broken
            time.sleep(pause)
            pause = min(2 * pause, _POLL[1])
        return self._get(f"order-{self.number}")

    def _wait(self, keys: Sequence[str], seconds: float) -> bool:
        """Whether all keys are there in time."""
        end, pause = time.monotonic() + seconds, _POLL[0]
        while not self._there(keys):
            if time.monotonic() > end:
                return False
            time.sleep(pause)
            pause = min(2 * pause, _POLL[1])
        return True

    def _there(self, keys: Sequence[str]) -> bool:
        with self.watched():
            return bool(self.store.check([f"xfer/{key}" for key in keys]))

    def _get(self, key: str) -> dict[str, Any]:
        with self.watched():
            found: dict[str, Any] = json.loads(self.store.get(f"xfer/{key}"))
        return found

    def _set(self, key: str, value: Mapping[str, Any]) -> None:
        with self.watched():
            self.store.set(f"xfer/{key}", json.dumps(value))


def _dist() -> Any:
    """torch's collective operations, of which those that pickle objects are not used."""
    import torch.distributed

    return torch.distributed


# ---------------------------------------------------------------- beginning and end

SINGLE = Group()
_current: list[Group] = []


def current() -> Group | None:
    """The group that this process has joined."""
    return _current[0] if _current else None


def start() -> Group:
    """Join the group that the environment describes, once a process; alone where it describes none.

    Raises UserError where it has another size than the launcher was asked for.
    """
    here = place()
    asked = os.environ.get(NPROC, "")
    if asked:
        require_size(int(asked) if asked.isdecimal() else 0, here.world, f"{NPROC}={asked}")
    if here.world == 1:
        return SINGLE
    if not _current:
        _current.append(_joined(here))
    return _current[0]


def require_size(asked: int, world: int, where: str) -> None:
    """Raise UserError unless so many processes are here as were asked for."""
    if asked != world:
        raise UserError(
            f"{asked} processes were asked for, and {world} began this run",
            where,
            "start them with --launcher torchrun, torchrun or srun, and give the same number there "
            "(accelerate launch can start one process where several were meant)",
        )


def _joined(here: Place) -> Group:
    import torch

    cuda = torch.cuda.is_available()
    if cuda and here.local_rank < torch.cuda.device_count():
        torch.cuda.set_device(here.local_rank)
    if "SLURM_PROCID" in os.environ and "RANK" not in os.environ:
        known = {**slurm_address(os.environ), **os.environ}
        named = {"RANK": str(here.rank), "WORLD_SIZE": str(here.world), "LOCAL_RANK": str(here.local_rank)}
        os.environ |= {name: known[name] for name in ("MASTER_ADDR", "MASTER_PORT")} | named
    from torch.distributed.distributed_c10d import PrefixStore
    from torch.distributed.rendezvous import rendezvous

    backend = "cpu:gloo,cuda:nccl" if cuda else "gloo"
    try:
        store, rank, world = next(iter(rendezvous("env://", timeout=MEETING)))
        apart = PrefixStore("group", store)
        _dist().init_process_group(backend, store=apart, rank=rank, world_size=world, timeout=TIMEOUT)
    except (RuntimeError, ValueError) as error:  # those of the store and the network are RuntimeErrors
        raise UserError(
            f"process {here.rank} of {here.world} does not find the others: {str(error).splitlines()[0][:160]}",
            f"MASTER_ADDR={os.environ.get('MASTER_ADDR', '')} MASTER_PORT={os.environ.get('MASTER_PORT', '')}",
            "start all of them with torchrun or srun, or unset RANK and WORLD_SIZE for a single one",
        ) from error
    return Group(rank, world, store)


def stop() -> None:
    """Leave the group."""
    if _current:
        _current.clear()
        with suppress(RuntimeError, ValueError):
            _dist().destroy_process_group()
