"""Results that runs left in stores: read, compared, reported. `xfer.load_results` and `xfer.compare` are here."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xfer import bootstrap
from xfer.core.errors import UnknownName, UserError
from xfer.core.records import Problem, ResultRow
from xfer.core.registry import BUILTIN
from xfer.options import store_folder

if TYPE_CHECKING:
    import pandas as pd

    from xfer.core.compare.comparison import Comparison


class Results(list[ResultRow]):
    """Result rows in the order of their runs, oldest first: a list that can become a data frame."""

    def to_pandas(self) -> "pd.DataFrame":
        """One row a number, one column a field of `ResultRow`; a score that failed is NaN.

        `params` and `plugin_versions` are JSON texts and `sees` is joined by "; ", so that rows can be grouped by
        any column. pandas is imported here; it comes with `datasets`.
        """
        import pandas as pd

        texts = [
            {
                **row.model_dump(mode="json"),
                "params": json.dumps(row.params, sort_keys=True, ensure_ascii=False),
                "plugin_versions": json.dumps(row.plugin_versions, sort_keys=True),
                "sees": "; ".join(row.sees),
            }
            for row in self
        ]
        frame = pd.DataFrame(texts, columns=list(ResultRow.model_fields))
        scores = ["value", "standard_error", "chance", "heuristic"]
        return frame.astype(dict.fromkeys(scores, "float64"))


def load_results(*places: str | Path) -> Results:
    """Result rows of stores (all their runs) or of single runs (folders, or names in the usual store).

    The usual store, read without arguments, is that of the environment's XFER_STORE, or ./runs.
    `load_results(…).to_pandas()` gives them as a data frame. Raises UserError for a place that holds no runs.
    """
    folders = [folder for place in _places(places) for folder in _run_folders(place)]
    return Results(row for folder in folders for row in _rows_of(folder))


def compare(*places: str | Path, baseline: str | None = None, mixed: bool = False, **options: Any) -> "Comparison":
    """Compare the runs in stores or run folders; the same as `xfer compare`.

    `mixed` averages rows of unlike signatures, marked. Other options are those of the command: `strategy`,
    `target`, `language` (sequences), `by`, `metric`, `test`, `correct`, `alpha`, `against`. Raises UserError for
    places without runs, names that are not there, and rows that were not computed alike.
    """
    found = _places(places)
    folders = [folder for place in found for folder in _run_folders(place)]
    problems = [
        Problem.model_validate(line) for folder in folders for line in _json_lines(folder / "problems.jsonl")
    ]
    rows = [row for folder in folders for row in _rows_of(folder)]
    notes: list[str] = []
    if not mixed and not any(folder in found for folder in folders):
        rows, notes = _of_latest(rows)
    notes += [note for folder in folders for note in _unscored(folder)]
    return compared(rows, list(dict.fromkeys(problems)), baseline, mixed, notes, folders=folders, **options)


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
    from xfer.core.compare.provenance import licences, run_commands, run_libraries
    from xfer.core.compare.significance import checked_procedure

    how = checked_procedure(**procedure)
    asked = {"--strategy": strategy, "--target": target, "--language": language}
    asked["--metric"] = (metric,) if metric else ()
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
        provenance={
            "commands": run_commands(folders),
            "libraries": run_libraries(folders),
            "licences": licences(used),
        },
        chosen_by=[word for name, values in asked.items() for value in values for word in (name, value)]
        + ["--mixed"] * mixed,
    )


def _of_latest(rows: list[ResultRow]) -> tuple[list[ResultRow], list[str]]:
    """Of a store with several suites or models, the rows of the latest run's, and a note of the others."""

    def kind(row: ResultRow) -> tuple[str, str]:
        return row.suite, row.model_fingerprint

    kept = [row for row in rows if kind(row) == kind(rows[-1])]
    others = sorted({f"{row.suite} with {row.model}" for row in rows if kind(row) != kind(rows[-1])})
    return kept, [f"left out, other suite or model: {', '.join(others)}"] if others else []


def report(comparison: "Comparison", format: str, plugin: Sequence[Path] = ()) -> str:
    """A comparison as text in a built-in format or one that a plugin brings, also from a file."""
    return _answer(comparison, format, plugin)[0]


def print_report(comparison: "Comparison", format: str, plugin: Sequence[Path] = ()) -> None:
    """The report on stdout; the built-in tables as wide as the terminal, and in its colours."""
    text, owner = _answer(comparison, format, plugin)
    if format == "table" and owner == BUILTIN:
        from xfer.core.reports import table

        table.print_out(comparison)
    else:
        sys.stdout.write(text)


def _answer(comparison: "Comparison", format: str, plugin: Sequence[Path]) -> tuple[str, str]:
    """The text and who made it. Raises UnknownName for a format that nobody knows."""
    from xfer.core.reports import FORMATS

    answer = bootstrap.load(None, tuple(plugin)).manager.first(
        "xfer_render_report", comparison=comparison, format=format
    )
    if answer is None:
        raise UnknownName("report format", format, FORMATS)
    return str(answer[0]), answer[1]


def _places(given: Sequence[str | Path]) -> list[Path]:
    """Stores and run folders; the usual store (XFER_STORE, or ./runs) where none is given, its run for a name."""
    store = store_folder()
    return [_place(Path(place), store) for place in given] or [store]


def _place(given: Path, store: Path) -> Path:
    run = store / "runs" / given.name
    return run if given.name == str(given) and not given.exists() and run.is_dir() else given


def _run_folders(place: Path) -> list[Path]:
    """Folders of runs, those that were written last at the end: a later row of the same cell counts."""
    if (place / "results.jsonl").is_file():
        return [place]
    written = place.glob("runs/*/results.jsonl")
    found = [path.parent for path in sorted(written, key=lambda path: (path.stat().st_mtime_ns, path))]
    if not found:
        raise UserError(
            "no runs here",
            where=str(place),
            fix="give a store (the folder of --store), a run's folder, or the name of a run in ./runs",
        )
    return found


def _rows_of(folder: Path) -> list[ResultRow]:
    """The rows of a run, but for those of a plan that its name had before, while it is at work on another."""
    planned, rows = _planned(folder), _read_rows(folder)
    known = set().union(*planned)
    return [row for row in rows if (row.label, row.phase) in known] if planned else rows


def _unscored(folder: Path) -> list[str]:
    """A note where cells of a run's plan have no rows: it is at work, was stopped, or they failed."""
    planned, scored = _planned(folder), {(row.label, row.phase) for row in _read_rows(folder)}
    lacking = [cell for cell in planned if not cell <= scored]
    if not lacking:
        return []
    return [f"run {folder.name}: {len(lacking)} of {len(planned)} cells have no scores (`xfer status` says why)"]


def _planned(folder: Path) -> list[set[tuple[str, str]]]:
    """By cell, its label with the phases that score it; none where no plan lies there, as in a shared folder."""
    from xfer.core.storage.files import read_json

    path = folder / "plan.json"
    cells = read_json(path)["cells"] if path.is_file() else ()
    return [{(cell["label"], id) for id in (cell["phase"], cell.get("dev_phase")) if id} for cell in cells]


def _read_rows(folder: Path) -> list[ResultRow]:
    from pydantic import ValidationError

    from xfer.core.storage.store import check_run

    check_run(folder)
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
