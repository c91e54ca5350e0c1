"""The target's own training data translated as well: an upper reference, not zero-shot."""

from collections.abc import Sequence

from xfer.api import Listed, Phase, PlanContext, Record, Strategy, hookimpl, translations, wrapped_phases


class Params(Record):
    """Parameters of `translate-train`."""

    of: str = "none"
    """The strategy whose target phase gets translations: `NAME` or `NAME[key=value,…]`."""
    languages: Listed = ()
    """Languages of the translations; empty: all that there are."""
    via: str = ""
    """As in `translated-stilts`."""


def plan(context: PlanContext, params: Params) -> Sequence[Phase]:
    """The wrapped plan, its training on the target in English and in translations."""
    making: dict[str, Phase] = {}
    phases = []
    for phase in wrapped_phases(context, params.of):
        if phase.does == "train" and phase.role == "target":
            made = [translations(context, use.task, params.languages, params.via) for use in phase.uses]
            making |= {one.name: one for steps, _ in made for one in steps}
            uses = (*phase.uses, *(use for _, use in made))
            phase = phase.model_copy(update={"uses": uses, "needs": (*phase.needs, *making)})
        phases.append(phase)
    return *making.values(), *phases


TRANSLATE_TRAIN = Strategy(
    name="translate-train",
    summary="the target's training data in translations too: an upper reference, not zero-shot",
    citation="Conneau et al. 2018, XNLI, arXiv 1809.05053; Hu et al. 2020, XTREME, arXiv 2003.11080",
    params=Params,
    plan=plan,
)


@hookimpl
def xfer_strategies() -> Sequence[Strategy]:
    """One strategy."""
    return [TRANSLATE_TRAIN]
