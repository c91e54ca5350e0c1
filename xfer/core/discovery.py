"""Where plugins come from: entry points of installed packages, loose files, and the switches for them."""

import importlib.metadata
import importlib.util
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from xfer.core.errors import UserError
from xfer.core.hookspecs import GROUP
from xfer.core.registry import BUILTIN

_TIMER = signal.ITIMER_REAL
_OWNER = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_FLAGS = {"": False, "0": False, "false": False, "no": False, "1": True, "true": True, "yes": True}


class Refused(Exception):
    """A fault of a plugin that is told by its text alone, without a stack trace."""


class TooLong(BaseException):
    """A plugin came to no end. Not an Exception, for what hangs often catches these."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise TooLong when the block takes longer. No limit outside the main thread, and while another alarm runs."""
    if not seconds or threading.current_thread() is not threading.main_thread() or signal.getitimer(_TIMER)[0]:
        yield
        return

    def strike(*_: object) -> None:
        raise TooLong(f"no end after {seconds:g} s")

    before = signal.signal(signal.SIGALRM, strike)
    signal.setitimer(_TIMER, seconds, 1.0)
    try:
        yield
    finally:
        signal.setitimer(_TIMER, 0)
        signal.signal(signal.SIGALRM, before)


@dataclass(frozen=True)
class Switches:
    """Which installed plugins load. Files named by the user always do."""

    off: bool = False
    disabled: frozenset[str] = frozenset()
    allowed: frozenset[str] | None = None
    strict: bool = False
    """Every problem of a plugin raises."""
    seconds: float = 60.0
    """Time to import a plugin, and for each of its answers while xfer starts; 0 for no limit."""
    trial: bool = True
    """Whether a version that was never seen is tried in a process of its own first."""

    @classmethod
    def read(cls, environ: Mapping[str, str] = os.environ) -> "Switches":
        """From XFER_NO_PLUGINS, XFER_DISABLE_PLUGINS, XFER_ALLOW_PLUGINS, XFER_STRICT_PLUGINS, XFER_PLUGIN_SECONDS,
        XFER_NO_TRIAL.

        Lists are comma-separated entry-point names. Raises UserError for a flag that is neither 0 nor 1.
        """
        allowed = environ.get("XFER_ALLOW_PLUGINS")
        return cls(
            off=_flag(environ, "XFER_NO_PLUGINS"),
            disabled=_listed(environ.get("XFER_DISABLE_PLUGINS", "")),
            allowed=None if allowed is None else _listed(allowed),
            strict=_flag(environ, "XFER_STRICT_PLUGINS"),
            seconds=_seconds(environ, "XFER_PLUGIN_SECONDS", cls.seconds),
            trial=not _flag(environ, "XFER_NO_TRIAL"),
        )

    def let_in(self, owner: str) -> bool:
        """Whether the installed plugin of this name loads."""
        return not self.off and owner not in self.disabled and (self.allowed is None or owner in self.allowed)


@dataclass(frozen=True, eq=False)
class Plugin:
    """A plugin and where it comes from; the version of a file is the start of its SHA-256."""

    owner: str
    distribution: str
    version: str
    name: str
    """Unique in the manager: the owner, or a built-in's module."""
    without: str = ""
    """How to run without it."""
    builtin: bool = False
    """Whether it ships with xfer."""
    entry: importlib.metadata.EntryPoint | None = None
    """Where an installed one is said to be."""

    def __str__(self) -> str:
        return f"{self.name} ({self.distribution} {self.version})"


def installed() -> list[tuple[Plugin, Callable[[], Any]]]:
    """Installed plugins, each with what imports it, by (distribution, name). Reads no other metadata."""
    found: dict[str, list[tuple[Plugin, Callable[[], Any]]]] = {}
    for distribution in importlib.metadata.distributions():
        try:
            text = distribution.read_text("entry_points.txt") or ""
        except (OSError, UnicodeDecodeError):
            continue  # not decodable: no plugin of ours can be named there
        if GROUP not in text:
            continue
        name = version = "?"
        try:
            name, version = distribution.name, distribution.version
            entries = [
                (
                    Plugin(
                        entry.name, name, version, entry.name, f"XFER_DISABLE_PLUGINS={entry.name}", entry=entry
                    ),
                    entry.load,
                )
                for entry in distribution.entry_points.select(group=GROUP)
            ]
        except Exception as error:
            entries = [(Plugin(name, name, version, name, "XFER_NO_PLUGINS=1"), partial(_fail, error))]
        # The first of two copies on the path is the one that Python imports.
        found.setdefault(re.sub(r"[-_.]+", "-", name).lower(), entries)
    return [pair for _, pairs in sorted(found.items()) for pair in sorted(pairs, key=lambda pair: pair[0].name)]


def check_owner(name: str) -> None:
    """Raise Refused unless `name` can be the owner part of `owner/name`."""
    if name == BUILTIN:
        raise Refused("the name is taken by xfer itself")
    if not _OWNER.fullmatch(name):
        raise Refused(f"{name!r} is not a name: lower-case letters, digits, '.', '_' and '-'")


def import_file(path: Path, name: str) -> ModuleType:
    """Import a file under a name of its own, which lets what it defines be pickled by reference."""
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise Refused("it is not a Python file (.py)")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _flag(environ: Mapping[str, str], name: str) -> bool:
    value = environ.get(name, "").strip().lower()
    if value not in _FLAGS:
        raise UserError(f"{name}={value} is neither on nor off", where="environment", fix=f"{name}=1 or {name}=0")
    return _FLAGS[value]


def _seconds(environ: Mapping[str, str], name: str, default: float) -> float:
    text = environ.get(name, "").strip()
    if not text:
        return default
    if not re.fullmatch(r"\d{1,6}(\.\d{1,3})?", text):
        raise UserError(
            f"{name}={text} is no number of seconds", where="environment", fix=f"{name}=60, or 0 for none"
        )
    return float(text)


def _listed(text: str) -> frozenset[str]:
    return frozenset(filter(None, (name.strip() for name in text.split(","))))


def _fail(error: Exception) -> None:
    raise error
