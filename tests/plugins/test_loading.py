"""Discovery, isolation and switches, with packages that are as broken as packages can be."""

import pickle
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.plugins.conftest import TASK, Install
from xfer import bootstrap
from xfer.core import answers
from xfer.core.discovery import Switches
from xfer.core.errors import PluginError, UserError
from xfer.core.manager import PluginManager
from xfer.core.records import Problem, Strategy, TaskSpec
from xfer.core.registry import Registry
from xfer.testing import fake_distribution

HEAD = "from xfer.api import hookimpl\n"
BROKEN = {
    "missing-import": (
        "import no_such_module_anywhere\n",
        "import failed: ModuleNotFoundError: No module named 'no_such_module_anywhere'",
    ),
    "exits": ("import sys\nsys.exit(3)\n", "import failed: SystemExit: 3"),
    "syntax": ("def broken(:\n", "import failed: File"),
    "misspelt": (
        HEAD + "@hookimpl\ndef xfer_task():\n    return []\n",
        "registration failed: unknown hook xfer_task; did you mean xfer_tasks?",
    ),
    "extra-argument": (
        HEAD + "@hookimpl\ndef xfer_tasks(settings, colour):\n    return []\n",
        "registration failed: pluggy._manager.PluginValidationError",
    ),
    "late": (
        TASK.format(name="late").replace("return [TASK]", "yield TASK\n    raise RuntimeError('half way')"),
        "xfer_tasks failed: RuntimeError: half way",
    ),
    "answers-text": (
        HEAD + "@hookimpl\ndef xfer_tasks():\n    return ['xnli']\n",
        "xfer_tasks failed: it answered a str where a TaskSpec belongs",
    ),
    "answers-one": (
        TASK.format(name="one").replace("[TASK]", "TASK"),
        "xfer_tasks failed: it answered one TaskSpec, not a list",
    ),
    "answers-number": (
        HEAD + "@hookimpl\ndef xfer_strategies():\n    return 3\n",
        "xfer_strategies failed: it answered one int, not a list",
    ),
    "wrapper": (
        HEAD + "@hookimpl(wrapper=True)\ndef xfer_tasks():\n    return (yield)\n",
        "registration failed: xfer_tasks: hook wrappers and specname are not supported",
    ),
    "specname": (
        HEAD + "@hookimpl(specname='xfer_tasks')\ndef tasks():\n    return []\n",
        "registration failed: tasks: hook wrappers and specname are not supported",
    ),
    "unmarked": (
        HEAD + "def xfer_tasks():\n    return []\n",
        "registration failed: xfer_tasks is not marked with @hookimpl",
    ),
    "silent": ("x = 1\n", "registration failed: it answers no hook; mark its functions with @hookimpl of xfer.api"),
    "Bad Name": (TASK.format(name="named"), "import failed: 'Bad Name' is not a name"),
    "xfer": (TASK.format(name="posing"), "import failed: the name is taken by xfer itself"),
}


class Loaded(NamedTuple):
    """The parts of a toolkit that matter here, without the built-in tasks."""

    manager: PluginManager
    tasks: Registry[TaskSpec]
    strategies: Registry[Strategy]

    @property
    def problems(self) -> list[Problem]:
        return self.manager.problems


def load() -> Loaded:
    manager = PluginManager([answers])
    return Loaded(manager, manager.registry(TaskSpec), manager.registry(Strategy))


def module_of(name: str) -> str:
    return "fake_" + name.lower().replace("-", "_").replace(" ", "_")


def install_good(install: Install) -> None:
    install("xfer-good", "1.2", {"good": "fake_good"}, {"fake_good.py": TASK.format(name="good-task")})


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_package_is_a_named_problem_and_the_rest_works(install: Install, name: str) -> None:
    source, message = BROKEN[name]
    install_good(install)
    install("xfer-broken", "0.3.1", {name: module_of(name)}, {f"{module_of(name)}.py": source})
    toolkit = load()
    (problem,) = toolkit.problems
    assert problem.message.startswith(message)
    assert (problem.stage, problem.plugin, problem.distribution, problem.version) == (
        "load",
        name,
        "xfer-broken",
        "0.3.1",
    )
    assert toolkit.tasks.get("good-task").name == "good-task"
    assert name not in toolkit.manager.versions() or "xfer_" in problem.message


