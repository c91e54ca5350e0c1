"""The comparison as one HTML file: no scripts, nothing fetched, light and dark, for screen, print and reader."""

import html
from collections.abc import Iterable, Iterator

from xfer.core.compare.comparison import Comparison
from xfer.core.compare.groups import BY
from xfer.core.reports.charts import cost_chart, curve_charts, gain_chart
from xfer.core.reports.extra_grids import extra_grids, group_grid, with_note
from xfer.core.reports.grids import (
    BOLD,
    Entry,
    Grid,
    Line,
    breakable,
    common_prefix,
    headline_grids,
    language_grid,
    number,
    prefix_note,
    signed,
    untold,
    way,
    without_prefix,
)
from xfer.core.reports.html_style import GAIN_STEPS, SCORE_STEPS, stylesheet
from xfer.core.reports.markup import Markup, escape, tag
from xfer.core.reports.notes import command, legend, notes, problem_lines


def render(comparison: Comparison) -> str:
    """The whole page."""
    elsewhere = {*comparison.notes, *problem_lines(comparison)}
    told = [note for note in notes(comparison) if note not in elsewhere]
    prefix = common_prefix(comparison)
    grids = [without_prefix(with_note(grid, comparison), prefix) for grid in headline_grids(comparison)]
    extra = [without_prefix(grid, prefix) for grid in extra_grids(comparison)]
    groups = [(by, grid) for by in BY[1:] if (grid := group_grid(comparison, by)) is not None]
    sections = [
        tag("h1", "Comparison"),
        *(tag("p", note, class_="note") for note in comparison.notes),
        _contents(comparison),
        *(tag("section", tag("h2", grid.title), _table(grid, grid.title), _note(grid)) for grid in grids),
        tag(
            "section",
            tag("h2", "How to read the numbers"),
            _list([*prefix_note(prefix), *legend(comparison), BOLD, _COLOURS]),
        ),
        tag("section", tag("h2", "Notes"), _list(told or ["nothing is missing"]), id="notes"),
        *(tag("section", tag("h2", grid.title), _table(grid, grid.title), _note(grid)) for grid in extra),
        *(_group(grid, by == comparison.by) for by, grid in groups),
        _charts(comparison),
        *(_target(comparison, at, target) for at, target in enumerate(comparison.targets)),
        _seeds(comparison),
        _problems(comparison),
        _reproduction(comparison),
    ]
    head = [
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        # Whatever a name may smuggle in, the page can run and fetch nothing.
        tag("meta", **{"http-equiv": "Content-Security-Policy", "content": _POLICY}),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", "xfer comparison"),
        Markup(f"<style>{stylesheet()}</style>"),
    ]
    body = tag("body", tag("main", *sections))
    return f'<!doctype html>\n<html lang="en">\n{tag("head", *head)}\n{body}\n</html>\n'


_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_COLOURS = (
    "In a map of scores a deeper blue is a higher score; in a map of differences blue is gain, orange is loss."
)


def _note(grid: Grid) -> Markup:
    return tag("p", grid.note, class_="quiet") if grid.note else Markup("")


def _group(grid: Grid, open: bool) -> Markup:
    table = _table(grid, grid.title, heat=True)
    folded = tag("details", tag("summary", grid.title), table, open="open" if open else "")
    return tag("section", folded)


def _charts(comparison: Comparison) -> Markup:
    """Gain in English against the others', cost against gain, and learning curves; nothing where there are none."""
    charts = [gain_chart(comparison), cost_chart(comparison)]
    curves = curve_charts(comparison)
    shown = [chart for chart in charts if chart is not None]
    parts = [tag("h2", "Charts"), *shown] if shown else []
    if curves:
        folded = tag("details", tag("summary", f"Learning curves ({len(curves)} charts)"), *curves)
        parts += [tag("h2", "Learning curves of the phases"), folded]
    return tag("section", *parts, id="charts") if parts else Markup("")


def _examples(comparison: Comparison, target: str) -> Markup:
    """The examples with the largest losses, both predictions beside gold."""
    losses = [loss for loss in comparison.losses if loss.target == target]
    if not losses:
        return Markup("")
    base = f"prediction of {comparison.baseline}"
    head = ("start point", "language", "example", "text", "gold", "prediction", base)
    rows = []
    for loss in losses:
        texts = (loss.language, loss.id, loss.text, loss.gold, loss.prediction, loss.base_prediction)
        cells = [tag("td", text, class_="text wrap") for text in texts]
        rows.append(tag("tr", tag("th", loss.label, scope="row"), *cells))
    caption = f"{target}: examples with the largest losses (at most 20; all are in the store's predictions)"
    table = tag(
        "table",
        tag("caption", caption),
        tag("thead", tag("tr", *(tag("th", text, scope="col", class_="text") for text in head))),
        tag("tbody", *_lines(rows)),
    )
    region = tag("div", table, class_="scroll", role="region", tabindex="0", **{"aria-label": caption})
    return tag("details", tag("summary", f"{len(losses)} examples with the largest losses"), region)


def _contents(comparison: Comparison) -> Markup:
    links = [tag("a", target, href=f"#target-{at}") for at, target in enumerate(comparison.targets)]
    links += [tag("a", name, href=f"#{name}") for name in ("notes", "seeds", "problems", "reproduction")]
    return tag("nav", *(Markup(f"{link} ") for link in links), **{"aria-label": "Contents"})


