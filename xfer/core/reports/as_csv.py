"""The comparison for spreadsheets and data frames: one number a row, unrounded."""

import csv
import io
from collections.abc import Iterator
from typing import Any

from xfer.core.comparison import Comparison
from xfer.core.label_scores import LabelScore
from xfer.core.reports.grids import clean

COLUMNS = (
    "label",
    "intermediate",
    "target",
    "language",
    "metric",
    "main",
    "value",
    "delta",
    "chance",
    "heuristic",
    "standard_error",
    "n",
    "spread",
    "seeds",
    "incomplete",
    "same_task",
    "sees",
)
MEANS = ("(mean)", "(mean zero-shot)", "(transfer gap)")
"""In the column `language`: rows that sum up a target, or with the target `(average)` a label."""


def render(comparison: Comparison) -> str:
    """A header and one row a number. Text that a spreadsheet would take for a formula gets a leading '."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for label in comparison.labels:
        for record in _records(label):
            writer.writerow([_field(record.get(column)) for column in COLUMNS])
    return text.getvalue()


def _records(label: LabelScore) -> Iterator[dict[str, Any]]:
    base = {"label": label.label, "intermediate": label.intermediate}
    for name, target in label.targets.items():
        sees = "; ".join(target.sees)
        for language, score in target.by_language.items():
            common = {**base, "target": name, "language": language, "n": score.n, "seeds": list(score.by_seed)}
            main = {
                name: getattr(score, name) for name in ("value", "delta", "chance", "heuristic", "standard_error")
            }
            marks = {"same_task": target.same_task, "sees": sees}
            yield {**common, "metric": target.metric, "main": True, **main, **marks}
            for metric, value in score.metrics.items():
                if metric != target.metric:
                    yield {**common, "metric": metric, "main": False, "value": value}
        common = {
            **base,
            "target": name,
            "metric": target.metric,
            "main": True,
            "seeds": list(target.by_seed),
            "incomplete": target.incomplete,
            "same_task": target.same_task,
            "sees": sees,
        }
        with_english = {"value": target.mean, "delta": target.delta, "spread": target.spread}
        yield {
            **common,
            "language": MEANS[0],
            **with_english,
            "chance": target.chance,
            "heuristic": target.heuristic,
        }
        yield {
            **common,
            "language": MEANS[1],
            "value": target.mean_zero_shot,
            "delta": target.delta_zero_shot,
            "chance": target.chance_zero_shot,
            "heuristic": target.heuristic_zero_shot,
            "standard_error": target.standard_error,
        }
        yield {**common, "language": MEANS[2], "value": target.transfer_gap}
    common = {**base, "target": "(average)", "seeds": list(label.by_seed), "incomplete": label.incomplete}
    yield {**common, "language": MEANS[0], "value": label.average, "delta": label.delta, "spread": label.spread}
    yield {**common, "language": MEANS[1], "value": label.average_zero_shot, "delta": label.delta_zero_shot}
    yield {**common, "language": MEANS[2], "value": label.transfer_gap}


def _field(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list):
        return " ".join(map(str, value))
    text = clean(str(value))
    return f"'{text}" if text.lstrip(" ").startswith(("=", "+", "-", "@", "＝", "＋", "－", "＠")) else text
