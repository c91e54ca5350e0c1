"""Belebele: reading comprehension, the same questions in 122 language variants (here 15 of them)."""

from collections.abc import Mapping, Sequence
from typing import Any

from xfer.api import ChoiceExample, DataError, Source, TaskSpec, accuracy

CONFIGS = {
    "ar": "arb_Arab",
    "bg": "bul_Cyrl",
    "de": "deu_Latn",
    "el": "ell_Grek",
    "en": "eng_Latn",
    "es": "spa_Latn",
    "fr": "fra_Latn",
    "hi": "hin_Deva",
    "ru": "rus_Cyrl",
    "sw": "swh_Latn",
    "th": "tha_Thai",
    "tr": "tur_Latn",
    "ur": "urd_Arab",
    "vi": "vie_Latn",
    "zh": "zho_Hans",
}
ANSWERS = ("mc_answer1", "mc_answer2", "mc_answer3", "mc_answer4")
COLUMNS = ("link", "question_number", "flores_passage", "question", *ANSWERS, "correct_answer_num")


def example(row: Mapping[str, Any], language: str) -> ChoiceExample:
    """Passage and question as the prompt, the four answers as choices; right answers are counted from 1."""
    number = str(row["correct_answer_num"])
    if number not in ("1", "2", "3", "4"):
        raise DataError(f"correct_answer_num is {number!r}", fix="it is 1, 2, 3 or 4")
    prompt = f"{row['flores_passage']} {row['question']}"
    id = f"{row['link']}#{row['question_number']}"
    return ChoiceExample(id, language, prompt, tuple(row[name] for name in ANSWERS), int(number) - 1)


def score(predictions: Sequence[Any], examples: Sequence[Any], language: str) -> dict[str, float]:
    """Accuracy in points."""
    return {"accuracy": accuracy(predictions, [example.label for example in examples])}


def score_one(prediction: Any, example: Any, language: str) -> float:
    """100 for the right answer, else 0."""
    return 100.0 if prediction == example.label else 0.0


def _row(number: str, question: str, answers: Sequence[str], right: str) -> dict[str, Any]:
    passage = "The ferry to the island leaves at noon. In winter it does not sail, and mail comes by helicopter."
    return {
        "link": "https://example.org/ferry",
        "question_number": number,
        "flores_passage": passage,
        "question": question,
        **dict(zip(ANSWERS, answers, strict=True)),
        "correct_answer_num": right,
    }


BELEBELE = TaskSpec(
    name="belebele",
    summary="reading comprehension with four answers, the same questions in every language",
    citation="Bandarkar et al. 2023, The Belebele Benchmark, arXiv 2308.16884",
    licence="CC BY-SA 4.0",
    format="multiple-choice",
    languages=tuple(CONFIGS),
    source=Source(
        hub="facebook/belebele",
        configs=CONFIGS,
        splits={"test": ("test",)},
        patterns=("data/{config}.jsonl",),
        columns=COLUMNS,
        counts={f"test/{code}": 900 for code in CONFIGS},
    ),
    example=example,
    score=score,
    main_score="accuracy",
    score_one=score_one,
    training_task="cosmosqa",
    traps=("A test set only; English training is Cosmos QA's, which asks about everyday stories, not about news.",),
    fixture=(
        _row("1", "When does the ferry leave?", ("At six", "At noon", "At night", "Never"), "2"),
        _row("2", "How does mail come in winter?", ("By ferry", "On foot", "By car", "By helicopter"), "4"),
    ),
)
