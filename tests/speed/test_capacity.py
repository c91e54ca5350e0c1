"""The simulated schedule: what list scheduling can and cannot do, and the graph that is planned for it."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "capacity.py"


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("capacity", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["capacity"] = module
    spec.loader.exec_module(module)
    return module


capacity = load()


@st.composite
def graphs(draw: st.DrawFn) -> list[object]:
    """Jobs of whole seconds, each after some of those before it."""
    jobs: list[object] = []
    for number in range(draw(st.integers(1, 12))):
        parents = draw(st.sets(st.integers(0, number - 1), max_size=3)) if number else set()
        seconds = draw(st.integers(1, 20))
        jobs.append(capacity.Job(str(number), "", float(seconds), tuple(map(str, sorted(parents)))))
    return jobs


@given(graphs(), st.integers(1, 4), st.sampled_from(sorted(capacity.POLICIES)))
def test_no_policy_beats_the_bound_or_is_worse_than_twice_it(jobs, cards, policy):
    """Graham 1966: list scheduling takes less than (2 - 1/m) times the best."""
    total = sum(job.seconds for job in jobs)
    chain = max(place.path for place in capacity.places(jobs).values())
    span = capacity.makespan(jobs, cards, capacity.POLICIES[policy])
    assert max(total / cards, chain) <= span <= total / cards + chain * (1 - 1 / cards) + 1e-9
    assert capacity.makespan(jobs, 1, capacity.POLICIES[policy]) == total
    assert capacity.makespan(jobs, len(jobs), capacity.POLICIES[policy]) == chain


def test_a_worked_schedule():
    """Two cards; a long job that is ready last makes the plan's order late."""
    jobs = [capacity.Job(name, name, seconds, after) for name, seconds, after in (
        ("a", 2.0, ()), ("b", 2.0, ()), ("c", 1.0, ()), ("d", 6.0, ("c",)),
    )]  # fmt: skip
    spans = {name: capacity.makespan(jobs, 2, policy) for name, policy in capacity.POLICIES.items()}
    assert spans["as planned"] == 2 + 1 + 6
    assert spans["longest path first"] == 1 + 6
    assert spans["most dependants first"] == spans["shortest first"] == 2 + 6
    wide = capacity.split_up(jobs, 2, "d", loss=0.0)
    assert capacity.makespan(wide, 2, capacity.POLICIES["as planned"]) == pytest.approx(
        2 + 1 + capacity.START + (6 - capacity.START) / 2
    )


def test_the_papers_experiment_is_planned_whole():
    jobs = capacity.experiment(2)
    names = [job.name for job in jobs]
    assert sum(name.startswith("intermediate") for name in names) == 2 * 10
    assert sum(name.startswith("target") for name in names) == 2 * 11 * 6
    assert sum(name == "evaluation tatoeba" for name in names) == 2 * 10 + 1
    assert all(job.seconds > capacity.START for job in jobs)
