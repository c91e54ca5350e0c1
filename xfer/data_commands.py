"""The commands about data and predictions: `xfer data verify`, `fetch` and `tokenise`, `xfer score`."""

import json
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from xfer import bootstrap, verbosity
from xfer.core.errors import ExitStatus, UnknownName, UserError
from xfer.core.settings import parse_assignments
from xfer.options import JsonOption, Names, RunArgument

TargetOption = Annotated[Names, typer.Option(help="Task; repeat for several. [default: all of the suite]")]
SuiteOption = Annotated[str, typer.Option(help="The suite whose tasks are meant, where no target is given.")]
LanguageOption = Annotated[Names, typer.Option(help="Language that is scored; repeat. [default: all]")]
RootOption = Annotated[
    Path | None, typer.Option(envvar="XFER_DATA_ROOT", help="Folder with data sets. [default: the hub's cache]")
]
RevisionOption = Annotated[
    Names, typer.Option(metavar="ID=REVISION", help="Another commit or branch of a data set of the hub; repeat.")
]
StreamOption = Annotated[
    Names, typer.Option(metavar="ID=ROWS", help="Training rows of a language streamed off a data set; repeat.")
]

data = typer.Typer(help="Data sets: what is there, and how to get the rest.", no_args_is_help=True)


def add(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(data, name="data")
    app.command(short_help="Score prediction files.")(score)


@data.command("verify")
def verify(
    target: TargetOption = None,
    suite: SuiteOption = "xtreme",
    language: LanguageOption = None,
    data_root: RootOption = None,
    revision: RevisionOption = None,
    stream: StreamOption = None,
    json_: JsonOption = False,
) -> None:
    """Compare what is there with the published numbers of rows; status 3 if something differs or is missing."""
    from xfer.core.data import needs

    found = [needs.verify(need, data_root) for need in _needs(target, suite, language, revision, stream)]
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
    revision: RevisionOption = None,
    stream: StreamOption = None,
    base_url: Annotated[
        str, typer.Option(help="A mirror with the original files by name, and the hub's files as the hub has them.")
    ] = "",
    json_: JsonOption = False,
) -> None:
    """Download what the targets need into the data root; issue it again after a cut, and it continues."""
    from xfer.core.data import needs
    from xfer.core.data.load import MissingData

    if data_root is None:
        raise UserError("no data root was given", fix="--data-root DIR: where the files go (or XFER_DATA_ROOT)")
    found: list[Any] = []
    missing: list[str] = []
    with needs.fetching(data_root):
        for need in _needs(target, suite, language, revision, stream):
            try:
                found.append(needs.fetch(need, data_root, base_url, tell=verbosity.note, progress=_progress))
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


@data.command("tokenise", short_help="Tokenise a run's data before it is computed.")
def tokenise(
    run: RunArgument,
    ahead: Annotated[bool, typer.Option("--ahead", hidden=True, help="As a run does beside itself.")] = False,
    json_: JsonOption = False,
) -> None:
    """Tokenise what a run's phases need, into its store, on any machine that sees store and data; no GPU is needed.

    Sets below engine.cache_tokens are not kept. Status 3 if the rows of a phase cannot be read.
    """
    from xfer import tokenising
    from xfer.core.engine.beforehand import Tokenised, Undone

    sets: list[Tokenised] = []
    undone: list[Undone] = []
    for one in tokenising.tokenise(run, ahead):
        if isinstance(one, Tokenised):
            sets.append(one)
            verbosity.note(f"{one.task} {one.split} {','.join(one.languages)}: {_MADE[one.state]}")
        else:
            undone.append(one)
            print(f"{'error' if one.failed else 'note'}: phase {one.phase}: {one.reason}", file=sys.stderr)
    if json_:
        print(json.dumps({"sets": [asdict(one) for one in sets], "undone": [asdict(one) for one in undone]}))
    else:
        rows = [
            (o.task, o.split, f"{o.examples:,}", _number(o.tokens), _MADE[o.state], ",".join(o.languages))
            for o in sets
        ]
        _table(("task", "split", "examples", "tokens", "", "languages"), rows)
    if any(one.failed for one in undone):
        raise typer.Exit(ExitStatus.SOME_FAILED)


_MADE = {
    "made": "tokenised",
    "found": "was there",
    "small": "too small to be kept",
    "unkept": "cannot be kept",
}


