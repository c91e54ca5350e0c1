"""What the commands that compute do, as functions: `xfer.run` and `xfer.evaluate` are these.

The command line only parses and prints. Reading results is in `xfer.results`.
"""

import platform
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xfer import bootstrap, crashes, launching, together
from xfer.core.errors import ExitStatus, Stopped, UnknownName, UserError, raise_all
from xfer.core.plans.strategy_steps import target_phases
from xfer.core.records import NoParams, Plan, Problem, ResultRow, Strategy, Suite
from xfer.core.run import Reporter, Run, Toolkit
from xfer.core.settings import RunSettings, load_settings

if TYPE_CHECKING:
    from xfer.core.encoders.models import Model
    from xfer.core.plans.start_points import StartPoint

LIBRARIES = ("torch", "transformers", "tokenizers", "numpy", "datasets")
"""Whose versions a run writes down: numbers can depend on them."""


@dataclass(frozen=True)
class RunResult:
    """What a run ended with."""

    run: str
    store: Path
    results: list[ResultRow]
    problems: list[Problem]
    failed: Mapping[str, str]
    plan: Plan
    status: ExitStatus
    """0; 3 when cells failed; 6 when they wait for another process."""

    def document(self) -> dict[str, Any]:
        """What `xfer run --json` prints."""
        return {
            "run": self.run,
            "store": str(self.store),
            "results": [row.model_dump(mode="json") for row in self.results],
            "problems": [problem.model_dump(mode="json") for problem in self.problems],
        }


@dataclass
class Prepared:
    """A run that is planned and not started."""

    run: Run
    plan: Plan
    origin: Mapping[str, str]


def run(
    strategy: str | Sequence[str] | None = None,
    *,
    config: str | Path | None = None,
    reporter: Reporter | None = None,
    **options: Any,
) -> RunResult:
    """Train and evaluate what the options ask for; the same as `xfer run`, with the same defaults.

    Options are the long options of the command by name: `suite`, `model`, `target`, `intermediate`,
    `language`, `seeds`, `limit` (a mapping), `set` (a mapping), `data_root`, `store`, `name`, `keep`, `device`,
    `preset`, `plugin`, `launcher`, `nproc`. Raises `xfer.core.errors.XferError` with what, where and how to mend.
    """
    flags = options if strategy is None else {"strategy": strategy, **options}
    file = Path(config) if config else None
    told = launching.launched(flags, file, ["--quiet"], shown=False)
    return execute(prepare(flags, file, reporter)) if told is None else launching.result(told)


def prepare(
    flags: Mapping[str, Any],
    config: Path | None = None,
    reporter: Reporter | None = None,
    starts: "Callable[[Model], Sequence[StartPoint]] | None" = None,
) -> Prepared:
    """Read settings, load plugins, resolve the model, and plan. Nothing is trained or written."""
    return together.prepared(lambda: _prepare(flags, config, reporter, starts))


def _prepare(
    flags: Mapping[str, Any],
    config: Path | None,
    reporter: Reporter | None,
    starts: "Callable[[Model], Sequence[StartPoint]] | None",
) -> Prepared:
    settings, origin = load_settings(flags, config)
    _check_folders(settings)
    toolkit = bootstrap.load(settings, settings.plugin)
    suite: Suite = toolkit.suites.get(settings.suite)
    from xfer.core.encoders.device import choose, threads
    from xfer.core.encoders.models import resolve_model
    from xfer.core.engine.inputs import row_fingerprint
    from xfer.core.plans.planning import build_plan
    from xfer.core.storage.store import Store

    device = choose(together.device_name(settings.device))
    if settings.engine.precision != "auto":
        device = replace(device, dtype=settings.engine.precision)
    name = settings.model or suite.default_model
    spec = toolkit.models.get(name) if _registered(name, toolkit) else None
    model = resolve_model(name, spec, settings.engine.allow_pickle)
    threads(model.hidden_size)
    store = Store(settings.store)
    if settings.name:
        store.run_folder(settings.name)
    fingerprint = row_fingerprint(settings, toolkit.manager)
    plan = build_plan(settings, toolkit, suite, model, device.dtype, fingerprint, starts(model) if starts else ())
    for answer in toolkit.manager.collect("xfer_check_plan", plan=plan, settings=settings):
        plan = plan.model_copy(update={"problems": (*plan.problems, answer[1])})
    work = Run(
        settings=settings,
        toolkit=toolkit,
        suite=suite,
        model=model,
        store=store,
        device=device,
        reporter=reporter or Reporter(),
        name=settings.name,
    )
    return Prepared(work, plan, origin)


def _check_folders(settings: RunSettings) -> None:
    problems = []
    if settings.data_root is not None and not settings.data_root.is_dir():
        problems.append(UserError("no such folder", where=f"--data-root {settings.data_root}"))
    if settings.store.exists() and not settings.store.is_dir():
        problems.append(UserError("the store must be a folder, and this is a file", f"--store {settings.store}"))
    raise_all(problems)


def _registered(name: str, toolkit: Toolkit) -> bool:
    """Whether a model is known by name. Raises UnknownName where it is no folder and no hub id either."""
    if name in toolkit.models:
        return True
    if "/" not in name and not Path(name).is_dir():
        raise UnknownName("model", name, toolkit.models.names(), extra="(or a folder, or a hub id: owner/name)")
    return False


