"""Import by name, at the moment of use, so that nothing heavy loads before it is needed."""

import importlib
from typing import Any


def load_object(path: str) -> Any:
    """The object that "package.module:name" names. Raises ImportError or AttributeError."""
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)
