import os
import re
from pathlib import Path
from typing import Any

import pytest

from xfer.core.errors import Damaged, NonFinite, UnknownName, UserError
from xfer.core.records import Cell, Phase, Plan, PlannedPhase, Problem, ResultRow, TaskUse, TrainSettings
from xfer.core.storage import files, manifest
from xfer.core.storage.store import Store, checked_name


def commit(store: Store, id: str = "a1", results: str = "") -> Path:
    with store.commit_phase(id) as folder:
        files.write_json(folder / "phase.json", {"steps": 7})
        (folder / "model.safetensors").write_bytes(b"weights")
        (folder / "heads.safetensors").write_bytes(b"heads")
        (folder / "config.json").write_text("{}")
        if results:
            files.write_text(folder / "results.jsonl", results)
    return store.phase_folder(id)


def row(value: float | None = 81.25, language: str = "de") -> ResultRow:
    return ResultRow(
        run="r",
        label="mnli",
        strategy="english-stilts",
        params={"epochs": 2},
        intermediate="mnli",
        suite="mini",
        model="mini",
        model_fingerprint="f",
        seed=0,
        task="xnli",
        task_version=1,
        language=language,
        split="test",
        metric="accuracy",
        value=value,
        n=10,
        main=True,
        phase="a1",
        signature="s",
        data_fingerprint="d",
        xfer_version="0",
        plugin_versions={},
        seconds=1.5,
        device="cpu",
        dtype="float32",
    )


def plan() -> Plan:
    phase = Phase(name="target", uses=(TaskUse(task="xnli"),), overrides={"keep": "best"})
    settings = {"xnli": TrainSettings.model_validate({"max_steps": 5})}
    planned = PlannedPhase(
        id="a1",
        phase=phase,
        parents=(),
        seed=1,
        settings=settings,
        options={"xnli": {"layer": None}},
        identity={"x": [1]},
    )
    cell = Cell(
        label="none",
        strategy="none",
        params={},
        intermediate="",
        seed=1,
        target="xnli",
        phase="a1",
        chain=("a1",),
    )
    return Plan(phases=(planned,), cells=(cell,), problems=(Problem(stage="plan", message="ü\x1b[0m"),))


# ---------------------------------------------------------------- phases


def test_a_phase_is_there_once_it_is_committed(tmp_path: Path) -> None:
    store = Store(tmp_path / "runs")
    assert not store.has_phase("a1")
    assert not store.root.exists()
    folder = commit(store, results='{"value": 1.5}\n{"value": null}\n')
    assert folder == tmp_path / "runs" / "phases" / "a1"
    for other in (store, Store(store.root)):
        assert other.has_phase("a1")
        assert other.phase_info("a1") == {"steps": 7}
        assert other.results("a1") == [{"value": 1.5}, {"value": None}]
        assert other.has_weights("a1")
    assert not store.has_weights("b2")
    with pytest.raises(Damaged):
        store.phase_info("b2")


def test_a_damaged_phase_is_moved_aside_and_computed_again(tmp_path: Path) -> None:
    first = Store(tmp_path)
    for number in (1, 2):
        folder = commit(first)
        (folder / "model.safetensors").write_bytes(b"Weights")
        store = Store(tmp_path)
        assert not store.has_phase("a1")
        assert not folder.exists()
        aside = tmp_path / "phases" / f"a1.damaged-{number}"
        assert (aside / "model.safetensors").read_bytes() == b"Weights"
        [problem] = store.problems
        assert problem.where == str(aside)
        assert "model.safetensors does not match its checksum" in problem.message
        assert not store.has_weights("a1")


def test_a_phase_is_hashed_once_and_again_when_it_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit(Store(tmp_path))
    hashed: list[str] = []
    real = manifest.sha256_file

    def count(path: Path) -> str:
        hashed.append(path.name)
        return real(path)

    monkeypatch.setattr(manifest, "sha256_file", count)
    store = Store(tmp_path)
    assert [store.has_phase("a1") for _ in range(3)] == [True] * 3
    assert sorted(hashed) == ["config.json", "heads.safetensors", "model.safetensors", "phase.json"]
    os.utime(store.phase_folder("a1") / "config.json", (1, 1))
    assert store.has_phase("a1")
    assert len(hashed) == 8
    (store.phase_folder("a1") / "config.json").write_text("[]")
    assert not store.has_phase("a1")


