"""The mean of snapshots of a training run in place of its last weights."""

from collections.abc import Sequence
from typing import Literal

from xfer.api import Phase, PlanContext, Record, Strategy, hookimpl, wrapped_phases


class Params(Record):
    """Parameters of `checkpoint-average`."""

    of: str = "none"
    """The strategy whose training runs are averaged: `NAME` or `NAME[key=value,…]`."""
    snapshots: int = 5
    """Evenly spaced over the run, its end included."""
    role: Literal["target", "intermediate", "all"] = "target"
    """Of which training phases."""


def plan(context: PlanContext, params: Params) -> Sequence[Phase]:
    """The wrapped plan with an averaging phase after each training phase of the role."""
    phases: list[Phase] = []
    averaged: dict[str, str] = {}
    for phase in wrapped_phases(context, params.of):
        starts = tuple(averaged.get(name, name) for name in phase.starts_from)
        if phase.does != "train" or params.role not in ("all", phase.role):
            phases.append(phase.model_copy(update={"starts_from": starts}))
            continue
        overrides = {**phase.overrides, "snapshots": params.snapshots}
        average = Phase(
            name=f"{phase.name}-average",
            does="average",
            role=phase.role,
            starts_from=(phase.name,),
            params={"snapshots": True},
        )
        phases += [phase.model_copy(update={"starts_from": starts, "overrides": overrides}), average]
        averaged[phase.name] = average.name
    return phases


CHECKPOINT_AVERAGE = Strategy(
    name="checkpoint-average",
    summary="average of snapshots of the training run in place of its last weights",
    citation="Schmidt et al. 2023, arXiv 2305.16834",
    params=Params,
    plan=plan,
)


@hookimpl
def xfer_strategies() -> Sequence[Strategy]:
    """One strategy."""
    return [CHECKPOINT_AVERAGE]
