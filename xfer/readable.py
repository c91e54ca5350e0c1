"""Nested fields as lines that people read: `xfer tasks show` and its sisters."""

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

_WIDTH = 110


def readable(fields: Mapping[str, Any]) -> str:
    """A line a field, below it and indented what has parts; fields that hold nothing are left out."""
    return "\n".join(_lines({name.replace("_", " "): value for name, value in fields.items()}, ""))


def _lines(fields: Mapping[str, Any], indent: str) -> Iterator[str]:
    for name, value in fields.items():
        label = f"{indent}{name or 'everywhere'}:"
        if value is None or value in ("", [], {}):
            continue
        if isinstance(value, list) and any(isinstance(item, str) and _is_text(item) for item in value):
            yield label
            yield from (f"{indent}  {line}" for item in value for line in item.splitlines())
        elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
            yield label
            for item in value:
                yield from _wrapped("-", _short(item), f"{indent}  ")
        elif isinstance(value, dict) and any(isinstance(item, dict) for item in value.values()):
            yield label
            yield from _lines(value, f"{indent}  ")
        elif isinstance(value, dict | list):
            yield from _wrapped(f"{name or 'everywhere'}:", _short(value), indent)
        else:
            yield from _wrapped(label.strip(), _short(value), indent)


def _short(value: Any) -> str:
    """What has no parts with parts; in a table, names of one value stand together."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(_short, value)) or "none"
    if not isinstance(value, dict):
        return "none" if value in ("", None) else str(value)
    names: dict[str, list[str]] = {}
    for name, item in value.items():
        names.setdefault(_short(item), []).append(name or "everywhere")
    if len(names) * 3 <= len(value):
        return "; ".join(f"{', '.join(alike)}: {item}" for item, alike in names.items())
    return ", ".join(
        name if (said := _short(item)) == name else f"{name or 'everywhere'}={said}" for name, item in value.items()
    )


def _is_text(item: str) -> bool:
    """A sentence, or several lines such as a stack trace."""
    return item.endswith(".") or "\n" in item


def _wrapped(label: str, text: str, indent: str) -> list[str]:
    deeper = f"{indent}  "
    whole = f"{indent}{label} {text}"
    return textwrap.wrap(whole, _WIDTH, subsequent_indent=deeper, break_long_words=False, break_on_hyphens=False)
