"""Charts as inline SVG: no script, colours of the page's own variables, every mark with its numbers as a title.

Labels are told apart by number, not by colour alone; the legend below a chart says which number is which.
"""

import math
from collections.abc import Sequence

from xfer.core.compare.comparison import Comparison
from xfer.core.compare.costs import Curve
from xfer.core.compare.label_scores import ENGLISH
from xfer.core.records import Record
from xfer.core.reports.grids import signed
from xfer.core.reports.markup import Markup, tag

WIDTH, HEIGHT = 620, 300
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 12, 44
CURVES, POINTS = 12, 40
"""Most curves in a chart, and most points in a curve: the page stays small."""


class Point(Record):
    """One mark: where it lies, what is written on it, and what a reader who points at it is told."""

    x: float
    y: float
    mark: str
    title: str


class Line(Record):
    """One curve."""

    points: tuple[tuple[float, float], ...]
    mark: str
    title: str


def gain_chart(comparison: Comparison) -> Markup | None:
    """Each label and target: the gain in English against the mean gain in the other languages."""
    points = []
    for place, label in enumerate(comparison.labels):
        for name, target in label.targets.items():
            english = target.by_language.get(ENGLISH)
            if english is None or english.delta is None or target.delta_zero_shot is None:
                continue
            here, elsewhere = signed(english.delta), signed(target.delta_zero_shot)
            title = f"{label.label}, {name}: {here} in English, {elsewhere} in others"
            points.append(Point(x=english.delta, y=target.delta_zero_shot, mark=str(place), title=title))
    name = "Gain in English against the mean gain in the other languages, by start point and target"
    return _figure(name, "gain in English, points", "gain elsewhere, points", points, (), _names(comparison))


def cost_chart(comparison: Comparison) -> Markup | None:
    """What a label cost against its average's gain: seconds where they were stored, else training examples."""
    timed = bool(comparison.costs) and all(cost.train_seconds is not None for cost in comparison.costs)
    places = {label.label: place for place, label in enumerate(comparison.labels)}
    points = []
    for cost in comparison.costs:
        if cost.delta is None and cost.label != comparison.baseline:
            continue
        spent = (cost.train_seconds or 0.0) + cost.evaluate_seconds if timed else float(cost.train_examples)
        gain = cost.delta or 0.0
        devices = ", ".join(cost.devices)
        title = f"{cost.label}: {spent:.0f} {'s' if timed else 'examples'} ({devices}), {signed(gain)}"
        points.append(Point(x=spent, y=gain, mark=str(places[cost.label]), title=title))
    unit = "seconds of training and evaluation" if timed else "training examples"
    axis = f"{unit}, all seeds"
    return _figure("Cost against gain of the average", axis, "gain, points", points, (), _names(comparison))


def curve_charts(comparison: Comparison) -> list[Markup]:
    """Loss by step, a chart for each set of tasks, and the score on English dev where it was looked at."""
    places = {label.label: place for place, label in enumerate(comparison.labels)}
    by_tasks: dict[str, list[Curve]] = {}
    for curve in comparison.curves:
        by_tasks.setdefault(curve.tasks, []).append(curve)
    charts = []
    for tasks, curves in by_tasks.items():
        for what, unit in (("loss", "training loss"), ("dev", "score on English dev, points")):
            lines = [
                Line(
                    points=_thinned(getattr(curve, what)),
                    mark=str(places[curve.label]),
                    title=f"{curve.label}, seed {curve.seed}, phase {curve.phase}",
                )
                for curve in curves
                if getattr(curve, what)
            ]
            left = len(lines) - CURVES
            more = f" (the first {CURVES} of {len(lines)} phases)" if left > 0 else ""
            name = f"{tasks}: {unit} by step{more}"
            chart = _figure(name, "step", unit, (), lines[:CURVES], _names(comparison))
            if chart is not None:
                charts.append(chart)
    return charts


def _names(comparison: Comparison) -> list[str]:
    return [label.label for label in comparison.labels]


