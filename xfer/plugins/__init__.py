"""Built-in plugins. Folders are listed, not tabled: a new module in one of them is found."""

import importlib
import pkgutil
from collections.abc import Iterator
from types import ModuleType

from xfer.plugins import executors, strategies, suites, tasks, trackers


def builtin_modules() -> Iterator[ModuleType]:
    """Import and yield every module of the folders, sorted by name within a folder."""
    for package in (suites, tasks, strategies, trackers, executors):
        for info in sorted(pkgutil.iter_modules(package.__path__), key=lambda info: info.name):
            yield importlib.import_module(f"{package.__name__}.{info.name}")
