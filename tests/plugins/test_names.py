"""Short names, full names, ambiguity, near names."""

import re
from pathlib import Path

import pytest

from tests.plugins.conftest import TASK, Install
from xfer.core.discovery import Switches
from xfer.core.errors import UnknownName, UserError
from xfer.core.manager import PluginManager
from xfer.core.records import Suite, TaskSpec
from xfer.core.registry import Registry
from xfer.testing.samples import FIRST, SECOND, TRAINABLE


@pytest.fixture
def registry() -> Registry[TaskSpec]:
    """`kit-first` twice, by xfer and by "belebele"; the others once."""
    registry: Registry[TaskSpec] = Registry("task")
    assert registry.add("xfer", FIRST)
    assert registry.add("xfer", TRAINABLE)
    assert registry.add("belebele", FIRST.model_copy(update={"version": 7}))
    assert registry.add("belebele", SECOND)
    return registry


def test_a_short_name_works_while_it_is_unique(registry: Registry[TaskSpec]) -> None:
    assert registry.get("kit-second") is SECOND
    assert registry.get("belebele/kit-second") is SECOND
    assert registry.full_name("kit-classification") == "xfer/kit-classification"


def test_nothing_shadows_a_builtin_and_a_full_name_always_works(registry: Registry[TaskSpec]) -> None:
    with pytest.raises(UserError, match="task 'kit-first' is ambiguous") as caught:
        registry.get("kit-first")
    assert caught.value.fix == "write belebele/kit-first or xfer/kit-first"
    assert registry.get("xfer/kit-first").version == 1
    assert registry.get("belebele/kit-first").version == 7


def test_names_inside_a_record_mean_the_owners_own_first(registry: Registry[TaskSpec]) -> None:
    assert registry.get("kit-first", within="xfer").version == 1
    assert registry.get("kit-first", within="belebele").version == 7
    assert registry.get("kit-second", within="xfer") is SECOND
    with pytest.raises(UserError, match="ambiguous"):
        registry.get("kit-first", within="third")


def test_listing_uses_the_shortest_name_that_works(registry: Registry[TaskSpec]) -> None:
    names = ["belebele/kit-first", "kit-classification", "kit-second", "xfer/kit-first"]
    assert registry.names() == names
    assert [name for name, _ in registry.items()] == names
    assert all(registry.get(name) is record for name, record in registry.items())
    assert [record.name for record in registry] == ["kit-first", "kit-classification", "kit-second", "kit-first"]
    assert len(registry) == 4


def test_owners(registry: Registry[TaskSpec]) -> None:
    assert registry.owner(SECOND) == "belebele"
    assert registry.owner(registry.get("belebele/kit-first")) == "belebele"
    with pytest.raises(KeyError, match="not a task of this registry"):
        registry.owner(SECOND.model_copy(update={"version": 3}))


def test_membership(registry: Registry[TaskSpec]) -> None:
    assert "kit-first" in registry
    assert "belebele/kit-first" in registry
    assert "belebele/kit-classification" not in registry


def test_a_name_that_nothing_answers_to_brings_near_ones(registry: Registry[TaskSpec]) -> None:
    with pytest.raises(UnknownName, match="no task named 'kit-secnd'") as caught:
        registry.get("kit-secnd")
    assert caught.value.fix.startswith("did you mean kit-second")
    with pytest.raises(UnknownName) as caught:
        registry.get("belebelle/kit-second")
    assert caught.value.fix.startswith("did you mean belebele/kit-second")
    with pytest.raises(UnknownName) as caught:
        registry.get("qqq")
    assert caught.value.fix == "known: belebele/kit-first, kit-classification, kit-second, xfer/kit-first"


def test_an_unknown_name_tells_of_plugins_that_did_not_load(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("xfer-broken", "0.1", {"broken": "fake_broken"}, {"fake_broken.py": "import nothing_of_this_name\n"})
    install("xfer-off", "2", {"off": "fake_off"}, {"fake_off.py": TASK.format(name="its-task")})
    twice = tmp_path / "twice.py"
    twice.write_text(TASK.format(name="t").replace("[TASK]", "[1]") + "@hookimpl\ndef xfer_suites(): return [1]\n")
    monkeypatch.setenv("XFER_DISABLE_PLUGINS", "off")
    manager = PluginManager(files=[twice])
    manager.registry(Suite)
    with pytest.raises(UnknownName, match="no task named 'its-task'") as caught:
        manager.registry(TaskSpec).get("its-task")
    assert re.fullmatch(
        r"known: none \(not loaded: broken \(xfer-broken 0.1\) failed; off \(xfer-off 2\) is switched off; "
        r"twice \(twice.py sha256:\w{12}\) failed; see `xfer plugins`\)",
        caught.value.fix,
    )
    monkeypatch.setenv("XFER_NO_PLUGINS", "1")
    with pytest.raises(UnknownName, match="not loaded: installed plugins, by XFER_NO_PLUGINS; see"):
        PluginManager().registry(TaskSpec).get("its-task")


def test_a_name_given_twice_by_one_plugin_counts_once(tmp_path: Path) -> None:
    path = tmp_path / "twice.py"
    path.write_text(TASK.format(name="t").replace("[TASK]", "[TASK, TASK.model_copy(update={'version': 2})]"))
    manager = PluginManager(files=[path], switches=Switches(off=True))
    assert manager.registry(TaskSpec).get("t").version == 1
    assert [problem.message for problem in manager.problems] == ["xfer_tasks failed: the task 't' is given twice"]
