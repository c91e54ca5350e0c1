"""STILTs: English intermediate-task training before the target task."""

from collections.abc import Sequence
from typing import Literal

from xfer.api import (
    Numbers,
    Phase,
    PlanContext,
    Record,
    Sampling,
    Strategy,
    hookimpl,
    intermediate_phases,
    target_phases,
    with_budget,
    with_sampling,
)


class Params(Record):
    """Parameters of `english-stilts`."""

    intermediate: str = ""
    """`a`, `a,b` (mixed), `a+b` (in sequence) or `all`; empty: the suite's default."""
    budget: int = 0
    """Intermediate examples a phase, the same number in every strategy that has this; 0: all."""
    sampling: Literal["proportional", "temperature", "uniform", "weights"] = "proportional"
    """How mixed tasks share the steps: by size, by size to the power 1/`temperature`, equally, by `weights`."""
    cap: int = 0
    """Sizes above this count as this, in the first two; 0: none does."""
    temperature: float = 2.0
    """For `sampling=temperature`."""
    weights: Numbers = ()
    """For `sampling=weights`: one for every task of a mix, in their order."""


def plan(context: PlanContext, params: Params) -> Sequence[Phase]:
    """Intermediate task(s) in English, target in English, zero-shot evaluation."""
    first = intermediate_phases(context, params.intermediate or context.suite.default_intermediate)
    heat = {"temperature": params.temperature} if params.sampling == "temperature" else {}
    first = with_sampling(first, Sampling(kind=params.sampling, cap=params.cap or None, **heat), params.weights)
    return *with_budget(first, params.budget), *target_phases(context, after=first[-1].name)


ENGLISH_STILTS = Strategy(
    name="english-stilts",
    summary="English intermediate task(s), target task in English, zero-shot evaluation",
    citation="Phang et al. 2020, arXiv 2005.13013; STILTs: Phang et al. 2018, arXiv 1811.01088",
    params=Params,
    plan=plan,
)


@hookimpl
def xfer_strategies() -> Sequence[Strategy]:
    """One strategy."""
    return [ENGLISH_STILTS]
