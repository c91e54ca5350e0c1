"""The command `xfer`: parses, calls `xfer.commands`, prints. Data on stdout, everything else on stderr."""

import io
import json
import sys
import traceback
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import typer

from xfer import (
    bootstrap,
    cache_commands,
    completion,
    config_commands,
    data_commands,
    doctor,
    flags,
    grid_commands,
    listings,
    mistakes,
    sharing_commands,
    status_commands,
    together,
    verbosity,
)
from xfer.core.engine.place import place
from xfer.core.engine.signals import StopFlag
from xfer.core.errors import ExitStatus, XferError, printable
from xfer.core.manager import PluginManager
from xfer.options import (
    DataRootOption,
    DeviceOption,
    JsonOption,
    LanguageOption,
    LimitOption,
    Names,
    PluginOption,
    QuietOption,
    SetOption,
    StoreOption,
    SuiteOption,
    TargetOption,
)
from xfer.version import __version__

app = typer.Typer(
    name="xfer",
    help="Intermediate-task training and its rivals for zero-shot cross-lingual transfer.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Print the version and leave.", is_eager=True)] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Nothing on stderr but errors.")] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Every logged step, and stack traces of errors.")
    ] = False,
) -> None:
    verbosity.choose(quiet, verbose)
    if version:
        print(f"xfer {__version__}")
        raise typer.Exit


