"""What the commands do, as functions. `xfer.run`, `xfer.compare` and `xfer.load_results` are these.

The command line only parses and prints.
"""

import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xfer import bootstrap
from xfer.core.errors import ExitStatus, Stopped, UnknownName, UserError, raise_all
from xfer.core.plans.strategy_steps import target_phases
from xfer.core.records import NoParams, Plan, Problem, ResultRow, Strategy, Suite
from xfer.core.run import Reporter, Run, Toolkit
from xfer.core.settings import RunSettings, load_settings

if TYPE_CHECKING:
    from xfer.core.compare.comparison import Comparison
    from xfer.core.encoders.models import Model
    from xfer.core.plans.start_points import StartPoint


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
    `preset`, `plugin`. Raises `xfer.core.errors.XferError` with what, where and how to mend.
    """
    flags = options if strategy is None else {"strategy": strategy, **options}
    return execute(prepare(flags, Path(config) if config else None, reporter))


def prepare(
    flags: Mapping[str, Any],
    config: Path | None = None,
    reporter: Reporter | None = None,
    starts: "Callable[[Model], Sequence[StartPoint]] | None" = None,
) -> Prepared:
    """Read settings, load plugins, resolve the model, and plan. Nothing is trained or written."""
    settings, origin = load_settings(flags, config)
    _check_folders(settings)
    toolkit = bootstrap.load(settings, settings.plugin)
    suite: Suite = toolkit.suites.get(settings.suite)
    from xfer.core.encoders.device import choose, threads
    from xfer.core.encoders.models import resolve_model
    from xfer.core.engine.inputs import row_fingerprint
    from xfer.core.plans.planning import build_plan
    from xfer.core.storage.store import Store

    device = choose(settings.device or None)
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


def execute(prepared: Prepared) -> RunResult:
    """Run a prepared plan and write the run's folder, also when it stops half-way."""
    from xfer.core.engine import execute as engine
    from xfer.core.engine.signals import StopFlag
    from xfer.core.plans import forecast

    work, plan = prepared.run, prepared.plan
    for problem in work.toolkit.manager.problems:
        work.tell(problem)
    needed = engine.phases_to_run(plan, work)
    forecast.refuse_if_full(forecast.disk(plan, needed, work.model, work.settings.keep), work.store.root)
    work.name = work.name or work.store.new_run_name()
    outcome: engine.Outcome | None = None
    with StopFlag() as flag:
        work.stop_requested = lambda: bool(flag.requested)
        try:
            outcome = engine.execute(plan, work)
        except Stopped as stopped:
            if flag.signal is signal.SIGINT:
                stopped.status = ExitStatus.INTERRUPTED
            raise
        finally:
            work.reporter.close()
            rows = outcome.rows if outcome else engine.result_rows(plan, work)
            work.store.write_run(
                work.name,
                settings=_settings_document(prepared),
                plan=plan,
                results=rows,
                problems=work.problems,
            )
    return RunResult(
        work.name, work.store.root, outcome.rows, outcome.problems, outcome.failed, plan, outcome.status
    )


def load_results(*places: str | Path) -> list[ResultRow]:
    """Result rows of stores (all their runs) or of single run folders; the default store without arguments.

    Raises UserError for a place that holds no runs.
    """
    rows: list[ResultRow] = []
    for place in places or (RunSettings().store,):
        for folder in _run_folders(Path(place)):
            rows += _rows_of(folder)
    return rows


def compare(*places: str | Path, baseline: str | None = None, mixed: bool = False, **options: Any) -> "Comparison":
    """Compare the runs in stores or run folders; the same as `xfer compare`.

    `mixed` averages rows of unlike signatures, marked. Other options are those of the command: `strategy`,
    `target`, `language` (sequences), `by`, `metric`, `test`, `correct`, `alpha`, `against`. Raises UserError for
    places without runs, names that are not there, and rows that were not computed alike.
    """
    folders = [folder for place in places or (RunSettings().store,) for folder in _run_folders(Path(place))]
    problems = [
        Problem.model_validate(line) for folder in folders for line in _json_lines(folder / "problems.jsonl")
    ]
    rows = [row for folder in folders for row in _rows_of(folder)]
    notes: list[str] = []
    if not mixed and not any(folder == Path(place) for folder in folders for place in places):
        rows, notes = _of_latest(rows)
    return compared(rows, problems, baseline, mixed, notes, folders=folders, **options)


