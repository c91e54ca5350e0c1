"""Who is asked in which order, and what a failing answer does."""

import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.plugins.conftest import Install
from xfer.core.discovery import Switches
from xfer.core.errors import DataError, PluginError, Stopped
from xfer.core.hookspecs import hookimpl
from xfer.core.manager import PluginManager, StopRun
from xfer.core.records import Plan, Problem

NOTHING_INSTALLED = Switches(off=True)
PLAN = Plan(phases=(), cells=())


def builtin(name: str, **hooks: Any) -> types.ModuleType:
    module = types.ModuleType(name)
    for hook, function in hooks.items():
        setattr(module, hook, function)
    return module


def answering(answer: Any, **marks: bool) -> Any:
    @hookimpl(**marks)
    def hook() -> Any:
        return answer

    return hook


def raising(error: BaseException) -> Any:
    @hookimpl
    def hook() -> Any:
        raise error

    return hook


def file_plugin(folder: Path, name: str, body: str, hook: str = "xfer_render_report") -> Path:
    path = folder / f"{name}.py"
    lines = body.replace("\n", "\n    ")
    path.write_text(f"from xfer.api import StopRun, UserError, hookimpl\n@hookimpl\ndef {hook}():\n    {lines}\n")
    return path


def test_the_order_in_which_plugins_are_asked(install: Install, tmp_path: Path) -> None:
    def source(marks: str = "") -> str:
        return f"from xfer.api import hookimpl\n@hookimpl({marks})\ndef xfer_render_report():\n    return None\n"

    install("b-dist", "1", {"alpha": "fake_1"}, {"fake_1.py": source()})
    install("a-dist", "1", {"zeta": "fake_2", "beta": "fake_3"}, {"fake_2.py": source(), "fake_3.py": source()})
    install("c-dist", "1", {"eager": "fake_4"}, {"fake_4.py": source("tryfirst=True")})
    install("a0-dist", "1", {"last": "fake_5"}, {"fake_5.py": source("trylast=True")})
    loose = tmp_path / "loose.py"
    loose.write_text(source())
    builtins = [
        builtin("core", xfer_render_report=answering(None, trylast=True)),
        builtin("built_a", xfer_render_report=answering(None)),
        builtin("built_b", xfer_render_report=answering(None)),
    ]
    manager = PluginManager(builtins, [loose])
    assert manager.problems == []
    assert manager.asked("xfer_render_report") == [
        "eager",
        "loose",
        "beta",
        "zeta",
        "alpha",
        "last",
        "built_a",
        "built_b",
        "core",
    ]
    assert manager.asked("xfer_translate") == []


def test_the_first_answer_that_is_not_none_wins_and_has_an_owner(tmp_path: Path) -> None:
    core = builtin("core", xfer_render_report=answering("ours"))
    quiet = file_plugin(tmp_path, "quiet", "return None")
    empty = file_plugin(tmp_path, "empty", "return ''")
    arguments = {"comparison": None, "format": "text"}
    ask = "xfer_render_report"
    assert PluginManager([core], switches=NOTHING_INSTALLED).first(ask, **arguments) == ("ours", "xfer")
    assert PluginManager([core], [quiet], NOTHING_INSTALLED).first(ask, **arguments) == ("ours", "xfer")
    assert PluginManager([core], [quiet, empty], NOTHING_INSTALLED).first(ask, **arguments) == ("", "empty")
    assert PluginManager([], [quiet], NOTHING_INSTALLED).first(ask, **arguments) is None


def test_an_implementation_gets_only_the_arguments_that_it_names(tmp_path: Path) -> None:
    path = tmp_path / "asks.py"
    path.write_text(
        "from xfer.api import hookimpl\n@hookimpl\ndef xfer_render_report(format):\n    return format\n"
    )
    manager = PluginManager(files=[path], switches=NOTHING_INSTALLED)
    assert manager.first("xfer_render_report", comparison=1, format="latex") == ("latex", "asks")


