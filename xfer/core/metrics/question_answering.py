"""Exact match and F1 of extracted answers: SQuAD v1.1, SQuAD v2.0 and MLQA.

All take the best score over the gold answers of a question. They differ in the normalisation (SQuAD strips
ASCII punctuation and English articles whatever the language; MLQA works by language) and in the F1 of two
empty texts: 0 in the v1.1 and MLQA scripts, which XTREME uses, 100 in the v2.0 script.
"""

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

from xfer.core.metrics.aggregate import mean, require_pairs

_ENGLISH_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_STRIP_ASCII_PUNCTUATION = str.maketrans("", "", string.punctuation)

_MLQA_ARTICLES = {
    # No word boundary: the official pattern takes alif-lam out wherever it stands, also inside a word.
    "ar": re.compile("ال"),
    "de": re.compile(r"\b(?:ein|eine|einen|einem|eines|einer|der|die|das|den|dem|des)\b"),
    "en": _ENGLISH_ARTICLES,
    "es": re.compile(r"\b(?:un|una|unos|unas|el|la|los|las)\b"),
    "hi": None,
    "vi": re.compile(r"\b(?:của|là|cái|chiếc|những)\b"),
    "zh": None,
}
_HAN = re.compile("([\u4e00-\u9fa5])")

_F1_OF_EMPTY_XTREME = 0.0
_F1_OF_EMPTY_SQUAD_V2 = 100.0


def normalise_squad(text: str) -> str:
    """Lower-case, drop ASCII punctuation, drop a/an/the, collapse white space, in this order.

    Source: `normalize_answer` of the official SQuAD v1.1 and v2.0 scripts (Rajpurkar et al., 2016, 2018).
    """
    return _join(_ENGLISH_ARTICLES.sub(" ", text.lower().translate(_STRIP_ASCII_PUNCTUATION)))


def normalise_mlqa(text: str, language: str) -> str:
    """Lower-case, drop all Unicode punctuation, drop the articles of `language`, split Chinese characters.

    `language` is one of ar de en es hi vi zh; others raise `ValueError`.
    Source: the official MLQA script (Lewis et al., 2020), `mlqa_evaluation_v1.py`.
    """
    if language not in _MLQA_ARTICLES:
        raise ValueError(f"MLQA has no normalisation for {language!r}, only for {' '.join(_MLQA_ARTICLES)}")
    text = "".join(char for char in text.lower() if not _is_punctuation(char))
    articles = _MLQA_ARTICLES[language]
    if articles is not None:
        text = articles.sub(" ", text)
    if language == "zh":
        text = _HAN.sub(r" \1 ", text)
    return _join(text)


def squad_exact_match(prediction: str, answers: Sequence[str]) -> float:
    """100 if the normalised prediction equals a normalised gold answer, else 0 (points, SQuAD v1.1)."""
    return _best(_exact, normalise_squad(prediction), map(normalise_squad, _some(answers)))


def squad_f1(prediction: str, answers: Sequence[str]) -> float:
    """Best bag-of-words F1 over the gold answers, in points (SQuAD v1.1; empty against empty is 0)."""
    return _best(_xtreme_f1, normalise_squad(prediction), map(normalise_squad, _some(answers)))


def squad_scores(predictions: Sequence[str], answers: Sequence[Sequence[str]]) -> dict[str, float]:
    """Mean `exact_match` and `f1` in points over n >= 1 questions, each with at least one gold answer.

    A missing prediction is the empty string. Raises `ValueError` for unequal lengths, no questions, or a
    question without gold answers. Used for SQuAD v1.1, XQuAD and TyDiQA-GoldP, in every language.
    Source: the official SQuAD v1.1 script as XTREME runs it (`third_party/evaluate_squad.py`).
    """
    require_pairs(predictions, answers)
    pairs = list(zip(predictions, answers, strict=True))
    return {
        "exact_match": mean(squad_exact_match(*pair) for pair in pairs),
        "f1": mean(squad_f1(*pair) for pair in pairs),
    }


def mlqa_exact_match(prediction: str, answers: Sequence[str], language: str) -> float:
    """100 if the prediction equals a gold answer after `normalise_mlqa`, else 0 (points)."""
    golds = (normalise_mlqa(answer, language) for answer in _some(answers))
    return _best(_exact, normalise_mlqa(prediction, language), golds)