def test_a_link_is_no_phase(tmp_path: Path) -> None:
    store = Store(tmp_path / "runs")
    folder = commit(store)
    folder.rename(tmp_path / "outside")
    folder.symlink_to(tmp_path / "outside")
    assert not Store(store.root).has_phase("a1")
    assert files.verify(tmp_path / "outside") == []
    assert not folder.is_symlink()


def test_dropped_weights_keep_their_checksums(tmp_path: Path) -> None:
    store = Store(tmp_path)
    folder = commit(store)
    before = manifest.read_manifest(folder)
    for _ in range(2):
        store.drop_weights("a1")
        assert sorted(path.name for path in folder.iterdir()) == ["DONE", "config.json", "phase.json"]
        for other in (store, Store(tmp_path)):
            assert other.has_phase("a1")
            assert not other.has_weights("a1")
    after = manifest.read_manifest(folder)
    assert {name: entry[:2] for name, entry in after.items()} == {name: entry[:2] for name, entry in before.items()}
    assert [name for name, entry in after.items() if entry.dropped] == ["heads.safetensors", "model.safetensors"]
    commit(store)
    assert store.has_weights("a1")
    store.drop_weights("none")
    with store.commit_phase("c3") as evaluated:
        files.write_json(evaluated / "phase.json", {})
    store.drop_weights("c3")
    assert store.has_phase("c3")
    assert not store.has_weights("c3")


def test_weights_that_a_crash_left_are_dropped_again(tmp_path: Path) -> None:
    store = Store(tmp_path)
    folder = commit(store)
    store.drop_weights("a1")
    (folder / "model.safetensors").write_bytes(b"half")
    assert Store(tmp_path).has_phase("a1")
    assert not store.has_weights("a1")
    store.drop_weights("a1")
    assert not (folder / "model.safetensors").exists()


