"""Whatever happens to a committed folder, `verify` notices."""

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from xfer.core.storage import files, manifest

from .scenarios import committed


def put(path: Path, data: bytes, offset: int = 0) -> None:
    """Write in place: a file that is emptied and filled again is flushed by some file systems, which is slow."""
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


def flip(path: Path, bit: int) -> None:
    byte = path.read_bytes()[bit // 8]
    put(path, bytes([byte ^ 1 << (bit % 8)]), bit // 8)


def test_every_flipped_bit_of_the_manifest_is_noticed(tmp_path: Path) -> None:
    folder = committed(tmp_path / "phase")
    entries = manifest.read_manifest(folder)
    files.write_manifest(
        folder, entries | {"model.safetensors": entries["model.safetensors"]._replace(dropped=True)}
    )
    (folder / "model.safetensors").unlink()
    assert files.verify(folder) == []
    bits = (folder / "DONE").stat().st_size * 8
    assert bits > 4000
    for bit in range(bits):
        flip(folder / "DONE", bit)
        assert files.verify(folder), bit
        assert not files.is_committed(folder), bit
        flip(folder / "DONE", bit)
    assert files.verify(folder) == []


def test_flipped_bits_and_cuts_of_any_file_are_noticed(tmp_path: Path) -> None:
    folder = committed(tmp_path / "phase")
    whole = [path for path in folder.rglob("*") if path.is_file() and path.stat().st_size]
    assert len(whole) == 4
    draw = random.Random(7)
    for number in range(600):
        path = draw.choice(whole)
        data = path.read_bytes()
        if number % 2:
            flip(path, draw.randrange(len(data) * 8))
        else:
            os.truncate(path, draw.randrange(len(data)))
            assert not files.is_committed(folder)
        assert files.verify(folder), (path, number)
        put(path, data)
    assert files.verify(folder) == []


def swap(folder: Path) -> None:
    (folder / "phase.json").rename(folder / "x")
    (folder / "model.safetensors").rename(folder / "phase.json")
    (folder / "x").rename(folder / "model.safetensors")


def relink(folder: Path) -> None:
    shutil.move(folder / "phase.json", folder.parent / "elsewhere")
    (folder / "phase.json").symlink_to(folder.parent / "elsewhere")


def relink_folder(folder: Path) -> None:
    shutil.move(folder / "predictions", folder.parent / "elsewhere")
    (folder / "predictions").symlink_to(folder.parent / "elsewhere")


def relink_manifest(folder: Path) -> None:
    shutil.move(folder / "DONE", folder.parent / "elsewhere")
    (folder / "DONE").symlink_to(folder.parent / "elsewhere")


def relist(name: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder.parent / "elsewhere").write_text("")
        entry = manifest.Entry(0, files.sha256_file(folder.parent / "elsewhere"))
        (folder / "DONE").write_bytes(manifest.manifest_bytes(manifest.read_manifest(folder) | {name: entry}))

    return change


CHANGES: dict[str, Callable[[Path], object]] = {
    "no manifest": lambda folder: (folder / "DONE").unlink(),
    "empty manifest": lambda folder: (folder / "DONE").write_text(""),
    "manifest of nothing": lambda folder: (folder / "DONE").write_text("{}"),
    "manifest is a list": lambda folder: (folder / "DONE").write_text("[]"),
    "manifest entries are numbers": lambda folder: (folder / "DONE").write_text('{"a": 1}'),
    "manifest is deep": lambda folder: (folder / "DONE").write_text("[" * 100_000),
    "manifest is a link": relink_manifest,
    "manifest is a folder": lambda folder: ((folder / "DONE").unlink(), (folder / "DONE").mkdir()),
    "missing file": lambda folder: (folder / "phase.json").unlink(),
    "missing empty file": lambda folder: (folder / "empty").unlink(),
    "unlisted file": lambda folder: (folder / "predictions" / "de.parquet").write_text(""),
    "unlisted second manifest": lambda folder: (folder / "predictions" / "DONE").write_text(""),
    "swapped files": swap,
    "linked file": relink,
    "linked folder": relink_folder,
    "pipe": lambda folder: os.mkfifo(folder / "pipe"),
    "lists a file above": relist("../elsewhere"),
    "lists an absolute path": relist("/etc/hostname"),
    "lists a roundabout path": relist("predictions/../empty"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_changed_folders_do_not_verify(tmp_path: Path, name: str) -> None:
    folder = committed(tmp_path / "phase")
    CHANGES[name](folder)
    assert files.verify(folder)
    if "manifest" in name and name != "unlisted second manifest":
        assert not files.is_committed(folder)


def test_only_folders_verify(tmp_path: Path) -> None:
    folder = committed(tmp_path / "phase")
    (tmp_path / "link").symlink_to(folder)
    (tmp_path / "file").write_text("")
    for name in ("link", "file", "none"):
        assert files.verify(tmp_path / name)
    assert not files.is_committed(tmp_path / "none")
