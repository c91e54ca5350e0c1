"""STILTs on intermediate data that exists natively in many languages: the research question."""

from collections.abc import Sequence

from xfer.api import (
    ENGLISH,
    Listed,
    Phase,
    PlanContext,
    Record,
    Strategy,
    TaskUse,
    hookimpl,
    intermediate_phases,
    other_languages,
    target_phases,
    with_budget,
)


class Params(Record):
    """Parameters of `multilingual-stilts`."""

    intermediate: str = ""
    """As in `english-stilts`; every task must have training rows in several languages."""
    languages: Listed = ()
    """Languages besides English; empty: all that the task has."""
    english: bool = True
    """Whether English is among them."""
    each: int = 0
    """At most so many examples of each language; 0: all."""
    budget: int = 0
    """Examples a phase over all languages, as evenly as they allow; 0: all."""
    disjoint: bool = True
    """With `budget`: languages take different rows, so that none is seen in two translations."""


def plan(context: PlanContext, params: Params) -> Sequence[Phase]:
    """Intermediate task(s) in several languages, target in English, evaluation."""

    def several(use: TaskUse) -> TaskUse:
        others = other_languages(context, use.task, params.languages)
        fields = {"cap": params.each or None, "disjoint": params.disjoint and bool(params.budget)}
        return use.model_copy(update={"languages": (ENGLISH, *others) if params.english else others, **fields})

    first = intermediate_phases(context, params.intermediate or context.suite.default_intermediate)
    phases = [phase.model_copy(update={"uses": tuple(several(use) for use in phase.uses)}) for phase in first]
    return *with_budget(phases, params.budget), *target_phases(context, after=first[-1].name)


MULTILINGUAL_STILTS = Strategy(
    name="multilingual-stilts",
    summary="intermediate task(s) in every language that they exist in, target task in English",
    citation="after Phang et al. 2020, arXiv 2005.13013; source languages: Turc et al. 2021, arXiv 2106.16171",
    params=Params,
    plan=plan,
)


@hookimpl
def xfer_strategies() -> Sequence[Strategy]:
    """One strategy."""
    return [MULTILINGUAL_STILTS]
