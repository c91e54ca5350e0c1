"""What a reader needs to make a comparison's numbers again: commands of the runs, licences of the data."""

import shlex
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from xfer.core.records import TaskSpec

_SKIPPED = ("origin", "model_folder", "libraries", "name", "store", "tracker")


def run_command(settings: Mapping[str, Any]) -> str:
    """The command of a run from its stored settings: what was not a default, as options.

    Settings that came from a file or from the environment are told as options too, so that the command stands
    alone.
    """
    origin = settings.get("origin", {})
    words = ["xfer", "run"]
    for key, value in settings.items():
        if key in _SKIPPED or origin.get(key, "default") == "default":
            continue
        flag = f"--{key.replace('_', '-')}"
        if key == "limit":
            words += [flag, ",".join(f"{name}={part}" for name, part in value.items())]
        elif key == "seeds":
            words += [flag, ",".join(map(str, value))]
        elif isinstance(value, Mapping):
            for name, part in _flat(value):
                words += [flag, f"{name}={part}"]
        elif isinstance(value, list | tuple):
            for part in value:
                words += [flag, str(part)]
        else:
            words += [flag, str(value)]
    return shlex.join(words)


def run_commands(folders: Iterable[Path]) -> tuple[str, ...]:
    """The commands of the runs in these folders, each once; a run whose settings cannot be read has none."""
    return tuple(dict.fromkeys(map(run_command, _settings(folders))))


def run_libraries(folders: Iterable[Path]) -> tuple[str, ...]:
    """Names and versions of the libraries that the runs were computed with, each once."""
    held = (settings.get("libraries", {}) for settings in _settings(folders))
    return tuple(dict.fromkeys(f"{name} {value}" for libraries in held for name, value in libraries.items()))


def _settings(folders: Iterable[Path]) -> Iterator[dict[str, Any]]:
    for folder in folders:
        with suppress(OSError, ValueError):
            yield tomllib.loads((folder / "run.toml").read_text(encoding="utf-8"))


def licences(tasks: Iterable[TaskSpec]) -> tuple[str, ...]:
    """Name and licence of every task's data, sorted."""
    return tuple(sorted({f"{task.name}: {task.licence}" for task in tasks if task.licence}))


def _flat(table: Mapping[str, Any], above: str = "") -> Iterable[tuple[str, Any]]:
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value
