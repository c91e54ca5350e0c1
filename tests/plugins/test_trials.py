"""A plugin that ends or hangs its process is found out before it can end or hang a command; what a crash leaves."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.plugins.conftest import TASK, Install
from tests.plugins.test_doctor import HOOK, SEGFAULT, put
from xfer import bootstrap, probing, verdicts
from xfer.core.storage import last_calls
from xfer.testing.pytest_plugin import Outcome

ROOT = Path(__file__).parents[2]
Run = Callable[..., Outcome]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own, and trials as users have them."""
    monkeypatch.setenv("XFER_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("XFER_NO_TRIAL")
    monkeypatch.setattr(last_calls, "_page", (0, None))
    return tmp_path / "cache"


@pytest.fixture
def run_xfer(run_xfer: Run) -> Run:
    """Each command as in a process of its own, which knows nothing of the one before."""

    def run(*line: object) -> Outcome:
        bootstrap._remembered.cache_clear()
        return run_xfer(*line)

    return run


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the plugins that a process was started for."""
    names, really = [], probing._try
    monkeypatch.setattr(probing, "_try", lambda name, seconds: (names.append(name), really(name, seconds))[1])
    return names


@pytest.mark.parametrize(
    ("source", "fate"),
    [
        ("import os; os._exit(7)\n", "it ends the process with status 7"),
        ("import os; os._exit(0)\n", "it ends the process with status 0"),
        (SEGFAULT, "it crashes: SIGSEGV"),
        (HOOK.format(body="import os; os.abort()"), "it crashes: SIGABRT"),
        ("while True: pass\n", "it hangs: no answer in 4.1 s"),
    ],
    ids=["leaves", "leaves well", "crashes", "crashes in a hook", "hangs"],
)
def test_what_ends_or_hangs_its_process_is_named_and_left_out(
    install: Install,
    run_xfer: Run,
    monkeypatch: pytest.MonkeyPatch,
    started: list[str],
    source: str,
    fate: str,
) -> None:
    monkeypatch.setattr(probing, "SECONDS", 4.0)
    monkeypatch.setenv("XFER_PLUGIN_SECONDS", "0.1")
    put(install, "wicked", source)
    put(install, "good", TASK.format(name="good-task"))
    for _ in range(2):
        listed = run_xfer("plugins")
        assert listed.status == 0
        assert "good  " in listed.out
        assert "wicked  problem: import failed: " + fate in listed.out.replace("good    ", "good  ")
        assert "`xfer doctor` finds it well (xfer-wicked 0.1)" in listed.out
    assert run_xfer("tasks", "show", "good-task").status == 0
    missing = run_xfer("tasks", "show", "no-such-task")
    assert missing.status == 2
    assert sorted(started) == ["good", "wicked"], "once an installed version, not once a command"


def test_another_version_is_tried_again_and_so_is_a_source_that_changed(
    install: Install, run_xfer: Run, started: list[str], tmp_path: Path
) -> None:
    put(install, "wicked", SEGFAULT)
    assert "it crashes: SIGSEGV" in run_xfer("plugins").out
    put(install, "wicked", TASK.format(name="better"))
    assert "problem" not in run_xfer("plugins").out
    assert "better" in run_xfer("tasks").out
    assert started == ["wicked", "wicked"]


def test_a_record_of_installed_files_stands_for_them(
    install: Install, run_xfer: Run, started: list[str], tmp_path: Path
) -> None:
    put(install, "wicked", SEGFAULT)
    record = tmp_path / "site" / "xfer_wicked-0.1.dist-info" / "RECORD"
    record.write_text("wicked_wicked.py,sha256=abc,10\n")
    run_xfer("plugins")
    (tmp_path / "site" / "wicked_wicked.py").touch()  # as a copy of an environment may
    run_xfer("plugins")
    assert started == ["wicked"]
    record.write_text("wicked_wicked.py,sha256=def,10\n")
    run_xfer("plugins")
    assert started == ["wicked", "wicked"]


def test_the_doctor_tries_again_and_what_it_finds_holds(
    install: Install, run_xfer: Run, tmp_path: Path, started: list[str]
) -> None:
    put(install, "moody", f"import os\nif not os.path.exists({str(tmp_path / 'fine')!r}): os._exit(1)\n" +
        TASK.format(name="moody-task"))  # fmt: skip
    assert "moody-task" not in run_xfer("tasks").out
    (tmp_path / "fine").touch()
    assert "moody-task" not in run_xfer("tasks").out
    assert [probe.ok for probe in probing.probes()] == [True]
    assert "moody-task" in run_xfer("tasks").out
    assert started == ["moody", "moody"]


def test_what_hung_is_tried_again_with_more_time(
    install: Install, run_xfer: Run, monkeypatch: pytest.MonkeyPatch, started: list[str]
) -> None:
    put(install, "slow", TASK.format(name="slow-task"))
    ((plugin, _),) = [pair for pair in probing.installed() if pair[0].owner == "slow"]
    verdicts.keep(plugin, verdicts.Verdict("it hangs: no answer in 12 s", 12.0))
    monkeypatch.setenv("XFER_PLUGIN_SECONDS", "2")
    assert "slow-task" not in run_xfer("tasks").out
    assert started == []
    monkeypatch.setenv("XFER_PLUGIN_SECONDS", "3")
    assert "slow-task" in run_xfer("tasks").out
    assert started == ["slow"]


def test_without_plugins_no_process_is_started(run_xfer: Run, monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    monkeypatch.setattr(subprocess, "Popen", None)
    assert run_xfer("tasks").status == 0
    assert not cache.exists()


def test_trials_can_be_switched_off_and_a_cache_that_cannot_be_written_costs_only_time(
    install: Install, run_xfer: Run, monkeypatch: pytest.MonkeyPatch, started: list[str], tmp_path: Path
) -> None:
    put(install, "good", TASK.format(name="good-task"))
    monkeypatch.setenv("XFER_NO_TRIAL", "1")
    assert "good-task" in run_xfer("tasks").out
    assert started == []
    monkeypatch.delenv("XFER_NO_TRIAL")
    (tmp_path / "file").touch()
    monkeypatch.setenv("XFER_CACHE", str(tmp_path / "file"))
    assert "good-task" in run_xfer("tasks").out
    assert started == ["good"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"fate": 1, "seconds": "x"}', "null", "\x00" * 100])
def test_a_verdict_that_cannot_be_read_was_never_given(
    install: Install, run_xfer: Run, cache: Path, text: str
) -> None:
    put(install, "good", TASK.format(name="good-task"))
    run_xfer("plugins")
    (kept,) = (cache / "trials").iterdir()
    assert json.loads(kept.read_text()) == {"fate": "", "plugin": "good (xfer-good 0.1)", "seconds": 70.0}
    kept.write_text(text)
    plugin = next(plugin for plugin, _ in probing.installed() if plugin.owner == "good")
    assert verdicts.read(plugin) is None


def test_a_trial_that_does_not_come_to_the_plugin_is_no_verdict(
    install: Install, run_xfer: Run, monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    put(install, "good", TASK.format(name="good-task"))
    monkeypatch.setattr(sys, "executable", "/bin/false")
    assert "good-task" in run_xfer("tasks").out
    assert not (cache / "trials").exists()


# ---------------------------------------------------------------- in the middle of a run

FATAL = """
from xfer.api import hookimpl

@hookimpl
def xfer_phase_started(phase):
    import os
    if phase.does == "evaluate":
        os._exit(9)
"""
SCORE = TASK.replace("    return {{", "    import os; os._exit(9)\n    return {{")


def command(*line: object, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "xfer", *map(str, line)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **environment},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def test_a_plugin_that_ends_the_process_in_a_phase_is_named_by_the_next_command(
    tmp_path: Path, tiny_encoder: Callable[[str], Path], run_xfer: Run, cache: Path
) -> None:
    plugin = tmp_path / "fatal.py"
    plugin.write_text(FATAL)
    line = (
        "run", "--suite", "toy", "--plugin", ROOT / "tests/engine/toy.py", "--model", tiny_encoder("xlm-roberta"),
        "--store", tmp_path / "store", "--strategy", "none", "--target", "toy-class", "--set", "train.max_steps=2",
        "--limit", "train=8,test=4,dev=4", "--name", "r",
    )  # fmt: skip
    died = command(*line, "--plugin", plugin)
    assert died.returncode == 9
    (note,) = last_calls.last_calls()
    assert (note.plugin, note.distribution, note.doing) == ("fatal", "fatal.py", "xfer_phase_started")
    assert len(list((tmp_path / "store" / "phases").glob("*/DONE"))) == 1, "what was computed stays"
    again = run_xfer(*line)
    assert again.status == 0
    assert "ended without a word" in again.err
    assert "in code of plugin fatal (fatal.py sha256:" in again.err
    (problem,) = (tmp_path / "store" / "runs" / "r" / "problems.jsonl").read_text().splitlines()
    assert json.loads(problem)["plugin"] == "fatal"
    assert last_calls.last_calls() == [], "it is told once"


def test_a_task_that_ends_the_process_is_named_with_its_phase_by_the_doctor(
    tmp_path: Path, cache: Path, install: Install, run_xfer: Run
) -> None:
    put(install, "killer", SCORE.format(name="killer-task"))
    child = """
import os
from xfer import bootstrap
toolkit = bootstrap.load()
task = toolkit.tasks.get("killer-task")
with toolkit.manager.working_for("killer", "phase evaluate-1"), toolkit.manager.working_for("xfer", "nothing"):
    task.score([], [], "en")
"""
    path = os.pathsep.join([str(ROOT), *sys.path])
    died = subprocess.run(
        [sys.executable, "-c", child], env={**os.environ, "PYTHONPATH": path}, capture_output=True, check=False
    )
    assert died.returncode == 9
    told = run_xfer("doctor")
    assert told.status == 3
    assert "FAIL  plugin killer: process " in told.out
    assert "in code of plugin killer (xfer-killer 0.1): phase evaluate-1" in told.out
    assert last_calls.last_calls() == []


def test_a_process_that_ends_well_leaves_no_note(tmp_path: Path, cache: Path) -> None:
    plugin = tmp_path / "good.py"
    plugin.write_text(TASK.format(name="good-task"))
    child = (
        "import sys; from pathlib import Path; from xfer import bootstrap\n"
        "bootstrap.load(None, (Path(sys.argv[1]),)); print(len(list(Path(sys.argv[2]).iterdir())))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    line = [sys.executable, "-c", child, str(plugin), str(cache / "calls")]
    ended = subprocess.run(line, env=environment, capture_output=True, text=True, check=True)
    assert ended.stdout == "1\n"
    assert list((cache / "calls").iterdir()) == []


def test_notes_nest_and_a_forked_process_has_its_own(cache: Path) -> None:
    (cache / "calls").mkdir(parents=True)
    (cache / "calls" / "no note").touch()
    with last_calls.calling("a", "d", "1", "outer"):
        with last_calls.calling("b", "d", "1", "inner"):
            pass
        child = os.fork()
        if not child:
            with last_calls.calling("c", "d", "1", "in the child"):
                os._exit(0)
        os.waitpid(child, 0)
        mine = next(path for path in (cache / "calls").iterdir() if f"-{os.getpid()}-" in path.name)
        assert mine.read_bytes().startswith(b'["a", "d", "1", "outer"]\n')
    assert mine.read_bytes().strip(b"\0") == b""
    assert [call.doing for call in last_calls.last_calls()] == ["in the child"]


def test_an_entry_costs_little(cache: Path) -> None:
    started = time.perf_counter()
    for _ in range(10_000):
        with last_calls.calling("a", "d", "1", "hook"):
            pass
    spent = time.perf_counter() - started
    print(f"\n{spent * 100:.1f} microseconds an entry")
    assert spent < 1.0
