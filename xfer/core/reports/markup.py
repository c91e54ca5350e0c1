"""HTML and SVG elements in which nothing is markup by accident."""

import html

from xfer.core.reports.grids import clean


class Markup(str):
    """HTML that is already escaped. Everything else is escaped on its way in."""

    __slots__ = ()


def tag(name: str, /, *children: str, **attributes: str) -> Markup:
    """An element. Plain strings become text; `class_` and the like lose their last underscore."""
    given = "".join(f' {key.rstrip("_")}="{escape(value)}"' for key, value in attributes.items() if value)
    return Markup(
        f"<{name}{given}>" if name == "meta" else f"<{name}{given}>{''.join(map(escape, children))}</{name}>"
    )


def escape(text: str) -> str:
    """Text as HTML; what is HTML already stays."""
    return text if isinstance(text, Markup) else html.escape(clean(text))
