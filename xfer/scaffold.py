"""`xfer plugins new task|strategy NAME`: a package with a plugin, whose tests pass at once."""

import re
from collections.abc import Mapping
from importlib.resources import files as resources
from pathlib import Path
from string import Template

from xfer.core.errors import UnknownName, UserError
from xfer.core.storage import files
from xfer.version import __version__

KINDS = ("task", "strategy")
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


def new_package(kind: str, name: str, parent: Path) -> Path:
    """Write the package `xfer-NAME` into `parent` and return its folder.

    Raises UnknownName for a kind that there is no template of, UserError for a name that cannot be a module's
    or a folder that is there already.
    """
    if kind not in KINDS:
        raise UnknownName("kind of plugin", kind, KINDS)
    if not _NAME.fullmatch(name) or len(name) > 40:
        raise UserError(f"{name!r} cannot name a plugin", fix="lower-case letters, digits and '-', a letter first")
    folder = parent / f"xfer-{name}"
    if folder.exists():
        raise UserError("the folder is there already", str(folder), "choose another name, or --output DIR")
    module = f"xfer_{name.replace('-', '_')}"
    words = {
        "name": name,
        "kind": kind,
        "module": module,
        "distribution": f"xfer-{name}",
        "version": __version__,
    }
    targets = {
        "pyproject.toml": "pyproject.toml.txt",
        "README.md": f"{kind}/README.md.txt",
        f"{module}.py": f"{kind}/module.py.txt",
        f"tests/test_{module.removeprefix('xfer_')}.py": f"{kind}/test.py.txt",
    }
    for path, template in targets.items():
        files.write_text(folder / path, _filled(template, words))
    return folder


def _filled(template: str, words: Mapping[str, str]) -> str:
    text = (resources("xfer") / "templates" / template).read_text(encoding="utf-8")
    return Template(text).substitute(words)
