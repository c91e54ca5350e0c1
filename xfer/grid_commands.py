"""`xfer grid`: single phases as jobs, for schedulers; the end of a run that jobs made."""

from pathlib import Path
from typing import Annotated

import typer

from xfer.options import JsonOption, QuietOption

RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run: STORE/runs/NAME.")]

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


@grid.command("finish", short_help="Gather the result rows of a run.")
def finish(run: RunArgument, json_: JsonOption = False) -> None:
    """Write the result rows of what the jobs of a run have stored; status 3 while some are missing."""
    from xfer import grid as work
    from xfer import summary

    summary.finish(work.finish(run), json_)
