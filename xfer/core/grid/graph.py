"""What of a plan waits for what: plain functions over ids."""

from collections.abc import Collection, Mapping, Set

from xfer.core.records import Plan

Waits = Mapping[str, tuple[str, ...]]
"""For each phase that must run, in the plan's order: the phases that must run before it."""


def waits(plan: Plan, needed: Set[str]) -> Waits:
    """The part of a plan's graph that must run (`phases_to_run`)."""
    return {
        planned.id: tuple(dict.fromkeys(id for id in (*planned.parents, *planned.needs) if id in needed))
        for planned in plan.phases
        if planned.id in needed
    }


def ready(graph: Waits, done: Collection[str], taken: Collection[str]) -> list[str]:
    """Phases that wait for nothing any more, and are neither `done` nor `taken`, in the plan's order."""
    return [id for id, before in graph.items() if id not in done and id not in taken and set(before) <= set(done)]


def by_dependants(graph: Waits) -> dict[str, tuple[str, ...]]:
    """The same graph, in an order in which what most waits for comes first, else the plan's order.

    No phase waits for less than those that it waits for, so this too is an order in which they can run.
    """
    counts = {id: len(dependants(graph, id)) for id in graph}
    return {id: graph[id] for id in sorted(graph, key=lambda id: -counts[id])}


def dependants(graph: Waits, id: str) -> list[str]:
    """Everything that cannot run without a phase, in the plan's order."""
    lost = {id}
    for other, before in graph.items():  # in an order in which they can run
        if lost.intersection(before):
            lost.add(other)
    return [other for other in graph if other in lost and other != id]