def test_sweep_clears_checkpoints_of_stored_phases_only(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for id in ("a1", "b2", "c3"):
        (store.partial_folder(id) / "step-1").mkdir(parents=True)
    commit(store, "a1")
    commit(store, "c3")
    store.drop_weights("c3")
    assert store.sweep() == ["a1.partial"]
    assert sorted(path.name for path in (tmp_path / "phases").glob("*.partial")) == ["b2.partial", "c3.partial"]


def test_disk_usage(tmp_path: Path) -> None:
    store = Store(tmp_path / "none")
    assert store.disk_usage() | {"free": 0} == {"phases": 0, "runs": 0, "cache": 0, "free": 0}
    folder = commit(store)
    usage = store.disk_usage()
    assert usage["phases"] == sum(path.stat().st_size for path in folder.iterdir())
    assert usage["free"] > 0


# ---------------------------------------------------------------- runs


def test_a_run_is_read_as_it_was_written(tmp_path: Path) -> None:
    store = Store(tmp_path)
    settings = {"strategy": "none", "target": {"learning_rate": 1e-5, "xnli": {"seeds": [1, 2]}}, "note": None}
    problem = Problem(stage="data", message='"quoted"\nsecond line')
    store.write_run("first", settings, plan(), [row(), row(None, "th")], [problem])
    run = store.load_run("first")
    assert run.settings == {"strategy": "none", "target": {"learning_rate": 1e-5, "xnli": {"seeds": [1, 2]}}}
    assert run.plan == plan()
    assert run.results == (row(), row(None, "th"))
    assert run.problems == (problem,)
    store.write_run("first", {}, plan(), [], [])
    assert store.load_run("first").results == ()
    assert sorted(path.name for path in store.run_folder("first").iterdir()) == [
        "DONE",
        "plan.json",
        "problems.jsonl",
        "results.jsonl",
        "run.toml",
    ]


def test_a_value_that_is_not_finite_never_reaches_a_run(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(NonFinite):
        store.write_run("first", {}, plan(), [row(float("nan"))], [])
    assert store.load_run("first").results == ()


def test_a_flipped_digit_of_a_score_is_noticed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write_run("first", {}, plan(), [row(81.25)], [])
    path = store.run_folder("first") / "results.jsonl"
    path.write_text(path.read_text().replace("81.25", "91.25"))
    with pytest.raises(Damaged, match=r"results\.jsonl does not match its checksum") as caught:
        store.load_run("first")
    assert "--name" in caught.value.fix
    store.write_run("first", {}, plan(), [row(81.25)], [])
    (path.parent / "notes.txt").write_text("mine")
    assert store.load_run("first").results == (row(81.25),)


def test_a_run_that_is_at_work_shows_its_plan(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.start_run("first", {"suite": "mini"}, plan())
    assert store.runs() == ["first"]
    assert store.load_run("first").plan == plan()
    assert store.load_run("first").results == ()


@pytest.mark.parametrize("name", ["run.toml", "plan.json", "results.jsonl", "problems.jsonl"])
@pytest.mark.parametrize("text", ["[1, 2]\n", "{\n", '{"other": 1}\n', "\x00\n"])
def test_a_damaged_run_is_told(tmp_path: Path, name: str, text: str) -> None:
    store = Store(tmp_path)
    store.write_run("first", {}, plan(), [row()], [])
    (store.run_folder("first") / name).write_text(text)
    with pytest.raises(Damaged):
        store.load_run("first")


def test_runs_are_named_and_listed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    names = [store.new_run_name() for _ in range(3)]
    assert len(set(names)) == 3
    assert all(re.fullmatch(r"\d{8}-\d{6}(-\d)?", name) for name in names)
    assert store.runs() == []
    for name in ("second", names[0]):
        store.write_run(name, {}, plan(), [], [])
    (tmp_path / "runs" / "Notes of mine").mkdir()
    assert store.runs() == [names[0], "second"]
    with pytest.raises(UnknownName, match="'secnd'") as caught:
        store.load_run("secnd")
    assert "second" in caught.value.fix


# ---------------------------------------------------------------- names

HOSTILE = [
    "",
    ".",
    "..",
    "../x",
    "/etc",
    "a/b",
    "a\\b",
    "~",
    "-rf",
    ".hidden",
    "trailing.",
    "trailing ",
    "a b",
    "a\x00b",
    "a\nb",
    "a\n",
    "\x1b[31mred",
    "[bold]markup",
    "con",
    "nul.txt",
    "com1",
    "lpt9.log",
    "POS",
    "ｐｏｓ",
    "e\u0301",
    "\u202etxt",
    "a\u200db",
    "a" * 65,
    "a" * 300,
    "a:b",
    "*",
    "$(id)",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_refused_everywhere(tmp_path: Path, name: str) -> None:
    store = Store(tmp_path / "runs")
    ways: list[Any] = [
        store.phase_folder,
        store.partial_folder,
        store.has_phase,
        store.has_weights,
        store.drop_weights,
        store.phase_info,
        store.results,
        store.run_folder,
        store.load_run,
        store.feature_folder,
        lambda name: store.write_run(name, {}, plan(), [], []),
        lambda name: store.commit_phase(name).__enter__(),
        checked_name,
    ]
    for way in ways:
        with pytest.raises(UserError, match="cannot be a"):
            way(name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a", "xlm-r_base.v2", "2026", "console", "a" * 64])
def test_plain_names_are_taken(name: str) -> None:
    assert checked_name(name) == name


def test_ids_leave_room_for_what_stands_beside_a_phase(tmp_path: Path) -> None:
    for id in ("a1.partial", "a1.damaged-1", "a1.lock"):
        with pytest.raises(UserError, match="phase id"):
            Store(tmp_path).phase_folder(id)


def test_what_a_killed_owner_of_a_lock_left_is_cleared(tmp_path: Path) -> None:
    store = Store(tmp_path)
    left = tmp_path / "locks" / files._temporary(tmp_path).name.replace(f"-{os.getpid()}-", "-999999999-")
    files.write_text(left, "")
    assert store.sweep() == [left.name]
    assert not left.exists()