@app.command(short_help="Train and evaluate, zero-shot in every language.")
def run(
    strategy: Annotated[
        Names,
        typer.Option(
            metavar="NAME",
            help="NAME or 'NAME[key=value,…]'; repeat. [default: english-stilts]",
            autocompletion=completion.strategies,
        ),
    ] = None,
    suite: SuiteOption = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="Hub id, folder, or name. [default: the suite's]",
            autocompletion=completion.models,
        ),
    ] = None,
    target: TargetOption = None,
    intermediate: Annotated[
        Names,
        typer.Option(
            metavar="TASKS",
            help="A; A,B mixed; A+B in sequence; all. Repeat: one start point each.",
            autocompletion=completion.tasks,
        ),
    ] = None,
    language: LanguageOption = None,
    seeds: Annotated[
        str | None, typer.Option(metavar="N,…", help="Seeds, separated by commas. [default: 0]")
    ] = None,
    limit: LimitOption = None,
    set_: SetOption = None,
    preset: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The suite's training settings by name, e.g. paper, fast, debug. [default: the suite's]",
            autocompletion=completion.presets,
        ),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="TOML file with any of these options.")
    ] = None,
    data_root: DataRootOption = None,
    store: StoreOption = None,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name of the run. [default: date and time]")
    ] = None,
    keep: Annotated[
        str | None,
        typer.Option(metavar="WHAT", help="Weights to keep: intermediate, all, none. [default: intermediate]"),
    ] = None,
    device: DeviceOption = None,
    plugin: PluginOption = None,
    dev_languages: Annotated[
        str | None,
        typer.Option(
            metavar="WHICH", help="Score on dev too, of all languages: all. [default: english, by training]"
        ),
    ] = None,
    tracker: Annotated[
        Names,
        typer.Option(metavar="NAME", help="Tell tensorboard, trackio, wandb or mlflow of every phase; repeat."),
    ] = None,
    executor: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="A job a phase, by local, ray, slurm: NAME or 'NAME[key=value,…]'. [default: none]"
        ),
    ] = None,
    jobs: Annotated[int | None, typer.Option(metavar="N", help="Jobs at once. [default: the executor's]")] = None,
    retries: Annotated[
        int | None, typer.Option(metavar="N", help="Try a job that failed again so often. [default: 1]")
    ] = None,
    keep_going: Annotated[
        bool | None,
        typer.Option(
            "--keep-going/--no-keep-going", help="Begin jobs that do not need a failed one. [default: keep going]"
        ),
    ] = None,
    max_hours: Annotated[
        float | None, typer.Option(metavar="H", help="Save the state and leave with 75 after so long.")
    ] = None,
    launcher: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Share each phase among --nproc processes: torchrun. [default: none]"),
    ] = None,
    nproc: Annotated[
        int | None, typer.Option(metavar="N", help="Processes to start, or that must have been. [default: any]")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and leave.")] = False,
    json_: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Train and evaluate: pretrained model, intermediate task, target task, zero-shot in every language."""
    given = flags.settings_of(locals())
    from xfer import commands, launching, progress, summary

    passed = (["--json"] if json_ else []) + (["--quiet"] if quiet else [])
    told = None if dry_run else launching.launched(given, config, passed)
    if told is not None:
        raise typer.Exit(told["status"])
    prepared = commands.prepare(given, config, progress.reporter(quiet or dry_run))
    if dry_run:
        print(summary.plan_json(prepared) if json_ else summary.plan_text(prepared), end="")
        return
    summary.finish(commands.execute(prepared), json_)


@app.command("eval")
def evaluate(
    checkpoint: Annotated[
        str, typer.Argument(metavar="CHECKPOINT", help="Model folder, hub id, or a phase folder of a store.")
    ],
    suite: SuiteOption = None,
    target: TargetOption = None,
    language: LanguageOption = None,
    limit: LimitOption = None,
    set_: SetOption = None,
    data_root: DataRootOption = None,
    store: StoreOption = None,
    layers: Annotated[
        str, typer.Option(metavar="LAYERS", help="Retrieval at each of these layers: all, 1-12, or 3,7,9-12.")
    ] = "",
    name: Annotated[str | None, typer.Option(metavar="NAME", help="Name of the run.")] = None,
    device: DeviceOption = None,
    plugin: PluginOption = None,
    json_: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Score a checkpoint without training."""
    given = flags.settings_of(locals())
    from xfer import commands, progress, summary

    result = commands.evaluate(checkpoint, layers=layers, reporter=progress.reporter(quiet), **given)
    summary.finish(result, json_, mixed=bool(layers))


@app.command(short_help="Compare strategies, over all runs of a store.")
def compare(
    places: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[PLACE]...", help="Stores, run folders, or runs by name. [default: ./runs]"),
    ] = None,
    baseline: Annotated[
        str | None, typer.Option(metavar="LABEL", help="The label that deltas are taken from. [default: none]")
    ] = None,
    strategy: Annotated[
        Names,
        typer.Option(
            metavar="NAME",
            help="Strategy or label; repeat. [default: all there are]",
            autocompletion=completion.strategies,
        ),
    ] = None,
    target: TargetOption = None,
    language: LanguageOption = None,
    by: Annotated[str, typer.Option(help="Means besides targets: task, language, family, script.")] = "task",
    metric: Annotated[str | None, typer.Option(help="Another metric than each target's main one.")] = None,
    test: Annotated[str, typer.Option(help="Paired test: bootstrap, permutation.")] = "bootstrap",
    correct: Annotated[str, typer.Option(help="Correction for many tests: holm, fdr, none.")] = "holm",
    alpha: Annotated[float, typer.Option(help="Level of the tests.")] = 0.05,
    against: Annotated[str | None, typer.Option(help="Published numbers beside these: paper.")] = None,
    format: Annotated[str, typer.Option(metavar="NAME", help="table, markdown, json, csv, latex, html.")] = "table",
    output: Annotated[Path | None, typer.Option(metavar="FILE", help="Write to a file instead of stdout.")] = None,
    mixed: Annotated[bool, typer.Option(help="Average rows of unlike signatures, and mark them.")] = False,
    plugin: PluginOption = None,
    json_: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
) -> None:
    """Compare strategies: scores, deltas over a baseline, languages, what is missing."""
    from xfer import results
    from xfer.core.storage import files

    comparison = results.compare(
        *(places or ()), baseline=baseline, mixed=mixed, strategy=strategy or (), target=flags.split(target) or (),
        language=flags.split(language) or (), by=by, metric=metric, test=test, correct=correct, alpha=alpha,
        against=against,
    )  # fmt: skip
    chosen = "json" if json_ else format
    if output is None:
        results.print_report(comparison, chosen, plugin or ())
    else:
        files.write_text(output, results.report(comparison, chosen, plugin or ()))
        verbosity.note(f"written to {output}")


