"""Question answering in SQuAD's layout."""

from collections.abc import Mapping, Sequence
from typing import Any

from xfer.api import (
    Answer,
    DataError,
    SpanExample,
    qa_mean,
    squad_exact_match,
    squad_f1,
    squad_scores,
    squad_v2_exact_match,
    squad_v2_f1,
    squad_v2_scores,
)

COLUMNS = ("id", "context", "question", "answers")


def squad_example(row: Mapping[str, Any], language: str) -> SpanExample | None:
    """A question with its gold answers; None without one (a set released without answers)."""
    example = squad_v2_example(row, language)
    return example if example.answers else None


def squad_v2_example(row: Mapping[str, Any], language: str) -> SpanExample:
    """A question with its gold answers; no answers mean that it has none."""
    gold = row["answers"]
    if not isinstance(gold, Mapping) or not {"text", "answer_start"} <= set(gold):
        raise DataError(f"answers are {gold!r}", fix="they hold two lists: text and answer_start")
    texts, starts = gold["text"], gold["answer_start"]
    if len(texts) != len(starts):
        raise DataError(f"{len(texts)} answer texts for {len(starts)} offsets")
    answers = tuple(Answer(text, start) for text, start in zip(texts, starts, strict=True))
    return SpanExample(row["id"], language, row["question"], row["context"], answers)


def gold_texts(examples: Sequence[SpanExample]) -> list[list[str]]:
    """The gold answers' texts of every example."""
    return [[answer.text for answer in example.answers] for example in examples]


def with_mean(scores: Mapping[str, float]) -> dict[str, float]:
    """Exact match and F1 with their mean, which is what counts in XTREME."""
    return {**scores, "mean_f1_em": qa_mean(scores["f1"], scores["exact_match"])}


def score_squad(predictions: Sequence[str], examples: Sequence[Any], language: str) -> dict[str, float]:
    """Exact match, F1 and their mean by the rules of SQuAD v1.1, in every language."""
    return with_mean(squad_scores(predictions, gold_texts(examples)))


def score_squad_one(prediction: str, example: Any, language: str) -> float:
    """Mean of exact match and F1 of one answer."""
    (golds,) = gold_texts([example])
    return qa_mean(squad_f1(prediction, golds), squad_exact_match(prediction, golds))


def score_squad_v2(predictions: Sequence[str], examples: Sequence[Any], language: str) -> dict[str, float]:
    """As `score_squad` by the rules of SQuAD v2.0; answerable and unanswerable questions also apart."""
    return with_mean(squad_v2_scores(predictions, gold_texts(examples)))


def score_squad_v2_one(prediction: str, example: Any, language: str) -> float:
    """Mean of exact match and F1 of one answer; "" says that there is none."""
    (golds,) = gold_texts([example])
    return qa_mean(squad_v2_f1(prediction, golds), squad_v2_exact_match(prediction, golds))


def question_row(id: str, context: str, question: str, *answers: str) -> dict[str, Any]:
    """A row in SQuAD's columns, for fixtures; every answer is where it first occurs."""
    starts = [context.index(answer) for answer in answers]
    columns = {"id": id, "title": "", "context": context, "question": question}
    return columns | {"answers": {"text": list(answers), "answer_start": starts}}
