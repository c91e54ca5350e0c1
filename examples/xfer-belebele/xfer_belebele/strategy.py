"""Reading tasks one after the other, the easier first."""

from collections.abc import Sequence

from xfer.api import Listed, Phase, PlanContext, Record, Strategy, intermediate_phases, target_phases, with_budget


class Params(Record):
    """Parameters of `reading-stilts`."""

    steps: Listed = ()
    """Intermediate tasks in order; empty: the suite's that extract answers, then those that choose among them."""
    budget: int = 0
    """English examples of each; 0: all."""


def plan(context: PlanContext, params: Params) -> Sequence[Phase]:
    """A phase for each reading task, then the target in English, then zero-shot evaluation."""
    known = [context.tasks[name] for name in context.suite.intermediates if name in context.tasks]
    readers = [task.name for format in ("span", "multiple-choice") for task in known if task.format == format]
    first = intermediate_phases(context, "+".join(params.steps or readers or [context.suite.default_intermediate]))
    return *with_budget(first, params.budget), *target_phases(context, after=first[-1].name)


READING_STILTS = Strategy(
    name="reading-stilts",
    summary="reading tasks in sequence (spans, then choices) before the target",
    citation="an example; after Phang et al. 2020, arXiv 2005.13013",
    params=Params,
    plan=plan,
)
