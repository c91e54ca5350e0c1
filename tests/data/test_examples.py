"""Rows to examples: identifiers, what is dropped, limits, realigned answers, published numbers."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xfer.core.data.checking import SEARCH_WINDOW
from xfer.core.data.load import load_examples
from xfer.core.data.rows import FileRow
from xfer.core.errors import DataError, PluginError
from xfer.core.examples import Answer, SpanExample
from xfer.core.records import Source, TaskSpec
from xfer.plugins.tasks import mlm_text, mnli, snli, squad_v1, squad_v2, tatoeba, udpos

from .folders import nli, question


def from_source(task: TaskSpec, rows: list[dict[str, Any]], **source: Any) -> list[FileRow]:
    found = [FileRow(row, f"file, row {number}") for number, row in enumerate(rows, 1)]
    for row in found:
        row.source = Source(hub="some/where", configs={}, splits={}, **source)
    return found


def test_rows_without_identifiers_are_numbered_within_their_language() -> None:
    rows = [nli(0), nli(-1), nli(1)]
    loaded = load_examples(mnli.TASK, "dev", "en", rows)
    assert [example.id for example in loaded.examples] == ["en-1", "en-3"]
    assert load_examples(mnli.TASK, "dev", "en", rows, limit=1).examples == loaded.examples[:1]


def test_unlabelled_rows_are_dropped_and_counted() -> None:
    loaded = load_examples(snli.TASK, "train", "en", [nli(0), nli(-1), nli("-"), nli(None), nli(2)])
    assert loaded.dropped == {"without a label": 3}
    assert [example.label for example in loaded.examples] == ["entailment", "contradiction"]
    assert loaded.rows == 5
    assert loaded.problems == []


def test_blank_texts_and_sentences_without_words_are_dropped() -> None:
    text = load_examples(mlm_text.TASK, "train", "en", [{"text": "a"}, {"text": " \n"}])
    assert text.dropped == {"blank text": 1}
    rows = [{"tokens": [], "pos_tags": []}, {"tokens": ["a"], "pos_tags": [0]}]
    assert load_examples(udpos.TASK, "test", "en", rows).dropped == {"without words": 1}


def test_rows_that_the_task_refuses_are_counted() -> None:
    rows = [question(), {**question(id="q2"), "answers": {"text": [], "answer_start": []}}]
    assert load_examples(squad_v1.TASK, "dev", "en", rows).dropped == {"not used by the task": 1}
    loaded = load_examples(squad_v2.TASK, "dev", "en", rows)
    assert (loaded.dropped, loaded.examples[1].answers) == ({}, ())


@pytest.mark.parametrize("limit", [None, 2])
def test_a_limit_cuts_queries_and_never_the_index(limit: int | None) -> None:
    rows = [{"source_sentence": f"{number}\n", "target_sentence": f"{number} en\n"} for number in range(5)]
    loaded = load_examples(tatoeba.TASK, "test", "de", rows, limit)
    assert len(loaded.examples) == 5
    assert loaded.query_limit == limit
    assert (loaded.examples[1].source, loaded.examples[1].target) == ("1", "1 en")


def test_limits_of_other_tasks_cut_examples() -> None:
    loaded = load_examples(mnli.TASK, "dev", "en", [nli(0)] * 5, 2)
    assert (len(loaded.examples), loaded.rows, loaded.query_limit) == (2, 5, None)
    assert len(load_examples(mnli.TASK, "dev", "en", [nli(0)] * 5, 50).examples) == 5


def test_a_fault_behind_the_limit_is_found() -> None:
    with pytest.raises(DataError, match=r"row 3 of mnli dev \(en\)"):
        load_examples(mnli.TASK, "dev", "en", [nli(0), nli(0), nli("maybe")], limit=1)


def test_a_number_of_rows_that_is_not_the_published_one_is_a_problem_not_an_error() -> None:
    rows = from_source(mnli.TASK, [nli(0), nli(-1)], counts={"dev/en": 9815, "train/en": 2})
    (problem,) = load_examples(mnli.TASK, "dev", "en", rows).problems
    assert problem.stage == "data"
    assert problem.message == "mnli dev (en): 2 rows where the published number is 9,815"
    assert load_examples(mnli.TASK, "train", "en", rows).problems == []


def test_the_note_of_a_copy_is_told() -> None:
    rows = from_source(mnli.TASK, [nli(0)], note="half is missing")
    (problem,) = load_examples(mnli.TASK, "dev", "en", rows).problems
    assert problem.message == "mnli dev (en): from some/where: half is missing"


CONTEXT = "On Friday the mill burned; the tidy mill by the river was spared."


@pytest.mark.parametrize(
    ("start", "found"),
    [(14, 14), (15, 14), (13, 14), (8, 14), (36, 36), (30, 36), (25, 14), (26, 36)],
    ids=["right", "late", "early", "far", "second", "nearer second", "tie: the earlier", "just past the tie"],
)
def test_an_answer_moves_to_the_nearest_place_of_its_text(start: int, found: int) -> None:
    loaded = load_examples(squad_v1.TASK, "dev", "en", [question(start, "mill", context=CONTEXT)])
    assert loaded.examples[0].answers == (Answer("mill", found),)
    assert loaded.realigned == (start != found)
    assert [problem.message for problem in loaded.problems] == [
        "squad-v1 dev (en): 1 answer offsets were misplaced and have been realigned (1 rows)"
    ] * (start != found)


def test_an_answer_that_is_too_far_away_is_refused() -> None:
    context = "mill" + " " * (SEARCH_WINDOW + 1) + "and a long way to the end" * 3
    rows = [question(SEARCH_WINDOW + 1, context=context, id="far"), question(SEARCH_WINDOW, context=context)]
    loaded = load_examples(squad_v1.TASK, "train", "en", rows)
    assert [(example.id, example.answers[0].start) for example in loaded.examples] == [("q1", 0)]
    assert loaded.dropped == {"no answer found in its context": 1}
    said = "squad-v1 train (en): 1 answers do not occur near their offset and are left out (2 rows)"
    assert loaded.problems[-1].message == said


def test_one_of_several_answers_may_be_refused() -> None:
    row = {**question(), "answers": {"text": ["mill", "barn", " "], "answer_start": [4, 4, 3]}}
    loaded = load_examples(squad_v1.TASK, "dev", "en", [row])
    assert loaded.examples[0].answers == (Answer("mill", 4),)
    assert loaded.dropped == {}
    assert [problem.message for problem in loaded.problems] == [
        "squad-v1 dev (en): 2 answers do not occur near their offset and are left out (1 rows)"
    ]


@given(
    st.integers(0, 12),
    st.text(st.characters(codec="utf-8"), max_size=40),
    st.text("abcXYZ水é ", min_size=1, max_size=8).filter(lambda text: bool(text.strip())),
    st.text(st.characters(codec="utf-8"), max_size=40),
)
def test_offsets_left_behind_by_stripping_are_mended(shift: int, before: str, answer: str, after: str) -> None:
    """The fault of the hub's copy: leading white space went, offsets stayed."""
    context = before + answer + after
    row = question(len(before) + shift, answer, context=context)
    try:
        loaded = load_examples(squad_v1.TASK, "dev", "en", [row])
    except DataError:
        pytest.fail("an answer within the window was not found")
    (mended,) = loaded.examples[0].answers
    assert context[mended.start : mended.start + len(answer)] == answer
    assert abs(mended.start - len(before) - shift) <= shift


def raising(error: Exception) -> TaskSpec:
    def example(row: Mapping[str, Any], language: str) -> SpanExample:
        raise error

    return mnli.TASK.model_copy(update={"example": example})


@pytest.mark.parametrize("error", [ValueError("odd"), TypeError("odd"), KeyError("label"), IndexError("odd")])
def test_a_failure_of_the_task_itself_is_not_blamed_on_the_data(error: Exception) -> None:
    with pytest.raises(PluginError, match="mnli cannot read a row") as caught:
        load_examples(raising(error), "dev", "en", [nli(0)])
    assert caught.value.where == "row 1 of mnli dev (en)"


def test_a_place_that_the_task_names_is_kept() -> None:
    with pytest.raises(DataError) as caught:
        load_examples(raising(DataError("odd", where="elsewhere", fix="so")), "dev", "en", [nli(0)])
    assert (caught.value.what, caught.value.where, caught.value.fix) == ("odd", "elsewhere", "so")
