"""STILTs with continued multilingual masked LM mixed into the intermediate phase."""

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
    """Parameters of `mlm-stilts`. The paper's own values are not public; the defaults are xfer's."""

    intermediate: str = ""
    """As in `english-stilts`."""
    budget: int = 0
    """Intermediate examples a phase; 0: all. Masked LM comes on top."""
    languages: Listed = ()
    """Languages of the running text; empty: those of the suite's targets."""
    text: str = ""
    """The task that holds it; empty: the suite's."""
    ratio: float = 0.5
    """Masked-LM steps for each step on the intermediate task."""
    exponent: float = 0.3
    """Languages are drawn in proportion to their number of texts to this power (XLM-R: 0.3)."""
    masking: float = 0.15
    """Share of the tokens that are predicted."""
    loss_weight: float = 1.0


def plan(context: PlanContext, params: Params) -> Sequence[Phase]:
    """Intermediate task(s) in English mixed with masked LM, target in English, zero-shot evaluation."""
    first = intermediate_phases(context, params.intermediate or context.suite.default_intermediate)
    text = text_use(
        context,
        params.text,
        params.languages,
        steps_ratio=params.ratio,
        exponent=params.exponent,
        loss_weight=params.loss_weight,
        options={"masking": params.masking},
    )
    mixed = [phase.model_copy(update={"uses": (*phase.uses, text)}) for phase in first]
    return *with_budget(mixed, params.budget), *target_phases(context, after=first[-1].name)


MLM_STILTS = Strategy(
    name="mlm-stilts",
    summary="English intermediate task(s) mixed with continued multilingual masked LM",
    citation="Phang et al. 2020, arXiv 2005.13013 (with masked LM); exponent: Conneau et al. 2020, XLM-R",
    params=Params,
    plan=plan,
)


@hookimpl
def xfer_strategies() -> Sequence[Strategy]:
    """One strategy."""
    return [MLM_STILTS]
