"""A stored run's predictions as a submission."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from xfer.core.data.needs import Tasks
from xfer.core.errors import DataError, UserError
from xfer.core.exchange.submission import NOT_ASKED, encode, prediction_file
from xfer.core.records import Cell, PlannedPhase, TaskSpec
from xfer.core.storage import files
from xfer.core.storage.store import Store, StoredRun

Examples = Callable[[TaskSpec, str, str], Sequence[Any]]
"""`examples(task, split, language)`: what the run was scored on."""


def export(
    run: StoredRun,
    store: Store,
    tasks: Tasks,
    examples: Examples,
    output: Path,
    label: str = "",
    seed: int | None = None,
    tell: Callable[[str], None] = lambda message: None,
) -> list[Path]:
    """Write the predictions of one start point and seed of a run; `output` appears whole or not at all.

    `tell` hears of languages that the benchmark wants and the run lacks. Raises `UserError` when the run has
    several start points or seeds and none is named, when a target was not scored, when `output` is there, and
    `DataError` when the rows are not those that were scored.
    """
    cells = chosen_cells(run, label, seed)
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise UserError("the output is there already", str(output), "name a new folder, or remove this one")
    files.ensure_folder(output.parent)
    temporary = output.with_name(f".{output.name}.partial")
    files.remove(temporary)
    try:
        written = _write(cells, run, store, tasks, examples, temporary, tell)
    except BaseException:
        files.remove(temporary)
        raise
    if output.exists():
        output.rmdir()
    files.move(temporary, output)
    return [output / path.relative_to(temporary) for path in written]


def _write(
    cells: Sequence[Cell],
    run: StoredRun,
    store: Store,
    tasks: Tasks,
    examples: Examples,
    folder: Path,
    tell: Callable[[str], None],
) -> list[Path]:
    written = []
    for cell in cells:
        task = tasks.get(cell.target)
        phase = next(phase for phase in run.plan.phases if phase.id == cell.phase)
        if not store.has_phase(cell.phase):
            raise UserError(f"{task.name} was not scored in run {run.name}", str(store.phase_folder(cell.phase)))
        for language, text in _texts(task, phase, store, examples).items():
            path = prediction_file(folder, task, language)
            files.write_text(path, text)
            written.append(path)
            if task.format == "retrieval" and f"{NOT_ASKED}\n" in text:
                tell(f"{task.name} {language}: what a limit left out is {NOT_ASKED}, which counts as wrong")
        lacking = [code for code in task.languages if code not in phase.phase.uses[0].languages]
        if lacking:
            tell(f"{task.name}: the benchmark wants {', '.join(lacking)} too")
    return written


def chosen_cells(run: StoredRun, label: str, seed: int | None) -> list[Cell]:
    """The cells of one start point and one seed of a run. Raises `UserError` where several fit, or none."""
    cells = [cell for cell in run.plan.cells if label in ("", cell.label) and seed in (None, cell.seed)]
    for what, option, found in (
        ("start point", "--label", sorted({cell.label for cell in cells})),
        ("seed", "--seed", sorted({str(cell.seed) for cell in cells})),
    ):
        if len(found) > 1:
            fix = f"{option} one of: {', '.join(found)}"
            raise UserError(f"run {run.name} has several {what}s, and an export holds one", fix=fix)
    if not cells:
        labels = sorted({cell.label for cell in run.plan.cells})
        seeds = sorted({str(cell.seed) for cell in run.plan.cells})
        fix = f"labels: {', '.join(labels)}; seeds: {', '.join(seeds)}"
        raise UserError(f"run {run.name} has no predictions of this label and seed", fix=fix)
    return cells


def _texts(task: TaskSpec, phase: PlannedPhase, store: Store, examples: Examples) -> dict[str, str]:
    """The text of every language's file."""
    (use,) = phase.phase.uses
    if phase.options[task.name].get("direction", "english-to-other") != "english-to-other":
        raise UserError(f"{task.name} was searched from the other language; XTREME asks in English")
    tuned = store.phase_info(phase.id).get("tuned", {})
    texts = {}
    for language in use.languages:
        path = store.phase_folder(phase.id) / "predictions" / f"{task.name}.{language}.parquet"
        ids, values = _predictions(path)
        rows = examples(task, use.split, language)
        if [example.id for example in rows] != ids:
            what = f"the {use.split} rows of {task.name} in {language!r} are not those that were scored"
            raise DataError(what, str(path), "name the data root and the limit that the run had")
        texts[language] = encode(task, rows, values, tuned.get(language))
    return texts


def _predictions(path: Path) -> tuple[list[str], list[Any]]:
    """Identifiers and values, as the evaluation wrote them."""
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    return table["id"].to_pylist(), [json.loads(text) for text in table["prediction"].to_pylist()]
