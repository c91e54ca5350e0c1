"""One file by HTTP: cuts, ranges, refusals, checksums; and archives."""

import hashlib
import io
import os
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from xfer.core.data.downloads import NotServed, download, unpack
from xfer.core.errors import DataError, UserError

from .server import serving

CONTENT = os.urandom(300_000)
SUM = hashlib.sha256(CONTENT).hexdigest()


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_a_file_comes_whole_and_alone(tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    with serving({"/a.bin": CONTENT}) as mirror:
        download(f"{mirror.url}/a.bin", tmp_path / "deep/a.bin", SUM, lambda *state: seen.append(state))
    assert (tmp_path / "deep/a.bin").read_bytes() == CONTENT
    assert names(tmp_path) == ["deep/a.bin"]
    assert seen[-1] == (len(CONTENT), len(CONTENT))


def test_a_cut_is_continued_where_it_was(tmp_path: Path) -> None:
    with serving({"/a.bin": CONTENT}, cuts=2) as mirror:
        download(f"{mirror.url}/a.bin", tmp_path / "a.bin", SUM, pause=0)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    assert [asked for _, asked in mirror.asked] == ["", "bytes=150000-", "bytes=225000-"]


def test_the_next_command_continues_a_file(tmp_path: Path) -> None:
    """The server goes away; the rest is asked for the next time, without a checksum by the server's own tag."""
    gone = serving({"/a.bin": CONTENT}, cuts=1, refusals={"/a.bin": [0, 503, 503, 503]})
    with gone as mirror, pytest.raises(UserError, match="the download stopped at 150,000 bytes") as caught:
        download(f"{mirror.url}/a.bin", tmp_path / "a.bin", pause=0)
    assert "it continues where it was cut" in str(caught.value)
    assert names(tmp_path) == ["a.bin.partial", "a.bin.partial.etag"]
    with serving({"/a.bin": CONTENT}) as mirror:
        download(f"{mirror.url}/a.bin", tmp_path / "a.bin", pause=0)
        assert mirror.asked == [("/a.bin", "bytes=150000-")]
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    assert names(tmp_path) == ["a.bin"]


def test_another_version_of_the_file_is_not_mixed_with_the_first(tmp_path: Path) -> None:
    (tmp_path / "a.bin.partial").write_bytes(b"x" * 100)
    (tmp_path / "a.bin.partial.etag").write_text('"older"')
    with serving({"/a.bin": CONTENT}) as mirror:
        download(f"{mirror.url}/a.bin", tmp_path / "a.bin", pause=0)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


def test_bytes_without_a_tag_or_a_checksum_are_not_trusted(tmp_path: Path) -> None:
    (tmp_path / "a.bin.partial").write_bytes(b"x" * 100)
    with serving({"/a.bin": CONTENT}) as mirror:
        download(f"{mirror.url}/a.bin", tmp_path / "a.bin", pause=0)
        assert mirror.asked == [("/a.bin", "")]
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


def test_a_file_that_was_complete_is_only_checked(tmp_path: Path) -> None:
    (tmp_path / "a.bin.partial").write_bytes(CONTENT)
    with serving({"/a.bin": CONTENT}) as mirror:
        download(f"{mirror.url}/a.bin", tmp_path / "a.bin", SUM, pause=0)
        assert mirror.asked == [("/a.bin", f"bytes={len(CONTENT)}-")]
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


def test_bytes_beyond_the_end_are_thrown_away(tmp_path: Path) -> None:
    (tmp_path / "a.bin.partial").write_bytes(CONTENT + b"more")
    with serving({"/a.bin": CONTENT}) as mirror:
        download(f"{mirror.url}/a.bin", tmp_path / "a.bin", SUM, pause=0)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


@pytest.mark.parametrize("options", [{"ranges": False}, {"tags": False}, {"lengths": False}])
def test_plain_servers(tmp_path: Path, options: dict[str, bool]) -> None:
    cuts = 0 if "lengths" in options else 1
    with serving({"/a.bin": CONTENT}, cuts=cuts, **options) as mirror:
        download(f"{mirror.url}/a.bin", tmp_path / "a.bin", pause=0)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


def test_a_server_that_always_cuts_is_given_up(tmp_path: Path) -> None:
    with serving({"/a.bin": CONTENT}, cuts=99, ranges=False) as mirror:
        with pytest.raises(UserError, match="the download stopped at 150,000 bytes: cut at 150,000 of 300,000"):
            download(f"{mirror.url}/a.bin", tmp_path / "a.bin", pause=0)
        assert len(mirror.asked) == 3
    assert not (tmp_path / "a.bin").exists()


def test_a_busy_server_is_asked_again(tmp_path: Path) -> None:
    with serving({"/a.bin": CONTENT}, refusals={"/a.bin": [503, 429]}) as mirror:
        download(f"{mirror.url}/a.bin", tmp_path / "a.bin", SUM, pause=0)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_refusal_is_final(tmp_path: Path, status: int) -> None:
    with serving({"/a.bin": CONTENT}, refusals={"/a.bin": [status]}) as mirror:
        with pytest.raises(NotServed, match=f"does not give this file: {status}"):
            download(f"{mirror.url}/a.bin", tmp_path / "a.bin", SUM, pause=0)
        assert len(mirror.asked) == 1
    assert names(tmp_path) == []


def test_nobody_answers(tmp_path: Path) -> None:
    with serving({}) as mirror:
        url = mirror.url
    with pytest.raises(UserError, match="the download stopped at 0 bytes"):
        download(f"{url}/a.bin", tmp_path / "a.bin", pause=0)


def test_a_wrong_checksum_leaves_nothing(tmp_path: Path) -> None:
    wrong = "0" * 64
    with serving({"/a.bin": CONTENT}) as mirror, pytest.raises(DataError) as caught:
        download(f"{mirror.url}/a.bin", tmp_path / "a.bin", wrong, pause=0)
    assert SUM in str(caught.value)
    assert wrong in str(caught.value)
    assert names(tmp_path) == []


@pytest.mark.parametrize("url", ["file:///etc/hostname", "ftp://localhost/a", "a.bin"])
def test_only_addresses_of_the_web(tmp_path: Path, url: str) -> None:
    with pytest.raises(UserError, match="not an address of the web"):
        download(url, tmp_path / "a.bin")


# ---------------------------------------------------------------- archives


def packed(kind: str, members: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        return buffer.getvalue()
    with tarfile.open(fileobj=buffer, mode={"tgz": "w:gz", "tar.gz": "w:gz", "tar.bz2": "w:bz2"}[kind]) as tar:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["zip", "tgz", "tar.gz", "tar.bz2"])
@pytest.mark.parametrize("above", ["set/", ""])
def test_archives_with_and_without_a_folder_of_their_own(tmp_path: Path, kind: str, above: str) -> None:
    members = {f"{above}a.txt": b"a", f"{above}deep/b.txt": b"b"}
    if above:
        members["__MACOSX/set/a.txt"] = b"not this"
    archive = tmp_path / ".archives" / f"any.{kind}"
    archive.parent.mkdir()
    archive.write_bytes(packed(kind, members))
    unpack(archive, tmp_path / "set")
    assert names(tmp_path) == ["set/a.txt", "set/deep/b.txt"]
    assert (tmp_path / "set/deep/b.txt").read_bytes() == b"b"


def test_a_second_archive_adds_to_the_folder(tmp_path: Path) -> None:
    for number in ("1", "2"):
        archive = tmp_path / f"{number}.zip"
        archive.write_bytes(packed("zip", {f"set/{number}.txt": b"x", "set/same.txt": number.encode()}))
        unpack(archive, tmp_path / "set")
    assert names(tmp_path) == ["set/1.txt", "set/2.txt", "set/same.txt"]
    assert (tmp_path / "set/same.txt").read_bytes() == b"2"


@pytest.mark.parametrize("kind", ["zip", "tgz"])
def test_an_archive_cut_short_is_removed(tmp_path: Path, kind: str) -> None:
    archive = tmp_path / f"a.{kind}"
    whole = packed(kind, {"set/a.bin": CONTENT})
    archive.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="not a readable archive"):
        unpack(archive, tmp_path / "set")
    assert names(tmp_path) == []


def test_no_member_leaves_the_folder(tmp_path: Path) -> None:
    archive = tmp_path / "root/a.tgz"
    archive.parent.mkdir()
    archive.write_bytes(packed("tgz", {"../outside.txt": b"x"}))
    with pytest.raises(DataError):
        unpack(archive, tmp_path / "root/set")
    assert names(tmp_path) == []