def test_a_problem_carries_its_place_and_stack_trace(install: Install) -> None:
    source, _ = BROKEN["late"]
    install("xfer-broken", "0.3.1", {"late": "fake_late"}, {"fake_late.py": source})
    (problem,) = load().problems
    assert problem.where.endswith(f"fake_late.py:{len(source.splitlines())}")
    assert "raise RuntimeError('half way')" in problem.detail
    assert "late" not in load().tasks, "half an answer counts as none"


@pytest.mark.parametrize("name", BROKEN)
def test_strict_mode_raises_instead(install: Install, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    source, message = BROKEN[name]
    install("xfer-broken", "0.3.1", {name: module_of(name)}, {f"{module_of(name)}.py": source})
    monkeypatch.setenv("XFER_STRICT_PLUGINS", "1")
    with pytest.raises(PluginError) as caught:
        load()
    assert f"plugin {name} (xfer-broken 0.3.1): {message}" in caught.value.what
    assert caught.value.fix == f"to run without it: XFER_DISABLE_PLUGINS={name}"


def test_of_two_plugins_with_one_name_the_first_distribution_loads(install: Install) -> None:
    install("b-second", "2.0", {"same": "fake_b"}, {"fake_b.py": TASK.format(name="from-b")})
    install("a-first", "1.0", {"same": "fake_a"}, {"fake_a.py": TASK.format(name="from-a")})
    toolkit = load()
    (problem,) = toolkit.problems
    assert problem.message == "import failed: the name is taken by same (a-first 1.0)"
    assert (problem.distribution, problem.version) == ("b-second", "2.0")
    assert "from-a" in toolkit.tasks
    assert "from-b" not in toolkit.tasks


def test_one_module_under_two_names_loads_once(install: Install) -> None:
    install("xfer-good", "1", {"one": "fake_good", "two": "fake_good"}, {"fake_good.py": TASK.format(name="t")})
    toolkit = load()
    (problem,) = toolkit.problems
    assert "already registered under a different name" in problem.message
    assert "t" in toolkit.tasks


def test_a_copy_further_down_the_path_is_shadowed_as_python_shadows_it(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("Xfer_Good", "2.0", {"good": "fake_good"}, {"fake_good.py": TASK.format(name="new")})
    old = fake_distribution(
        tmp_path / "old", "xfer-good", "1.0", {"good": "fake_good"}, {"fake_good.py": TASK.format(name="old")}
    )
    monkeypatch.setattr(sys, "path", [*sys.path, str(old)])
    toolkit = load()
    assert toolkit.problems == []
    assert toolkit.manager.versions() == {"good": "Xfer_Good 2.0"}


def test_unreadable_entry_points_are_a_problem_of_their_distribution(install: Install, tmp_path: Path) -> None:
    install_good(install)
    install("xfer-garbled", "1", {"x": "y"}, {})
    (tmp_path / "site" / "xfer_garbled-1.dist-info" / "entry_points.txt").write_text("[xfer.plugins]\nno sign\n")
    toolkit = load()
    (problem,) = toolkit.problems
    assert (problem.distribution, problem.version) == ("xfer-garbled", "1")
    assert "good-task" in toolkit.tasks


def test_an_unknown_hook_marked_optional_is_let_through(install: Install) -> None:
    newer = TASK.format(name="t") + "\n@hookimpl(optionalhook=True)\ndef xfer_of_tomorrow():\n    pass\n"
    install("xfer-newer", "1", {"newer": "fake_newer"}, {"fake_newer.py": newer})
    toolkit = load()
    assert toolkit.problems == []
    assert "t" in toolkit.tasks


@pytest.mark.parametrize(
    ("variable", "value", "loaded"),
    [
        ("XFER_NO_PLUGINS", "1", []),
        ("XFER_NO_PLUGINS", "0", ["broken", "good", "other"]),
        ("XFER_DISABLE_PLUGINS", "broken, other", ["good"]),
        ("XFER_ALLOW_PLUGINS", "good", ["good"]),
        ("XFER_ALLOW_PLUGINS", "", []),
    ],
)
def test_switches(
    install: Install, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str, value: str, loaded: list[str]
) -> None:
    def touching(name: str) -> str:
        trace = f"open({str(tmp_path / name)!r}, 'w').close()\n"
        return trace + ("import nothing_at_all\n" if name == "broken" else TASK.format(name=f"{name}-task"))

    for name in ("good", "other", "broken"):
        install(f"xfer-{name}", "1", {name: f"fake_{name}"}, {f"fake_{name}.py": touching(name)})
    monkeypatch.setenv(variable, value)
    toolkit = load()
    assert [name for name in ("broken", "good", "other") if (tmp_path / name).exists()] == loaded
    assert list(toolkit.manager.versions()) == [name for name in loaded if name != "broken"]
    assert len(toolkit.problems) == loaded.count("broken")


def test_a_malformed_switch_is_the_users_mistake() -> None:
    with pytest.raises(UserError, match="XFER_NO_PLUGINS=maybe is neither on nor off"):
        Switches.read({"XFER_NO_PLUGINS": "maybe"})
    assert Switches.read({}) == Switches()
    assert Switches.read({"XFER_STRICT_PLUGINS": "true"}).strict


def test_a_loose_file_is_a_plugin_whatever_the_switches_say(tmp_path: Path) -> None:
    path = tmp_path / "My_Task.py"
    path.write_text(TASK.format(name="loose"))
    manager = PluginManager(files=[path], switches=Switches(off=True))
    assert manager.problems == []
    assert manager.registry(TaskSpec).full_name("loose") == "my_task/loose"
    (version,) = manager.versions().values()
    assert version.startswith("My_Task.py sha256:")


def test_what_a_loose_file_defines_can_be_pickled(tmp_path: Path) -> None:
    path = tmp_path / "picklable.py"
    path.write_text(TASK.format(name="loose"))
    task = PluginManager(files=[path], switches=Switches(off=True)).registry(TaskSpec).get("loose")
    assert pickle.loads(pickle.dumps(task.example)) is task.example


def test_files_at_fault(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="plugin file cannot be read: No such file"):
        PluginManager(files=[tmp_path / "absent.py"])
    broken = tmp_path / "broken.py"
    broken.write_text("1 / 0\n")
    text = tmp_path / "plugin.txt"
    text.write_text("hello")
    for _ in range(2):
        manager = PluginManager(files=[broken, text], switches=Switches(off=True))
        assert [problem.message for problem in manager.problems] == [
            "import failed: ZeroDivisionError: division by zero",
            "import failed: it is not a Python file (.py)",
        ]


def test_a_plugin_may_be_an_instance_but_not_a_class(install: Install) -> None:
    source = """
    from xfer.api import NoParams, Strategy, hookimpl, target_phases

    def plan(context, params):
        return target_phases(context, None)

    class Plugin:
        def __init__(self, name):
            self.name = name

        @hookimpl
        def xfer_strategies(self):
            return [Strategy(name=self.name, summary="by an instance", plan=plan)]

    instance = Plugin("by-instance")
    """
    install(
        "xfer-instance",
        "1",
        {"instance": "fake_inst:instance", "klass": "fake_inst:Plugin"},
        {"fake_inst.py": source},
    )
    toolkit = load()
    assert toolkit.strategies.full_name("by-instance") == "instance/by-instance"
    (problem,) = toolkit.problems
    assert problem.message == "registration failed: its entry point names a class; name a module or an instance"


def test_ctrl_c_while_a_plugin_is_imported_stops_the_tool(install: Install) -> None:
    install("xfer-slow", "1", {"slow": "fake_slow"}, {"fake_slow.py": "raise KeyboardInterrupt\n"})
    with pytest.raises(KeyboardInterrupt):
        load()


def test_the_toolkit_is_loaded_once_until_something_changes(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_good(install)
    toolkit = bootstrap.load()
    assert toolkit.problems == ()
    assert toolkit.tasks.full_name("good-task") == "good/good-task"
    assert {"english-stilts", "none"} <= set(toolkit.strategies.names())
    assert len(toolkit.formats) == 6
    assert bootstrap.load() is toolkit
    assert bootstrap.load(settings=object()) is not toolkit
    monkeypatch.setenv("XFER_NO_PLUGINS", "1")
    assert "good-task" not in bootstrap.load().tasks
