"""Whatever changes the disk, one step at a time: the only module that may, as a test over the sources asserts.

Every step counts as one operation, at which `faults` can strike. What makes of these steps something that is
whole or not there at all is `files`.
"""

import errno
import mmap
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from xfer.core.errors import OutOfResources, UserError
from xfer.core.storage.faults import operation
from xfer.core.storage.manifest import tree_size

_REFUSED = (
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.EBUSY,
    errno.ENAMETOOLONG, errno.ELOOP,
)  # fmt: skip
"""The user's choice of a place is at fault."""


# ---------------------------------------------------------------- steps


def write(path: Path, data: bytes, flags: int) -> None:
    """Open `path` for writing with `flags` besides, put `data` there and sync it."""
    operation()
    fill(os.open(path, os.O_WRONLY | flags, 0o666), data)


def fill(descriptor: int, data: bytes) -> None:
    """Put `data` into an open file, sync and close it."""
    with open(descriptor, "wb", buffering=0) as file:
        operation(half=lambda: file.write(data[: len(data) // 2]))
        rest = memoryview(data)
        while rest:
            rest = rest[file.write(rest) :]
        operation()
        os.fsync(file.fileno())


def create(path: Path) -> int:
    """A new file, open for writing; FileExistsError where something is."""
    operation()
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)


def stream(path: Path, chunks: Iterable[bytes], append: bool) -> None:
    """Put chunks into a file as they come, after what is there or in its place, and sync it at the end."""
    operation()
    with path.open("ab" if append else "wb") as file:
        for chunk in chunks:
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())


def copy(source: Path, target: Path) -> None:
    """Copy the content of a plain file; OSError for a link."""
    operation()
    with (
        open(os.open(source, os.O_RDONLY | os.O_NOFOLLOW), "rb") as given,
        target.open("xb") as made,
    ):
        shutil.copyfileobj(given, made, 1 << 20)


def sync(path: Path) -> None:
    """Have a file or the names in a folder reach the disk."""
    operation()
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def rename(path: Path, to: Path) -> None:
    """Give a file or folder another name, in place of a file or an empty folder there."""
    operation()
    path.replace(to)


def cut(path: Path, size: int) -> None:
    """Shorten a file."""
    operation()
    os.truncate(path, size)


def make_folder(path: Path) -> None:
    """A new folder; FileExistsError where something is."""
    operation()
    path.mkdir()


def share(path: Path) -> None:
    """Give a file the permissions that its folder has, for some libraries write for the owner alone."""
    path.chmod(path.parent.stat().st_mode & 0o666)


def discard(path: Path, quietly: bool = False) -> None:
    """Remove a file or a folder with all of it, bit by bit; `quietly` without a count and without errors."""
    if not quietly:
        operation()
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=quietly)
        return
    with suppress(OSError if quietly else FileNotFoundError):
        path.unlink()


def open_lock(path: Path) -> int:
    """A file to lock, made where it is not there; its modification time is set to now."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
    os.utime(descriptor)
    return descriptor


def open_log(path: Path) -> int:
    """A file that grows at its end, made where it is not there."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o666)


def renew(path: Path) -> None:
    """Set a file's modification time to now."""
    os.utime(path)


def shared_page(path: Path, size: int) -> mmap.mmap:
    """A file of zeros that is written by changing memory: what stands there outlives the process, unsynced."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    try:
        os.ftruncate(descriptor, size)
        return mmap.mmap(descriptor, size)
    finally:
        os.close(descriptor)


# ---------------------------------------------------------------- full disks


@contextmanager
def disk_errors(path: Path, needed: int = 0, folder: Path | None = None) -> Iterator[None]:
    """Turn a full disk or quota into OutOfResources, and a place that cannot be written to into UserError.

    `needed`: bytes; or `folder`, whose size so far is told, and within which other errors pass unchanged.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise disk_full(path, needed or tree_size(folder or path)) from error
        if folder is None and error.errno in _REFUSED:
            raise UserError(
                f"cannot write: {error.strerror}", where=str(path), fix="choose another place"
            ) from error
        raise


def disk_full(path: Path, needed: int) -> OutOfResources:
    """The error for a full disk or quota; `needed` in bytes."""
    above = next(folder for folder in (path, *path.parents) if folder.exists())
    return OutOfResources(
        f"disk full: at least {needed} bytes needed, {shutil.disk_usage(above).free} free",
        where=str(path),
        fix="make room (or choose another folder with --store) and issue the same command again",
    )
