"""Options that several commands share, with their help and what completes them."""

from pathlib import Path
from typing import Annotated

import typer

from xfer import completion

Names = list[str] | None
RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run: STORE/runs/NAME.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
SuiteOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="A named set of tasks; `xfer suites` lists them. [default: mini]",
        autocompletion=completion.suites,
    ),
]
TargetOption = Annotated[
    Names,
    typer.Option(
        metavar="TASK",
        help="Target task; repeat for several. [default: all of the suite]",
        autocompletion=completion.tasks,
    ),
]
LanguageOption = Annotated[
    Names,
    typer.Option(
        metavar="CODE",
        help="Language to evaluate in; repeat. [default: all of the target]",
        autocompletion=completion.languages,
    ),
]
SetOption = Annotated[
    Names,
    typer.Option("--set", metavar="KEY=VALUE", help="One setting, KEY=VALUE, e.g. target.xnli.lr=2e-5; repeat."),
]
LimitOption = Annotated[
    str | None,
    typer.Option(
        metavar="SPLIT=N,…",
        help="At most so many examples: train=N,dev=N,test=N; target=N cuts targets' training alone.",
    ),
]
DataRootOption = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR", help="Folder with data sets, laid out as `hf download ID --local-dir DIR/ID` does."
    ),
]
StoreOption = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Folder that keeps phases and runs. [default: XFER_STORE, or runs]"),
]


def store_folder(given: Path | None = None) -> Path:
    """The store that a command means: that of --store, else of XFER_STORE, else ./runs."""
    from xfer.core.settings import load_settings

    return given or load_settings({})[0].store


DeviceOption = Annotated[
    str | None, typer.Option(metavar="NAME", help="cpu, cuda, cuda:1, mps. [default: the best there is]")
]
PluginOption = Annotated[
    list[Path] | None, typer.Option(metavar="FILE", help="Load a plugin from a Python file; repeat.")
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")]
