"""The one module through which everything is written: old or new, never half. Single steps are in `disk`.

A file is written beside, synced and renamed. A folder is committed: its files are synced, `DONE` lists their
sizes and sha256 and is written last, then the folder is renamed to its final name. A crash at any point
leaves the state before or the state after, and names that `sweep` clears up.
"""

import errno
import hashlib
import json
import os
import re
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from xfer.core.errors import Damaged, NonFinite
from xfer.core.storage import disk
from xfer.core.storage.disk import disk_errors as disk_errors
from xfer.core.storage.disk import disk_full as disk_full
from xfer.core.storage.faults import operation
from xfer.core.storage.manifest import DONE, Entry, manifest_bytes, parse_json, walk
from xfer.core.storage.manifest import is_committed as is_committed
from xfer.core.storage.manifest import sha256_file as sha256_file
from xfer.core.storage.manifest import verify as verify
from xfer.core.storage.process import is_alive, this_process

_TEMPORARY = re.compile(r"\.tmp-([0-9a-f]{8})-(\d+)-(\d+)-[0-9a-f]{8}")
_TAKEN = (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT)
"""Another process was there before."""
_OLD = ".old-"
"""Before the name of a folder that is being replaced."""
_FOREIGN_LIFETIME = 7 * 24 * 3600.0
"""Seconds after which a temporary name of another machine counts as left over."""


# ---------------------------------------------------------------- single files


def write_bytes(path: Path, data: bytes, beside: Path | None = None) -> None:
    """Put `data` at `path`, atomically and durably. `beside` is another folder for the temporary file.

    Raises:
        OutOfResources: disk or quota is full; an older file at `path` stays as it was.
        UserError: the folder cannot be written to.
    """
    with disk_errors(path, len(data)):
        ensure_folder(path.parent)
        temporary = _temporary(beside or path.parent)
        try:
            disk.write(temporary, data, os.O_CREAT | os.O_EXCL)
            disk.rename(temporary, path)
        except BaseException:
            disk.discard(temporary, quietly=True)
            raise
        disk.sync(path.parent)


def create_bytes(path: Path, data: bytes) -> None:
    """Put `data` at a path where nothing may be yet, FileExistsError otherwise; a crash can leave half of it."""
    with disk_errors(path, len(data), folder=path.parent):
        descriptor = disk.create(path)
        try:
            disk.fill(descriptor, data)
        except BaseException:
            disk.discard(path, quietly=True)
            raise


def stream_bytes(path: Path, chunks: Iterable[bytes], append: bool = False, needed: int = 0) -> None:
    """Put chunks at `path` as they come, after what is there or in its place; what is cut short stays.

    Raises:
        OutOfResources: disk or quota is full; `needed` bytes are told.
    """
    with disk_errors(path, needed):
        disk.stream(path, chunks, append)


def copy_file(source: Path, target: Path) -> None:
    """Copy a plain file to a path where nothing may be, in a folder that is to be committed.

    Raises:
        Damaged: `source` is a link, or not there.
        OutOfResources: disk or quota is full.
    """
    with disk_errors(target, folder=target.parent):
        try:
            disk.copy(source, target)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENOENT):
                raise Damaged(f"{source.name} is a link, or missing", where=str(source)) from error
            raise


