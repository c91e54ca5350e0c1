"""`xfer cache`: what a store holds, why, and what may go."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.engine.conftest import TOY
from xfer import commands
from xfer.core.storage import contents as module
from xfer.core.storage import files
from xfer.core.storage.contents import collect, contents, remove_runs
from xfer.core.storage.locks import phase_lock
from xfer.core.storage.store import Store
from xfer.testing.pytest_plugin import Outcome

Run = Callable[..., Outcome]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, tiny_encoder: Callable[[str], Path]) -> Path:
    """Two runs that share a phase; a translation; a damaged phase and checkpoints that belong to nobody."""
    root = tmp_path_factory.mktemp("cache") / "store"
    for name, target in (("one", ("toy-class",)), ("two", ("toy-class", "toy-pairs"))):
        commands.run(
            "english-stilts", suite="toy", plugin=TOY, model=str(tiny_encoder("xlm-roberta")), target=target,
            set={"train.max_steps": 1}, store=root, name=name,
        )  # fmt: skip
    files.write_text(root / "cache" / "translations" / "abc" / "en-de.jsonl", "[]\n")
    files.write_text(root / "phases" / "feedfeed.damaged-1" / "x", "12345")
    files.write_text(root / "phases" / "c0ffee00.partial" / "x", "12345")
    return root


@pytest.fixture
def store(filled: Path, tmp_path: Path) -> Store:
    """A copy to remove from."""
    import shutil

    shutil.copytree(filled, tmp_path / "store")
    return Store(tmp_path / "store")


def by_kind(store: Store) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for item in contents(store):
        found.setdefault(item.kind, []).append(item.name)
    return found


def intermediate(store: Store) -> Any:
    return next(item for item in contents(store) if item.does.startswith("train toy-more"))


def test_everything_in_the_store_is_listed_with_its_needs(store: Store, run_xfer: Run) -> None:
    kinds = by_kind(store)
    assert {kind: len(names) for kind, names in kinds.items()} == {
        "phase": 4, "damaged": 1, "partial": 1, "translations": 1,
    }  # fmt: skip
    shared = intermediate(store)
    assert [(need.run, need.labels, need.scores) for need in shared.needs] == [
        ("one", ("english-stilts",), False), ("two", ("english-stilts",), False),
    ]  # fmt: skip
    assert shared.weights == "kept"
    told = run_xfer("cache", "ls", "--store", store.root)
    assert told.status == 0
    assert len(told.out.splitlines()) == 7
    assert f"{shared.name}  " in told.out
    assert "phase train toy-more (seed 0) weights kept; needed by 2 runs" in told.out
    assert "feedfeed.damaged-1        5 B  damaged; needed by no run\n" in told.out
    document = json.loads(run_xfer("cache", "ls", "--json", "--store", store.root).out)
    assert {item["name"] for item in document["items"]} == {name for names in kinds.values() for name in names}
    assert (
        sum(item["bytes"] for item in document["items"]) == document["usage"]["phases"] + document["usage"]["cache"]
    )


def test_why_names_runs_labels_and_targets(store: Store, run_xfer: Run) -> None:
    shared = intermediate(store)
    told = run_xfer("cache", "why", shared.name[:8], "--store", store.root)
    assert told.status == 0
    assert "run one: english-stilts on toy-class leads through it" in told.out
    assert "run two: english-stilts on toy-class, toy-pairs leads through it" in told.out
    nobody = run_xfer("cache", "why", "feedfeed.damaged-1", "--store", store.root)
    assert "no run needs it; `xfer cache gc` removes it" in nobody.out
    unknown = run_xfer("cache", "why", "0123456789", "--store", store.root)
    assert unknown.status == 2
    assert "no phase or cache named '0123456789'" in unknown.err


def test_what_a_run_needs_is_removed_only_by_force(store: Store, run_xfer: Run) -> None:
    shared = intermediate(store)
    refused = run_xfer("cache", "rm", shared.name, "--store", store.root)
    assert refused.status == 2
    assert "needed by runs one, two" in refused.err
    assert shared.path.is_dir()
    dry = run_xfer("cache", "rm", shared.name, "--force", "--dry-run", "--store", store.root)
    assert "would remove" in dry.out
    assert shared.path.is_dir()
    assert run_xfer("cache", "rm", shared.name, "--force", "--store", store.root).status == 0
    assert not shared.path.exists()
    assert not list(store.root.rglob(".tmp-*"))


def test_what_is_worked_on_is_not_removed_even_by_force(store: Store, run_xfer: Run) -> None:
    shared = intermediate(store)
    with phase_lock(store, shared.name):
        refused = run_xfer("cache", "rm", shared.name, "--force", "--store", store.root)
        assert refused.status == 6
        assert shared.path.is_dir()
    with phase_lock(store, "c0ffee00"):
        removal = collect(store)
        assert list(removal.kept) == ["c0ffee00.partial", "translations/abc"]
        assert "is being worked on" in removal.kept["c0ffee00.partial"]


def test_gc_removes_what_no_run_needs_and_nothing_else(store: Store, run_xfer: Run) -> None:
    before = by_kind(store)["phase"]
    dry = json.loads(run_xfer("cache", "gc", "--dry-run", "--json", "--store", store.root).out)
    names = {item["name"] for item in dry["removed"]}
    assert names == {"feedfeed.damaged-1", "c0ffee00.partial"}
    assert dry["bytes"] == 10
    assert len(contents(store)) == 7
    assert run_xfer("cache", "gc", "--store", store.root).status == 0
    assert by_kind(store) == {"phase": before, "translations": ["translations/abc"]}
    assert run_xfer("cache", "rm", "--run", "two", "--store", store.root).status == 0
    gone = json.loads(run_xfer("cache", "gc", "--json", "--store", store.root).out)
    assert [item["does"] for item in gone["removed"]] == ["evaluate toy-pairs"]
    assert run_xfer("cache", "rm", "--run", "one", "--store", store.root).status == 0
    run_xfer("cache", "gc", "--store", store.root)
    assert by_kind(store) == {"translations": ["translations/abc"]}
    assert run_xfer("cache", "rm", "translations/abc", "--store", store.root).status == 0
    assert contents(store) == []


def test_gc_removes_tokenised_data_that_nobody_read_for_long(
    store: Store, run_xfer: Run, tiny_encoder: Callable[[str], Path]
) -> None:
    line = {"suite": "toy", "plugin": TOY, "model": str(tiny_encoder("xlm-roberta")), "target": ("toy-class",)}
    large = {"engine.cache_tokens": 1, "engine.ahead": "off"}
    changed = {"set": {"train.max_steps": 2, **large}, "store": store.root, "name": "three"}
    commands.run("none", **line, **changed)
    made = by_kind(store)["features"]
    assert made
    day = 86400.0
    for name in made:
        done = store.root / "cache" / name / "DONE"
        os.utime(done, (done.stat().st_atime, done.stat().st_mtime - 31 * day))
    assert set(by_kind(store)["features"]) == set(made)
    commands.run("none", **line, **{**changed, "set": {"train.max_steps": 3, **large}})
    kept = json.loads(run_xfer("cache", "gc", "--json", "--store", store.root).out)
    assert set(by_kind(store)["features"]) == set(made), "they were read now"
    assert set(made) <= set(kept["kept"])
    old = store.root / "cache" / made[0] / "DONE"
    os.utime(old, (0, old.stat().st_mtime - 8 * day))
    run_xfer("cache", "gc", "--unused-days", "9", "--store", store.root)
    assert set(by_kind(store)["features"]) == set(made)
    dry = json.loads(
        run_xfer("cache", "gc", "--unused-days", "7", "--dry-run", "--json", "--store", store.root).out
    )
    assert [item["name"] for item in dry["removed"]] == [made[0]]
    run_xfer("cache", "gc", "--unused-days", "7", "--store", store.root)
    assert by_kind(store).get("features", []) == made[1:]
    assert by_kind(store)["translations"] == ["translations/abc"]


def test_what_a_runs_rows_name_stays_when_its_plan_became_another(store: Store) -> None:
    """A command with the same --name and another target, killed before it wrote rows of its own."""
    store.start_run("two", {}, store.load_run("one").plan)
    (scored,) = [item for item in contents(store) if item.does == "evaluate toy-pairs"]
    assert [(need.run, need.targets, need.scores) for need in scored.needs] == [("two", ("toy-pairs",), True)]
    collect(store)
    assert scored.path.is_dir()


def test_gc_minds_a_run_that_begins_meanwhile(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    plan, before = store.load_run("two").plan, by_kind(store)["phase"]
    remove_runs(store, ["one", "two"])
    own = module.contents

    def look(at: Store) -> list[module.Item]:
        found = own(at)
        at.start_run("late", {}, plan)
        return found

    monkeypatch.setattr(module, "contents", look)
    assert [item.kind for item in collect(store).removed] == ["partial", "damaged"]
    assert by_kind(store)["phase"] == before


def test_nothing_goes_while_a_runs_needs_are_unknown(store: Store, run_xfer: Run) -> None:
    for text in ("{", '{"phases": 3}', "[]"):
        (store.root / "runs" / "one" / "plan.json").write_text(text)
        told = run_xfer("cache", "gc", "--store", store.root)
        assert told.status == 7
        assert "what run 'one' needs cannot be read" in told.err
        assert "xfer cache rm --run one" in told.err
    assert run_xfer("cache", "rm", "--run", "one", "--store", store.root).status == 0
    assert run_xfer("cache", "gc", "--store", store.root).status == 0


def test_a_run_is_known_before_its_first_phase(
    tmp_path: Path, tiny_encoder: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from xfer.core.engine import execute as engine

    seen: list[dict[str, Any]] = []

    def look(plan: Any, run: Any) -> Any:
        seen.append({need.run: need.labels for item in contents(run.store) for need in item.needs})
        seen.append({"runs": run.store.runs()})
        raise KeyboardInterrupt

    monkeypatch.setattr(engine, "execute", look)
    with pytest.raises(KeyboardInterrupt):
        commands.run(
            "none", suite="toy", plugin=TOY, model=str(tiny_encoder("xlm-roberta")), target="toy-pairs",
            store=tmp_path / "store", name="early",
        )  # fmt: skip
    assert seen[1] == {"runs": ["early"]}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("ls", "--store", "{absent}"), "no such store"),
        (("gc", "--store", "{absent}"), "no such store"),
        (("rm",), "nothing was named"),
        (("rm", "--run", "three", "--store", "{store}"), "no run named 'three'"),
        (("rm", "../../etc", "--store", "{store}"), "no phase or cache named '../../etc'"),
        (("rm", "--run", "../..", "--store", "{store}"), "no run named '../..'"),
    ],
)
def test_mistakes_are_told(store: Store, run_xfer: Run, arguments: tuple[str, ...], says: str) -> None:
    filled = [part.format(absent=store.root / "absent", store=store.root) for part in arguments]
    told = run_xfer("cache", *filled)
    assert told.status == 2
    assert told.err.startswith(f"error: {says}")
    assert len(contents(store)) == 7
