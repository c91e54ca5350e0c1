"""STILTs on intermediate data that was translated into other languages."""

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
    translations,
    with_budget,
)


class Params(Record):
    """Parameters of `translated-stilts`."""

    intermediate: str = ""
    """As in `english-stilts`."""
    languages: Listed = ()
    """Languages of the translations; empty: all that there are."""
    via: str = ""
    """How they were made: "mt" (machine translation, or files of it); suite mini: "gold", "noisy"; empty: the
    suite's."""
    english: bool = True
    """Whether the English rows are added; without, the translations stand in their place."""
    budget: int = 0
    """Examples a phase over all languages, as evenly as they allow; 0: all."""


def plan(context: PlanContext, params: Params) -> Sequence[Phase]:
    """Translation where it takes a machine, intermediate task(s) in all languages, target in English."""
    making: dict[str, Phase] = {}
    phases = []
    for phase in intermediate_phases(context, params.intermediate or context.suite.default_intermediate):
        uses, needs = [], []
        for use in phase.uses:
            made, translated = translations(context, use.task, params.languages, params.via)
            making |= {one.name: one for one in made}
            needs += [one.name for one in made]
            uses += [use, translated] if params.english else [translated]
        phases.append(phase.model_copy(update={"uses": tuple(uses), "needs": tuple(needs)}))
    return *making.values(), *with_budget(phases, params.budget), *target_phases(context, after=phases[-1].name)


TRANSLATED_STILTS = Strategy(
    name="translated-stilts",
    summary="intermediate task(s) translated into other languages, added to English or in its place",
    citation="Phang et al. 2020, arXiv 2005.13013 (its variant with machine translation)",
    params=Params,
    plan=plan,
)


@hookimpl
def xfer_strategies() -> Sequence[Strategy]:
    """One strategy."""
    return [TRANSLATED_STILTS]
