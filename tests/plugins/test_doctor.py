"""`xfer doctor` outlives every plugin and names what each does."""

import json
import time
from pathlib import Path

import pytest

from tests.plugins.conftest import TASK, Install
from xfer.cli import run_command
from xfer.core import answers
from xfer.core.discovery import Switches
from xfer.core.errors import PluginError, UserError
from xfer.core.manager import PluginManager
from xfer.core.records import TaskSpec
from xfer.probing import probes

HEAD = "from xfer.api import hookimpl\n"
HOOK = HEAD + "@hookimpl\ndef xfer_tasks():\n    {body}\n"
SEGFAULT = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)\n"
WICKED = {
    "raises": ("raise ValueError('no such thing')\n", "import failed: ValueError: no such thing"),
    "exits": ("import sys; sys.exit(3)\n", "import failed: SystemExit: 3"),
    "leaves": ("import os; os._exit(7)\n", "it ends the process with status 7"),
    "leaves-well": ("import os; os._exit(0)\n", "it ends the process with status 0"),
    "crashes": (SEGFAULT, "it crashes: SIGSEGV"),
    "hangs": ("while True: pass\n", "it hangs: no answer in 3 s"),
    "sleeps": ("import time\ntime.sleep(600)\n", "it hangs: no answer in 3 s"),
    "catches": (
        "import time\nwhile True:\n    try:\n        time.sleep(600)\n    except BaseException:\n        pass\n",
        "it hangs: no answer in 3 s",
    ),
    "syntax": ("def broken(:\n", "import failed: File"),
    "junk": (HOOK.format(body="return 7"), "xfer_tasks failed: it answered one int, not a list"),
    "texts": (HOOK.format(body="return ['a']"), "xfer_tasks failed: it answered a str where a TaskSpec belongs"),
    "late-crash": (HOOK.format(body="import os; os.abort()"), "it crashes: SIGABRT"),
    "endless": (HOOK.format(body="while True: yield"), "it hangs: no answer in 3 s"),
    "prints": ("print('hello')\n" + HOOK.format(body="return []"), "it writes to standard output, where data go"),
    "moves": ("import os; os.chdir('/')\n" + HOOK.format(body="return []"), "it changes the working folder"),
    "seeds": (
        "import random; random.seed(1)\n" + HOOK.format(body="return []"),
        "it changes the state of Python's random numbers",
    ),
    "no-hook": ("x = 1\n", "registration failed: it answers no hook"),
    "deep": ("def f(): f()\nf()\n", "import failed: RecursionError"),
    "ansi": ("raise ValueError('\\x1b[2J\\x1b]0;owned\\x07')\n", "\\x1b[2J\\x1b]0;owned\\x07"),
}  # fmt: skip


def module_of(name: str) -> str:
    return f"wicked_{name.replace('-', '_')}"


def put(install: Install, name: str, source: str) -> None:
    install(f"xfer-{name}", "0.1", {name: module_of(name)}, {f"{module_of(name)}.py": source})


@pytest.mark.slow
def test_the_doctor_names_what_every_plugin_does(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    for name, (source, _) in WICKED.items():
        put(install, name, source)
    put(install, "good", TASK.format(name="good-task"))
    started = time.monotonic()
    told = {check.name: check for check in probes(seconds=3)}
    spent = time.monotonic() - started
    assert len(told) == len(WICKED) + 1
    for name, (_, says) in WICKED.items():
        check = told[f"plugin {name} (xfer-{name} 0.1)"]
        assert not check.ok, name
        assert says.replace("\\x1b", "\x1b").replace("\\x07", "\x07") in check.detail, (name, check.detail)
        assert f"XFER_DISABLE_PLUGINS={name}" in check.detail
    assert told["plugin good (xfer-good 0.1)"].ok
    assert told["plugin good (xfer-good 0.1)"].detail == "1 tasks"
    capsys.readouterr()
    print(f"\n{len(WICKED)} of {len(WICKED)} wicked plugins named in {spent:.0f} s")


def test_a_crashing_plugin_leaves_this_process_alone(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    put(install, "crashes", SEGFAULT)
    put(install, "good", TASK.format(name="good-task"))
    assert [(probe.ok, probe.detail.partition(";")[0]) for probe in probes()] == [
        (False, "it crashes: SIGSEGV"), (True, "1 tasks"),
    ]  # fmt: skip
    monkeypatch.setenv("XFER_ALLOW_PLUGINS", "good")
    assert [probe.detail for probe in probes()] == ["switched off", "1 tasks"]


def test_the_command_outlives_a_crashing_plugin(
    install: Install, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    put(install, "crashes", SEGFAULT)
    put(install, "ansi", WICKED["ansi"][0])
    put(install, "good", TASK.format(name="good-task"))
    assert run_command(["doctor"]) == 3
    out = capsys.readouterr().out
    assert "FAIL  plugin crashes (xfer-crashes 0.1): it crashes: SIGSEGV" in out
    assert "ok    plugin good (xfer-good 0.1): 1 tasks" in out
    assert "\x1b" not in out
    assert "\\x1b[2J" in out
    monkeypatch.setenv("XFER_ALLOW_PLUGINS", "good")
    assert run_command(["doctor", "--json"]) == 0
    checks = {check["check"]: check for check in json.loads(capsys.readouterr().out)}
    assert checks["plugin crashes (xfer-crashes 0.1)"]["detail"] == "switched off"
    assert checks["plugin good (xfer-good 0.1)"]["ok"]


@pytest.mark.parametrize("body", ["while True: pass", "import time; time.sleep(60)"])
def test_what_hangs_while_xfer_starts_is_cut_short(
    install: Install, monkeypatch: pytest.MonkeyPatch, body: str
) -> None:
    put(install, "hangs", HOOK.format(body=body))
    put(install, "good", TASK.format(name="good-task"))
    monkeypatch.setenv("XFER_PLUGIN_SECONDS", "0.3")
    started = time.monotonic()
    manager = PluginManager([answers])
    tasks = manager.registry(TaskSpec)
    assert time.monotonic() - started < 5
    assert [problem.message for problem in manager.problems] == ["xfer_tasks failed: no end after 0.3 s"]
    assert "good-task" in tasks
    monkeypatch.setenv("XFER_STRICT_PLUGINS", "1")
    with pytest.raises(PluginError, match=r"no end after 0\.3 s"):
        PluginManager([answers]).registry(TaskSpec)


def test_the_limit_is_a_number_of_seconds() -> None:
    assert Switches.read({"XFER_PLUGIN_SECONDS": "2.5"}).seconds == 2.5
    assert Switches.read({}).seconds == 60
    for text in ("-1", "soon", "1e9", "nan"):
        with pytest.raises(UserError, match="is no number of seconds"):
            Switches.read({"XFER_PLUGIN_SECONDS": text})


def test_every_result_row_names_plugin_distribution_and_version(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(TASK.format(name="mine"))
    manager = PluginManager(files=[path], switches=Switches(off=True))
    ((owner, version),) = manager.versions().items()
    assert owner == "mine"
    assert version.startswith("mine.py sha256:")
