"""The promise to plugins: what `xfer.api` offers, and that nothing heavy is behind it."""

import subprocess
import sys
from pathlib import Path

import pytest

import xfer.api
from xfer.plugins import builtin_modules

GOLDEN = Path(__file__).parent / "golden" / "api.txt"
HEAVY = ("torch", "transformers", "datasets", "pyarrow", "tokenizers", "safetensors", "sklearn", "huggingface_hub")


def modules_after(code: str) -> set[str]:
    """Top-level modules that a fresh Python holds after running `code`."""
    told = subprocess.run(
        [
            sys.executable,
            "-c",
            f"{code}\nimport sys; print(*sorted({{name.split('.')[0] for name in sys.modules}}))",
        ],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(Path(xfer.api.__file__).parents[1]), "XFER_NO_PLUGINS": "1"},
    )
    return set(told.stdout.split())


def test_what_the_api_offers_is_written_down() -> None:
    """A name that goes breaks plugins: the golden file changes with the changelog only."""
    assert sorted(xfer.api.__all__) == GOLDEN.read_text(encoding="utf-8").split()
    assert len(set(xfer.api.__all__)) == len(xfer.api.__all__)


def test_every_name_of_the_api_is_there() -> None:
    assert all(getattr(xfer.api, name) is not None for name in xfer.api.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = xfer.api.nonsense


def test_the_api_loads_neither_torch_nor_numpy() -> None:
    loaded = modules_after("import xfer.api")
    assert "xfer" in loaded
    assert not loaded & {*HEAVY, "numpy"}


def test_listing_all_builtins_loads_nothing_heavy() -> None:
    loaded = modules_after("from xfer.bootstrap import load\nassert load().problems == ()")
    assert "pluggy" in loaded
    assert not loaded & set(HEAVY)


def test_builtins_are_found_by_listing_the_folders() -> None:
    names = [module.__name__ for module in builtin_modules()]
    folder = Path(xfer.api.__file__).parent / "plugins"
    files = [
        f"xfer.plugins.{kind}.{path.stem}"
        for kind in ("suites", "tasks", "strategies", "trackers", "executors")
        for path in sorted((folder / kind).glob("*.py"))
        if path.stem != "__init__"
    ]
    assert names == files
    assert len(names) >= 3
