"""Whether a score is zero-shot: computed from the plan, and attached to plans, rows and reports."""

import csv
import io
from collections.abc import Callable

import pytest

from xfer import commands, results, summary
from xfer.core.plans.leaks import seen, zero_shot
from xfer.core.records import Phase, PlannedPhase, Source, TaskUse
from xfer.testing.samples import RETRIEVAL, SPAN, TASKS

Planned = Callable[..., commands.Prepared]


def marks(use: TaskUse, target: object = SPAN, does: str = "train", tasks: object = TASKS) -> tuple[str, ...]:
    phase = Phase(name="x", does=does, uses=(use,))
    planned = PlannedPhase(id="1", phase=phase, parents=(), seed=0, settings={}, options={}, identity={})
    return seen([planned], target, tasks)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("use", "expected"),
    [
        (TaskUse(task="kit-first"), ()),
        (TaskUse(task="kit-first", languages=("en", "de")), ("de",)),
        (TaskUse(task="kit-first", languages=("de", "zh", "sw")), ("de", "zh")),
        (TaskUse(task="kit-first", languages=("de",), via="mt"), ("de (mt)",)),
        (TaskUse(task="kit-text", languages=("en", "zh")), ("text zh",)),
        (TaskUse(task="kit-first", languages=("de",), counts_only=True), ()),
        (TaskUse(task="kit-span", split="test"), ("test rows",)),
        (TaskUse(task="kit-span", languages=("de",), split="test"), ("de", "test rows")),
        (TaskUse(task="kit-span", split="dev"), ()),
    ],
)
def test_marks(use: TaskUse, expected: tuple[str, ...]) -> None:
    assert marks(use) == expected


def test_evaluating_and_translating_see_nothing() -> None:
    use = TaskUse(task="kit-span", languages=("de",), split="test")
    assert marks(use, does="evaluate") == ()
    assert marks(use, does="translate") == ()
    assert marks(use, does="select") == ("de", "test rows")


def test_retrieval_targets_mark_what_their_encoder_saw() -> None:
    assert marks(TaskUse(task="kit-first", languages=("de",)), RETRIEVAL) == ("de",)


def test_two_splits_of_the_same_files_are_the_same_rows() -> None:
    source = Source(hub="kit/data", configs={"": "x"}, splits={"train": ("t",), "dev": ("v",), "test": ("v",)})
    same = SPAN.model_copy(update={"source": source})
    tasks = {**TASKS, "kit-span": same}
    assert marks(TaskUse(task="kit-span", split="dev"), same, "select", tasks) == ("test rows",)
    assert marks(TaskUse(task="kit-span"), same, "train", tasks) == ()


def test_words() -> None:
    assert zero_shot(()) == "zero-shot: yes"
    assert zero_shot(("de", "text sw")) == "zero-shot: no, sees de, text sw"


def test_marks_reach_the_plan_every_row_and_every_report(planned: Planned, run: Callable[..., object]) -> None:
    names = ("none", "multilingual-stilts[languages=de]", "mlm-only[languages=ru]")
    expected = {names[0]: (), names[1]: ("de",), names[2]: ("text ru",)}
    text = summary.plan_text(planned(*names))
    assert "none: zero-shot: yes\n" in text
    assert "multilingual-stilts[languages=de]: zero-shot: no, sees de\n" in text
    result = run(*names)
    assert isinstance(result, commands.RunResult)
    assert {row.label: row.sees for row in result.results} == expected
    comparison = results.compared(result.results)
    for format in ("table", "markdown", "html", "latex"):
        report = " ".join(results.report(comparison, format).split())
        assert "zero-shot: no, sees de" in report, format
        assert "zero-shot: no, sees text ru" in report, format
        assert "§" in report or "\\S" in report, format
    assert '"sees": [\n            "text ru"' in results.report(comparison, "json")
    table = list(csv.DictReader(io.StringIO(results.report(comparison, "csv"))))
    marked = {
        row["label"]: row["sees"] for row in table if row["target"] == "mini-xnli" and row["language"] == "de"
    }
    assert marked == {name: "; ".join(sees) for name, sees in expected.items()}
