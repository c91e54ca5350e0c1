"""The commands about data and predictions: `xfer data verify`, `xfer data fetch`, `xfer export`, `xfer score`."""

import json
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from xfer import bootstrap
from xfer.core.errors import ExitStatus, UserError

Names = list[str] | None
TargetOption = Annotated[Names, typer.Option(help="Task; repeat for several. [default: all of the suite]")]
SuiteOption = Annotated[str, typer.Option(help="The suite whose tasks are meant, where no target is given.")]
LanguageOption = Annotated[Names, typer.Option(help="Language that is scored; repeat. [default: all]")]
RootOption = Annotated[
    Path | None, typer.Option(envvar="XFER_DATA_ROOT", help="Folder with data sets. [default: the hub's cache]")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]

data = typer.Typer(
    help="Data sets: what is there, and getting the rest.", rich_markup_mode=None, no_args_is_help=True
)


def add(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(data, name="data")


@data.command("verify")
def verify(
    target: TargetOption = None,
    suite: SuiteOption = "xtreme",
    language: LanguageOption = None,
    data_root: RootOption = None,
    json_: JsonOption = False,
) -> None:
    """Compare what is there with the published numbers of rows; status 3 if something differs or is missing."""
    from xfer.core import needs

    found = [needs.verify(need, data_root) for need in _needs(target, suite, language)]
    if json_:
        print(json.dumps([asdict(one) for one in found], ensure_ascii=False, indent=2))
    else:
        rows = [
            (one.task, one.split, one.language, f"{one.rows:,}", _number(one.expected), one.status, one.source)
            for one in found
        ]
        _table(("task", "split", "language", "rows", "published", "status", "source"), rows)
        licences = {one.task: one.licence for one in found}
        print("".join(f"licence of {task}: {licence}\n" for task, licence in licences.items()), end="")
        for one in found:
            for problem in one.problems:
                print(f"{one.task} {one.split} {one.language}: {problem}", file=sys.stderr)
    _leave(Counter(one.status for one in found), json_)


@data.command("fetch")
def fetch(
    target: TargetOption = None,
    suite: SuiteOption = "xtreme",
    language: LanguageOption = None,
    data_root: RootOption = None,
    base_url: Annotated[
        str, typer.Option(help="A mirror with the original files by name, and the hub's files as the hub has them.")
    ] = "",
    json_: JsonOption = False,
) -> None:
    """Download what the targets need into the data root; issue it again after a cut, and it continues."""
    from xfer.core import needs
    from xfer.core.data import MissingData

    if data_root is None:
        raise UserError("no data root was given", fix="--data-root DIR: where the files go (or XFER_DATA_ROOT)")
    found: list[Any] = []
    missing: list[str] = []
    with needs.fetching(data_root):
        for need in _needs(target, suite, language):
            try:
                found.append(needs.fetch(need, data_root, base_url, tell=_tell, progress=_progress))
            except MissingData as error:
                missing.append(str(error))
    if json_:
        print(
            json.dumps({"found": [asdict(one) for one in found], "missing": missing}, ensure_ascii=False, indent=2)
        )
    else:
        _table(
            ("task", "split", "language", "source", ""),
            [(o.task, o.split, o.language, o.source, "fetched" if o.fetched else "was there") for o in found],
        )
    for message in missing:
        print(f"error: {message}", file=sys.stderr)
    if missing:
        raise typer.Exit(ExitStatus.SOME_FAILED)


def _needs(target: Names, suite: str, language: Names) -> Sequence[Any]:
    from xfer.core.needs import needs

    toolkit = bootstrap.load()
    names = _split(target)
    if not names:
        chosen = toolkit.suites.get(suite)
        names = [*chosen.targets, *chosen.intermediates]
    return needs(names, toolkit.tasks, _split(language))


def _split(values: Names) -> list[str]:
    return [part for value in values or () for part in value.split(",")]


def _tell(message: str) -> None:
    print(message, file=sys.stderr)


def _progress(done: int, total: int | None) -> None:
    """A line that is written over, on a terminal only."""
    if sys.stderr.isatty():
        share = f" of {total / 1e6:,.1f}" if total else ""
        print(f"\r{done / 1e6:,.1f}{share} MB", end="\n" if done == total else "", file=sys.stderr, flush=True)


def _number(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    lines = [header, *rows]
    widths = [max(len(line[place]) for line in lines) for place in range(len(header))]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _leave(counts: Mapping[str, int], json_: bool) -> None:
    if not json_:
        print(", ".join(f"{number} {status}" for status, number in sorted(counts.items())))
    if set(counts) - {"ok"}:
        raise typer.Exit(ExitStatus.SOME_FAILED)
