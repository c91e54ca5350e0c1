"""The driver, with jobs that run in this process: what is handed over, what is tried again, what is reported."""

import threading
from collections.abc import Callable

import pytest

from tests.engine.conftest import Kit
from tests.grid.conftest import TWO, Driven, Here, plain
from xfer import status
from xfer.core.errors import ExitStatus, Stopped
from xfer.core.storage.locks import phase_lock

Drive = Callable[..., Driven]


def test_the_rows_are_those_of_the_walk_in_one_process_and_shared_phases_run_once(driven: Drive, kit: Kit) -> None:
    both = {"target": ("toy-class", "toy-span")}
    executor = Here()
    outcome, prepared = driven(executor, **both)
    assert (outcome.status, outcome.failed, outcome.computed, executor.closed) == (0, {}, 9, True)
    assert sorted(kit.diary()) == sorted(
        ["intermediate toy-more"]
        + 2 * ["target toy-class", "evaluate toy-class", "target toy-span", "evaluate toy-span"]
    )
    assert all(len(batch) <= 2 for batch in executor.batches)
    alone = kit.run(**TWO, **both, store=kit.store.with_name("alone"))
    assert plain(outcome.rows) == plain(alone.results)
    assert {
        planned.phase.role for planned in prepared.plan.phases if prepared.run.store.has_weights(planned.id)
    } == {"intermediate"}
    again, _ = driven(Here(), **both)
    assert (again.computed, again.reused, kit.diary()) == (0, 9, [])


def test_a_job_that_dies_is_tried_again_and_told(driven: Drive) -> None:
    outcome, prepared = driven(Here(falls={"train-toy-more": [-9]}))
    assert outcome.failed == {}
    (problem,) = outcome.problems
    assert problem.message == "its job was ended by signal 9: last words (tried again)"
    assert problem.detail == "first\nlast words"
    assert problem.where == f"phase {next(p.id for p in prepared.plan.phases if p.phase.role == 'intermediate')}"


def test_what_fails_for_good_is_reported_with_its_dependants_and_others_go_on(driven: Drive) -> None:
    outcome, prepared = driven(Here(falls={"train-toy-more": [1, 9]}))
    (train,) = [planned for planned in prepared.plan.phases if planned.phase.role == "intermediate"]
    reasons = list(outcome.failed.values())
    assert reasons == ["its job left with exit status 9: last words"] + 2 * [f"its parent {train.id} failed"]
    assert outcome.status == ExitStatus.SOME_FAILED
    assert {row.label for row in outcome.rows} == {"none"}


def test_without_retries_and_without_keep_going_the_first_failure_ends_it(driven: Drive) -> None:
    executor = Here(jobs=1, falls={"train-toy-more": [1]})
    outcome, _ = driven(executor, retries=0, keep_going=False)
    assert [batch[0].split("-seed")[0] for batch in executor.batches] == ["train-toy-more"]  # most waits for it
    assert len(outcome.failed) == 3
    assert outcome.problems[-1].message == "2 phases were not begun after this failure"
    assert outcome.status == ExitStatus.SOME_FAILED


def test_a_pre_empted_job_begins_anew_without_a_count(driven: Drive) -> None:
    executor = Here(falls={"evaluate": [75, 75, 75]})
    outcome, _ = driven(executor, strategy="none", retries=0)
    assert outcome.failed == {}
    assert outcome.problems == []
    assert len(executor.batches) == 5


def test_a_job_that_would_fail_alike_is_not_tried_again(driven: Drive) -> None:
    executor = Here()
    outcome, _ = driven(executor, strategy="none", retries=5, set={"train.lr": 1e30, "train.warmup": 0.0})
    assert len(executor.batches) == 1
    assert "gradient norm" in next(iter(outcome.failed.values()))


def test_what_another_process_works_on_is_waited_for(driven: Drive, kit: Kit) -> None:
    prepared = kit.prepare(**TWO)
    train = prepared.plan.phases[0]
    hold, held = threading.Event(), threading.Event()

    def other() -> None:
        with phase_lock(prepared.run.store, train.id):
            held.set()
            hold.wait(30)

    thread = threading.Thread(target=other)
    thread.start()
    held.wait()
    executor = Here(jobs=1)

    def let_go() -> bool:  # asked on every turn: once all else is done, the other process dies
        if sum(map(len, executor.batches)) == 3:
            hold.set()
        return False

    outcome, _ = driven(executor, stop=let_go)
    thread.join()
    assert outcome.failed == {}
    names = [batch[0] for batch in executor.batches]
    assert [name.rsplit("-", 1)[1] for name in names].index(train.id[:6]) == 3


def test_a_stop_lets_jobs_save_their_state_and_the_same_command_continues(driven: Drive, kit: Kit) -> None:
    executor = Here(jobs=2)
    with pytest.raises(Stopped, match="stopped with 2 of 5 phases done") as caught:
        driven(executor, stop=lambda: len(executor.batches) == 2)
    assert (caught.value.status, executor.cancelled, executor.closed) == (75, 1, True)
    assert len(kit.diary()) == 2
    outcome, _ = driven(Here())
    assert (outcome.failed, outcome.reused, outcome.computed) == ({}, 2, 3)


def test_the_status_shows_attempts_and_what_jobs_say(kit: Kit) -> None:
    from xfer import commands
    from xfer.core.grid.drive import drive

    prepared = kit.prepare(**TWO)
    commands.start(prepared)
    folder = kit.store / "runs" / "run"
    prepared.run.reporter = status.Recorder(prepared.run.reporter, folder / status.FILE, executor="here")
    seen: list[status.RunStatus] = []

    def look() -> bool:
        seen.append(status.run_status(folder))
        return False

    prepared.run.stop_requested = look
    drive(prepared.plan, prepared.run, Here(falls={"train-toy-more": [-9]}))
    prepared.run.reporter.close()
    assert {one.executor for one in seen} == {"here"}
    counts = [one.counts for one in seen]
    assert {"submitted": 2, "waiting": 3} in counts
    after = status.run_status(folder)
    assert after.counts == {"done": 5}
    assert sorted((one.attempt, one.step) for one in after.phases if one.does == "train") == [
        (1, 2),
        (1, 2),
        (2, 2),
    ]
