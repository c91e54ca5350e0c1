"""A strategy in one file: the target, then the intermediate task, then the target again."""

from collections.abc import Sequence

from xfer.api import Phase, PlanContext, Record, Strategy, hookimpl, intermediate_phases, target_phases


class Params(Record):
    """Parameters: `--strategy 'sandwich[intermediate=mnli,share=0.5]'`."""

    intermediate: str = ""
    """As `--intermediate` has it; empty: the suite's default."""
    share: float = 1.0
    """Share of the target's epochs that come before the intermediate task."""


def plan(context: PlanContext, params: Params) -> Sequence[Phase]:
    """Three training phases; a retrieval target, which trains nothing, has the intermediate one only."""
    tasks = params.intermediate or context.suite.default_intermediate
    first = target_phases(context, after=None)[:-1]
    before = [phase.model_copy(update={"name": "before", "overrides": {"epochs": params.share}}) for phase in first]
    between = intermediate_phases(context, tasks)
    if before:
        between = (between[0].model_copy(update={"starts_from": ("before",)}), *between[1:])
    return *before, *between, *target_phases(context, after=between[-1].name)


SANDWICH = Strategy(
    name="sandwich",
    summary="target, intermediate task, target again",
    citation="none: invented for the documentation",
    params=Params,
    plan=plan,
)


@hookimpl
def xfer_strategies() -> Sequence[Strategy]:
    """One strategy."""
    return [SANDWICH]
