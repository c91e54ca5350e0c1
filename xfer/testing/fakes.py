"""Installed packages without an installer."""

import importlib
import textwrap
from collections.abc import Mapping
from pathlib import Path

from xfer.core.hookspecs import GROUP


def fake_distribution(
    folder: Path, name: str, version: str, entry_points: Mapping[str, str], files: Mapping[str, str]
) -> Path:
    """Write modules and a `dist-info` into `folder`, and return it: on `sys.path` the package is installed.

    `entry_points` maps plugin names to modules ("belebele": "xfer_belebele"); `files` maps paths below the
    folder to source text, which may be indented. Several distributions may share a folder.
    """
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    lines = "".join(f"{entry} = {module}\n" for entry, module in entry_points.items())
    texts = {
        info / "METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        info / "entry_points.txt": f"[{GROUP}]\n{lines}",
        **{folder / path: textwrap.dedent(text) for path, text in files.items()},
    }
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    importlib.invalidate_caches()
    return folder
