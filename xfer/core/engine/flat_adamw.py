"""AdamW over flat buffers: float32 masters and moments, bfloat16 working weights, the clip factor folded in.

The arithmetic is that of `torch.optim.AdamW` with the gradient clipped before. The parameters become views of
the buffers: one update of a few long ranges takes the place of hundreds of small ones, nothing of it needs the
host, so it can be recorded, and the matrices that are multiplied in bfloat16 anyway lie there in bfloat16.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch  # noqa: TID253
from torch import nn  # noqa: TID253

ALIGNMENT = 64
"""Elements; ranges begin at multiples of it."""


@dataclass(frozen=True)
class Range:
    """A stretch of the buffers that is updated at once."""

    start: int
    stop: int
    first: int
    """The first of its parameters, by place in the layout."""
    group: int


class FlatAdamW(torch.optim.Optimizer):
    """AdamW whose parameters, gradients and moments lie end to end.

    groups  as for `torch.optim.AdamW`, each with `weight_decay`; one learning rate for all
    low     the parameters whose working weights are bfloat16; the masters are float32 for all
    names   of the parameters; what has the same first two parts ("encoder", "heads.<task>") steps together
    """

    def __init__(
        self,
        groups: list[dict[str, Any]],
        names: Mapping[str, nn.Parameter],
        *,
        lr: float,
        betas: tuple[float, float],
        eps: float,
        low: Collection[nn.Parameter] = (),
    ) -> None:
        super().__init__(groups, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": 0.0})
        owner = {id(p): name.split(".")[: 1 if name.startswith("encoder.") else 2] for name, p in names.items()}
        lower = {id(p) for p in low}
        entries = [
            (id(p) not in lower, number, p) for number, g in enumerate(self.param_groups) for p in g["params"]
        ]
        entries.sort(key=lambda entry: entry[:2])
        self._layout = [p for _, _, p in entries]
        self._groups = [number for _, number, _ in entries]
        self._owners = [owner[id(p)] for p in self._layout]
        sizes = np.array([-(-p.numel() // ALIGNMENT) * ALIGNMENT for p in self._layout], dtype=np.int64)
        self._bounds = np.concatenate([[0], np.cumsum(sizes)])
        self._low = sum(not high for high, _, _ in entries)
        self._counts = np.zeros(len(entries), dtype=np.int64)
        device = self._layout[0].device
        total, split = int(self._bounds[-1]), int(self._bounds[self._low])
        self._master, self._mean, self._square = (torch.zeros(total, device=device) for _ in range(3))
        self._working = torch.zeros(split, device=device, dtype=torch.bfloat16)
        self._fine = torch.zeros(total - split, device=device)
        self._coarse = torch.zeros(split, device=device, dtype=torch.bfloat16)
        self._sum: torch.Tensor | None = None
        self._compiled: Any = torch.compile(_update, dynamic=True) if device.type == "cuda" else _update
        with torch.no_grad():
            for place, parameter in enumerate(self._layout):
                self._view(self._master, place).copy_(parameter)
                if place < self._low:
                    self._view(self._working, place).copy_(parameter)
                parameter.data = self._view(self._working if place < self._low else self._master, place)
        self._places = {id(p): place for place, p in enumerate(self._layout)}

    # ------------------------------------------------------------ views

    def _view(self, buffer: torch.Tensor, place: int, shift: int = 0) -> torch.Tensor:
        parameter, start = self._layout[place], int(self._bounds[place]) - shift
        return buffer[start : start + parameter.numel()].view(parameter.shape)

    def master(self, parameter: nn.Parameter) -> torch.Tensor:
        """The float32 weights of a parameter."""
        return self._view(self._master, self._places[id(parameter)])

    def _gradient_view(self, place: int) -> torch.Tensor:
        split = int(self._bounds[self._low])
        if place >= self._low:
            return self._view(self._fine, place, split)
        return self._view(self._coarse if self._sum is None else self._sum, place)

    # ------------------------------------------------------------ steps

    def collect(self, *, more: bool) -> np.ndarray:
        """Move the parameters' gradients into the buffers, added to what is there with `more`.

        Returns which parameters had one. Sums of several are kept in float32.
        """
        active = np.array([p.grad is not None for p in self._layout])
        if more and self._sum is None:
            self._sum = self._coarse.float()
        elif not more:
            self._sum = None
        places = np.flatnonzero(active).tolist()
        views = [self._gradient_view(place) for place in places]
        gradients = [gradient for p in self._layout if (gradient := p.grad) is not None]
        with torch.no_grad():
            if more:
                torch._foreach_add_(views, [g.to(v.dtype) for g, v in zip(gradients, views, strict=True)])
            else:
                torch._foreach_copy_(views, gradients)
        self.zero_grad(set_to_none=True)
        return active

    def ranges(self, active: np.ndarray) -> list[Range]:
        """Neighbouring active parameters of one group, one owner and one number of steps, joined."""
        found: list[Range] = []
        last: tuple[Any, ...] | None = None
        for place in np.flatnonzero(active).tolist():
            key = (place, self._groups[place], self._owners[place], int(self._counts[place]), place < self._low)
            stop = int(self._bounds[place + 1])
            if last is not None and key == (last[0] + 1, *last[1:]):
                found[-1] = Range(found[-1].start, stop, found[-1].first, found[-1].group)
            else:
                found.append(Range(int(self._bounds[place]), stop, place, self._groups[place]))
            last = key
        return found

    def _gradient(self, part: Range) -> torch.Tensor:
        split = int(self._bounds[self._low])
        if part.start >= split:
            return self._fine[part.start - split : part.stop - split]
        return (self._coarse if self._sum is None else self._sum)[part.start : part.stop]

    def norm(self, parts: list[Range]) -> torch.Tensor:
        """The norm of all gradients in these ranges, a float32 scalar on the device."""
        norms = [torch.linalg.vector_norm(self._gradient(part), dtype=torch.float32) for part in parts]
        whole: torch.Tensor = torch.linalg.vector_norm(torch.stack(norms))
        return whole

    def scalars(self, parts: list[Range], active: np.ndarray, rate: float) -> torch.Tensor:
        """Count a step and give what it needs of the host: for each range what decay leaves, the size of the
        step and one over the root of the second bias correction; float32 [ranges, 3], on the CPU.
        """
        self._counts[active] += 1
        rows = []
        for part in parts:
            group = self.param_groups[part.group]
            (first, second), count = group["betas"], int(self._counts[part.first])
            root = (1.0 - second**count) ** -0.5
            rows.append((1.0 - rate * group["weight_decay"], rate / (1.0 - first**count), root))
        return torch.tensor(rows, dtype=torch.float32)

    def update(
        self, parts: list[Range], scalars: torch.Tensor, scale: torch.Tensor, good: torch.Tensor | None = None
    ) -> None:
        """One AdamW step of these ranges on gradients times `scale`; nothing changes where `good` is false."""
        split = int(self._bounds[self._low])
        for part, row in zip(parts, scalars, strict=True):
            at = slice(part.start, part.stop)
            group = self.param_groups[part.group]
            self._compiled(
                self._master[at],
                self._mean[at],
                self._square[at],
                self._working[at] if part.stop <= split else None,
                self._gradient(part),
                scale,
                row,
                good,
                *group["betas"],
                group["eps"],
            )

    # ------------------------------------------------------------ checkpoints

    def describe(self) -> None:
        """Bring `state` up to date, as `torch.optim.AdamW` has it."""
        for place, parameter in enumerate(self._layout):
            if self._counts[place]:
                self.state[parameter] = {
                    "step": torch.tensor(float(self._counts[place])),
                    "exp_avg": self._view(self._mean, place),
                    "exp_avg_sq": self._view(self._square, place),
                }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over the state of an AdamW over the same groups of parameters."""
        parameters = [p for group in self.param_groups for p in group["params"]]
        for number, entries in state_dict["state"].items():
            place = self._places[id(parameters[number])]
            self._counts[place] = int(entries["step"])
            self._view(self._mean, place).copy_(entries["exp_avg"])
            self._view(self._square, place).copy_(entries["exp_avg_sq"])


def _update(
    master: torch.Tensor,
    mean: torch.Tensor,
    square: torch.Tensor,
    working: torch.Tensor | None,
    gradient: torch.Tensor,
    scale: torch.Tensor,
    row: torch.Tensor,
    good: torch.Tensor | None,
    first: float,
    second: float,
    epsilon: float,
) -> None:
    """AdamW (Loshchilov and Hutter 2019) elementwise; `row` as `FlatAdamW.scalars` makes it."""
    clipped = gradient.float() * scale
    means = mean + (clipped - mean) * (1.0 - first)
    squares = square * second + clipped * clipped * (1.0 - second)
    weights = master * row[0] - row[1] * means / (squares.sqrt() * row[2] + epsilon)
    if good is not None:
        means, squares = torch.where(good, means, mean), torch.where(good, squares, square)
        weights = torch.where(good, weights, master)
    mean.copy_(means)
    square.copy_(squares)
    master.copy_(weights)
    if working is not None:
        working.copy_(weights)
