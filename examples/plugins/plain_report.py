"""A report format: `xfer compare --format plain --plugin …` prints a line for each label and target."""

from typing import Any

from xfer.api import hookimpl


@hookimpl
def xfer_render_report(comparison: Any, format: str) -> str | None:
    """Mean over languages with English; None leaves other formats to others."""
    if format != "plain":
        return None
    lines = [
        f"{label.label}\t{target}\t{score.mean:.2f}"
        for label in comparison.labels
        for target, score in label.targets.items()
    ]
    return "\n".join(lines) + "\n"
