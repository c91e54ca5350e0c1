"""A comparison as text: one module a format, each with `render(comparison) -> str`."""

from importlib import import_module

from xfer.core.compare.comparison import Comparison
from xfer.core.errors import UnknownName

FORMATS = {
    "table": "table",
    "markdown": "markdown",
    "html": "html",
    "latex": "latex",
    "csv": "as_csv",
    "json": "as_json",
}
"""The built-in formats and their modules; plugins bring others by `xfer_render_report`."""


def render(comparison: Comparison, format: str) -> str:
    """The comparison in a built-in format. Raises UnknownName for any other."""
    if format not in FORMATS:
        raise UnknownName("report format", format, FORMATS)
    text: str = import_module(f"{__name__}.{FORMATS[format]}").render(comparison)
    return text
