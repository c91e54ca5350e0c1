import errno
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import xfer
from xfer.core.errors import Damaged, ExitStatus, NonFinite, OutOfResources, UserError
from xfer.core.storage import faults, files, manifest
from xfer.core.storage.process import this_process
from xfer.testing.pytest_plugin import Outcome

from .scenarios import committed

# ---------------------------------------------------------------- single files


def test_json_has_sorted_keys_and_refuses_what_is_not_finite(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.json"
    files.write_json(path, {"b": "ü", "a": [1, None]})
    assert path.read_text(encoding="utf-8") == '{\n "a": [\n  1,\n  null\n ],\n "b": "ü"\n}\n'
    for value in (float("nan"), float("inf")):
        with pytest.raises(NonFinite):
            files.write_json(path, {"a": value})
        with pytest.raises(NonFinite):
            files.json_line(value)
    assert files.read_json(path) == {"a": [1, None], "b": "ü"}
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("text", ["", "{", "NaN", '{"a": Infinity}', "[" * 100_000, "\ud800"])
def test_what_is_not_json_is_damaged(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(Damaged, match=r"a\.json"):
        files.read_json(tmp_path / "a.json")


def test_an_appended_line_follows_whole_lines_only(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    files.append_line(path, '{"a": 1}')
    with path.open("a") as file:
        file.write('{"torn": ')
    assert files.read_json_lines(path) == [{"a": 1}]
    files.append_line(path, '{"a": 2}')
    assert path.read_text() == '{"a": 1}\n{"a": 2}\n'
    path.write_text("no line break at all")
    files.append_line(path, '{"a": 3}')
    assert files.read_json_lines(path) == [{"a": 3}]
    with pytest.raises(ValueError, match="line break"):
        files.append_line(path, "two\nlines")
    path.write_text('{"a": 1}\nrubbish\n')
    with pytest.raises(Damaged, match="line 2"):
        files.read_json_lines(path)
    assert files.read_json_lines(tmp_path / "none.jsonl") == []


def test_files_follow_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        files.write_text(tmp_path / "a", "text")
        folder = committed(tmp_path / "phase")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640
    assert folder.stat().st_mode & 0o777 == 0o750


def test_a_link_is_replaced_and_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("untouched")
    (tmp_path / "link").symlink_to(tmp_path / "outside")
    files.write_text(tmp_path / "link", "new")
    assert (tmp_path / "outside").read_text() == "untouched"
    assert not (tmp_path / "link").is_symlink()


def test_a_place_that_cannot_be_written_to_is_the_users_mistake(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"):
        files.write_text(tmp_path / "file" / "below", "text")


# ---------------------------------------------------------------- commits


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="a file system that refuses new names")
def test_a_file_system_that_takes_no_new_names_is_told() -> None:
    with pytest.raises(UserError, match="cannot write") as caught:
        files.write_text(Path("/proc/x/y/a.json"), "{}")
    assert caught.value.where == "/proc/x"
    assert caught.value.fix == "choose another place"


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="a file system that refuses new names")
@pytest.mark.parametrize(
    "line",
    [
        ("run", "--strategy", "none", "--target", "mini-xnli", "--limit", "train=8,test=4", "--quiet"),
        ("pretrain", "--output", "checkpoint"),
    ],
    ids=["run", "pretrain"],
)
@pytest.mark.parametrize("place", ["/proc/x", "{file}/x"])
def test_a_store_where_nothing_can_be_made_is_the_users_mistake(
    run_xfer: Callable[..., Outcome],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    line: tuple[str, ...],
    place: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    place = place.format(file=tmp_path / "file")
    outcome = run_xfer(*line, "--store", place)
    assert outcome.status == ExitStatus.USER
    assert "error: cannot write: " in outcome.err
    assert "mend:  choose another place" in outcome.err
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_committed_folder_verifies(tmp_path: Path) -> None:
    folder = committed(tmp_path / "phase")
    assert files.verify(folder) == []
    assert files.is_committed(folder)
    entries = manifest.read_manifest(folder)
    assert sorted(entries) == ["empty", "model.safetensors", "phase.json", "predictions/en.parquet"]
    assert entries["model.safetensors"] == (768, files.sha256_file(folder / "model.safetensors"), False)
    assert list(tmp_path.iterdir()) == [folder]


def fail(final: Path, failure: BaseException) -> None:
    with files.committed_folder(final) as folder:
        (folder / "table").write_text("12345")
        raise failure


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    for failure in (KeyboardInterrupt(), RuntimeError()):
        with pytest.raises(type(failure)):
            fail(tmp_path / "phase", failure)
    with pytest.raises(ValueError, match="link"), files.committed_folder(tmp_path / "phase") as folder:
        (folder / "a").symlink_to("/etc/hostname")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_replaced_only_when_asked_or_broken(tmp_path: Path) -> None:
    def write(text: str, replace: bool = False) -> None:
        with files.committed_folder(tmp_path / "phase", replace) as folder:
            (folder / "a").write_text(text)

    for text, replace, seen in [("1", False, "1"), ("2", False, "1"), ("3", True, "3"), ("4", False, "3")]:
        write(text, replace)
        assert (tmp_path / "phase" / "a").read_text() == seen
    (tmp_path / "phase" / "DONE").unlink()
    write("5")
    assert (tmp_path / "phase" / "a").read_text() == "5"
    assert [path.name for path in tmp_path.iterdir()] == ["phase"]


def test_everything_is_on_the_disk_before_the_name_appears(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The order of the protocol, by the calls that reach the system: it is what a loss of power tests."""
    calls: list[tuple[str, str]] = []
    real: dict[str, Callable[..., Any]] = {name: getattr(os, name) for name in ("fsync", "rename", "replace")}

    def fsync(descriptor: int) -> None:
        calls.append(("sync", os.readlink(f"/proc/self/fd/{descriptor}")))
        real["fsync"](descriptor)

    def renaming(name: str) -> Callable[..., None]:
        def rename(source: Path, target: Path) -> None:
            calls.append(("rename", str(target)))
            real[name](source, target)

        return rename

    monkeypatch.setattr(os, "fsync", fsync)
    for name in ("rename", "replace"):
        monkeypatch.setattr(os, name, renaming(name))
    with files.committed_folder(tmp_path / "phase") as folder:
        (folder / "below").mkdir()
        (folder / "below" / "a").write_text("a")
        (folder / "b").write_text("b")
    temporary = str(folder)
    shown = [(kind, path.replace(temporary, "T").replace(str(tmp_path), "P")) for kind, path in calls]
    manifest_temporary = next(path for _, path in shown if path.startswith("P/.tmp-"))
    assert shown == [
        ("sync", "T/b"),
        ("sync", "T/below/a"),
        ("sync", "T"),
        ("sync", "T/below"),
        ("sync", manifest_temporary),
        ("rename", "T/DONE"),
        ("sync", "T"),
        ("rename", "P/phase"),
        ("sync", "P"),
    ]


# ---------------------------------------------------------------- leftovers


def test_sweep_removes_what_dead_processes_left(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    me = this_process()
    left = [f".tmp-{me.tag}-{dead.pid}-1-00000000", f".tmp-{me.tag}-{me.pid}-{int(me.started) - 1}-00000001"]
    kept = [
        f".tmp-{me.tag}-{me.pid}-{me.started}-00000002",
        ".tmp-00000000-1-1-00000003",
        ".tmp-of-the-user",
        "step-1",
    ]
    aged = ".tmp-00000000-1-1-00000004"
    for name in (*left, *kept, aged):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("")
    (tmp_path / left[0] / "link").symlink_to(tmp_path / "step-1")
    os.utime(tmp_path / aged, (time.time() - 8 * 24 * 3600,) * 2)
    assert sorted(files.sweep(tmp_path)) == sorted([*left, aged])
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(kept)
    assert (tmp_path / "step-1" / "file").exists()
    assert files.sweep(tmp_path / "none") == []


def test_sweep_undoes_a_replacement_that_was_cut_short(tmp_path: Path) -> None:
    for name in (".old-a", "b", ".old-b"):
        committed(tmp_path / name)
    assert files.sweep(tmp_path) == [".old-a", ".old-b"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]
    assert files.verify(tmp_path / "a") == []


# ---------------------------------------------------------------- full disks and faults


@pytest.mark.parametrize("action", ["enospc", "edquot"])
def test_a_full_disk_tells_what_is_needed_and_what_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    files.write_text(tmp_path / "a", "old")
    monkeypatch.setenv(faults.VARIABLE, f"write:{faults.operations() + 2}:{action}")
    with pytest.raises(OutOfResources, match=r"at least 12345 bytes needed, \d+ free") as caught:
        files.write_text(tmp_path / "a", "x" * 12345)
    assert caught.value.where == str(tmp_path / "a")
    assert caught.value.status == ExitStatus.RESOURCES
    assert (tmp_path / "a").read_text() == "old"
    assert list(tmp_path.iterdir()) == [tmp_path / "a"]


def test_a_line_that_did_not_fit_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log.jsonl"
    files.append_line(path, '{"a": 1}')
    monkeypatch.setenv(faults.VARIABLE, f"write:{faults.operations() + 2}:enospc")
    with pytest.raises(OutOfResources, match="at least 9 bytes"):
        files.append_line(path, '{"a": 2}')
    assert path.read_text() == '{"a": 1}\n{"a"'
    assert files.read_json_lines(path) == [{"a": 1}]
    files.append_line(path, '{"a": 3}')
    assert path.read_text() == '{"a": 1}\n{"a": 3}\n'


def test_a_writer_of_another_library_may_fill_the_disk(tmp_path: Path) -> None:
    with pytest.raises(OutOfResources, match="at least 5 bytes"):
        fail(tmp_path / "a", OSError(errno.ENOSPC, "no space"))
    assert list(tmp_path.iterdir()) == []


def test_other_errors_pass_unchanged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(faults.VARIABLE, f"write:{faults.operations() + 1}:eio")
    with pytest.raises(OSError, match="Input/output") as caught:
        files.write_text(tmp_path / "a", "text")
    assert caught.value.errno == errno.EIO
    with pytest.raises(PermissionError):
        fail(tmp_path / "b", PermissionError(errno.EACCES, "of data that the block reads"))


@pytest.mark.parametrize("asked", ["write", "write:x:kill", "write:1:explode", "read:1:kill"])
def test_faults_that_are_not_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: str) -> None:
    monkeypatch.setenv(faults.VARIABLE, asked)
    with pytest.raises(UserError, match="not understood"):
        files.write_text(tmp_path / "a", "text")


REALLY_FULL = """
import os, sys
from pathlib import Path
from xfer.core.storage import files
from xfer.core.errors import OutOfResources
from xfer.core.storage.store import Store
store = Store(Path(sys.argv[1]) / "store")
with store.commit_phase("a1") as folder:
    files.write_json(folder / "phase.json", {})
def ours(folder): files.write_bytes(folder / "big", bytes(10**6))
def plain(folder): (folder / "big").write_bytes(bytes(10**6))
def weights(folder):
    import torch
    from xfer.core.storage import checkpoints
    checkpoints.save_weights(folder, "model.safetensors", {"w": torch.zeros(250_000)})
for write in (ours, plain, weights):
    try:
        with store.commit_phase("b2") as folder:
            write(folder)
    except OutOfResources as error:
        print(write.__name__, error.what)
    assert os.listdir(store.root / "phases") == ["a1"] and store.has_phase("a1")
"""


def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    """On a file system of 600 kB, in a name space of its own."""
    mounted = f'mount -t tmpfs -o size=600k none "{tmp_path}" && exec "$0" -c "$1" "{tmp_path}"'
    probe = subprocess.run(["unshare", "-rm", "sh", "-c", f'mount -t tmpfs none "{tmp_path}"'], capture_output=True)
    if probe.returncode:
        pytest.skip("no name spaces for users here")
    environment = os.environ | {"PYTHONPATH": str(Path(xfer.__file__).parents[1])}
    command = ["unshare", "-rm", "sh", "-c", mounted, sys.executable, REALLY_FULL]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["ours", "plain", "weights"]
    assert "1000000 bytes needed" in lines[0]
    assert "1000000 bytes needed" in lines[2]


@pytest.mark.parametrize(("number", "passes"), [(errno.ENOTEMPTY, True), (errno.ENOENT, True), (errno.EIO, False)])
def test_a_replacement_is_undone_unless_its_writer_was_faster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, passes: bool
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, "refused")

    final = tmp_path / "phase"
    old = files._old(final)
    old.mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(files.disk, "rename", refuse)
        if passes:
            files.restore(final)
        else:
            with pytest.raises(OSError, match="refused"):
                files.restore(final)
    assert old.is_dir()
    files.restore(final)
    assert final.is_dir()
    assert not old.exists()