def compared(
    rows: Sequence[ResultRow],
    problems: Sequence[Problem] = (),
    baseline: str | None = None,
    mixed: bool = False,
    notes: Sequence[str] = (),
    *,
    folders: Sequence[Path] = (),
    strategy: Sequence[str] = (),
    target: Sequence[str] = (),
    language: Sequence[str] = (),
    metric: str | None = None,
    by: str = "task",
    against: str | None = None,
    **procedure: Any,
) -> "Comparison":
    """Compare rows, with what the installed tasks and suites know of them: languages, training sets, notes.

    `folders` are the runs' own, in stores whose phases tell predictions, training logs and costs.
    """
    from xfer.core.compare.comparable import chosen_rows
    from xfer.core.compare.comparison import DEFAULT_BASELINE
    from xfer.core.compare.comparison import compare as compare_rows
    from xfer.core.compare.evidence import Evidence
    from xfer.core.compare.groups import checked_by
    from xfer.core.compare.provenance import licences, run_commands
    from xfer.core.compare.significance import checked_procedure

    how = checked_procedure(**procedure)
    chosen = DEFAULT_BASELINE if baseline is None else baseline
    rows = chosen_rows(rows, strategy, target, language, metric, chosen)
    toolkit = bootstrap.load()
    suites = [
        toolkit.suites.get(name) for name in dict.fromkeys(row.suite for row in rows) if name in toolkit.suites
    ]
    order = [name for suite in suites for name in suite.targets] + [row.task for row in rows]
    tasks = {name: toolkit.tasks.get(name) for name in dict.fromkeys(order) if name in toolkit.tasks}
    seen = {row.task for row in rows}
    trained = {part for row in rows for part in row.intermediate.replace("+", ",").split(",")}
    used = [task for name, task in tasks.items() if name in seen]
    used += [toolkit.tasks.get(name) for name in sorted(trained) if name in toolkit.tasks]
    roots = tuple(dict.fromkeys(folder.absolute().parent.parent for folder in folders))
    return compare_rows(
        rows,
        chosen,
        problems,
        training_tasks={name: task.training_task or name for name, task in tasks.items()},
        languages={
            name: [code for code in task.languages if not language or code in language]
            for name, task in tasks.items()
            if name in seen
        },
        notes=[*(suite.note for suite in suites if suite.note), *notes],
        mixed=mixed,
        formats={name: task.format for name, task in tasks.items()},
        evidence=Evidence(roots) if roots else None,
        procedure=how,
        by=checked_by(by),
        against=against,
        provenance={"commands": run_commands(folders), "licences": licences(used)},
    )


def _of_latest(rows: list[ResultRow]) -> tuple[list[ResultRow], list[str]]:
    """Of a store with several suites or models, the rows of the latest run's, and a note of the others."""

    def kind(row: ResultRow) -> tuple[str, str]:
        return row.suite, row.model_fingerprint

    kept = [row for row in rows if kind(row) == kind(rows[-1])]
    others = sorted({f"{row.suite} with {row.model}" for row in rows if kind(row) != kind(rows[-1])})
    return kept, [f"left out, other suite or model: {', '.join(others)}"] if others else []


def report(comparison: "Comparison", format: str) -> str:
    """A comparison as text in a built-in format or one that a plugin brings."""
    from xfer.core.reports import FORMATS

    answer = bootstrap.load().manager.first("xfer_render_report", comparison=comparison, format=format)
    if answer is None:
        raise UnknownName("report format", format, FORMATS)
    return str(answer[0])


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
    from xfer.core.storage.store import Store

    settings, _ = load_settings(options)
    toolkit = bootstrap.load(settings, settings.plugin)
    suite = toolkit.suites.get(settings.suite)
    if suite.pretrain is None:
        raise UserError(f"suite {suite.name} has no pretraining recipe", fix="--suite mini has one")
    if Path(output).exists():
        raise UserError("is there already", where=str(output), fix="choose another folder, or remove this one")
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


def _settings_document(prepared: Prepared) -> dict[str, Any]:
    fields = prepared.run.settings.model_dump(mode="json", exclude_none=True)
    return {**fields, "origin": dict(prepared.origin), "model_folder": str(prepared.run.model.folder)}


def _run_folders(place: Path) -> list[Path]:
    """Folders of runs, those that were written last at the end: a later row of the same cell counts."""
    if (place / "results.jsonl").is_file():
        return [place]
    written = place.glob("runs/*/results.jsonl")
    found = [path.parent for path in sorted(written, key=lambda path: (path.stat().st_mtime_ns, path))]
    if not found:
        raise UserError(
            "no runs here", where=str(place), fix="give a store (the folder of --store) or a folder in its runs/"
        )
    return found


def _rows_of(folder: Path) -> list[ResultRow]:
    from pydantic import ValidationError

    rows = []
    for number, line in enumerate(_json_lines(folder / "results.jsonl"), start=1):
        try:
            rows.append(ResultRow.model_validate(line))
        except ValidationError as error:
            raise UserError(
                f"not a result row: {error.errors()[0]['msg']} ({'.'.join(map(str, error.errors()[0]['loc']))})",
                where=f"{folder / 'results.jsonl'} line {number}",
            ) from None
    return rows


def _json_lines(path: Path) -> list[dict[str, Any]]:
    from xfer.core.storage.files import read_json_lines

    return list(read_json_lines(path)) if path.is_file() else []
