"""Heads that read all layers of the encoder by attention, or one layer by number, instead of the last."""

from collections.abc import Sequence
from typing import Literal

from xfer.api import Phase, PlanContext, Record, Strategy, hookimpl, wrapped_phases


class Params(Record):
    """Parameters of `layer-attention`."""

    of: str = "none"
    """The strategy whose heads read so: `NAME` or `NAME[key=value,…]`."""
    pooling: str | int = "attention"
    """"attention", "last", or a layer by number (0: embeddings)."""
    role: Literal["target", "intermediate", "all"] = "target"
    """In which training phases."""


def plan(context: PlanContext, params: Params) -> Sequence[Phase]:
    """The wrapped plan with another pooling; a target without training has no head to change."""
    return [
        Phase.model_validate({**dict(phase), "pooling": str(params.pooling)})
        if phase.does == "train" and params.role in ("all", phase.role)
        else phase
        for phase in wrapped_phases(context, params.of)
    ]


LAYER_ATTENTION = Strategy(
    name="layer-attention",
    summary="heads attend over the outputs of all layers instead of reading the last",
    citation="Chen et al. 2022, arXiv 2205.08497",
    params=Params,
    plan=plan,
)


@hookimpl
def xfer_strategies() -> Sequence[Strategy]:
    """One strategy."""
    return [LAYER_ATTENTION]
