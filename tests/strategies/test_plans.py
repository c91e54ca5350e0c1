"""What every built-in strategy plans, as golden texts; planning needs no torch."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from xfer.api import Strategy, UnknownName, UserError
from xfer.core.manager import PluginManager
from xfer.core.plans.start_points import checked_params, strategy_text
from xfer.core.plans.strategy_steps import text_use, translations, with_budget, wrapped_phases
from xfer.testing import check_strategy
from xfer.testing.samples import RETRIEVAL, SUITE, TRAINABLE, contexts

GOLDEN = Path(__file__).parent / "golden"
UPDATE = "XFER_UPDATE_GOLDEN"
TEXTS = (
    "none",
    "english-stilts",
    "english-stilts[budget=10]",
    "mlm-stilts",
    "mlm-stilts[intermediate=kit-first,kit-second,languages=de,ratio=1,masking=0.2,loss_weight=0.5,budget=10]",
    "mlm-only",
    "mlm-only[budget=10,languages=de,en]",
    "multilingual-stilts",
    "multilingual-stilts[languages=de,english=false,each=5]",
    "multilingual-stilts[intermediate=kit-first,kit-second,budget=11]",
    "translated-stilts",
    "translated-stilts[via=mt,languages=de,sw,english=false]",
    "translated-stilts[via=noisy,budget=9]",
    "translate-train",
    "layer-attention",
    "layer-attention[of=english-stilts,pooling=3,role=all]",
    "checkpoint-average",
    "checkpoint-average[of=english-stilts[intermediate=kit-first+kit-second],snapshots=3,role=all]",
    "code-switch",
    "code-switch[of=english-stilts,dictionaries=muse,languages=de,zh,words=0.3,role=all]",
    "task-vectors",
    "task-vectors[to=target,scale=0.5,languages=de,zh]",
    "lr-sweep",
    "lr-sweep[of=mlm-stilts[languages=de],rates=1e-05,3e-05,role=all,dev=50]",
    "translate-train[of=mlm-stilts[intermediate=kit-second,languages=de],via=mt,languages=de]",
)


def filename(text: str) -> str:
    return "".join(character if character.isalnum() or character in "-." else "_" for character in text) + ".txt"


@pytest.mark.parametrize("text", TEXTS)
def test_plans(text: str, xfer_manager: PluginManager) -> None:
    name, given = strategy_text(text)
    strategies = xfer_manager.registry(Strategy)
    strategy = strategies.get(name)
    known = {
        target: context.model_copy(update={"strategies": dict(strategies.items())})
        for target, context in contexts().items()
    }
    plan = check_strategy(strategy, checked_params(strategy, given, text), known)
    golden = GOLDEN / filename(text)
    if os.environ.get(UPDATE) == "1":
        golden.write_text(plan, encoding="utf-8")
    assert plan == golden.read_text(encoding="utf-8")


def test_every_builtin_strategy_has_a_golden_plan(xfer_manager: PluginManager) -> None:
    assert {strategy.name for strategy in xfer_manager.registry(Strategy)} == {strategy_text(t)[0] for t in TEXTS}


def test_planning_needs_neither_torch_nor_numpy() -> None:
    code = (
        "import sys\n"
        "from xfer import bootstrap\n"
        "from xfer.testing import check_strategy\n"
        "found = [check_strategy(strategy) for strategy in bootstrap.load().strategies]\n"
        "assert len(found) >= 6, found\n"
        "print(sorted({'torch', 'transformers', 'pyarrow'} & set(sys.modules)))\n"
    )
    environment = {**os.environ, "XFER_NO_PLUGINS": "1"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.stdout == "[]\n", done.stderr


@pytest.mark.parametrize(
    ("text", "given"),
    [
        ("x", {}),
        ("x[a=1,b=two,c=1,2]", {"a": 1, "b": "two", "c": "1,2"}),
        ("x[of=y[a=1,b=2],rates=1e-5,3e-5]", {"of": "y[a=1,b=2]", "rates": "1e-5,3e-5"}),
        ("x[of=y[of=z[a=1],b=2]]", {"of": "y[of=z[a=1],b=2]"}),
    ],
)
def test_strategies_may_be_nested(text: str, given: dict[str, object]) -> None:
    assert strategy_text(text) == ("x", given)


@pytest.mark.parametrize("text", ["x[a=1", "x[a]", "x[,a=1]"])
def test_malformed_strategies_are_refused(text: str) -> None:
    with pytest.raises(UserError):
        strategy_text(text)


def test_budgets_are_met_exactly(xfer_manager: PluginManager) -> None:
    context = contexts()[TRAINABLE.name]
    for text in TEXTS:
        name, given = strategy_text(text)
        if "budget" not in given:
            continue
        strategy = xfer_manager.registry(Strategy).get(name)
        phases = strategy.plan(context, checked_params(strategy, given, text))
        first = [phase for phase in phases if phase.role == "intermediate"]
        assert first
        for phase in first:
            totals = [use.total for use in phase.uses if use.steps_ratio is None]
            assert sum(filter(None, totals)) == given["budget"], text
    assert with_budget(phases, 0) == tuple(phases)


def test_wrapping_an_unknown_strategy_brings_near_names() -> None:
    with pytest.raises(UnknownName, match="no strategy named 'nine'") as caught:
        wrapped_phases(contexts()[TRAINABLE.name], "nine")
    assert "none" in caught.value.fix


def test_text_in_a_language_that_is_not_there_is_refused() -> None:
    context = contexts()[RETRIEVAL.name]
    with pytest.raises(UserError, match="kit-text has no text in sw"):
        text_use(context, "", ("sw",))
    with pytest.raises(UserError, match="not masked-lm"):
        text_use(context, "kit-first", ())
    silent = context.model_copy(update={"suite": SUITE.model_copy(update={"text_task": None})})
    with pytest.raises(UserError, match="no running text"):
        text_use(silent, "", ())


def test_machine_translation_wants_its_languages() -> None:
    with pytest.raises(UserError, match="into which languages"):
        translations(contexts()[TRAINABLE.name], "kit-first", (), "mt")