def start(prepared: Prepared) -> None:
    """Give a prepared run its name and write down what it is about to do. Raises where the disk has no room."""
    from xfer.core.engine import execute as engine
    from xfer.core.plans import forecast

    work, plan = prepared.run, prepared.plan
    for problem in (*crashes.told(), *work.toolkit.manager.problems):
        work.tell(problem)
    needed = engine.phases_to_run(plan, work)
    forecast.refuse_if_full(forecast.disk(plan, needed, work.model, work.settings.keep), work.store.root)
    work.name = work.name or work.store.new_run_name()
    work.store.start_run(work.name, settings_document(prepared), plan)


@together.by_all
def execute(prepared: Prepared) -> RunResult:
    """Run a prepared plan and write the run's folder, also when it stops half-way."""
    from xfer.core.engine import execute as engine
    from xfer.core.engine.signals import StopFlag
    from xfer.core.grid.drive import drive
    from xfer.core.grid.executors import open_executor
    from xfer.status import FILE, Recorder

    work, plan = prepared.run, prepared.plan
    grid = bool(work.settings.executor or work.settings.jobs)
    executor = open_executor(work) if grid else None
    start(prepared)
    told = {"executor": work.settings.executor or "local"} if grid else {}
    work.reporter = Recorder(work.reporter, work.store.run_folder(work.name) / FILE, **told)
    until = time.monotonic() + 3600 * (work.settings.max_hours or float("inf"))
    outcome: engine.Outcome | None = None
    with StopFlag() as flag:
        work.stop_requested = lambda: bool(flag.requested) or time.monotonic() > until
        try:
            outcome = engine.execute(plan, work) if executor is None else drive(plan, work, executor)
        except Stopped as stopped:
            if flag.signal is signal.SIGINT:
                stopped.status = ExitStatus.INTERRUPTED
            raise
        finally:
            for problem in work.toolkit.manager.problems:  # what befell observers
                work.tell(problem)
            work.reporter.close()
            rows = outcome.rows if outcome else engine.result_rows(plan, work)
            work.store.write_run(
                work.name,
                settings=settings_document(prepared),
                plan=plan,
                results=rows,
                problems=work.problems,
            )
    return RunResult(
        work.name, work.store.root, outcome.rows, outcome.problems, outcome.failed, plan, outcome.status
    )


def evaluate(
    checkpoint: str | Path, *, layers: str = "", reporter: Reporter | None = None, **options: Any
) -> RunResult:
    """Score a checkpoint without training; the same as `xfer eval`.

    `checkpoint` is a model folder, a hub id, or a phase folder of a store, whose heads are used. Without
    heads only retrieval targets can be scored. `layers` ("all", "1-12", "7,9") scores them at each of these.
    """
    from xfer.core.plans.sweeps import layer_starts, parse_layers

    def starts(model: "Model") -> "Sequence[StartPoint]":
        depth = int(model.config.get("num_hidden_layers") or model.config.get("n_layers") or 0)
        return layer_starts(parse_layers(layers, depth)) if layers else (_evaluation_only(),)

    return execute(prepare({**options, "model": str(checkpoint)}, None, reporter, starts=starts))


def _evaluation_only() -> "StartPoint":
    from xfer.core.plans.start_points import StartPoint

    strategy = Strategy(
        name="eval",
        summary="score a checkpoint as it is",
        plan=lambda context, params: target_phases(context.model_copy(update={"training": None}), after=None),
    )
    return StartPoint("eval", strategy, NoParams())


def pretrain(output: str | Path, *, reporter: Reporter | None = None, **options: Any) -> "Model":
    """Make a suite's own checkpoint by its recipe; the same as `xfer pretrain`. Continues when interrupted."""
    from xfer.core.encoders.device import choose, threads
    from xfer.core.encoders.models import Model
    from xfer.core.engine.pretrain import pretrain as make
    from xfer.core.engine.signals import StopFlag
    from xfer.core.storage import files
    from xfer.core.storage.store import Store

    settings, _ = load_settings(options)
    toolkit = bootstrap.load(settings, settings.plugin)
    suite = toolkit.suites.get(settings.suite)
    if suite.pretrain is None:
        raise UserError(f"suite {suite.name} has no pretraining recipe", fix="--suite mini has one")
    if Path(output).exists():
        raise UserError("is there already", where=str(output), fix="choose another folder, or remove this one")
    for folder in (settings.store, Path(output).absolute().parent):
        files.ensure_folder(folder)  # before the hours, not after them
    recipe = suite.pretrain
    if settings.seeds != (0,):
        recipe = recipe.model_copy(update={"seed": settings.seeds[0]})
    threads(int(recipe.config["hidden_size"]))
    unmade = Model(name="unmade", folder=Path(output), fingerprint="")
    work = Run(
        settings=settings,
        toolkit=toolkit,
        suite=suite,
        model=unmade,
        store=Store(settings.store),
        device=choose(settings.device or None),
        reporter=reporter or Reporter(),
        name="pretrain",
    )
    with StopFlag() as flag:
        work.stop_requested = lambda: bool(flag.requested)
        return make(recipe, work, Path(output))


def settings_document(prepared: Prepared) -> dict[str, Any]:
    """What `run.toml` holds."""
    fields = prepared.run.settings.model_dump(mode="json", exclude_none=True)
    return {
        **fields,
        "origin": dict(prepared.origin),
        "model_folder": str(prepared.run.model.folder),
        "libraries": {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}},
    }