@pytest.mark.parametrize("body", ["raise ValueError('bad')", "raise UserError('bad')", "raise SystemExit('bad')"])
def test_a_failing_answer_that_is_needed_names_the_plugin(tmp_path: Path, body: str) -> None:
    manager = PluginManager(files=[file_plugin(tmp_path, "failing", body)], switches=NOTHING_INSTALLED)
    with pytest.raises(PluginError, match=r"plugin failing \(failing.py sha256:\w{12}\)") as caught:
        manager.first("xfer_render_report", comparison=None, format="text")
    assert "xfer_render_report failed: " in caught.value.what
    assert caught.value.what.endswith("bad")
    assert caught.value.where == f"{tmp_path / 'failing.py'}:4"
    assert caught.value.fix == "to run without it: leave the file out"
    assert caught.value.__cause__ is not None
    assert manager.problems == []


@pytest.mark.parametrize("error", [DataError("row 3"), ZeroDivisionError("a bug in xfer"), StopRun("enough")])
def test_what_a_builtin_raises_passes_as_it_is(error: Exception) -> None:
    manager = PluginManager([builtin("core", xfer_render_report=raising(error))], switches=NOTHING_INSTALLED)
    with pytest.raises(type(error)) as caught:
        manager.first("xfer_render_report", comparison=None, format="text")
    assert caught.value is error


def test_an_iterator_that_fails_late_still_names_the_plugin(tmp_path: Path) -> None:
    path = file_plugin(tmp_path, "late", "yield {'id': 1}\nraise OSError('gone')", "xfer_load_rows")
    manager = PluginManager(files=[path], switches=NOTHING_INSTALLED)
    arguments = {"task": None, "split": "test", "language": "de", "via": "mt", "settings": None}
    answer = manager.first("xfer_load_rows", **arguments)
    assert answer is not None
    rows, owner = answer
    assert owner == "late"
    assert next(rows) == {"id": 1}
    with pytest.raises(PluginError, match=r"plugin late .* xfer_load_rows failed: OSError: gone"):
        next(rows)


def test_an_iterator_that_is_not_read_to_its_end_is_no_failure(tmp_path: Path) -> None:
    path = file_plugin(tmp_path, "long", "yield 1\nyield 2", "xfer_load_rows")
    manager = PluginManager(files=[path], switches=NOTHING_INSTALLED)
    answer = manager.first("xfer_load_rows", task=None, split="", language="", via="", settings=None)
    assert answer is not None
    assert next(answer[0]) == 1
    answer[0].close()
    assert manager.problems == []


def test_collected_answers_carry_their_owner_and_a_failing_plugin_gives_none(tmp_path: Path) -> None:
    hook = "xfer_check_plan"
    core = builtin("core", xfer_check_plan=answering([Problem(stage="plan", message="ours")]))
    body = "from xfer.api import Problem\nyield Problem(stage='plan', message='theirs')"
    good = file_plugin(tmp_path, "good", body, hook)
    bad = file_plugin(tmp_path, "bad", body + "\nraise RuntimeError('no')", hook)
    manager = PluginManager([core], [good, bad], NOTHING_INSTALLED)
    found = manager.collect(hook, plan=PLAN, settings=None)
    assert [(owner, problem.message) for owner, problem in found] == [("good", "theirs"), ("xfer", "ours")]
    (problem,) = manager.problems
    assert (problem.stage, problem.plugin, problem.message) == (
        "plan",
        "bad",
        "xfer_check_plan failed: RuntimeError: no",
    )


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def listener(told: list[str]) -> types.ModuleType:
    @hookimpl
    def xfer_phase_started(phase: Any) -> None:
        told.append(phase)

    return builtin("listener", xfer_phase_started=xfer_phase_started)


