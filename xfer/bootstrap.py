"""Joins the plugin manager, core's own answers and the built-in plugins, without torch."""

import sys
from collections.abc import Iterable
from functools import lru_cache, partial
from pathlib import Path

from xfer.core import answers
from xfer.core.data.transforms import Transform
from xfer.core.discovery import Plugin, Switches
from xfer.core.manager import PluginManager
from xfer.core.records import Format, ModelSpec, Strategy, Suite, TaskSpec
from xfer.core.run import Toolkit
from xfer.plugins import builtin_modules


def load(settings: object = None, plugin_files: Iterable[Path] = ()) -> Toolkit:
    """Load all plugins and collect their records.

    Without settings the same toolkit is given while switches, files and Python's path stay. Raises UserError
    for a file that cannot be read or a malformed switch, PluginError in strict mode.
    """
    switches, files = Switches.read(), tuple(plugin_files)
    if settings is not None:
        return _load(switches, files, settings)
    return _remembered(switches, files, tuple(sys.path))


def own() -> Toolkit:
    """What ships with xfer, whatever else is installed: nothing of that is imported."""
    return _remembered(Switches(off=True), (), ())


@lru_cache(maxsize=8)
def _remembered(switches: Switches, files: tuple[Path, ...], _path: tuple[str, ...]) -> Toolkit:
    return _load(switches, files, None)


def _trial(switches: Switches, plugin: Plugin) -> str:
    if not switches.trial:
        return ""
    from xfer.probing import refused  # which nobody needs who has no plugins

    return refused(plugin, switches)


def _load(switches: Switches, files: tuple[Path, ...], settings: object) -> Toolkit:
    manager = PluginManager([answers, *builtin_modules()], files, switches, partial(_trial, switches))
    return Toolkit(
        manager=manager,
        tasks=manager.registry(TaskSpec, settings),
        strategies=manager.registry(Strategy, settings),
        suites=manager.registry(Suite, settings),
        models=manager.registry(ModelSpec, settings),
        formats=manager.registry(Format, settings),
        transforms=manager.registry(Transform, settings),
    )
