"""Whole optimizer steps as CUDA graphs: recorded once a shape, then replayed without the host's work.

On a fast card a step of 32 short examples is bound by the host, which issues some thousand kernels. Streams are
rounded up by filler, so that few shapes occur; a shape is recorded when it first comes. A step that cannot be
recorded is left to `xfer.core.engine.step`, over the same flat buffers: masked LM, whose number of masked tokens
varies; more tokens than a micro-batch may have; too many shapes.

Nothing waits for the device in a step. Whether a loss was finite is looked up when something is told or stored:
until then a step that is not finite, and all that follow, leave the weights as they were.

On other devices the same body is called instead of replayed, for tests.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch  # noqa: TID253

from xfer.core.batches.features import Batch
from xfer.core.encoders.device import Device, autocast
from xfer.core.encoders.pooling import hidden_states
from xfer.core.engine import memory
from xfer.core.engine.flat_adamw import FlatAdamW, Range
from xfer.core.engine.job import Job, Part, State, learning_rate
from xfer.core.engine.step import Drawn, clip_factor, require_finite
from xfer.core.streams import torch_seeded

SHAPES = 16
"""Shapes that are recorded; further ones are computed step by step. Each takes memory of its own on the card."""
LOOKED_AT = 256
"""Steps among which the longest is looked for: it is recorded first, so that others fit into its memory."""
LONG = 4096
"""Tokens in a step from which streams are rounded up to multiples of 512 instead of 128."""


@dataclass
class _Program:
    """A recorded step of one shape."""

    batch: Batch
    active: np.ndarray
    ranges: list[Range]
    scalars: torch.Tensor
    run: Callable[[], None]


class Recorder:
    """Takes the steps of a job that can be recorded."""

    def __init__(self, job: Job, device: Device) -> None:
        assert isinstance(job.optimizer, FlatAdamW)
        self._job, self._device, self._flat = job, device, job.optimizer
        self._programs: dict[tuple[Any, ...], _Program | None] = {}
        self._primed: set[int] = set()
        at = device.torch_device
        self._number = torch.zeros((), dtype=torch.int64, device=at)
        self._bad = torch.full((), -1, dtype=torch.int64, device=at)
        self._values = torch.zeros(2, device=at)
        self._spoilt = torch.zeros(2, device=at)
        self._no = torch.zeros((), dtype=torch.bool, device=at)
        self._pool = torch.cuda.graph_pool_handle() if device.kind == "cuda" else None

    def take(self, part: Part, drawn: Drawn, state: State) -> tuple[torch.Tensor, int] | None:
        """One optimizer step on drawn items: the mean loss, on the device, and the number of real tokens.

        None where the step is to be taken otherwise; nothing has happened then.
        """
        budget = state.micro_batch_tokens or self._job.settings.micro_batch_tokens
        features, collator, items = drawn
        tokens = int(features.item_lengths[items].sum())
        if part.code.task.format == "masked-lm" or tokens > budget or state.checkpointing:
            return None
        use = self._job.parts.index(part)
        if part.changed is None and use not in self._primed:
            self._primed.add(use)
            self._program(part, self._batch(part, (features, collator, self._longest(use, items, budget))))
        batch = self._batch(part, drawn)
        program = self._program(part, batch)
        if program is None:
            return None
        _fill(program.batch, batch)
        rate = learning_rate(self._job.settings, state.step, self._job.schedule.total_steps)
        program.scalars.copy_(self._flat.scalars(program.ranges, program.active, rate))
        self._number.fill_(state.step)
        torch_seeded(self._job.planned.seed or 0, "dropout", state.step)
        program.run()
        return self._values[0].clone(), batch.real_tokens

    def check(self) -> None:
        """Raise NonFinite if a step since the start was not finite. Waits for the device."""
        step = int(self._bad)
        if step >= 0:
            loss, norm = self._spoilt.tolist()
            use, items = self._job.schedule.draw(step)
            part = self._job.parts[use]
            drawn = None if part.changed is not None else (part.features, part.collator, items)
            require_finite(self._job, part, drawn, step, loss, norm)

    # ------------------------------------------------------------ recording

    def _longest(self, use: int, items: np.ndarray, budget: int) -> np.ndarray:
        """The items of the longest step of a use that fits: these, or of one of the first steps."""
        draws = (self._job.schedule.draw(step) for step in range(min(LOOKED_AT, self._job.schedule.total_steps)))
        lengths = self._job.parts[use].features.item_lengths
        fitting = [drawn for number, drawn in draws if number == use and lengths[drawn].sum() <= budget]
        return max([items, *fitting], key=lambda drawn: int(lengths[drawn].sum()))

    def _batch(self, part: Part, drawn: Drawn) -> Batch:
        features, collator, items = drawn
        tokens = int(features.item_lengths[items].sum())
        batch = collator.batch(items, 512 if tokens >= LONG else 128)
        # the kernel takes any bound; a recorded one must hold for all batches
        return batch if part.changed else replace(batch, max_seqlen=int(features.sequence_lengths.max()))

    def _program(self, part: Part, batch: Batch) -> _Program | None:
        bound = batch.max_seqlen if part.changed else 0
        key = (self._job.parts.index(part), bound, *_shapes(batch), batch.sequence_count, batch.item_count)
        known = self._programs.get(key)
        if known is not None and self._flat.ranges(known.active) != known.ranges:
            del self._programs[key]  # parameters that stepped together no longer do
        if key not in self._programs:
            recorded = sum(program is not None for program in self._programs.values())
            try:
                self._programs[key] = self._record(part, batch) if recorded < SHAPES else None
            except Exception as error:
                if not memory.ran_out(error):
                    raise
                self._programs[key] = None
            if self._programs[key] is None:
                for parameter in self._job.parameters.values():
                    parameter.grad = None
                memory.let_go()
        return self._programs[key]

    def _record(self, part: Part, given: Batch) -> _Program:
        batch = _copy(given)
        stream = torch.cuda.Stream() if self._device.kind == "cuda" else None  # type: ignore[no-untyped-call]
        if stream is None:
            active = self._warm_up(part, batch)
        else:
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                active = self._warm_up(part, batch)
            torch.cuda.current_stream().wait_stream(stream)
        ranges = self._flat.ranges(active)
        scalars = torch.zeros(len(ranges), 3, device=self._device.torch_device)

        def body() -> None:
            self._body(part, batch, ranges, scalars)

        if self._device.kind != "cuda":
            return _Program(batch, active, ranges, scalars, body)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool):
            body()
        return _Program(batch, active, ranges, scalars, graph.replay)

    def _warm_up(self, part: Part, batch: Batch) -> np.ndarray:
        """Two steps that change no weight: kernels get chosen, workspaces made, the update compiled."""
        for _ in range(2):
            loss, terms = self._backward(part, batch)
            active = self._flat.collect(more=False)
            ranges = self._flat.ranges(active)
            scalars = torch.zeros(len(ranges), 3, device=self._device.torch_device)
            self._flat.update(ranges, scalars, loss / terms, self._no)
        return active

    def _backward(self, part: Part, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        with autocast(self._device, cache=False):
            hidden = hidden_states(self._job.encoder, batch, part.pooling)
            loss, terms = part.code.loss(part.head, hidden, batch)
        (loss * part.loss_weight).backward()  # type: ignore[no-untyped-call]
        return loss.detach().float(), terms.clamp(min=1)

    def _body(self, part: Part, batch: Batch, ranges: list[Range], scalars: torch.Tensor) -> None:
        loss, terms = self._backward(part, batch)
        self._flat.collect(more=False)
        norm = self._flat.norm(ranges) / terms
        values = torch.stack([loss / terms, norm])
        before = self._bad < 0
        good = values.isfinite().all() & before
        self._flat.update(ranges, scalars, clip_factor(self._job, norm) / terms, good)
        first = before & ~good
        self._bad.copy_(torch.where(first, self._number, self._bad))
        self._spoilt.copy_(torch.where(first, values, self._spoilt))
        self._values.copy_(values)


def _tensors(batch: Batch) -> dict[str, torch.Tensor]:
    """Everything on the device that a batch holds, by name."""
    own = {field.name: getattr(batch, field.name) for field in fields(batch)}
    return {name: value for name, value in {**own, **batch.columns}.items() if isinstance(value, torch.Tensor)}


def _shapes(batch: Batch) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(tensor.shape) for tensor in _tensors(batch).values())


def _copy(batch: Batch) -> Batch:
    """A batch whose tensors nobody else holds."""
    kept: dict[str, Any] = {name: tensor.clone() for name, tensor in _tensors(batch).items()}
    columns = {name: kept.pop(name, value) for name, value in batch.columns.items()}
    return replace(batch, columns=columns, **kept)


def _fill(target: Batch, batch: Batch) -> None:
    """Put a batch of the same shape into another one's tensors."""
    for kept, value in zip(_tensors(target).values(), _tensors(batch).values(), strict=True):
        kept.copy_(value, non_blocking=True)
    target.lengths, target.items, target.token_index = batch.lengths, batch.items, batch.token_index
    target.max_seqlen = batch.max_seqlen
