"""Equality with google-research/xtreme on random predictions.

`XFER_XTREME_CHECKOUT` is the path of a checkout. The comparison of tags needs seqeval 0.0.12, that of retrieval
faiss-cpu. Run with `pytest -m differential tests/metrics`.
"""

import importlib
import importlib.metadata
import os
import random
from pathlib import Path

import numpy as np
import pytest

from xfer.core.metrics import (
    accuracy,
    chunk_f1,
    mlqa_exact_match,
    mlqa_f1,
    mlqa_scores,
    squad_exact_match,
    squad_f1,
    squad_scores,
)
from xfer.core.metrics.retrieval import (
    best_threshold,
    mine,
    mining_f1,
    nearest,
    occurring_once,
    unique_texts,
)

CHECKOUT = os.environ.get("XFER_XTREME_CHECKOUT", "")
pytestmark = [
    pytest.mark.differential,
    pytest.mark.skipif(not CHECKOUT, reason="XFER_XTREME_CHECKOUT names no checkout of google-research/xtreme"),
]

UPOS = ["ADJ", "ADP", "CCONJ", "INTJ", "NOUN", "PROPN", "SCONJ", "SYM", "VERB", "X"]
BIO = ["O", "O", "B-LOC", "I-LOC", "B-ORG", "I-ORG", "B-PER", "I-PER"]
LATIN = ["the", "A", "an", "Band", "U.S.", "1898", "$5", "x-y", "“quoted”", "—", "", " ", "\n", "İ", "ß"]
OTHERS = ["北京", "大学", "，", "（年）", "กรุงเทพ", "القاهرة", "ال", "،", "दिल्ली", "।"]
ARTICLES = ["của", "là", "¿una", "el", "der", "DES"]


@pytest.fixture
def peer(monkeypatch):
    """Import a module of the checkout by name."""
    assert Path(CHECKOUT, "third_party", "evaluate_squad.py").is_file()
    monkeypatch.syspath_prepend(CHECKOUT)
    return importlib.import_module


def random_text(source):
    return source.choice(["", " "]).join(source.choices(LATIN + OTHERS + ARTICLES, k=source.randint(0, 4)))


def random_questions(source, n):
    """Predictions (some missing) and gold answers; some predictions are right, some nearly."""
    predictions, answers = [], []
    for _ in range(n):
        golds = [random_text(source) for _ in range(source.randint(1, 3))]
        answers.append(golds)
        near = source.choice(golds) + source.choice(["", "", ".", " the", "，", " x"])
        predictions.append(source.choice([near, near, random_text(source), ""]))
    return predictions, answers


def as_squad(answers):
    questions = [
        {"id": str(number), "answers": [{"text": gold} for gold in golds]} for number, golds in enumerate(answers)
    ]
    return [{"paragraphs": [{"qas": questions}]}]


@pytest.mark.parametrize("seed", range(20))
def test_squad(peer, seed):
    official = peer("third_party.evaluate_squad")
    predictions, answers = random_questions(random.Random(seed), 200)
    expected = official.evaluate(as_squad(answers), {str(n): text for n, text in enumerate(predictions)})
    assert squad_scores(predictions, answers) == pytest.approx(expected, rel=1e-12)
    for prediction, golds in zip(predictions, answers, strict=True):
        best = official.metric_max_over_ground_truths
        assert squad_f1(prediction, golds) == 100.0 * best(official.f1_score, prediction, golds)
        assert squad_exact_match(prediction, golds) == 100 * best(official.exact_match_score, prediction, golds)


@pytest.mark.parametrize("language", ["ar", "de", "en", "es", "hi", "vi", "zh"])
@pytest.mark.parametrize("seed", range(5))
def test_mlqa(peer, language, seed):
    official = peer("third_party.evaluate_mlqa")
    predictions, answers = random_questions(random.Random(seed), 200)
    by_id = {str(n): text for n, text in enumerate(predictions)}
    expected = official.evaluate(as_squad(answers), by_id, language)
    assert mlqa_scores(predictions, answers, language) == pytest.approx(expected, rel=1e-12)
    for prediction, golds in zip(predictions, answers, strict=True):
        assert mlqa_f1(prediction, golds, language) == 100.0 * max(
            official.f1_score(prediction, gold, language) for gold in golds
        )
        assert mlqa_exact_match(prediction, golds, language) == 100 * max(
            official.exact_match_score(prediction, gold, language) for gold in golds
        )


def need_seqeval_0_0_12():
    """XTREME's tagging scores depend on this version; later ones read bare tags otherwise."""
    pytest.importorskip("seqeval")
    if importlib.metadata.version("seqeval") != "0.0.12":
        pytest.skip("needs seqeval 0.0.12")


