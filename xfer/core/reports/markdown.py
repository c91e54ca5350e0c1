"""The comparison in Markdown: pipe tables as GitHub renders them."""

import re
from collections.abc import Iterator

from xfer.core.compare.comparison import Comparison
from xfer.core.reports.extra_grids import all_grids
from xfer.core.reports.grids import BOLD, Entry, Grid, Line, clean, number, signed
from xfer.core.reports.notes import legend, notes, reproduction_lines


def render(comparison: Comparison) -> str:
    """A heading and a table a grid, then the legend and the notes."""
    parts = ["# Comparison", *(_grid(grid) for grid in all_grids(comparison))]
    parts.append("\n".join(f"{escape(line)}  " for line in [*legend(comparison), BOLD]))
    told = notes(comparison)
    if told:
        parts.append("## Notes\n\n" + "\n".join(f"- {escape(note)}" for note in told))
    parts += _losses(comparison)
    parts.append("## Reproduction\n\n" + "\n".join(f"- {escape(line)}" for line in reproduction_lines(comparison)))
    return "\n\n".join(parts) + "\n"


def escape(text: str) -> str:
    """Text in which nothing is markup."""
    return re.sub(r"([\\`*_\[\]<>#|~&$@]|:(?=//)|(?<=www)\.|^[-+]|(?<=^\d)\.)", r"\\\1", clean(text).strip())


def _grid(grid: Grid) -> str:
    detailed = any(line.detail for line in grid.lines)
    head = ["", *(["intermediate"] if detailed else []), *(escape(column) for column in grid.columns)]
    rule = ["---"] * (1 + detailed) + ["---:"] * len(grid.columns)
    rows = [[*_names(line, detailed), *(_cell(entry) for entry in line.entries)] for line in grid.lines]
    table = "\n".join(f"| {' | '.join(row)} |" for row in [head, rule, *rows])
    note = f"\n\n{escape(grid.note)}" if grid.note else ""
    return f"## {escape(grid.title)}\n\n{table}{note}"


def _losses(comparison: Comparison) -> Iterator[str]:
    """The examples with the largest losses, a table a target."""
    for target in comparison.targets:
        losses = [loss for loss in comparison.losses if loss.target == target]
        if not losses:
            continue
        head = [
            "start point",
            "language",
            "example",
            "text",
            "gold",
            "prediction",
            f"prediction of {comparison.baseline}",
        ]
        rows = [
            [loss.label, loss.language, loss.id, loss.text, loss.gold, loss.prediction, loss.base_prediction]
            for loss in losses
        ]
        lines = [list(map(escape, head)), ["---"] * len(head), *(list(map(escape, row)) for row in rows)]
        table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        yield f"## {escape(target)}: examples with the largest losses\n\n{table}"


def _names(line: Line, detailed: bool) -> list[str]:
    name = f"*{escape(line.name)}*" if line.kind == "floor" else escape(line.name)
    return [name, *([escape(line.detail)] if detailed else [])]


def _cell(entry: Entry) -> str:
    if entry.text:
        return escape(entry.text)
    value = f"**{number(entry.value)}**" if entry.best else number(entry.value)
    change = f" ({signed(entry.delta)})" if entry.delta is not None else ""
    spread = f" ±{number(entry.spread)}" if entry.spread is not None else ""
    return value + entry.marks.replace("*", r"\*") + change + spread
