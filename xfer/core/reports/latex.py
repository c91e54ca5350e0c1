r"""The comparison in LaTeX: one booktabs table a grid, to be read with \input."""

import re
from collections.abc import Iterator
from itertools import pairwise

from xfer.core.compare.comparison import Comparison
from xfer.core.reports.extra_grids import all_grids
from xfer.core.reports.grids import (
    ABSENT,
    BOLD,
    INCOMPLETE,
    MIXED,
    SAME_TASK,
    SEES,
    SIGNIFICANT,
    Entry,
    Grid,
    Line,
    clean,
    number,
    signed,
)
from xfer.core.reports.notes import legend, notes, reproduction_lines

COLUMNS = 10
"""Columns of numbers in one table; a wider grid continues in another."""
_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "`": r"\textasciigrave{}",
    ABSENT: r"\textendash{}",
    "±": r"$\pm$",
    SAME_TASK: r"\dag{}",
    MIXED: r"\ddag{}",
    SEES: r"\S{}",
    SIGNIFICANT: r"$\star$",
    **{character: f"\\{character}" for character in "#$%&_{}"},
    # After a row's end, TeX would take these for the arguments of the line break.
    **{character: f"{{{character}}}" for character in "[]*"},
}
_MARKS = {
    INCOMPLETE: "*", SAME_TASK: r"\dagger", MIXED: r"\ddagger", SEES: r"\mathsection", SIGNIFICANT: r"\star",
}  # fmt: skip


def render(comparison: Comparison) -> str:
    """A table environment a grid, then the legend and the notes in small print."""
    parts = [r"% In the preamble: \usepackage[T1]{fontenc} \usepackage{textcomp,booktabs}"]
    parts += [table for grid in all_grids(comparison) for table in _tables(grid)]
    told = [*legend(comparison), BOLD, *notes(comparison), *reproduction_lines(comparison)]
    small = [escape(line) for line in told]
    parts.append("{\\footnotesize\\raggedright\n" + "\\par\n".join(small) + "\\par}")
    return "\n\n".join(parts) + "\n"


def escape(text: str) -> str:
    """Text that typesets as it reads; letters beyond Latin-1 become their numbers, so that all engines compile."""
    escaped = "".join(_SPECIAL.get(character) or _letter(character) for character in clean(text))
    return re.sub(r"-(?=-)", "-{}", escaped)


def _letter(character: str) -> str:
    plain = character.isascii() or (character.isalpha() and ord(character) < 0x100)
    return character if plain else f"{{[}}U+{ord(character):04X}{{]}}"


def _tables(grid: Grid) -> Iterator[str]:
    detailed = any(line.detail for line in grid.lines)
    cuts = range(0, len(grid.columns), COLUMNS)
    for start, end in pairwise([*cuts, len(grid.columns)]):
        names = ["", *(["intermediate"] if detailed else [])]
        head = [*names, *(escape(column) for column in grid.columns[start:end])]
        title = escape(grid.title) + (" (continued)" if start else "")
        yield "\n".join(
            [
                r"\begin{table}[htbp]",
                r"\centering\small\setlength{\tabcolsep}{4pt}",
                rf"\caption{{{title}}}",
                rf"\begin{{tabular}}{{{'l' * len(names)}{'r' * (end - start)}}}",
                r"\toprule",
                f"{' & '.join(head)} \\\\",
                r"\midrule",
                *_rows(grid.lines, start, end, detailed),
                r"\bottomrule",
                r"\end{tabular}",
                *([rf"\par\smallskip{{\footnotesize {escape(grid.note)}\par}}"] if grid.note else []),
                r"\end{table}",
            ]
        )


def _rows(lines: tuple[Line, ...], start: int, end: int, detailed: bool) -> Iterator[str]:
    for at, line in enumerate(lines):
        if line.kind == "floor" and at and lines[at - 1].kind != "floor":
            yield r"\midrule"
        name = rf"\emph{{{escape(line.name)}}}" if line.kind == "floor" else escape(line.name)
        cells = [name, *([escape(line.detail)] if detailed else []), *map(_cell, line.entries[start:end])]
        yield f"{' & '.join(cells)} \\\\"


def _cell(entry: Entry) -> str:
    if entry.text:
        return escape(entry.text)
    value = number(entry.value).replace(ABSENT, r"\textendash{}")
    if value.startswith("-") and entry.value is not None:
        value = f"${value}$"
    text = rf"\textbf{{{value}}}" if entry.best else value
    if entry.marks:
        text += f"$^{{{''.join(_MARKS[mark] for mark in entry.marks)}}}$"
    extra = [signed(entry.delta)] if entry.delta is not None else []
    extra += [rf"\pm {number(entry.spread)}"] if entry.spread is not None else []
    return text + "".join(rf" {{\scriptsize ${part}$}}" for part in extra)
