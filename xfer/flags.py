"""What the options of a command say, as settings: lists split, assignments parsed, what was not given left out."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from xfer.core.errors import UserError
from xfer.core.settings import RunSettings, parse_assignments


def settings_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by name, of the options of `xfer run` and its sisters that were given; others are passed over."""
    named = {("set" if name == "set_" else name): value for name, value in options.items()}
    read = {
        name: READERS.get(name, _same)(value) for name, value in named.items() if name in RunSettings.model_fields
    }
    return {name: value for name, value in read.items() if value is not None}


def split(values: Sequence[str] | None) -> tuple[str, ...] | None:
    """The parts of repeated options whose values may hold commas."""
    return tuple(part for value in values for part in value.split(",")) if values else None


def _whole(values: Sequence[Any] | None) -> tuple[Any, ...] | None:
    return tuple(values) if values else None


def _seeds(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise UserError(
            f"--seeds {text!r} is not a list of whole numbers", fix="for example --seeds 0,1,2"
        ) from None


def _limit(text: str | None) -> Mapping[str, Any] | None:
    return parse_assignments(text.split(","), "--limit", "train=1000,dev=200,test=200") if text else None


def _set(values: Sequence[str] | None) -> Mapping[str, Any] | None:
    return parse_assignments(values, "--set") if values else None


def _same(value: Any) -> Any:
    return value


READERS: Mapping[str, Callable[[Any], Any]] = {
    "strategy": _whole,
    "target": split,
    "intermediate": _whole,
    "language": split,
    "seeds": _seeds,
    "limit": _limit,
    "set": _set,
    "plugin": _whole,
    "tracker": split,
}
"""How the value of an option is read, where it is not taken as it is."""
