"""All hooks: when each is called, what it may return, and an example.

Kinds: *collect* takes every plugin's answers; *first result* stops at the first answer that is not None,
third-party plugins before built-ins; *observe* lets plugins watch, and a failing observer never ends a run;
*configure* hands over something to change. An implementation may leave out arguments that it does not need.
"""

from collections.abc import Iterable
from typing import Any

import pluggy

from xfer.core.data.transforms import Transform
from xfer.core.records import Format, ModelSpec, Phase, Plan, PlannedPhase, Problem, Strategy, Suite, TaskSpec

PROJECT = "xfer"
GROUP = "xfer.plugins"
"""The entry-point group of third-party packages."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def xfer_tasks(settings: Any) -> Iterable[TaskSpec]:  # type: ignore[empty-body]
    """Collect tasks. Called once, at load.

    Example: `return [TaskSpec(name="belebele", format="multiple-choice", ...)]`
    """


@hookspec
def xfer_strategies(settings: Any) -> Iterable[Strategy]:  # type: ignore[empty-body]
    """Collect strategies. Called once, at load.

    Example: `return [Strategy(name="two-step", summary="...", plan=plan)]`
    """


@hookspec
def xfer_suites(settings: Any) -> Iterable[Suite]:  # type: ignore[empty-body]
    """Collect suites. Called once, at load."""


@hookspec
def xfer_models(settings: Any) -> Iterable[ModelSpec]:  # type: ignore[empty-body]
    """Collect named encoders. Called once, at load.

    Example: `return [ModelSpec(name="xlm-r-large", location="FacebookAI/xlm-roberta-large", ...)]`
    """


@hookspec
def xfer_formats(settings: Any) -> Iterable[Format]:  # type: ignore[empty-body]
    """Collect formats. Called once, at load."""


@hookspec
def xfer_transforms(settings: Any) -> Iterable[Transform]:  # type: ignore[empty-body]
    """Collect functions that change training examples. Called once, at load.

    Example: `return [Transform(name="upper-case", summary="...", apply=upper)]`; a phase names it in `transform`.
    """


@hookspec
def xfer_commands(app: Any, settings: Any) -> None:
    """Configure: add commands to the typer application `app`. Called once, before parsing."""


@hookspec
def xfer_check_plan(plan: Plan, settings: Any) -> Iterable[Problem]:  # type: ignore[empty-body]
    """Collect problems of a plan. Called after planning, before any work; all are printed together."""


@hookspec(firstresult=True)
def xfer_run_phase(phase: Any, run: Any) -> Any:
    """First result: run one planned phase and return its outcome. Called per phase that is not stored yet.

    Core answers `does="train"` and `does="evaluate"` last, so a plugin can bring a new kind of phase or
    replace a known one. Return None for a kind that is not yours.
    """


@hookspec(firstresult=True)
def xfer_executor(name: str, options: Any, run: Any) -> Any:
    """First result: what runs the phases of a plan as jobs: an `Executor` (`xfer.api`). Called once a run.

    Only with `--executor 'name[key=value,…]'` (`options` is the part in brackets) or `--jobs`, before any job.
    Answer None for a name that is not yours. Built in are local, ray and slurm.
    """


@hookspec(firstresult=True)
def xfer_load_rows(task: TaskSpec, split: str, language: str, via: str, settings: Any) -> Any:
    """First result: raw rows of a task, as an iterable of mappings. Called per task, split and language.

    Core answers last: from `TaskSpec.rows`, or from `TaskSpec.source` under the data root or the hub.
    """


@hookspec(firstresult=True)
def xfer_translate(texts: Any, source: str, target: str, settings: Any) -> Any:
    """First result: translations of `texts` (a list of strings), in order, from `source` into `target`.

    Called with an empty list while planning: answer [] for a pair of languages that is yours, None for others.
    Core answers last, with the model of `--set translate.model=…`. Translations are kept by plugin and version.
    """


@hookspec(firstresult=True)
def xfer_render_report(comparison: Any, format: str) -> str | None:
    """First result: a comparison as text in the format asked for. Called by `xfer compare`."""


@hookspec
def xfer_phase_started(run: Any, phase: Phase, planned: PlannedPhase) -> None:
    """Observe: a phase begins. `planned` is the phase with its id, seed and settings."""


@hookspec
def xfer_step_logged(run: Any, phase: Phase, planned: PlannedPhase, snapshot: Any) -> None:
    """Observe: the training loop logs a step (every few seconds). `snapshot` is frozen."""


@hookspec
def xfer_phase_finished(run: Any, phase: Phase, planned: PlannedPhase, outcome: Any) -> None:
    """Observe: a phase ended. `outcome` is "computed", "reused" (it was stored) or the error it failed with."""