def write_text(path: Path, text: str) -> None:
    """Put `text` at `path` as UTF-8, like `write_bytes`."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, obj: Any) -> None:
    """Put `obj` at `path` as JSON with sorted keys, like `write_bytes`; NonFinite for NaN and infinity."""
    write_text(path, _json(obj, indent=1) + "\n")


def write_json_lines(path: Path, rows: Iterable[Any]) -> None:
    """Put `rows` at `path`, one JSON object a line, like `write_json`."""
    write_text(path, "".join(map(json_line, rows)))


def json_line(obj: Any) -> str:
    """One line of JSON with sorted keys and the line break; NonFinite for NaN and infinity."""
    return _json(obj) + "\n"


def append_line(path: Path, text: str) -> None:
    """Add one line and sync it. A last line that a crash tore is cut off first. One writer at a time.

    Raises:
        ValueError: `text` holds a line break.
        OutOfResources: disk or quota is full.
    """
    if "\n" in text:
        raise ValueError(f"a line of {path.name} cannot hold a line break")
    data = text.encode("utf-8") + b"\n"
    with disk_errors(path, len(data)):
        ensure_folder(path.parent)
        fresh = not path.exists()
        if not fresh and (whole := _whole_lines(path)) < path.stat().st_size:
            disk.cut(path, whole)
        disk.write(path, data, os.O_CREAT | os.O_APPEND)
        if fresh:
            disk.sync(path.parent)


def open_log(path: Path) -> int:
    """A descriptor that a child process appends to, what it says on stderr; the caller closes it."""
    ensure_folder(path.parent)
    with disk_errors(path):
        return disk.open_log(path)


def read_json(path: Path) -> Any:
    """The content of a JSON file; Damaged if it is missing or no JSON (NaN counts as none)."""
    try:
        return parse_json(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise Damaged(f"{path.name} cannot be read: {error}", where=str(path)) from error


def read_json_lines(path: Path) -> list[Any]:
    """The rows of a JSON-lines file, none if it is missing; a torn last line is left out.

    Raises:
        Damaged: another line is no JSON.
    """
    if not path.exists():
        return []
    rows = []
    for number, line in enumerate(path.read_bytes().split(b"\n")[:-1], 1):
        try:
            rows.append(parse_json(line))
        except (ValueError, RecursionError) as error:
            raise Damaged(f"line {number} of {path.name} cannot be read: {error}", where=str(path)) from error
    return rows


# ---------------------------------------------------------------- folders


@contextmanager
def committed_folder(final: Path, replace: bool = False) -> Iterator[Path]:
    """A temporary folder that becomes `final`, whole and listed in `DONE`, when the block ends well.

    If a committed `final` is there by then, it stays and the new one is removed, for folders are named by what
    they are made from; with `replace` the new one takes its place. A `final` that is not committed is replaced.

    Raises:
        OutOfResources: disk or quota is full; nothing of the new folder is left.
        ValueError: the block made a link or a special file.
    """
    ensure_folder(final.parent)
    temporary = _temporary(final.parent)
    try:
        with disk_errors(final, folder=temporary):
            disk.make_folder(temporary)
            yield temporary
            _seal(temporary)
            _install(temporary, final, replace)
    except BaseException:
        disk.discard(temporary, quietly=True)
        restore(final)
        raise


def _seal(folder: Path) -> None:
    """Sync everything below `folder` and list it in `DONE`, written last."""
    entries: dict[str, Entry] = {}
    found, problems = walk(folder)
    if problems:
        raise ValueError(f"{folder} cannot be committed: {'; '.join(problems)}")
    for name, path in found.items():
        operation()
        with path.open("rb") as file:
            os.fsync(file.fileno())
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            entries[name] = Entry(os.fstat(file.fileno()).st_size, digest)
    for below in sorted({parent for path in found.values() for parent in path.relative_to(folder).parents}):
        disk.sync(folder / below)
    write_manifest(folder, entries)


def _install(temporary: Path, final: Path, replace: bool) -> None:
    old = _old(final)
    while True:
        if os.path.lexists(final):
            if not replace and is_committed(final):
                remove(temporary)
                return
            remove(old)
            with suppress(FileNotFoundError):
                disk.rename(final, old)
        try:
            disk.rename(temporary, final)
            break
        except OSError as error:
            # Another process put the old folder back, or committed the same one, in between.
            if error.errno not in _TAKEN[:2]:
                raise
    disk.sync(final.parent)
    remove(old)


def restore(final: Path) -> None:
    """Undo a replacement that a crash cut short."""
    old = _old(final)
    if os.path.lexists(final):
        remove(old)
    elif os.path.lexists(old):
        try:
            disk.rename(old, final)
        except OSError as error:
            if error.errno not in _TAKEN:  # its writer lives and was faster
                raise


def write_manifest(folder: Path, entries: Mapping[str, Entry]) -> None:
    """Put `DONE` into `folder`. The temporary file lies outside, so that a crash leaves no unlisted file."""
    write_bytes(folder / DONE, manifest_bytes(entries), beside=folder.parent)


def remove(path: Path, beside: Path | None = None) -> None:
    """Remove a file or folder, if it is there; a crash leaves all of it, or what `sweep` removes.

    `beside` is another folder for what is being removed.
    """
    if os.path.lexists(path):
        doomed = _temporary(beside or path.parent)
        with disk_errors(path, 4096), suppress(FileNotFoundError):  # a full disk can refuse even this
            disk.rename(path, doomed)
            disk.discard(doomed)


def move(path: Path, to: Path) -> None:
    """Give a file or folder another name beside; nothing happens if it is gone."""
    with suppress(FileNotFoundError):
        disk.rename(path, to)
        disk.sync(to.parent)


def mark_used(folder: Path) -> None:
    """Note that a committed folder was read now, as its `DONE`'s modification time, where that can be set."""
    with suppress(OSError):
        disk.renew(folder / DONE)


def sweep(parent: Path) -> list[str]:
    """Clear up after dead processes right below `parent`; the names that were removed or put back."""
    cleared = []
    # Names first, for a folder may hold thousands of phases and is swept before each of them is committed.
    names = [name for name in os.listdir(parent) if name.startswith(".")] if parent.is_dir() else []
    for path in (parent / name for name in sorted(names)):
        if (match := _TEMPORARY.fullmatch(path.name)) and not _in_use(path, *match.groups()):
            disk.discard(path)
        elif path.name.startswith(_OLD):
            restore(parent / path.name.removeprefix(_OLD))
        else:
            continue
        cleared.append(path.name)
    return cleared


def ensure_folder(folder: Path) -> None:
    """Make a folder and those above it; UserError where that is not allowed."""
    if folder.is_dir():
        return
    ensure_folder(folder.parent)
    with disk_errors(folder):
        try:
            disk.make_folder(folder)
        except FileExistsError:
            pass  # another process was faster, or it is a file
        except FileNotFoundError:
            if not folder.parent.is_dir():
                raise
            # The folder above is there: a file system without new names, such as /proc, refuses so.
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM)) from None
        if not folder.is_dir():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        disk.sync(folder.parent)


def claim_folder(folder: Path) -> None:
    """Make a folder that nobody else has made; FileExistsError otherwise."""
    disk.make_folder(folder)


# ---------------------------------------------------------------- below


def _temporary(parent: Path) -> Path:
    me = this_process()
    return parent / f".tmp-{me.tag}-{me.pid}-{me.started}-{secrets.token_hex(4)}"


def _old(final: Path) -> Path:
    return final.with_name(_OLD + final.name)


def _in_use(path: Path, tag: str, pid: str, started: str) -> bool:
    alive = is_alive(tag, int(pid), started)
    if alive is None:
        return time.time() - path.lstat().st_mtime < _FOREIGN_LIFETIME
    return alive


def _json(obj: Any, indent: int | None = None) -> str:
    try:
        return json.dumps(obj, sort_keys=True, allow_nan=False, ensure_ascii=False, indent=indent)
    except ValueError as error:
        raise NonFinite(f"JSON cannot hold this: {error}") from error


def _whole_lines(path: Path) -> int:
    """Bytes up to the last line break."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 1))
        if file.read() in (b"", b"\n"):
            return size
    return path.read_bytes().rfind(b"\n") + 1
