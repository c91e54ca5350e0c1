"""The comparison for spreadsheets and data frames: one number a row, unrounded."""

import csv
import io
from collections.abc import Iterator
from typing import Any

from xfer.core.compare.comparison import Comparison
from xfer.core.compare.label_scores import LabelScore
from xfer.core.compare.selection import USES_LABELS
from xfer.core.compare.significance import Verdict
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
    "p_value",
    "adjusted_p_value",
    "significant",
    "test",
)
MEANS = ("(mean)", "(mean zero-shot)", "(transfer gap)")
"""In the column `language`: rows that sum up a target, or with the target `(average)` a label. Targets `(group)`,
`(language)`, `(family)` and `(script)` hold a label's means over the group that `language` names."""


def render(comparison: Comparison) -> str:
    """A header and one row a number. Text that a spreadsheet would take for a formula gets a leading '."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    tests = {(test.label, test.target, test.language): test for test in comparison.tests}
    chosen = [(one.score, USES_LABELS if one.uses_labels else "") for one in comparison.selections]
    for label, mark in [*((label, "") for label in comparison.labels), *chosen]:
        for record in _records(label):
            record |= {"sees": "; ".join(filter(None, (record.get("sees"), mark)))}
            language = record["language"] if record["language"] != MEANS[0] else ""
            test = tests.get((label.label, record["target"], language)) if record.get("main") else None
            record |= _verdict(test) if test else {}
            writer.writerow([_field(record.get(column)) for column in COLUMNS])
    for group in comparison.groups:
        name = "group" if group.by == "task" else group.by
        fields: dict[str, Any] = {"label": group.label, "target": f"({name})", "language": group.name}
        fields |= {"value": group.value, "delta": group.delta, "incomplete": group.partial}
        writer.writerow([_field(fields.get(column)) for column in COLUMNS])
    return text.getvalue()


def _verdict(test: Verdict) -> dict[str, Any]:
    return {
        "p_value": test.p_value,
        "adjusted_p_value": test.adjusted,
        "significant": test.significant,
        "test": test.test,
    }


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
