"""Several intermediate tasks in one phase: how they share the steps, as the plan shows it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from xfer.core.errors import UserError
from xfer.core.plans.strategy_steps import with_sampling
from xfer.core.records import Phase, Sampling, TaskUse

MODULE = """
from xfer.api import TaskSpec, TextExample, accuracy, hookimpl

def task(name, size):
    def rows(split, language):
        return [{"id": f"{n}", "text": f"text {n}", "label": "ab"[n % 2]} for n in range(size)]

    return TaskSpec(
        name=name, summary="invented", citation="none", licence="CC0-1.0", format="classification",
        languages=("en",), train_languages=("en",), labels=("a", "b"), rows=rows, main_score="accuracy",
        example=lambda row, language: TextExample(row["id"], language, row["text"], label=row["label"]),
        score=lambda values, examples, language: {"accuracy": accuracy(values, [one.label for one in examples])},
    )

@hookimpl
def xfer_tasks():
    return [task("small", 40), task("large", 160)]
"""

Ask = Callable[..., Any]


@pytest.fixture
def ask(run_xfer: Callable[..., Any], tiny_encoder: Callable[..., Path], tmp_path: Path) -> Ask:
    """`ask(intermediate, parameters)` plans 50 steps."""
    (tmp_path / "sizes.py").write_text(MODULE, encoding="utf-8")

    def run(intermediate: str, parameters: str) -> Any:
        return run_xfer(
            "run", "--dry-run", "--json", "--plugin", tmp_path / "sizes.py", "--target", "small", "--intermediate",
            intermediate, "--strategy", f"english-stilts[{parameters}]", "--model", tiny_encoder("xlm-roberta"),
            "--set", "intermediate.max_steps=50",
        )  # fmt: skip

    return run


@pytest.mark.parametrize(
    ("parameters", "shares"),
    [
        ("budget=0", {"small": 10, "large": 40}),
        ("sampling=proportional,cap=40", {"small": 25, "large": 25}),
        ("cap=80", {"small": 17, "large": 33}),
        ("sampling=temperature", {"small": 17, "large": 33}),
        ("sampling=temperature,temperature=1", {"small": 10, "large": 40}),
        ("sampling=temperature,cap=40", {"small": 25, "large": 25}),
        ("sampling=uniform", {"small": 25, "large": 25}),
        ("sampling=weights,weights=4,1", {"small": 40, "large": 10}),
    ],
)
def test_shares_stand_in_the_plan(ask: Ask, parameters: str, shares: dict[str, int]) -> None:
    done = ask("small,large", parameters)
    assert done.status == 0, done.err
    assert json.loads(done.out)["phases"][0]["shares"] == shares


def test_equal_plans_have_one_identity(ask: Ask) -> None:
    def identity(intermediate: str, parameters: str) -> str:
        return str(json.loads(ask(intermediate, parameters).out)["phases"][0]["id"])

    usual = identity("small,large", "budget=0")
    assert identity("small,large", "sampling=proportional") == usual
    assert identity("small,large", "sampling=uniform") != usual
    assert identity("large+small", "sampling=uniform") == identity("large", "budget=0")


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ("sampling=weights", "sampling=weights with weights []"),
        ("weights=1,2", "sampling=proportional with weights [1.0, 2.0]"),
        ("sampling=weights,weights=1,2,3", "weights [1.0, 2.0, 3.0] for 2 tasks: small, large"),
        ("sampling=weights,weights=1,0", "weights [1.0, 0.0] for 2 tasks"),
        ("sampling=sometimes", "sampling: Input should be 'proportional', 'temperature', 'uniform' or 'weights'"),
    ],
)
def test_what_does_not_fit_is_refused(ask: Ask, parameters: str, says: str) -> None:
    done = ask("small,large", parameters)
    assert (done.status, says in done.err) == (2, True), done.err


def test_phases_of_one_task_are_left_alone() -> None:
    alone = Phase(name="a", uses=(TaskUse(task="x"),))
    assert with_sampling([alone], Sampling(kind="uniform")) == (alone,)
    assert with_sampling([alone], Sampling(kind="weights"), (3,)) == (alone,)
    with pytest.raises(UserError):
        with_sampling([alone], Sampling(), (3,))
