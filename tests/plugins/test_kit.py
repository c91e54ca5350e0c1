"""The kit finds what it promises to find. Every fault is planted into a sample that passes without it."""

import importlib.metadata
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from xfer.api import (
    NoParams,
    PairExample,
    Phase,
    Strategy,
    TaggedExample,
    TaskSpec,
    TaskUse,
    TextExample,
    accuracy,
    mining_f1,
    target_phases,
)
from xfer.core.formats import BUILTIN_FORMATS
from xfer.core.manager import PluginManager
from xfer.testing import check_strategy, check_task, fake_distribution
from xfer.testing.samples import FIRST, RETRIEVAL, ROWS, TRAINABLE


def test_a_sound_task_passes() -> None:
    check_task(TRAINABLE)
    check_task(FIRST, language="de")


def always_right(values: Any, examples: Any, language: str) -> dict[str, float]:
    return {"accuracy": 100.0}


def never_right(values: Any, examples: Any, language: str) -> dict[str, float]:
    return {"accuracy": 50.0}


def half_points(value: Any, example: Any, language: str) -> float:
    return 50.0


def full_points(value: Any, example: Any, language: str) -> float:
    return 100.0


def as_tagged(row: Any, language: str) -> TaggedExample:
    return TaggedExample(row["id"], language, ("a",), ("warm",))


def same_id(row: Any, language: str) -> TextExample:
    return TextExample("1", language, row["text"], label=row["label"])


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"citation": " "}, "citation is empty"),
        ({"licence": ""}, "licence is empty"),
        ({"languages": ("en", "de", "en")}, "languages has duplicates"),
        ({"labels": ("warm", "warm", "cold")}, "labels has duplicates"),
        ({"languages": (), "fixture": ()}, "there is no language to evaluate in"),
        ({"fixture": ROWS[:1]}, "the fixture has 1 rows; two to six are wanted"),
        ({"fixture": ()}, "the fixture has 0 rows"),
        ({"labels": ("warm", "mild")}, "unknown label 'cold'"),
        ({"fixture": ({"id": "1"}, {"id": "2"})}, "column 'text' is missing"),
        ({"example": same_id}, "identifier '1' occurs twice"),
        ({"example": as_tagged}, "example() gives TaggedExample; classification works on TextExample"),
        ({"example": lambda row, language: None}, "example cannot be imported by name"),
        ({"main_score": "f1"}, "score() gives accuracy but not main_score 'f1'"),
        ({"score": always_right}, "wrong values score 100, no less than gold values"),
        ({"score": never_right}, "gold values score 50 accuracy, not 100"),
        ({"score_one": half_points}, "score_one() gives a gold value 50 points, not 100"),
        ({"score_one": full_points}, "score_one() gives a wrong value 100 points"),
        ({"format": "essay"}, "unknown format 'essay'"),
    ],
)
def test_faulty_tasks(change: dict[str, Any], fault: str) -> None:
    with pytest.raises(AssertionError) as caught:
        check_task(TRAINABLE.model_copy(update=change))
    assert fault in str(caught.value)


def test_all_faults_come_at_once() -> None:
    with pytest.raises(AssertionError, match=r"task kit-classification has 2 fault\(s\)"):
        check_task(TRAINABLE.model_copy(update={"citation": "", "licence": ""}))


def tagged_example(row: Any, language: str) -> TaggedExample:
    return TaggedExample(row["id"], language, tuple(row["text"].split()), tuple(row["tags"]))


def tag_accuracy(values: Any, examples: Any, language: str, *, tuned: float) -> dict[str, float]:
    pairs = [(a, b) for value, example in zip(values, examples, strict=True) for a, b in zip(value, example.tags)]  # noqa: B905
    return {"accuracy": tuned * sum(a == b for a, b in pairs) / len(pairs)}


def tuned_to_100(values: Any, examples: Any, language: str) -> float:
    return 100.0


def test_a_task_that_is_tuned_on_dev_gets_its_answer() -> None:
    rows = ({"id": "1", "text": "we sing", "tags": ["P", "V"]}, {"id": "2", "text": "sing", "tags": ["V"]})
    change = {
        "format": "tagging",
        "labels": ("P", "V"),
        "example": tagged_example,
        "score": tag_accuracy,
        "tune": tuned_to_100,
        "fixture": rows,
    }
    check_task(TRAINABLE.model_copy(update=change))


def pair_example(row: Any, language: str) -> PairExample:
    return PairExample(row["id"], language, row["source"], row["target"])


def retrieval_accuracy(values: Any, examples: Any, language: str) -> dict[str, float]:
    return {"accuracy": accuracy(values, [example.id for example in examples])}


def mining_score(values: Any, examples: Any, language: str, *, tuned: float) -> dict[str, float]:
    right = [bool(value) and value[0] == example.id for value, example in zip(values, examples, strict=True)]
    margins = [value[1] if value else 0.0 for value in values]
    gold = sum(bool(example.source and example.target) for example in examples)
    return mining_f1(margins, right, gold, tuned)


def mining_threshold(values: Any, examples: Any, language: str) -> float:
    return 0.5


PAIRS = tuple({"id": str(number), "source": f"satz {number}", "target": f"line {number}"} for number in range(3))
DISTRACTORS = ({"id": "a", "source": "satz a", "target": None}, {"id": "b", "source": None, "target": "line b"})