def _thinned(points: Sequence[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    step = max(1, math.ceil(len(points) / POINTS))
    kept = points[::step]
    return (*kept, points[-1]) if points and kept[-1] != points[-1] else tuple(kept)


def _figure(
    name: str, across: str, up: str, points: Sequence[Point], lines: Sequence[Line], labels: Sequence[str]
) -> Markup | None:
    """A figure with its caption and legend; None where there is nothing to draw."""
    xs = [point.x for point in points] + [x for line in lines for x, _ in line.points]
    ys = [point.y for point in points] + [y for line in lines for _, y in line.points]
    if not xs:
        return None
    x_ticks, y_ticks = _ticks(min(xs), max(xs)), _ticks(min(ys), max(ys))

    def at(x: float, y: float) -> tuple[float, float]:
        wide, high = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
        right = LEFT + wide * (x - x_ticks[0]) / (x_ticks[-1] - x_ticks[0])
        return round(right, 1), round(HEIGHT - BOTTOM - high * (y - y_ticks[0]) / (y_ticks[-1] - y_ticks[0]), 1)

    marks: list[Markup] = []
    for tick in x_ticks:
        x, y = at(tick, y_ticks[0])
        marks.append(tag("path", d=f"M{x} {TOP}V{y}", class_="zero" if tick == 0 else "rule"))
        marks.append(tag("text", _tick(tick), x=str(x), y=str(y + 16), **{"text-anchor": "middle"}))
    for tick in y_ticks:
        x, y = at(x_ticks[0], tick)
        marks.append(tag("path", d=f"M{x} {y}H{WIDTH - RIGHT}", class_="zero" if tick == 0 else "rule"))
        marks.append(tag("text", _tick(tick), x=str(x - 6), y=str(y + 4), **{"text-anchor": "end"}))
    middle = str((LEFT + WIDTH - RIGHT) // 2)
    marks.append(tag("text", across, x=middle, y=str(HEIGHT - 8), **{"text-anchor": "middle"}))
    turned = f"rotate(-90 12 {(HEIGHT - BOTTOM) // 2})"
    marks.append(
        tag("text", up, x="12", y=str((HEIGHT - BOTTOM) // 2), transform=turned, **{"text-anchor": "middle"})
    )
    for line in lines:
        places = [at(*point) for point in line.points]
        path = "M" + "L".join(f"{x} {y}" for x, y in places)
        colour = _colour(line.mark)
        parts = [tag("title", line.title)]
        if len(places) > 1:
            marks.append(tag("path", *parts, d=path, class_=f"curve {colour}"))
        x, y = places[-1]
        marks.append(_mark(x, y, line.mark, line.title))
    marks += [_mark(*at(point.x, point.y), point.mark, point.title) for point in points]
    svg = tag("svg", *marks, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", **{"aria-label": name})
    used = sorted({int(mark) for mark in (*(p.mark for p in points), *(one.mark for one in lines))})
    legend = tag("p", "; ".join(f"{place}: {labels[place]}" for place in used), class_="quiet")
    return tag("figure", tag("figcaption", name), svg, legend)


def _mark(x: float, y: float, mark: str, title: str) -> Markup:
    """A disc with the label's number."""
    disc = tag("circle", cx=str(x), cy=str(y), r="7", class_=_colour(mark))
    text = tag("text", mark, x=str(x), y=str(y + 3.5), class_="in", **{"text-anchor": "middle"})
    return tag("g", tag("title", title), disc, text)


def _colour(mark: str) -> str:
    return f"c{int(mark) % 6}"


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers from at most `low` to at least `high`: three to eight of them."""
    if high - low < 1e-9:
        low, high = low - 1, high + 1
    step = 10 ** math.floor(math.log10((high - low) / 3))
    step *= next(factor for factor in (1, 2, 5, 10) if (high - low) / (step * factor) <= 6)
    first = math.floor(low / step + 1e-9)
    last = math.ceil(high / step - 1e-9)
    return [place * step for place in range(first, last + 1)]


def _tick(value: float) -> str:
    if abs(value) >= 10_000:
        return f"{value:.0f}"
    return f"{value:.4g}"
