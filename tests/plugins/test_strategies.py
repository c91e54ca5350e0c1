"""Plans of the built-in strategies, and the steps that they are made of."""

from pathlib import Path

import pytest

from xfer.core.errors import UnknownName, UserError
from xfer.core.manager import PluginManager
from xfer.core.plans.strategy_steps import intermediate_phases, target_phases
from xfer.core.records import PlanContext, Strategy
from xfer.plugins.strategies.english_stilts import ENGLISH_STILTS, Params
from xfer.plugins.strategies.none import NONE
from xfer.testing import check_strategy, plan_text
from xfer.testing.samples import RETRIEVAL, SUITE, TASKS, TRAINABLE, contexts

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture
def context() -> PlanContext:
    """The classification target of the kit."""
    return contexts()[TRAINABLE.name]


@pytest.mark.parametrize(
    ("golden", "text"),
    [
        ("none", lambda: check_strategy(NONE)),
        ("english-stilts", lambda: check_strategy(ENGLISH_STILTS)),
        ("english-stilts-all", lambda: check_strategy(ENGLISH_STILTS, Params(intermediate="all"))),
        (
            "english-stilts-sequence",
            lambda: check_strategy(ENGLISH_STILTS, Params(intermediate="kit-second+kit-first,kit-classification")),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_plans(golden: str, text: object) -> None:
    assert callable(text)
    assert text() == (GOLDEN / f"{golden}.txt").read_text(encoding="utf-8")


def test_every_builtin_strategy_passes_the_kit(xfer_manager: PluginManager) -> None:
    strategies = list(xfer_manager.registry(Strategy))
    for strategy in strategies:
        assert check_strategy(strategy).count("evaluate: evaluate") >= 3, strategy.name
        assert strategy.citation, strategy.name
    assert {strategy.name for strategy in strategies} >= {"none", "english-stilts"}


@pytest.mark.parametrize(
    ("text", "uses"),
    [
        ("kit-first", [["kit-first"]]),
        ("kit-first,kit-second", [["kit-first", "kit-second"]]),
        (" kit-first , kit-second ", [["kit-first", "kit-second"]]),
        ("kit-first+kit-second", [["kit-first"], ["kit-second"]]),
        ("kit-first+kit-first", [["kit-first"], ["kit-first"]]),
        ("all", [["kit-first", "kit-second"]]),
        ("all+kit-first", [["kit-first", "kit-second"], ["kit-first"]]),
    ],
)
def test_the_intermediate_notation(context: PlanContext, text: str, uses: list[list[str]]) -> None:
    phases = intermediate_phases(context, text)
    assert [[use.task for use in phase.uses] for phase in phases] == uses
    assert [phase.name for phase in phases] == ["intermediate", "intermediate-2"][: len(uses)]
    assert [phase.starts_from for phase in phases] == [(), ("intermediate",)][: len(uses)]
    assert {phase.role for phase in phases} == {"intermediate"}
    assert {phase.heads for phase in phases} == {"fresh"}
    assert {(use.languages, use.split, use.via) for phase in phases for use in phase.uses} == {
        (("en",), "train", "original")
    }


@pytest.mark.parametrize("text", ["", "kit-first,", "+kit-first", "kit-first++kit-second", " "])
def test_an_empty_part_is_refused(context: PlanContext, text: str) -> None:
    with pytest.raises(UserError, match="an intermediate task has no name") as caught:
        intermediate_phases(context, text)
    assert caught.value.where == f"intermediate={text}"


def test_a_task_twice_in_one_mix_is_refused(context: PlanContext) -> None:
    with pytest.raises(UserError, match="named twice in one mix"):
        intermediate_phases(context, "kit-first,kit-first")


def test_an_unknown_intermediate_brings_near_names(context: PlanContext) -> None:
    with pytest.raises(UnknownName, match="no task named 'kit-frist'") as caught:
        intermediate_phases(context, "kit-second,kit-frist")
    assert caught.value.fix.startswith("did you mean kit-first")
    assert "intermediate=kit-second,kit-frist" in caught.value.fix


def test_an_intermediate_without_english_training_data_is_refused(context: PlanContext) -> None:
    with pytest.raises(UserError, match="kit-retrieval has no English training set"):
        intermediate_phases(context, "kit-retrieval")
    borrower = RETRIEVAL.model_copy(update={"training_task": "kit-first"})
    tasks = {**TASKS, "kit-retrieval": borrower}
    with pytest.raises(UserError, match="its training task is kit-first"):
        intermediate_phases(context.model_copy(update={"tasks": tasks}), "kit-retrieval")


def test_a_target_may_borrow_its_training_set() -> None:
    borrower = TRAINABLE.model_copy(
        update={"train_languages": (), "training_task": "kit-first", "eval_split": "dev"}
    )
    context = PlanContext(
        target=borrower, training=TASKS["kit-first"], tasks={**TASKS, borrower.name: borrower}, suite=SUITE
    )
    assert plan_text(target_phases(context, after=None)) == (
        "  target: train [kit-first train original en] from pretrained\n"
        "  evaluate: evaluate [kit-classification dev original en,de,zh] from target  role='evaluation'\n"
    )