@app.command(short_help="Make the bundled checkpoint again.")
def pretrain(
    suite: SuiteOption = None,
    output: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the checkpoint.")] = Path("checkpoint"),
    seed: Annotated[int, typer.Option(metavar="N", help="Everything follows from it.")] = 0,
    store: StoreOption = None,
    device: DeviceOption = None,
    json_: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Make a suite's own checkpoint from generated text (the one that ships, for suite mini)."""
    from xfer import commands, progress

    given = flags.settings_of({"suite": suite, "seeds": str(seed), "store": store, "device": device})
    model = commands.pretrain(output, reporter=progress.reporter(quiet), **given)
    facts = {"folder": str(model.folder), "fingerprint": model.fingerprint}
    print(json.dumps(facts) if json_ else f"{model.folder} {model.fingerprint}")


listings.add(app)
data_commands.add(app)
doctor.add(app)
cache_commands.add(app)
sharing_commands.add(app)
status_commands.add(app)
grid_commands.add(app)
config_commands.add(app)


def run_flags(arguments: Sequence[str]) -> tuple[dict[str, Any], Path | None]:
    """Settings that options of `xfer run` give, and the file of its --config."""
    command: Any = typer.main.get_command(app)
    given: dict[str, Any] = command.commands["run"].make_context("xfer run", list(arguments)).params
    return flags.settings_of(given), given["config"] and Path(given["config"])


@cache
def _add_plugin_commands(manager: PluginManager) -> None:
    """Once a process and manager: a command added twice would shadow itself."""
    manager.configure("xfer_commands", app=app, settings=None)


def run_command(arguments: Sequence[str]) -> int:
    """Run one command; errors are printed to stderr. Returns the exit status."""
    verbosity.choose()
    try:
        if list(arguments) not in (["doctor"], ["doctor", "--json"]):  # which tries plugins apart from this process
            _add_plugin_commands(bootstrap.load().manager)
        with verbosity.printing():
            left = app(list(arguments), prog_name="xfer", standalone_mode=False)
    except XferError as error:
        if verbosity.asked.verbose:
            traceback.print_exception(error, file=sys.stderr)
        if not together.silent():
            rank = f"rank {place().rank}: " if place().rank else ""
            print(rank + printable(mistakes.answered(error, arguments)), file=sys.stderr)
        return error.status
    except KeyboardInterrupt:
        return ExitStatus.INTERRUPTED
    except SystemExit as leaving:
        if isinstance(leaving.code, str):  # a plugin's command may leave so
            print(printable(leaving.code), file=sys.stderr)
            return ExitStatus.INTERNAL
        return int(leaving.code or 0)
    except Exception as error:
        # The parser's own exceptions are known by their methods: typer may bring its own copy of click.
        if not hasattr(error, "format_message"):
            raise
        if type(error).__name__ == "NoArgsIsHelpError":
            error.show()  # type: ignore[attr-defined]
        else:
            print(printable(f"error: {mistakes.refused(error, arguments)}"), file=sys.stderr)
        return ExitStatus.USER
    return int(left) if isinstance(left, int) else ExitStatus.DONE


def main() -> None:
    """Entry point of the console script."""
    verbosity.outlive_the_reader()
    if place().rank:  # rank 0 of a group speaks for it
        sys.stdout = io.StringIO()
    if place().world > 1:  # launchers send SIGTERM when one process fails, which must not cut short what others say
        StopFlag().__enter__()
    try:
        status = run_command(sys.argv[1:])
    except Exception:
        if place().world == 1:
            raise
        traceback.print_exc()
        status = ExitStatus.INTERNAL
    together.leave(status)
    sys.exit(status)