@pytest.mark.parametrize(
    "change",
    [
        {"fixture": PAIRS, "score": retrieval_accuracy},
        {
            "fixture": PAIRS + DISTRACTORS,
            "score": mining_score,
            "tune": mining_threshold,
            "main_score": "f1",
        },
    ],
    ids=["retrieval", "mining"],
)
def test_retrieval_and_mining(change: dict[str, Any]) -> None:
    check_task(RETRIEVAL.model_copy(update={"example": pair_example, **change}))


def scored_by_text(values: Any, examples: Any, language: str) -> dict[str, float]:
    return {"accuracy": accuracy(values, [example.target for example in examples])}


def test_a_score_that_reads_values_as_something_else_is_found() -> None:
    change = {"example": pair_example, "fixture": PAIRS, "score": scored_by_text}
    with pytest.raises(AssertionError, match="gold values score 0 accuracy, not 100"):
        check_task(RETRIEVAL.model_copy(update=change))


def test_with_a_tokeniser_the_format_must_keep_every_example(tiny_encoder: Callable[[str], Path]) -> None:
    from xfer.core.encoders.tokeniser import Tokeniser

    tokeniser = Tokeniser.load(tiny_encoder("xlm-roberta"))
    check_task(TRAINABLE, tokeniser)
    check_task(
        RETRIEVAL.model_copy(update={"example": pair_example, "fixture": PAIRS, "score": retrieval_accuracy}),
        tokeniser,
    )
    losing = BUILTIN_FORMATS[0].model_copy(update={"implementation": "tests.plugins.losing_format:Losing"})
    with pytest.raises(AssertionError) as caught:
        check_task(TRAINABLE, tokeniser, formats=[losing])
    assert "1 of 2 examples give no features in evaluation" in str(caught.value)
    assert "no example is left in training; dropped: {'all': 2}" in str(caught.value)


# ---------------------------------------------------------------- strategies


def uneven_plan(context: Any, params: Any, calls: list[int]) -> list[Phase]:
    calls.append(1)
    return [Phase(name=f"a{len(calls)}"), *target_phases(context, None)]


def no_evaluation(context: Any, params: Any) -> list[Phase]:
    return [Phase(name="train", uses=(TaskUse(task="kit-first"),))]


def from_nowhere(context: Any, params: Any) -> list[Phase]:
    return list(target_phases(context, after="nothing"))


def trains_on_everything(context: Any, params: Any) -> list[Phase]:
    return [Phase(name="t", uses=(TaskUse(task=context.target.name),)), *target_phases(context, "t")]


def unknown_task(context: Any, params: Any) -> list[Phase]:
    return [Phase(name="t", uses=(TaskUse(task="absent"),)), *target_phases(context, "t")]


def twice(context: Any, params: Any) -> list[Phase]:
    phases = target_phases(context, None)
    return [Phase(name="evaluate", uses=(TaskUse(task="kit-first"),)), *phases]


@pytest.mark.parametrize(
    ("plan", "fault"),
    [
        (partial(uneven_plan, calls=[]), "kit-span: two calls of plan() differ"),
        (no_evaluation, "kit-retrieval: the last phase does not evaluate kit-retrieval in all its languages"),
        (from_nowhere, "phase target starts from nothing, which is no earlier phase"),
        (trains_on_everything, "kit-retrieval: phase t trains on kit-retrieval, which has no training set"),
        (unknown_task, "phase t uses absent, which the context does not have"),
        (twice, "two phases are called evaluate"),
        (lambda context, params: target_phases(context, None), "plan cannot be imported by name"),
    ],
)
def test_faulty_strategies(plan: Any, fault: str) -> None:
    with pytest.raises(AssertionError, match="strategy faulty has") as caught:
        check_strategy(Strategy(name="faulty", summary="planted", params=NoParams, plan=plan))
    assert fault in str(caught.value)


# ---------------------------------------------------------------- fakes and fixtures


def test_a_fake_distribution_is_installed_once_it_is_on_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = fake_distribution(
        tmp_path, "Xfer-Fake", "0.4", {"fake": "fake_module"}, {"sub/fake_module.py": "x = 1\n"}
    )
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
    found = importlib.metadata.distribution("xfer-fake")
    assert (found.version, [point.value for point in found.entry_points]) == ("0.4", ["fake_module"])
    assert (folder / "sub" / "fake_module.py").read_text() == "x = 1\n"


def test_the_fixture_manager_has_builtins_only(xfer_manager: PluginManager) -> None:
    assert xfer_manager.plugins() == []
    assert xfer_manager.problems == []
    assert len(xfer_manager.registry(TaskSpec)) >= 1


def test_tiny_encoders_are_made_once(tiny_encoder: Callable[[str], Path]) -> None:
    folder = tiny_encoder("xlm-roberta")
    assert (folder / "config.json").is_file()
    assert tiny_encoder("xlm-roberta") == folder


def test_the_command_runs_in_this_process(run_xfer: Callable[..., Any]) -> None:
    pytest.importorskip("xfer.cli")
    assert run_xfer("--help").status == 0
    outcome = run_xfer("no-such-command")
    assert outcome.status == 2
    assert "no-such-command" in outcome.err