def _target(comparison: Comparison, at: int, target: str) -> Markup:
    grid = with_note(language_grid(comparison, target), comparison)
    parts = [tag("h2", grid.title), _table(grid, f"{target}: scores", heat=True, deltas=False)]
    if comparison.baseline is not None and len(comparison.labels) > 1:
        lines = [line for line in grid.lines if line.kind == "label" and line.name != comparison.baseline]
        entries = [
            line.model_copy(update={"entries": tuple(Entry(delta=entry.delta) for entry in line.entries)})
            for line in lines
        ]
        changes = grid.model_copy(update={"lines": tuple(entries)})
        limit = max((abs(e.delta) for line in entries for e in line.entries if e.delta is not None), default=0.0)
        parts.append(_table(changes, f"{target}: differences from {comparison.baseline}", limit=limit))
    return tag("section", *parts, _note(grid), _examples(comparison, target), id=f"target-{at}")


def _table(grid: Grid, caption: str, heat: bool = False, deltas: bool = True, limit: float | None = None) -> Markup:
    """A table of scores; with `heat` coloured by score, with `limit` one of differences coloured by those."""
    worded = [any(line.entries[at].text for line in grid.lines) for at in range(len(grid.columns))]
    head = [tag("th", grid.head, scope="col")]
    head += [
        tag("th", column, scope="col", class_="text" if text else "")
        for column, text in zip(grid.columns, worded, strict=True)
    ]
    values = [e.value for line in grid.lines if line.kind == "label" for e in line.entries if e.value is not None]
    low, high = min(values, default=0.0), max(values, default=0.0)
    rows = []
    for line in grid.lines:
        cells = [_name(line)]
        for entry in line.entries:
            if limit is not None:
                cells.append(_change(entry, limit))
            else:
                shade = _shade(entry.value, low, high) if heat and line.kind == "label" else ""
                cells.append(_cell(entry, shade, deltas))
        rows.append(tag("tr", *cells, class_=line.kind if line.kind == "floor" else ""))
    table = tag(
        "table",
        tag("caption", caption, class_="" if grid.target and grid.target[0] != "(" else "unseen"),
        tag("thead", tag("tr", *head)),
        tag("tbody", *(_lines(rows))),
    )
    # A region that scrolls must be reachable by keyboard.
    return tag("div", table, class_="scroll", role="region", tabindex="0", **{"aria-label": caption})


def _name(line: Line) -> Markup:
    name = Markup("<wbr>".join(map(escape, breakable(line.name))))
    detail = [tag("small", line.detail)] if untold(line) else []
    return tag("th", name, *detail, scope="row")


def _lines(rows: Iterable[Markup]) -> Iterator[Markup]:
    return (Markup(f"\n{row}") for row in rows)


def _cell(entry: Entry, shade: str, deltas: bool) -> Markup:
    if entry.text:
        return tag("td", entry.text, class_="text")
    value = tag("b", number(entry.value)) if entry.best else Markup(html.escape(number(entry.value)))
    parts: list[str] = [value, entry.marks]
    if deltas and entry.delta is not None:
        parts.append(tag("small", signed(entry.delta), class_=way(entry.delta)))
    if deltas and entry.spread is not None:
        parts.append(tag("small", f"±{number(entry.spread)}"))
    return tag("td", *parts, class_=shade)


def _change(entry: Entry, limit: float) -> Markup:
    if entry.delta is None:
        return tag("td", number(None))
    share = abs(entry.delta) / limit if limit and way(entry.delta) else 0.0
    step = min(round(share * (GAIN_STEPS - 1)), GAIN_STEPS - 1)
    return tag("td", signed(entry.delta), class_=f"{'l' if way(entry.delta) == 'down' else 'g'}{step}")


def _shade(value: float | None, low: float, high: float) -> str:
    if value is None:
        return ""
    return f"s{round((value - low) / (high - low) * (SCORE_STEPS - 1)) if high > low else 0}"


def _seeds(comparison: Comparison) -> Markup:
    """Every seed's mean, never the mean alone."""
    head = ["start point", "target", "mean", "± over seeds", "mean of each seed"]
    rows = []
    for label in comparison.labels:
        means = [(name, score.mean, score.spread, score.by_seed) for name, score in label.targets.items()]
        for name, mean, spread, by_seed in [*means, ("average", label.average, label.spread, label.by_seed)]:
            cells = [
                tag("th", label.label, scope="row"),
                tag("td", name, class_="text"),
                tag("td", number(mean)),
                tag("td", number(spread)),
                tag("td", ", ".join(f"{seed}: {number(v)}" for seed, v in by_seed.items()), class_="text"),
            ]
            rows.append(tag("tr", *cells))
    table = tag(
        "table",
        tag("caption", "Means over languages of each seed that has them all"),
        tag("thead", tag("tr", *(tag("th", text, scope="col") for text in head))),
        tag("tbody", *_lines(rows)),
    )
    region = tag("div", table, class_="scroll", role="region", tabindex="0", **{"aria-label": "Seeds"})
    return tag("section", tag("h2", "Seeds"), tag("details", tag("summary", "Every seed"), region), id="seeds")


def _problems(comparison: Comparison) -> Markup:
    told = problem_lines(comparison) or ["none"]
    return tag("section", tag("h2", "Problems"), _list(told), id="problems")


def _reproduction(comparison: Comparison) -> Markup:
    terms = [tag("dt", "command"), tag("dd", tag("code", command(comparison)))]
    for name, values in comparison.reproduction.items():
        shown = ", ".join(values) if len(values) <= _SHOWN else ""
        many = (
            tag("details", tag("summary", f"{len(values)} of them"), _list(values))
            if not shown and values
            else shown
        )
        terms += [tag("dt", name), tag("dd", many or "–")]
    return tag("section", tag("h2", "Reproduction"), tag("dl", *terms), id="reproduction")


_SHOWN = 12
"""More values than these are folded away."""


def _list(lines: Iterable[str]) -> Markup:
    return tag("ul", *(tag("li", line) for line in lines))
