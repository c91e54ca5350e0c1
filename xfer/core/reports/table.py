"""The comparison on a terminal: rich tables that fit its width."""

import io
import shutil
import sys
from collections.abc import Iterator
from itertools import pairwise

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from xfer.core.compare.comparison import Comparison
from xfer.core.reports.extra_grids import all_grids
from xfer.core.reports.grids import (
    BOLD,
    Entry,
    Grid,
    Line,
    breakable,
    clean,
    common_prefix,
    mean_grids,
    number,
    prefix_note,
    signed,
    untold,
    way,
    without_prefix,
)
from xfer.core.reports.notes import legend, notes

WIDTH = 100
"""Columns where no terminal tells its own."""


def render(comparison: Comparison, width: int = WIDTH, brief: bool = False) -> str:
    """The tables as plain text, at most `width` columns wide."""
    console = Console(file=io.StringIO(), width=width, force_terminal=False, color_system=None)
    show(comparison, console, brief)
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


def print_out(comparison: Comparison, brief: bool = False) -> None:
    """The tables on stdout: as wide as the terminal (or COLUMNS) and in its colours, else plain."""
    width = shutil.get_terminal_size((WIDTH, 0)).columns
    if sys.stdout.isatty():
        show(comparison, Console(width=width), brief)
    else:
        sys.stdout.write(render(comparison, width, brief))


def show(comparison: Comparison, console: Console, brief: bool = False) -> None:
    """Print tables, legend and notes, as wide as the console; of the tables only the targets' means if `brief`."""
    prefix = common_prefix(comparison)
    grids = mean_grids(comparison, kinds=False) if brief else all_grids(comparison)
    for grid in grids:
        shorter = without_prefix(grid, prefix)
        for place, part in enumerate(_parts(shorter, console.width)):
            title = f"{grid.title} (continued)" if place else grid.title
            console.print(Text(clean(title), style="bold"), part, Text(), sep="\n")
        if grid.note:
            console.print(Text(clean(grid.note), style="dim"), Text(), sep="\n")
    lines = [*prefix_note(prefix), *legend(comparison, grids)]
    if console.is_terminal:
        lines.append(BOLD)
    for line in lines:
        console.print(Text(clean(line), style="dim"))
    for note in notes(comparison):
        console.print(Text(f"- {clean(note)}"))


def _parts(grid: Grid, width: int) -> Iterator[Table]:
    """The grid in as many tables as its columns need; the names wrap before the columns do."""
    values = [max(_longest(_cell(line.entries[at])) for line in grid.lines) for at in range(len(grid.columns))]
    heads = [Text(clean(column)) for column in grid.columns]
    if sum(max(head.cell_len, value) + _GAP for head, value in zip(heads, values, strict=True)) > width * 2 // 3:
        heads = [_folded(head, value) for head, value in zip(heads, values, strict=True)]
    widths = [max(_longest(head), value) + _GAP for head, value in zip(heads, values, strict=True)]
    pieces = [_pieces(line) for line in grid.lines]
    least = min(max(len(piece) for parts in pieces for piece in parts), width // 3)
    wanted = max(len(piece) for parts in pieces for piece in _filled(parts, width // 2))
    first = min(wanted, max(least, width - sum(widths)))
    cuts, used = [0], first
    for at, needed in enumerate(widths):
        if used + needed > width and at > cuts[-1]:
            cuts.append(at)
            used = first
        used += needed
    for start, end in pairwise([*cuts, len(widths)]):
        table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
        table.add_column("", max_width=first, overflow="fold")
        for head in heads[start:end]:
            table.add_column(head, justify="right", overflow="fold")
        for line, parts, following in zip(grid.lines, pieces, [*grid.lines[1:], None], strict=True):
            name = Text("\n".join(_filled(parts, first)))
            cells = [_cell(entry) for entry in line.entries[start:end]]
            last = following is not None and following.kind != line.kind
            table.add_row(name, *cells, style="dim" if line.kind == "floor" else "", end_section=last)
        yield table


_GAP = 2
_STYLES = {"up": "cyan", "down": "yellow", "": ""}


def _pieces(line: Line) -> list[str]:
    """The label where it may break, and an intermediate task that it does not tell."""
    return [*breakable(line.name), *([f"({clean(line.detail)})"] if untold(line) else [])]


def _filled(pieces: list[str], width: int) -> list[str]:
    """Pieces joined to lines of at most `width`; a parameter list starts a line."""
    lines = [pieces[0]]
    for piece in pieces[1:]:
        if piece[:1] in "[(" or len(lines[-1]) + len(piece) > width:
            lines.append(piece)
        else:
            lines[-1] += piece
    return lines


def _cell(entry: Entry) -> Text:
    if entry.text:
        return Text(clean(entry.text))
    text = Text(number(entry.value), style="bold" if entry.best else "")
    text.append(entry.marks)
    if entry.delta is not None:
        text.append("\n" + signed(entry.delta), style=_STYLES[way(entry.delta)])
    if entry.spread is not None:
        text.append(f"\n±{number(entry.spread)}", style="dim")
    return text


def _folded(head: Text, width: int) -> Text:
    """A column's name in lines as long as its longest word, or as the column's values."""
    words = head.plain.split(" ")
    return Text("\n".join(_lines_of(words, max(width, *map(cell_len, words)))))


def _lines_of(words: list[str], width: int) -> list[str]:
    lines = words[:1]
    for word in words[1:]:
        if cell_len(lines[-1]) + 1 + cell_len(word) > width:
            lines.append(word)
        else:
            lines[-1] += f" {word}"
    return lines


def _longest(text: Text) -> int:
    return max(line.cell_len for line in text.split("\n", allow_blank=True))
