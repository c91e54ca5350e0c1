"""Data that are tokenised before a phase asks for them: by command, and by a process that a run starts."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.engine.conftest import QUICK, TOY, Kit, rows
from xfer import commands
from xfer.core.encoders.device import Device
from xfer.core.engine import ahead, sets
from xfer.core.engine.inputs import tokeniser
from xfer.core.engine.tokenised import content_key
from xfer.core.errors import Stopped
from xfer.core.records import PlannedPhase
from xfer.core.run import Reporter
from xfer.core.storage.locks import phase_lock
from xfer.core.storage.store import Store
from xfer.testing.pytest_plugin import Outcome

RunXfer = Callable[..., Outcome]
KEPT = {**QUICK, "engine.cache_tokens": 1, "engine.ahead": "off"}
"""Everything is large enough to be kept."""
MORE = """
from tests.engine.toy import TASKS
from xfer.api import hookimpl

KNOWN = {task.name: task for task in TASKS}

def score(values, examples, language, tuned=0.0):
    return {"accuracy": KNOWN["toy-pairs"].score(values, examples, language)["accuracy"]}

@hookimpl
def xfer_tasks():
    pairs = {"name": "toy-tuned", "score": score, "score_one": None, "tune": lambda *given: 0.5}
    return [
        KNOWN["toy-class"].model_copy(update={"name": "toy-open", "labels": ()}),
        KNOWN["toy-pairs"].model_copy(update=pairs),
    ]
"""
"""A task that declares no labels, and one that tunes on dev."""


def made(store: Path) -> list[Path]:
    return sorted(path.parent for path in (store / "cache" / "features").glob("[0-9a-f]*/DONE"))


def written(kit: Kit, **options: Any) -> tuple[commands.Prepared, Path]:
    """A run that is written down and not begun, and its folder."""
    prepared = kit.prepare(**options)
    commands.start(prepared)
    return prepared, kit.store / "runs" / "run"


def sets_of(prepared: commands.Prepared) -> list[sets.FeatureSet]:
    phases = {planned.id: planned for planned in prepared.plan.phases}
    return [one for planned in phases.values() for one in sets.phase_sets(planned, phases, prepared.run)]


def key_of(one: sets.FeatureSet, run: Any) -> str:
    key = content_key(tokeniser(run), one.code, one.examples, one.max_length, training=one.training)
    assert key is not None
    return key


def refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on this process tokenises nothing."""

    def fail(*_: Any, **__: Any) -> None:
        raise AssertionError("tokenised again")

    for path in ("classification.Classification", "span.Span", "retrieval.Retrieval", "tagging.Tagging"):
        monkeypatch.setattr(f"xfer.core.formats.{path}.featurise", fail)


# ---------------------------------------------------------------- the command


