"""Tells the trackers that `--tracker` names of every phase: steps while it trains, scores when it is evaluated.

A phase is one run of the tracker, grouped by the name of the xfer run. A tracker that fails is told of once and
ends nothing.
"""

from collections.abc import Callable, Iterable
from importlib import import_module
from importlib.util import find_spec
from typing import Any, TypeVar

from xfer.api import UnknownName, UserError, hookimpl
from xfer.plugins.shared.tracking import Tracked, Writer, tracked

T = TypeVar("T")
TRACKERS = ("tensorboard", "trackio", "wandb", "mlflow")
"""Modules beside this one, each named for its package and its extra."""


@hookimpl
def xfer_check_plan(settings: Any) -> list[Any]:
    """Names that are not there, and packages that are not installed, are told before any work."""
    for name in settings.tracker:
        if ":" not in name and name not in TRACKERS:
            raise UnknownName("tracker", name, TRACKERS, extra="(or module:function, to open a phase's writer)")
        package = name.partition(":")[0]
        if find_spec(package.partition(".")[0]) is None:
            fix = (
                f"pip install 'xfer-stilts[{name}]'" if name in TRACKERS else "install it, or leave the option out"
            )
            raise UserError(f"tracker {name} needs the package {package}, which is not installed", fix=fix)
    return []


@hookimpl
def xfer_phase_started(run: Any, planned: Any) -> None:
    """Open a writer for each tracker."""
    phase = tracked(run, planned) if run.settings.tracker else None

    def begin(name: str) -> None:
        run.memory[_KEY, name] = _opener(name)(phase)

    _each(run.settings.tracker, begin)


@hookimpl
def xfer_step_logged(run: Any, snapshot: Any) -> None:
    """Loss, learning rate and pace at a step."""
    values = {
        "train/loss": snapshot.loss,
        "train/learning_rate": snapshot.learning_rate,
        "train/tokens_per_second": snapshot.tokens_per_second,
    }
    _each(_writers(run), lambda writer: writer.log(values, snapshot.step))


@hookimpl
def xfer_phase_finished(run: Any, planned: Any, outcome: Any) -> None:
    """The scores of an evaluation, also of one that was stored; then the writer is closed."""
    scored = planned.phase.does == "evaluate" and isinstance(outcome, str)

    def end(writer: Writer) -> None:
        try:
            if values := _scores(run, planned) if scored else {}:
                writer.log(values, 0)
        finally:
            writer.close(not isinstance(outcome, str))

    try:
        if scored and outcome == "reused" and run.settings.tracker:
            xfer_phase_started(run, planned)
    finally:
        try:
            _each(_writers(run), end)
        finally:
            for name in run.settings.tracker:
                run.memory.pop((_KEY, name), None)


_KEY = "tracker"


def _each(given: Iterable[T], act: Callable[[T], None]) -> None:
    """Do it with every one; the first failure is raised when all had their turn."""
    failures = []
    for one in given:
        try:
            act(one)
        except Exception as error:
            failures.append(error)
    if failures:
        raise failures[0]


def _opener(name: str) -> Callable[[Tracked | None], Writer]:
    module, _, function = name.partition(":")
    place = module if function else f"xfer.plugins.trackers.{name}"
    opener: Callable[[Tracked | None], Writer] = getattr(import_module(place), function or "open_phase")
    return opener


def _writers(run: Any) -> list[Writer]:
    held = (run.memory.get((_KEY, name)) for name in run.settings.tracker)
    return [writer for writer in held if writer is not None]


def _scores(run: Any, planned: Any) -> dict[str, float]:
    """Scores by "<split>/<task>/<language>/<metric>", in points."""
    rows = run.store.results(planned.id)
    return {
        f"{row['split']}/{row['task']}/{row['language']}/{row['metric']}": row["value"]
        for row in rows
        if row["value"] is not None
    }
