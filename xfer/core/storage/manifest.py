"""`DONE`: what a committed folder holds, and whether that is still so. Reads only; `files` writes.

`DONE` is JSON, `{file: {size, sha256}}`, in one canonical form. It lists itself too, with size and checksum of
what it says of the others, so that a change of any bit of it shows.
"""

import hashlib
import json
import os
from collections.abc import Collection, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

DONE = "DONE"


class Entry(NamedTuple):
    """What `DONE` says about one file. A dropped file was removed on purpose; its checksum remains."""

    size: int
    sha256: str
    dropped: bool = False


def manifest_bytes(entries: Mapping[str, Entry]) -> bytes:
    """The canonical content of `DONE`."""
    listed: dict[str, dict[str, Any]] = {
        name: {"size": entry.size, "sha256": entry.sha256} | ({"dropped": True} if entry.dropped else {})
        for name, entry in entries.items()
    }
    rest = json.dumps(listed, sort_keys=True).encode("utf-8")
    listed[DONE] = {"size": len(rest), "sha256": hashlib.sha256(rest).hexdigest()}
    return (json.dumps(listed, sort_keys=True, indent=1) + "\n").encode("utf-8")


def listed(folder: Path, names: Collection[str]) -> dict[str, Entry]:
    """What `DONE` is to say about those of these files that are there."""
    found = {name: path for name, path in walk(folder)[0].items() if name in names}
    return {name: Entry(path.stat().st_size, sha256_file(path)) for name, path in found.items()}


def read_manifest(folder: Path) -> dict[str, Entry]:
    """What `DONE` lists, itself left out.

    Raises:
        ValueError: it is damaged, or names a file outside the folder.
        OSError: it is missing, or a link.
    """
    with open(os.open(folder / DONE, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
        data = file.read()
    try:
        entries = {name: Entry(**entry) for name, entry in parse_json(data).items() if name != DONE}
        sound = manifest_bytes(entries) == data
    except (TypeError, AttributeError, RecursionError) as error:
        raise ValueError("no manifest") from error
    if not sound:
        raise ValueError("it does not match its own checksum")
    if not all(map(_is_inside, entries)):
        raise ValueError("it names a file outside its folder")
    return entries


def verify(folder: Path) -> list[str]:
    """Everything that is wrong with a committed folder; empty if each file is what `DONE` says.

    Links, special files and files that are not listed count as wrong; a dropped file may be there or not,
    for a crash may have left it and nobody reads it.
    """
    if folder.is_symlink() or not folder.is_dir():
        return [f"{folder.name} is not a folder"]
    try:
        entries = read_manifest(folder)
    except (OSError, ValueError) as error:
        return [f"{DONE} cannot be read: {error}"]
    found, problems = walk(folder)
    problems += [f"{name} is not listed" for name in sorted(set(found) - set(entries) - {DONE})]
    for name, entry in entries.items():
        if entry.dropped:
            continue
        if name not in found:
            problems.append(f"{name} is missing")
        elif (size := found[name].lstat().st_size) != entry.size:
            problems.append(f"{name} has {size} bytes instead of {entry.size}")
        elif sha256_file(found[name]) != entry.sha256:
            problems.append(f"{name} does not match its checksum")
    return problems


def is_committed(folder: Path) -> bool:
    """Whether `folder` has a sound manifest and every file of it in its size; contents are not read."""
    try:
        entries = read_manifest(folder)
        return all(
            entry.dropped or (folder / name).lstat().st_size == entry.size for name, entry in entries.items()
        )
    except (OSError, ValueError):
        return False


def stamp(folder: Path) -> bytes:
    """Names, sizes, modification times and inodes below `folder`, hashed: equal stamps, unchanged content.

    16 bytes, for a process keeps one of every phase that it saw.
    """
    stats = ((name, path.lstat()) for name, path in walk(folder)[0].items())
    seen = [(name, stat.st_size, stat.st_mtime_ns, stat.st_ino) for name, stat in stats]
    return hashlib.blake2b(json.dumps(seen).encode(), digest_size=16).digest()


def tree_size(folder: Path) -> int:
    """Bytes in all files below `folder`; links are not followed."""
    return sum(path.lstat().st_size for path in walk(folder)[0].values())


def sha256_file(path: Path) -> str:
    """Checksum of a file's content, 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def walk(folder: Path, above: str = "") -> tuple[dict[str, Path], list[str]]:
    """Regular files below `folder` by name, in order, links not followed; and a problem for anything else."""
    found: dict[str, Path] = {}
    problems: list[str] = []
    if not folder.is_dir() or folder.is_symlink():
        return found, problems
    for item in sorted(os.scandir(folder), key=lambda item: item.name):
        name = above + item.name
        if item.is_dir(follow_symlinks=False):
            below, more = walk(Path(item.path), f"{name}/")
            found |= below
            problems += more
        elif item.is_file(follow_symlinks=False):
            found[name] = Path(item.path)
        else:
            problems.append(f"{name} is a link or no plain file")
    return found, problems


def parse_json(data: bytes) -> Any:
    """UTF-8 JSON to objects; ValueError for anything else, NaN and infinity too."""

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not JSON")

    return json.loads(data.decode("utf-8"), parse_constant=refuse)


def _is_inside(name: str) -> bool:
    pure = PurePosixPath(name)
    return pure.as_posix() == name and not pure.is_absolute() and not {"..", "."} & set(pure.parts)