def test_a_run_maps_what_the_command_made(
    kit: Kit, tmp_path: Path, run_xfer: RunXfer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of training, dev, evaluation and what is tuned; labels that rows alone say; a head of another task."""
    (tmp_path / "more.py").write_text(MORE)
    options: dict[str, Any] = {
        "plugin": (TOY, tmp_path / "more.py"),
        "strategy": ("none", "english-stilts"),
        "target": ("toy-class", "toy-open", "toy-span-too", "toy-tuned"),
        "set": {**KEPT, "train.keep": "best"},
    }
    plain = rows(kit.run(**options, store=kit.store.with_name("plain")))
    assert len(plain) > 10
    _, folder = written(kit, **options)
    first = run_xfer("data", "tokenise", folder, "--json")
    assert first.status == 0, first.err
    found = json.loads(first.out)["sets"]
    assert {one["state"] for one in found} == {"made", "found"}  # two start points train on the same rows
    assert {(one["task"], one["split"]) for one in found} >= {
        ("toy-class", "train"), ("toy-class", "dev"), ("toy-class", "test"), ("toy-open", "test"),
        ("toy-span", "train"), ("toy-span-too", "test"), ("toy-tuned", "dev"), ("toy-tuned", "test"),
    }  # fmt: skip
    several = sum(one["state"] == "made" for one in found)
    assert len(made(kit.store)) == several == len(made(kit.store.with_name("plain")))
    again = run_xfer("data", "tokenise", folder)
    assert "was there" in again.out
    assert "tokenised" not in again.out
    refuse(monkeypatch)
    assert rows(kit.run(**options)) == plain
    assert len(made(kit.store)) == several
    done = run_xfer("data", "tokenise", folder, "--json")
    assert json.loads(done.out) == {"sets": [], "undone": []}  # no phase is left that needs any


def test_small_data_are_not_kept_and_bad_rows_are_told(kit: Kit, run_xfer: RunXfer) -> None:
    _, folder = written(kit, set=QUICK)
    small = run_xfer("data", "tokenise", folder)
    assert small.status == 0
    assert small.out.count("too small to be kept") == 3
    assert made(kit.store) == []
    prepared, folder = written(kit, set=KEPT, target=("toy-class", "toy-span"), plugin=(TOY, _spoilt(kit)))
    broken = run_xfer("data", "tokenise", folder, "--json")
    assert broken.status == 3
    document = json.loads(broken.out)
    assert {one["task"] for one in document["sets"]} == {"toy-class"}
    lost = {planned.id for planned in prepared.plan.phases if planned.phase.uses[0].task == "toy-span"}
    assert {one["phase"] for one in document["undone"]} == lost
    assert "no rows today" in broken.err


def _spoilt(kit: Kit) -> Path:
    path = kit.store.parent / "spoilt.py"
    path.write_text(
        "from xfer.api import UserError, hookimpl\n\ndef rows():\n"
        "    yield {'id': '1', 'context': 'a cat', 'answer': 'cat'}\n    raise UserError('no rows today')\n\n"
        "@hookimpl(tryfirst=True)\ndef xfer_load_rows(task):\n"
        "    return rows() if task.name == 'toy-span' else None\n"
    )
    return path


def test_a_machine_without_the_device_tokenises_for_it(
    kit: Kit, run_xfer: RunXfer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run planned where bfloat16 is the precision; the command does not ask for the device."""
    import torch

    with monkeypatch.context() as there:
        there.setattr("xfer.core.encoders.device.choose", lambda name: Device(torch.device("cpu"), "bfloat16"))
        prepared, folder = written(kit, set=KEPT)
    id = prepared.plan.phases[0].id
    assert "precision was bfloat16 and is float32" in run_xfer("grid", "job", folder, id).err
    assert run_xfer("data", "tokenise", folder).status == 0
    assert len(made(kit.store)) == 3
    (folder / "run.toml").write_text((folder / "run.toml").read_text().replace('"toy-class"', '"toy-more"'))
    other = run_xfer("data", "tokenise", folder)
    assert other.status == 2
    assert "the plan that was written down is not the one that its settings give here" in other.err


# ---------------------------------------------------------------- two at once


def test_what_another_process_makes_is_waited_for(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared, _ = written(kit, set=KEPT)
    other = kit.prepare(set=KEPT, store=kit.store.with_name("other"))
    expected = sets_of(other)[0].features(other.run)
    one = sets_of(prepared)[0]
    key = key_of(one, prepared.run)
    held = _hold(kit.store, f"features-{key}")
    refuse(monkeypatch)
    found: list[Any] = []
    try:
        asking = threading.Thread(target=lambda: found.append(one.features(prepared.run)))
        asking.start()
        asking.join(0.4)
        assert asking.is_alive()
        stopped = kit.prepare(set=KEPT)
        stopped.run.stop_requested = lambda: True
        with pytest.raises(Stopped):
            one.features(stopped.run)
        shutil.copytree(other.run.store.feature_folder(key), prepared.run.store.feature_folder(key))
    finally:
        held.communicate()
    asking.join(10)
    (features,) = found
    assert isinstance(features.tokens, np.memmap)
    np.testing.assert_array_equal(features.tokens, expected.tokens)


def _hold(root: Path, id: str) -> "subprocess.Popen[str]":
    """A process that holds a lock until its input ends."""
    code = (
        "import sys, pathlib\nfrom xfer.core.storage.locks import phase_lock\n"
        "from xfer.core.storage.store import Store\n"
        "with phase_lock(Store(pathlib.Path(sys.argv[1])), sys.argv[2]):\n    print('held', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    given = [sys.executable, "-c", code, str(root), id]
    process = subprocess.Popen(given, env=_environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


def test_made_twice_at_the_same_time_is_one_entry(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = kit.prepare(set=KEPT), kit.prepare(set=KEPT)
    one, other = sets_of(first)[0], sets_of(second)[0]
    kind = type(one.code)
    real, inner = kind.featurise, []

    def slow(self: Any, *given: Any, **more: Any) -> Any:
        if self is one.code:
            inner.append(other.features(second.run))  # the other is faster and has written them by now
        return real(self, *given, **more)

    monkeypatch.setattr(kind, "featurise", slow)
    features = one.features(first.run)
    np.testing.assert_array_equal(features.tokens, inner[0].tokens)
    assert isinstance(features.tokens, np.memmap)
    assert len(list((kit.store / "cache" / "features").iterdir())) == 1


# ---------------------------------------------------------------- beside a run


class Waiting(Reporter):
    """Ends the first phase only when something has come about, or after so long."""

    def __init__(self, until: Callable[[], bool]) -> None:
        self.until, self.came, self.phases = until, False, 0

    def phase_finished(self, planned: PlannedPhase, seconds: float, reused: bool) -> None:
        end = time.monotonic() + 60
        while not self.phases and not self.came and time.monotonic() < end:
            self.came = self.until()
            time.sleep(0.05)
        self.phases += 1


BESIDE = {**KEPT, "engine.ahead": "on"}
TWO = {"strategy": "none", "target": ("toy-class", "toy-tag")}


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, tiny_encoder: Callable[[str], Path]) -> list[Any]:
    """Rows of a run that does all by itself."""
    kit = Kit(tmp_path_factory.mktemp("alone") / "store", tiny_encoder("xlm-roberta"), Path())
    result = kit.run(set=KEPT, **TWO)
    assert len(made(kit.store)) == 6
    return rows(result)


def begun(monkeypatch: pytest.MonkeyPatch, **environment: str) -> list[ahead.JobProcess]:
    """The processes that runs start beside themselves from now on, with these variables."""
    found: list[ahead.JobProcess] = []
    real = ahead._begin

    def begin(run: Any) -> ahead.JobProcess:
        with monkeypatch.context() as own:
            for name, value in {"PYTHONPATH": os.pathsep.join(sys.path), **environment}.items():
                own.setenv(name, value)
            found.append(real(run))
        return found[0]

    monkeypatch.setattr(ahead, "_begin", begin)
    return found


def test_a_run_maps_what_its_helper_made(kit: Kit, alone: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    processes = begun(monkeypatch)

    def all_there() -> bool:
        done = len(made(kit.store)) == 6
        if done:
            refuse(monkeypatch)
        return done

    prepared = kit.prepare(set=BESIDE, **TWO)
    waiting = prepared.run.reporter = Waiting(all_there)
    result = commands.execute(prepared)
    assert (waiting.came, len(processes)) == (True, 1)
    assert rows(result) == alone
    assert result.problems == []
    assert not (kit.store / "runs" / "run" / "ahead.log").exists()
    assert processes[0].poll() is not None


def test_a_helper_that_dies_while_it_writes_changes_nothing(
    kit: Kit, alone: list[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    processes = begun(monkeypatch, XFER_FAULT="write:30:kill", XFER_CACHE=str(tmp_path / "cache"))
    prepared = kit.prepare(set=BESIDE, **TWO)
    waiting = prepared.run.reporter = Waiting(lambda: processes[0].poll() is not None)
    result = commands.execute(prepared)
    assert waiting.came
    assert (rows(result), result.status) == (alone, 0)
    (problem,) = result.problems
    assert "tokenising ahead of the run ended with signal 9; the phases did the rest themselves" in problem.message
    kit.prepare().run.store.sweep()
    assert [path.name for path in kit.store.rglob(".tmp-*")] == []


def test_a_helper_that_is_refused_is_a_note(kit: Kit, alone: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    processes = begun(monkeypatch, XFER_FAULT="nonsense")
    prepared = kit.prepare(set=BESIDE, **TWO)
    waiting = prepared.run.reporter = Waiting(lambda: processes[0].poll() is not None)
    result = commands.execute(prepared)
    assert waiting.came
    assert (rows(result), result.status) == (alone, 0)
    (problem,) = result.problems
    assert "ended with exit status " in problem.message
    assert "nonsense" in problem.detail
    assert Path(problem.where).is_file()


def test_a_helper_ends_with_a_run_that_is_killed(kit: Kit) -> None:
    """It waits for somebody else who tokenises what comes next, and would do so for ever."""
    options = {"set": {**BESIDE, "train.max_steps": 100_000}}
    prepared = kit.prepare(**options)
    train, english, german = (key_of(one, prepared.run) for one in sets_of(prepared))
    flags = ["--suite", "toy", "--plugin", str(TOY), "--model", str(kit.model), "--strategy", "none", "-q"]
    flags += ["--target", "toy-class", "--store", str(kit.store), "--name", "run"]
    flags += [word for name, value in options["set"].items() for word in ("--set", f"{name}={value}")]
    store = Store(kit.store)
    with phase_lock(store, f"features-{german}"):
        run = subprocess.Popen([sys.executable, "-m", "xfer", "run", *flags], env=_environment())
        try:
            _until(lambda: len(made(kit.store)) == 2)  # the second by the helper, for the run still trains
            helper = _helper(kit.store)
            time.sleep(0.3)
            assert run.poll() is None
            assert _alive(helper)
            run.send_signal(signal.SIGKILL)
            run.wait()
            _until(lambda: not _alive(helper), 10)
        finally:
            run.kill()
    assert made(kit.store) == sorted(map(store.feature_folder, (train, english)))
    assert [path.name for path in kit.store.rglob(".tmp-*") if "features" in path.parts] == []


def _until(true: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def _helper(store: Path) -> int:
    """The process that works ahead for a store."""
    wanted = f"{store}/runs/run\0--ahead".encode()
    return next(int(path.parent.name) for path in Path("/proc").glob("[0-9]*/cmdline") if wanted in _read(path))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _alive(pid: int) -> bool:
    state = _read(Path(f"/proc/{pid}/stat")).rpartition(b")")[2].split()[:1]
    return bool(state) and state != [b"Z"]


# ---------------------------------------------------------------- whether it pays


def starts(prepared: commands.Prepared, monkeypatch: pytest.MonkeyPatch, phases: int | None = None) -> int:
    """How often a run of that many phases asks for a process, which cannot be started, while data are made."""
    tried: list[Any] = []

    def fail(run: Any) -> None:
        tried.append(run)
        raise OSError("no process is left")

    monkeypatch.setattr(ahead, "_begin", fail)
    needed = {planned.id for planned in prepared.plan.phases[:phases]}
    with ahead.tokenising_ahead(prepared.plan, prepared.run, needed):
        for one in sets_of(prepared):
            one.features(prepared.run)
    told = [each.message for each in prepared.run.problems if "ahead" in each.message]
    assert told == ["nothing is tokenised ahead of the run: no process is left"] * len(tried)
    return len(tried)


@pytest.mark.parametrize(
    ("settings", "cores", "wanted"),
    [
        ({"engine.cache_tokens": 1}, 2, 1),
        ({"engine.cache_tokens": 1}, 1, 0),  # none is idle
        ({"engine.cache_tokens": 1, "engine.ahead": "off"}, 2, 0),
        ({}, 2, 0),  # small
        ({"engine.ahead": "on"}, 1, 1),
    ],
)
def test_a_helper_is_started_where_it_pays(
    kit: Kit, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], cores: int, wanted: int
) -> None:
    monkeypatch.setattr(ahead, "available_cores", lambda: cores)
    prepared, _ = written(kit, set={**QUICK, **settings})
    assert starts(prepared, monkeypatch) == wanted


@pytest.mark.parametrize("way", ["one phase", "launcher", "nothing is made"])
def test_no_helper_where_it_has_nothing_to_do(kit: Kit, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    monkeypatch.setattr(ahead, "available_cores", lambda: 2)
    prepared, _ = written(kit, set={**KEPT, "engine.ahead": "auto"})
    if way == "launcher":
        prepared.run.settings = prepared.run.settings.model_copy(update={"launcher": "torchrun"})
    if way == "nothing is made":
        for one in sets_of(prepared):
            one.features(prepared.run)
        prepared.run.memory.clear()
    assert starts(prepared, monkeypatch, phases=1 if way == "one phase" else None) == 0


def test_no_helper_for_what_cannot_be_planned_again(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(run: Any) -> None:
        raise AssertionError("started")

    monkeypatch.setattr(ahead, "_begin", fail)
    flags = kit.flags(set=BESIDE, target=("toy-pairs",))
    del flags["model"], flags["strategy"]
    done = commands.evaluate(kit.model, **flags)
    assert len(done.results) > 0
    unwritten = kit.prepare(set=BESIDE, name="other")
    changed = replace(unwritten.run, name="")
    assert not ahead._wanted(unwritten.plan, changed, {planned.id for planned in unwritten.plan.phases})
