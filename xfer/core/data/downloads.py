"""Gets one file by HTTP and unpacks archives: resumable, checked, and whole or not there at all."""

import http.client
import tarfile
import time
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from xfer.core.errors import DataError, UserError
from xfer.core.storage import files

Progress = Callable[[int, int | None], None]
"""Called with the bytes that are here and the bytes of the whole file, None where the server does not say."""

ARCHIVES = (".zip", ".tgz", ".tar.gz", ".tar.bz2")
PARTIAL = ".partial"
CHUNK = 1 << 20
ATTEMPTS = 3
"""Attempts in a row that bring nothing new before a download is given up."""
TIMEOUT = 60.0
"""Seconds without a byte."""
_LATER = {408, 425, 429, 500, 502, 503, 504}
"""Answers that may be another one the next time."""


class NotServed(UserError):
    """The server says that it does not give this file."""


class _Cut(Exception):
    """The connection ended before the file did."""


def download(
    url: str, path: Path, sha256: str = "", progress: Progress = lambda done, total: None, pause: float = 1.0
) -> None:
    """Put the file at `url` at `path`. What an earlier call left is continued; a cut is retried.

    `pause` is the time in seconds before the second attempt; it doubles. Raises `NotServed` for a refusal (no
    such file, not allowed), `UserError` when the server cannot be reached or cuts again and again (issue the
    same command once more), `DataError` for a wrong checksum, `OutOfResources` for a full disk.
    """
    if not url.startswith(("http://", "https://")):
        raise UserError(f"not an address of the web: {url}", fix="it begins with https:// or http://")
    files.ensure_folder(path.parent)
    partial = path.with_name(path.name + PARTIAL)
    idle, before = 0, -1
    while True:
        try:
            _attempt(url, partial, bool(sha256), progress)
            break
        except (_Cut, OSError, http.client.HTTPException) as error:
            here = _size(partial)
            idle = 0 if here > before else idle + 1
            before = here
            if idle + 1 >= ATTEMPTS:
                fix = "check the network and issue the same command again: it continues where it was cut"
                raise UserError(f"the download stopped at {here:,} bytes: {error}", url, fix) from error
            time.sleep(pause * 2**idle)
    found = files.sha256_file(partial)
    if sha256 and found != sha256:
        _forget(partial)
        raise DataError(
            f"the checksum is {found} where {sha256} is known",
            url,
            "what was fetched has been removed; try again, or get the file elsewhere",
        )
    files.move(partial, path)
    files.remove(_tag(partial))


def unpack(archive: Path, folder: Path) -> None:
    """Unpack an archive so that its folder of the name of `folder`, else all of it, becomes `folder`.

    The archive goes when everything is in place: one that is still there has to be unpacked again. Raises
    `DataError` for an archive that cannot be read, which is removed, `OutOfResources` for a full disk.
    """
    temporary = archive.with_name(archive.name + ".unpacked")
    files.remove(temporary)
    with files.disk_errors(temporary):
        files.ensure_folder(temporary)
        try:
            _extract(archive, temporary)
        except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError) as error:
            files.remove(temporary)
            files.remove(archive)
            raise DataError(f"not a readable archive: {error}", str(archive), "fetch it again") from error
        named = temporary / folder.name
        _place(named if named.is_dir() else temporary, folder)
    files.remove(temporary)
    files.remove(archive)


def _attempt(url: str, partial: Path, checked: bool, progress: Progress) -> None:
    """One request, from the first byte that is missing."""
    request = urllib.request.Request(url, headers={"User-Agent": "xfer", "Accept-Encoding": "identity"})
    start, tag = _size(partial), _read(_tag(partial))
    if start and (tag or checked):
        request.add_header("Range", f"bytes={start}-")
        if tag:
            # Another version of the file comes whole.
            request.add_header("If-Range", tag)
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            _receive(answer, partial, start, progress)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
                if error.headers.get("Content-Range", "").rpartition("/")[2] == str(start):
                    return
                _forget(partial)
                raise _Cut("the server has another version of the file") from None
            if error.code not in _LATER:
                what = f"the server does not give this file: {error.code} {error.reason}"
                raise NotServed(what, url, "get it elsewhere, and put it where the task looks for it") from None
            raise _Cut(f"{error.code} {error.reason}") from None


def _receive(answer: http.client.HTTPResponse, partial: Path, start: int, progress: Progress) -> None:
    begun = answer.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
    continues = answer.status == http.client.PARTIAL_CONTENT and begun == str(start)
    if answer.status == http.client.PARTIAL_CONTENT and not continues:
        _forget(partial)
        raise _Cut(f"the server sent bytes from {begun} where {start} were asked for")
    length = answer.headers.get("Content-Length")
    start = start if continues else 0
    total = start + int(length) if length else None
    tag = answer.headers.get("ETag") or answer.headers.get("Last-Modified") or ""
    done = start

    def chunks() -> Iterator[bytes]:
        nonlocal done
        while chunk := answer.read(CHUNK):
            yield chunk
            done += len(chunk)
            progress(done, total)

    # Weak validators must not be used with ranges.
    files.write_text(_tag(partial), "" if tag.startswith("W/") else tag)
    files.stream_bytes(partial, chunks(), append=continues, needed=total or 0)
    if total is not None and done < total:
        raise _Cut(f"cut at {done:,} of {total:,} bytes")


def _extract(archive: Path, folder: Path) -> None:
    if archive.name.endswith(".zip"):
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(folder)
    else:
        with tarfile.open(archive) as packed_tar:
            packed_tar.extractall(folder, filter="data")


def _place(found: Path, folder: Path) -> None:
    """Move a folder to its place in one step, or its files one by one into a folder that is there."""
    files.ensure_folder(folder.parent)
    if not folder.exists():
        files.move(found, folder)
        return
    for path in sorted(found.rglob("*")):
        if path.is_file():
            target = folder / path.relative_to(found)
            files.ensure_folder(target.parent)
            files.move(path, target)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _tag(partial: Path) -> Path:
    return partial.with_name(partial.name + ".etag")


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _forget(partial: Path) -> None:
    files.remove(partial)
    files.remove(_tag(partial))
