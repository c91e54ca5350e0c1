"""What trying an installed plugin has shown, kept by what is installed: one trial a version, not one a command."""

import hashlib
import importlib.util
import json
import sys
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from xfer.core.discovery import Plugin
from xfer.core.errors import XferError
from xfer.core.storage import files
from xfer.core.storage.last_calls import cache_folder
from xfer.version import __version__

_MOST_FILES = 2000


class Verdict(NamedTuple):
    """How a plugin fared in a process of its own."""

    fate: str
    """How it ended or hung the process; "" where it did neither, whatever else may be wrong with it."""
    seconds: float
    """The time that it had; 0 for no limit."""


def read(plugin: Plugin) -> Verdict | None:
    """What is known of just what is installed now; None where it was never tried, or the note is unreadable."""
    try:
        fields = files.read_json(_path(plugin))
        return Verdict(str(fields["fate"])[:500], float(fields["seconds"]))
    except (XferError, OSError, ValueError, TypeError, KeyError):
        return None


def keep(plugin: Plugin, verdict: Verdict) -> None:
    """Write a verdict down, where the cache can be written to."""
    with suppress(XferError, OSError):
        files.write_json(_path(plugin), {"plugin": str(plugin), **verdict._asdict()})


def _path(plugin: Plugin) -> Path:
    told = [
        __version__,
        sys.version,
        sys.prefix,
        plugin.owner,
        plugin.distribution,
        plugin.version,
        *_content(plugin),
    ]
    return cache_folder() / "trials" / f"{hashlib.sha256(json.dumps(told).encode()).hexdigest()[:32]}.json"


def _content(plugin: Plugin) -> Iterator[str]:
    """The record of installed files with their hashes; sizes and times of sources that it does not list."""
    if plugin.entry is None or plugin.entry.dist is None:
        return
    module = plugin.entry.value.partition(":")[0].partition(".")[0]
    record = plugin.entry.dist.read_text("RECORD") or ""
    yield plugin.entry.value
    yield record
    if any(line.startswith((f"{module}/", f"{module}.py")) for line in record.splitlines()):
        return
    with suppress(Exception):  # finders of editable installs are code of others
        spec = importlib.util.find_spec(module)
        places = [Path(place) for place in (spec and spec.submodule_search_locations) or ()]
        sources = [Path(spec.origin)] if spec and spec.origin and not places else []
        for place in places:
            sources += islice((path for path in place.rglob("*") if path.suffix in (".py", ".so")), _MOST_FILES)
        for path in sorted(sources):
            state = path.stat()
            yield f"{path} {state.st_size} {state.st_mtime_ns}"