def test_accuracy(peer):
    need_seqeval_0_0_12()
    official, source = peer("evaluate"), random.Random(0)
    gold, guess = source.choices("abc", k=500), source.choices("abc", k=500)
    assert accuracy(guess, gold) == pytest.approx(official.accuracy(gold, guess)["accuracy"], rel=1e-12)


@pytest.mark.parametrize("tags", [UPOS, BIO], ids=["upos", "bio"])
@pytest.mark.parametrize("seed", range(100))
def test_chunk_f1(peer, tags, seed):
    need_seqeval_0_0_12()
    official, source = peer("evaluate"), random.Random(seed)
    gold = [source.choices(tags, k=source.randint(0, 12)) for _ in range(10)]
    guess = [[tag if source.random() < 0.7 else source.choice(tags) for tag in row] for row in gold]
    assert chunk_f1(guess, gold) == pytest.approx(official.f1(gold, guess), rel=1e-12)


def embeddings(seed, n=60, m=50, d=16):
    """Two noisy views of shared vectors, so that some rows are translations of each other."""
    numbers = np.random.default_rng(seed)
    shared = numbers.normal(size=(max(n, m), d)) + 0.5
    noise = numbers.normal(size=(2, max(n, m), d)) * 0.6
    return (shared + noise[0])[:n].astype(np.float32), (shared + noise[1])[:m].astype(np.float32)


@pytest.mark.parametrize("seed", range(10))
def test_tatoeba_search(peer, seed):
    pytest.importorskip("faiss")
    english, other = embeddings(seed, 50, 50)
    official = peer("third_party.utils_retrieve").similarity_search(
        other.copy(), english.copy(), english.shape[1], normalize=True
    )
    np.testing.assert_array_equal(nearest(english, other, k=1)[1], official)


@pytest.mark.parametrize("seed", range(10))
def test_bucc(peer, seed, tmp_path):
    """Texts with duplicates, mined, threshold tuned, F1: the whole way from embeddings to the score."""
    pytest.importorskip("faiss")
    official = peer("third_party.utils_retrieve")
    vectors, names, texts, files = embeddings(seed), {}, {}, {}
    for side, rows in zip(("s", "t"), vectors, strict=True):
        names[side] = [f"{side}-{row:03d}" for row in range(len(rows))]
        # The last five texts repeat the first five.
        texts[side] = [f"{side} text {row if row < len(rows) - 5 else row % 5}" for row in range(len(rows))]
        for kind, lines in (("text", texts[side]), ("id", names[side])):
            files[side, kind] = tmp_path / f"{side}.{kind}"
            files[side, kind].write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    paths = [str(files[side, kind]) for kind in ("text", "id") for side in ("s", "t")]
    candidates = str(tmp_path / "candidates")
    official.mine_bitext(*(rows.copy() for rows in vectors), *paths[:2], candidates)
    pairs_with_scores = official.read_candidate2score(candidates, *paths)

    kept, once = {}, {}
    for side in ("s", "t"):
        kept[side], mapping = unique_texts(texts[side])
        once[side] = occurring_once(mapping)
    found = {
        (names["s"][kept["s"][i]], names["t"][kept["t"][j]]): float(margin)
        for i, j, margin in zip(*mine(vectors[0][kept["s"]], vectors[1][kept["t"]]), strict=True)
        if once["s"][i] and once["t"][j]
    }
    assert found == {pair: pytest.approx(score, abs=1e-6) for pair, score in pairs_with_scores.items()}

    # Nothing in the last third is right: the original crashes when the best threshold accepts everything.
    source = random.Random(seed)
    gold = {pair for pair in list(found)[: 2 * len(found) // 3] if source.random() < 0.8} | {("s-000", "t-049")}
    (tmp_path / "gold").write_text("".join("\t".join(pair) + "\n" for pair in gold), encoding="utf-8")
    scores, correct = list(found.values()), [pair in gold for pair in found]
    threshold, f1 = best_threshold(scores, correct, len(gold))
    expected = official.bucc_eval(candidates, str(tmp_path / "gold"), *paths, None)
    assert f1 == pytest.approx(expected["F1"], abs=1e-9)
    assert threshold == pytest.approx(expected["best-threshold"], abs=1e-6)
    measured = mining_f1(scores, correct, len(gold), threshold)
    assert measured["precision"] == pytest.approx(expected["precision"], abs=1e-9)
    assert measured["recall"] == pytest.approx(expected["recall"], abs=1e-9)
