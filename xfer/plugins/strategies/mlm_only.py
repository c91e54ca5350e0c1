"""The control of `mlm-stilts`: the same masked-LM steps without the intermediate task."""

from collections.abc import Sequence

from xfer.api import (
    Listed,
    Phase,
    PlanContext,
    Record,
    Strategy,
    hookimpl,
    intermediate_phases,
    target_phases,
    text_use,
    with_budget,
)


class Params(Record):
    """Parameters of `mlm-only`."""

    like: str = ""
    """As many masked-LM steps as `mlm-stilts` takes beside this intermediate task; empty: the suite's default."""
    budget: int = 0
    """The `budget` of that `mlm-stilts`."""
    languages: Listed = ()
    """Languages of the running text; empty: those of the suite's targets."""
    text: str = ""
    """The task that holds it; empty: the suite's."""
    ratio: float = 0.5
    """Masked-LM steps for each step that the intermediate task would take."""
    exponent: float = 0.3
    masking: float = 0.15


def plan(context: PlanContext, params: Params) -> Sequence[Phase]:
    """Continued masked LM alone, target in English, zero-shot evaluation."""
    text = text_use(
        context,
        params.text,
        params.languages,
        steps_ratio=params.ratio,
        exponent=params.exponent,
        options={"masking": params.masking},
    )
    phases = []
    for phase in intermediate_phases(context, params.like or context.suite.default_intermediate):
        counted = tuple(use.model_copy(update={"counts_only": True}) for use in phase.uses)
        phases.append(phase.model_copy(update={"uses": (*counted, text)}))
    return *with_budget(phases, params.budget), *target_phases(context, after=phases[-1].name)


MLM_ONLY = Strategy(
    name="mlm-only",
    summary="continued multilingual masked LM without an intermediate task (control of mlm-stilts)",
    citation="control experiment; masked LM: Devlin et al. 2019, arXiv 1810.04805",
    params=Params,
    plan=plan,
)


@hookimpl
def xfer_strategies() -> Sequence[Strategy]:
    """One strategy."""
    return [MLM_ONLY]