def mlqa_f1(prediction: str, answers: Sequence[str], language: str) -> float:
    """Best bag-of-words F1 over the gold answers by `normalise_mlqa`, in points (two empty texts score 0)."""
    golds = (normalise_mlqa(answer, language) for answer in _some(answers))
    return _best(_xtreme_f1, normalise_mlqa(prediction, language), golds)


def mlqa_scores(predictions: Sequence[str], answers: Sequence[Sequence[str]], language: str) -> dict[str, float]:
    """Mean `exact_match` and `f1` in points; `language` is that of the context, hence of the answers.

    Shapes and errors as in `squad_scores`; an unknown language is a `ValueError` too.
    Source: the official MLQA script as XTREME runs it (`third_party/evaluate_mlqa.py`).
    """
    require_pairs(predictions, answers)
    pairs = list(zip(predictions, answers, strict=True))
    return {
        "exact_match": mean(mlqa_exact_match(*pair, language) for pair in pairs),
        "f1": mean(mlqa_f1(*pair, language) for pair in pairs),
    }


def squad_v2_exact_match(prediction: str, answers: Sequence[str]) -> float:
    """As `squad_exact_match`, where '' predicts "no answer" and no gold answers mean "unanswerable"."""
    return _best(_exact, normalise_squad(prediction), _v2_golds(answers))


def squad_v2_f1(prediction: str, answers: Sequence[str]) -> float:
    """As `squad_f1`, but two texts without words score 100: a right "no answer" counts in full."""
    return _best(_squad_v2_f1, normalise_squad(prediction), _v2_golds(answers))


def squad_v2_scores(predictions: Sequence[str], answers: Sequence[Sequence[str]]) -> dict[str, float]:
    """Mean exact match and F1 in points: over all questions, the answerable and the unanswerable ones.

    Keys: `exact_match`, `f1`, and these two with the prefixes `has_answer_` and `no_answer_`. As in the
    official script, the keys of a kind of question that does not occur are left out. No threshold is
    searched: the prediction '' means "no answer". Raises `ValueError` for unequal lengths or no questions.
    Source: the official SQuAD v2.0 script (Rajpurkar et al., 2018), `evaluate-v2.0.py`.
    """
    require_pairs(predictions, answers)
    rows = [
        (bool(golds), squad_v2_exact_match(guess, golds), squad_v2_f1(guess, golds))
        for guess, golds in zip(predictions, answers, strict=True)
    ]
    answerable = [row for row in rows if row[0]]
    unanswerable = [row for row in rows if not row[0]]
    scores = {}
    for prefix, part in (("", rows), ("has_answer_", answerable), ("no_answer_", unanswerable)):
        if part:
            scores[f"{prefix}exact_match"] = mean(row[1] for row in part)
            scores[f"{prefix}f1"] = mean(row[2] for row in part)
    return scores


def _v2_golds(answers: Sequence[str]) -> list[str]:
    """Normalised gold answers that have words; one empty text if there are none (as `evaluate-v2.0.py`)."""
    return [gold for gold in map(normalise_squad, answers) if gold] or [""]


def _some(answers: Sequence[str]) -> Sequence[str]:
    if not answers:
        raise ValueError("a question has no gold answer; only SQuAD v2.0 scoring allows that")
    return answers


def _best(score: Callable[[str, str], float], prediction: str, golds: Iterable[str]) -> float:
    return max(score(prediction, gold) for gold in golds)


def _exact(prediction: str, gold: str) -> float:
    return 100.0 * (prediction == gold)


def _xtreme_f1(prediction: str, gold: str) -> float:
    return _words_f1(prediction, gold, _F1_OF_EMPTY_XTREME)


def _squad_v2_f1(prediction: str, gold: str) -> float:
    return _words_f1(prediction, gold, _F1_OF_EMPTY_SQUAD_V2)


def _words_f1(prediction: str, gold: str, both_empty: float) -> float:
    """F1 in points of two bags of words, given as normalised texts."""
    predicted, wanted = prediction.split(), gold.split()
    if not predicted and not wanted:
        return both_empty
    common = sum((Counter(predicted) & Counter(wanted)).values())
    if not common:
        return 0.0
    precision, recall = common / len(predicted), common / len(wanted)
    return 100.0 * (2 * precision * recall / (precision + recall))


@lru_cache(maxsize=65536)
def _is_punctuation(char: str) -> bool:
    """True for the Unicode categories P* and for ASCII punctuation, some of which Unicode calls symbols."""
    return char in string.punctuation or unicodedata.category(char).startswith("P")


def _join(text: str) -> str:
    return " ".join(text.split())
