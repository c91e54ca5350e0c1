"""A TOML writer, for the standard library only reads: nested tables of scalars and lists."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def dumps(table: Mapping[str, Any]) -> str:
    """TOML text of a nested table; a key whose value is None is left out, for TOML has no null.

    Raises:
        TypeError: a value that is no string, boolean, number, list or table, or a key that is no string.
        ValueError: None in a list, a text with half a surrogate pair.
    """
    text = "\n".join(_table((), table)).strip("\n")
    return f"{text}\n" if text else ""


def _table(path: tuple[str, ...], table: Mapping[str, Any]) -> Iterator[str]:
    tables = {key: value for key, value in table.items() if isinstance(value, Mapping)}
    scalars = {key: value for key, value in table.items() if key not in tables and value is not None}
    if path and (scalars or not tables):
        yield f"\n[{'.'.join(map(_key, path))}]"
    for key, value in scalars.items():
        yield f"{_key(key)} = {_value(value)}"
    for key, value in tables.items():
        yield from _table((*path, key), value)


def _key(key: str) -> str:
    if not isinstance(key, str):
        raise TypeError(f"a TOML key is a text, not {key!r}")
    return key if _BARE.fullmatch(key) else _string(key)


def _value(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return _string(value)
        case int():
            return str(int(value))
        case float():
            return repr(float(value))
        case list() | tuple():
            return f"[{', '.join(map(_value, value))}]"
        case Mapping():
            kept = (f"{_key(key)} = {_value(item)}" for key, item in value.items() if item is not None)
            return f"{{{', '.join(kept)}}}"
        case None:
            raise ValueError("TOML has no null to put into a list")
    raise TypeError(f"TOML has no place for {value!r}")


def _string(text: str) -> str:
    text.encode("utf-8")  # half a surrogate pair fails here and not when the file is read
    # JSON's escapes are TOML's, but for the slash, which json.dumps leaves alone, and DEL, which it misses.
    return json.dumps(str(text), ensure_ascii=False).replace("\x7f", "\\u007f")