def score(
    predictions: Annotated[Path, typer.Option(help="A folder in the layout of an XTREME submission.")],
    target: TargetOption = None,
    suite: SuiteOption = "xtreme",
    language: LanguageOption = None,
    data_root: RootOption = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Score the first so many examples of each.")] = None,
    json_: JsonOption = False,
) -> None:
    """Score prediction files with the tasks' own scorers."""
    from xfer.core.exchange.submission import prediction_file
    from xfer.core.exchange.submission import score as score_file

    toolkit = bootstrap.load()
    settings = run_settings(data_root, {"test": limit, "dev": limit} if limit else {})
    names = _split(target) or _predicted(predictions, toolkit, suite)
    languages = _split(language)
    found: list[dict[str, Any]] = []
    for name in names:
        task = toolkit.tasks.get(name)
        for code in [code for code in task.languages if not languages or code in languages]:
            rows = examples_of(toolkit, settings, task, task.eval_split, code)
            scores = score_file(task, code, rows, prediction_file(predictions, task, code))
            found += [
                {"task": name, "language": code, "metric": metric, "value": value, "n": len(rows)}
                | {"main": metric == task.main_score}
                for metric, value in scores.items()
            ]
    if not found:
        raise UserError("nothing to score", fix=f"languages: {', '.join(languages)}; targets: {', '.join(names)}")
    means = _means(found)
    if json_:
        print(json.dumps({"scores": found, "means": means}, ensure_ascii=False, indent=2))
        return
    _table(
        ("task", "language", "metric", "points", "n"),
        [(o["task"], o["language"], o["metric"], f"{o['value']:.2f}", str(o["n"])) for o in found],
    )
    for name, mean in means.items():
        print(f"mean of {name} over languages: {mean:.2f}")


def _predicted(predictions: Path, toolkit: Any, suite: str) -> list[str]:
    """The suite's targets that the folder holds predictions of."""
    from xfer.core.exchange.submission import prediction_file

    targets = {name: toolkit.tasks.get(name) for name in toolkit.suites.get(suite).targets}
    found = [
        name
        for name, task in targets.items()
        if prediction_file(predictions, task, task.languages[0]).parent.is_dir()
    ]
    if not found:
        raise UserError(f"no predictions of suite {suite}", str(predictions), f"folders: {', '.join(targets)}")
    return found


def _means(found: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Mean of the main score of every task over its languages, as XTREME takes it."""
    means = {}
    for name in dict.fromkeys(one["task"] for one in found):
        values = [one["value"] for one in found if one["task"] == name and one["main"]]
        means[name] = sum(values) / len(values)
    return means


def run_settings(data_root: Any, limit: Mapping[str, Any]) -> Any:
    """Settings that read data as a run with this root and these limits does."""
    from xfer.core.settings import RunSettings

    return RunSettings(data_root=Path(data_root) if data_root else None, limit=dict(limit))


def examples_of(toolkit: Any, settings: Any, task: Any, split: str, language: str) -> list[Any]:
    """Examples as a run with these settings has them."""
    from xfer.core.data.load import load_examples

    answer = toolkit.manager.first(
        "xfer_load_rows", task=task, split=split, language=language, via="original", settings=settings
    )
    if answer is None:
        raise UserError(f"{task.name}: nobody loads {split} rows in {language}")
    return load_examples(task, split, language, answer[0], settings.limit.of(split)).examples


def _needs(target: Names, suite: str, language: Names, revision: Names, stream: Names) -> Sequence[Any]:
    from xfer.core.data.needs import needs
    from xfer.core.data.sources import settable
    from xfer.core.settings import RunSettings

    toolkit = bootstrap.load()
    paths = settable(task for _, task in toolkit.tasks.items())
    asked: dict[str, Any] = {}
    for part, kind, given in (("revision", "of the hub", revision), ("stream", "that is streamed", stream)):
        known = {path.removeprefix(f"data.{part}.") for path in paths if path.startswith(f"data.{part}.")}
        for name, value in parse_assignments(given or (), f"--{part}", "owner/name=…").items():
            if name not in known:
                raise UnknownName(f"data set {kind}", name, known)
            asked[f"data.{part}.{name}"] = value
    settings = RunSettings(set=asked)
    names = _split(target)
    if not names:
        chosen = toolkit.suites.get(suite)
        names = [*chosen.targets, *chosen.intermediates]
    return needs(names, toolkit.tasks, _split(language), settings.revisions, settings.streams)


def _split(values: Names) -> list[str]:
    return [part for value in values or () for part in value.split(",")]


def _progress(done: int, total: int | None) -> None:
    """A line that is written over, on a terminal only."""
    if sys.stderr.isatty() and not verbosity.asked.quiet:
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
