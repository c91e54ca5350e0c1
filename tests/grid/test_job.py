"""`xfer grid job` and `finish`: one phase of a run, by its folder, any number of times."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.engine.conftest import Kit
from tests.grid.conftest import TWO, plain
from xfer import commands, grid, status
from xfer.core.errors import Locked, Stopped
from xfer.core.records import PlannedPhase
from xfer.core.run import Reporter, Snapshot
from xfer.core.storage.locks import phase_lock
from xfer.testing.pytest_plugin import Outcome

RunXfer = Callable[..., Outcome]


@pytest.fixture
def planned(kit: Kit) -> tuple[Path, list[str]]:
    """The folder of a run that is written down and not begun, and the ids of its phases in order."""
    prepared = kit.prepare(**TWO)
    commands.start(prepared)
    return kit.store / "runs" / "run", [phase.id for phase in prepared.plan.phases]


def test_jobs_by_hand_and_their_end(planned: tuple[Path, list[str]], kit: Kit, run_xfer: RunXfer) -> None:
    folder, ids = planned
    early = run_xfer("grid", "finish", folder, "--json")
    assert early.status == 3
    assert json.loads(early.out)["results"] == []
    assert {problem["message"] for problem in json.loads(early.out)["problems"]} == {"it was not run"}
    for id in ids:
        assert run_xfer("grid", "job", folder, id, "-q").status == 0
    assert len(kit.diary()) == 5
    assert run_xfer("grid", "job", folder, ids[-1]).err == "reused from the store: 1 phase\n"
    assert kit.diary() == []
    assert status.run_status(folder).counts == {"done": 4, "reused": 1}
    done = run_xfer("grid", "finish", folder)
    assert done.status == 0
    assert "english-stilts" in done.out
    alone = kit.run(**TWO, store=kit.store.with_name("alone"))
    stored = kit.prepare(**TWO).run.store
    assert plain(stored.load_run("run").results) == plain(alone.results)
    assert stored.load_run("run").problems == ()
    kept = [phase.phase.role for phase in alone.plan.phases if stored.has_weights(phase.id)]
    assert kept == ["intermediate"]  # as `keep` has it
    assert run_xfer("grid", "job", folder, ids[0], "-q").status == 0
    assert kit.diary() == []  # its weights were let go, and nothing needs them


def test_a_job_says_what_is_wrong_with_its_order(planned: tuple[Path, list[str]], run_xfer: RunXfer) -> None:
    folder, ids = planned
    refused = run_xfer("grid", "job", folder, ids[1])
    assert refused.status == 2
    assert f"phase {ids[1]} needs {ids[0]}, which is not stored" in refused.err
    assert f"xfer grid job {folder} {ids[0]}" in refused.err
    report = json.loads((folder / "jobs" / f"{ids[1]}.json").read_text())
    assert (report["error"]["status"], report["ended"]) == (2, True)
    assert f"no phase named '{ids[1][:-1]}x'" in run_xfer("grid", "job", folder, ids[1][:-1] + "x").err
    assert "no run here" in run_xfer("grid", "job", folder.parent, ids[1]).err
    assert not (folder.parent / "jobs").exists()


def test_a_plan_that_is_another_one_here_is_refused(planned: tuple[Path, list[str]], run_xfer: RunXfer) -> None:
    folder, ids = planned
    settings = (folder / "run.toml").read_text()
    (folder / "run.toml").write_text(settings.replace('"train.max_steps" = 2', '"train.max_steps" = 3'))
    refused = run_xfer("grid", "job", folder, ids[0])
    assert refused.status == 2
    assert "the plan that was written down is not the one that its settings give here" in refused.err
    assert "target.settings.max_steps was 2 and is 3" in refused.err
    assert not (folder.parent.parent / "phases").exists()


def test_a_job_under_way_is_seen_and_one_that_was_stopped(kit: Kit, monkeypatch: Any) -> None:
    monkeypatch.setattr(status, "WRITE_SECONDS", 0.0)
    fast = {"train.max_steps": 3, "engine.log_seconds": 1e-9, "engine.checkpoint_seconds": 0}
    prepared = kit.prepare(strategy="none", set=fast)
    commands.start(prepared)
    folder, id = kit.store / "runs" / "run", prepared.plan.phases[0].id
    seen: list[status.RunStatus] = []

    class Looking(Reporter):
        def step_logged(self, planned: PlannedPhase, snapshot: Snapshot) -> None:
            seen.append(status.run_status(folder))
            if snapshot.step == 3:
                raise Stopped("enough")

    with pytest.raises(Stopped):
        grid.job(folder, id, Looking())
    assert [(one.state, one.counts, one.phases[0].step) for one in seen[1:]] == [
        ("running", {"running": 1, "waiting": 1}, step) for step in (1, 2)
    ]
    assert seen[1].phases[0].note.startswith("process ")
    after = status.run_status(folder)
    assert (after.state, after.phases[0].state, after.phases[0].note) == (
        "stopped", "interrupted", "continues from step 2",
    )  # fmt: skip
    grid.job(folder, id)
    assert status.run_status(folder).counts == {"done": 1, "waiting": 1}


def test_a_phase_that_is_held_is_left_alone(planned: tuple[Path, list[str]], kit: Kit) -> None:
    folder, ids = planned
    with phase_lock(kit.prepare(**TWO).run.store, ids[0]), pytest.raises(Locked):
        grid.job(folder, ids[0])
