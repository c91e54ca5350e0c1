"""`xfer grid`: single phases as jobs, for schedulers; the end of a run that jobs made."""

from pathlib import Path
from typing import Annotated

import typer

from xfer.options import JsonOption, QuietOption, RunArgument

grid = typer.Typer(help="A run's phases as jobs: run one, export all, gather rows.")


def add(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(grid, name="grid")


@grid.command("job", short_help="Run one phase of a run.")
def job(
    run: RunArgument,
    phase: Annotated[str, typer.Argument(metavar="PHASE", help="Id of a phase of its plan.")],
    quiet: QuietOption = False,
) -> None:
    """Run one phase of a run, unless it is stored; any number of times, on any machine that sees the store."""
    from xfer import grid as work
    from xfer import progress

    work.job(run, phase, progress.reporter(quiet))


@grid.command(
    "export",
    short_help="Write the graph of jobs for another scheduler.",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
def export(
    context: typer.Context,
    to: Annotated[str, typer.Option(metavar="NAME", help="make, slurm, skypilot, json.")],
    output: Annotated[Path | None, typer.Option(metavar="FILE", help="Write to a file instead of stdout.")] = None,
) -> None:
    """Write a run's graph of jobs for another scheduler. Give RUN, its folder, or the options of `xfer run`."""
    from xfer import cli, commands, verbosity
    from xfer import grid as work
    from xfer.core.storage import files

    given = context.args
    if len(given) == 1 and not given[0].startswith("-"):
        prepared = work.reopen(Path(given[0]))
    else:
        flags, config = cli.run_flags(given)
        prepared = commands.prepare(flags, config)
    text = work.export(prepared, to)
    if output is None:
        print(text, end="")
        return
    files.write_text(output, text)
    verbosity.note(f"written to {output}; run {prepared.run.store.run_folder(prepared.run.name)}")


@grid.command("finish", short_help="Gather the result rows of a run.")
def finish(run: RunArgument, json_: JsonOption = False) -> None:
    """Write the result rows of what the jobs of a run have stored; status 3 while some are missing."""
    from xfer import grid as work
    from xfer import summary

    summary.finish(work.finish(run), json_)
