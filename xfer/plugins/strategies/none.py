"""No intermediate training: the baseline of every comparison."""

from collections.abc import Sequence

from xfer.api import NoParams, Phase, PlanContext, Strategy, hookimpl, target_phases


def plan(context: PlanContext, params: NoParams) -> Sequence[Phase]:
    """Train on the target in English, where it has training data, and evaluate in every language."""
    return target_phases(context, after=None)


NONE = Strategy(
    name="none",
    summary="pretrained model, target task in English, zero-shot evaluation",
    citation="Hu et al. 2020, XTREME, arXiv 2003.11080",
    plan=plan,
)


@hookimpl
def xfer_strategies() -> Sequence[Strategy]:
    """One strategy."""
    return [NONE]