def test_a_failing_observer_is_told_of_once_and_the_others_still_hear(
    tmp_path: Path, told: list[str], listener: types.ModuleType
) -> None:
    failing = file_plugin(tmp_path, "failing", "raise SystemExit(1)", "xfer_phase_started")
    manager = PluginManager([listener], [failing], NOTHING_INSTALLED)
    for phase in ("one", "two"):
        manager.observe("xfer_phase_started", run=None, phase=phase)
    assert told == ["one", "two"]
    (problem,) = manager.problems
    assert (problem.stage, problem.plugin, problem.message) == (
        "observe",
        "failing",
        "xfer_phase_started failed: SystemExit: 1",
    )


def test_a_failing_builtin_observer_ends_no_run_either(told: list[str], listener: types.ModuleType) -> None:
    failing = builtin("failing", xfer_phase_started=raising(RuntimeError("screen too small")))
    manager = PluginManager([failing, listener], switches=NOTHING_INSTALLED)
    manager.observe("xfer_phase_started", run=None, phase="one")
    assert told == ["one"]
    assert [problem.plugin for problem in manager.problems] == ["failing"]


def test_stop_run_passes_from_an_observer(tmp_path: Path) -> None:
    stopping = file_plugin(tmp_path, "stopping", "raise StopRun('loss is flat')", "xfer_phase_started")
    manager = PluginManager(files=[stopping], switches=NOTHING_INSTALLED)
    with pytest.raises(Stopped, match="loss is flat"):
        manager.observe("xfer_phase_started", run=None, phase=None)
    assert manager.problems == []


def test_strict_mode_lets_no_observer_fail(tmp_path: Path) -> None:
    failing = file_plugin(tmp_path, "failing", "raise ValueError('bad')", "xfer_phase_started")
    manager = PluginManager(files=[failing], switches=Switches(off=True, strict=True))
    with pytest.raises(PluginError, match="xfer_phase_started failed: ValueError: bad"):
        manager.observe("xfer_phase_started", run=None, phase=None)


def test_configuring_hands_the_same_object_to_all(tmp_path: Path) -> None:
    def adder(name: str) -> Path:
        path = tmp_path / f"{name}.py"
        path.write_text(
            f"from xfer.api import hookimpl\n@hookimpl\ndef xfer_commands(app):\n    app.append({name!r})\n"
        )
        return path

    broken = file_plugin(tmp_path, "broken", "raise TypeError('no')", "xfer_commands")
    manager = PluginManager(files=[adder("one"), broken, adder("two")], switches=NOTHING_INSTALLED)
    app: list[str] = []
    manager.configure("xfer_commands", app=app, settings=None)
    assert app == ["two", "one"]
    assert [problem.plugin for problem in manager.problems] == ["broken"]


def test_every_hook_can_be_implemented_and_called() -> None:
    from xfer.core import hookspecs

    heard: list[str] = []

    def recorder(hook: str) -> Any:
        def hear() -> Iterator[Any] | None:
            heard.append(hook)
            return iter(()) if hook in collected else None

        return hookimpl(hear)

    collected = (
        "xfer_tasks", "xfer_strategies", "xfer_suites", "xfer_models", "xfer_formats", "xfer_transforms",
        "xfer_check_plan",
    )  # fmt: skip
    observed = ("xfer_phase_started", "xfer_step_logged", "xfer_phase_finished")
    hooks = [name for name in dir(hookspecs) if name.startswith("xfer_")]
    manager = PluginManager(
        [builtin("all", **{hook: recorder(hook) for hook in hooks})], switches=NOTHING_INSTALLED
    )
    for hook in hooks:
        spec = getattr(hookspecs, hook)
        arguments = dict.fromkeys(spec.__code__.co_varnames[: spec.__code__.co_argcount])
        if hook in collected:
            assert manager.collect(hook, **arguments) == []
        elif hook in observed:
            manager.observe(hook, **arguments)
        elif hook == "xfer_commands":
            manager.configure(hook, **arguments)
        else:
            assert manager.first(hook, **arguments) is None
    assert heard == hooks
    assert len(hooks) == 16
