"""Tokenise what the phases of a plan need before they ask for it, into the store's cache.

What is made is what they would make themselves, by the same functions; they find it by its content.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from xfer.core.engine.execute import attributed, phases_to_run
from xfer.core.engine.inputs import tokeniser
from xfer.core.engine.sets import FeatureSet, phase_sets, work_of
from xfer.core.engine.tokenised import State, tokenised_ahead
from xfer.core.errors import OutOfResources, Stopped, XferError
from xfer.core.records import Plan, PlannedPhase
from xfer.core.run import Run
from xfer.core.storage import files
from xfer.core.storage.locks import worker


@dataclass(frozen=True)
class Tokenised:
    """What became of one set of examples."""

    phase: str
    """The first phase of the plan that needs it."""
    task: str
    split: str
    languages: tuple[str, ...]
    examples: int
    tokens: int | None
    """None where nothing was made."""
    state: State


@dataclass(frozen=True)
class Undone:
    """A phase whose data could not be tokenised, or not yet."""

    phase: str
    reason: str
    failed: bool


def tokenise(plan: Plan, run: Run, ahead: bool = False) -> Iterator[Tokenised | Undone]:
    """Tokenise the data of every training and evaluation that is still to run, in the plan's order.

    With `ahead`, what another process works on or has stored by then is left out. A phase whose rows cannot be read
    is told, and the others go on. Raises OutOfResources, and Stopped while it waits for another process.
    """
    phases = {planned.id: planned for planned in plan.phases}
    needed = phases_to_run(plan, run)
    seen: set[str] = set()
    for planned in plan.phases:
        if planned.id not in needed or planned.phase.does not in ("train", "evaluate"):
            continue
        if any(not files.is_committed(run.store.phase_folder(id)) for id in planned.needs):
            yield Undone(planned.id, "its rows are not translated yet", failed=False)
            continue
        try:
            with attributed(planned, run):
                yield from _phase(planned, phases, run, seen, ahead)
        except (OutOfResources, Stopped):
            raise
        except XferError as error:
            yield Undone(planned.id, str(error), failed=True)
        for key in [key for key in run.memory if key != ("tokeniser",)]:
            del run.memory[key]  # a plan's examples and features together are many times the largest phase's


def _phase(
    planned: PlannedPhase, phases: Mapping[str, PlannedPhase], run: Run, seen: set[str], ahead: bool
) -> Iterator[Tokenised]:
    def left() -> bool:
        stored = files.is_committed(run.store.phase_folder(planned.id))
        return ahead and (stored or worker(run.store, planned.id) is not None)

    if left() or (work := work_of(planned, phases, run)) in seen:
        return
    seen.add(work)
    for one in phase_sets(planned, phases, run):
        if left():
            return
        yield _made(one, planned, run)


def _made(one: FeatureSet, planned: PlannedPhase, run: Run) -> Tokenised:
    code, length = one.code, one.max_length
    features, state = tokenised_ahead(run, tokeniser(run), code, one.examples, length, training=one.training)
    tokens = None if features is None else len(features.tokens)
    return Tokenised(planned.id, code.task.name, one.split, one.languages, len(one.examples), tokens, state)
