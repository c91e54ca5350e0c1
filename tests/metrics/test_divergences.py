"""Where other implementations are known to answer otherwise, so that a silent "mend" is noticed.

Each row: what is scored, by whom it is scored otherwise, the value here, the value there.
"""

import numpy as np
import pytest

from xfer.core.metrics import chunk_f1, squad_exact_match, squad_f1, squad_scores, squad_v2_scores, token_accuracy
from xfer.core.metrics.question_answering import mlqa_f1
from xfer.core.metrics.retrieval import best_threshold, mine, tatoeba_accuracy, unique_texts

COORDINATION = [["NOUN", "SCONJ", "NOUN"]], [["NOUN", "CCONJ", "NOUN"]]
LONE_X = [["NOUN"], ["NOUN"]], [["X"], ["NOUN"]]
ENGLISH, OTHER = np.array([[1.0, 0.2], [0.3, -1.0]]), np.array([[1.0, 0.0], [1.0, 0.1]])


def mined_after_collapsing(texts, embeddings):
    kept, _ = unique_texts(texts)
    return mine(embeddings[kept], np.eye(2))[0].tolist()


TABLE = {
    "seqeval 1.2.2 cuts the first letter of bare tags: CCONJ equals SCONJ": (
        lambda: chunk_f1(*COORDINATION)["f1"],
        200 / 3,
        100,
    ),
    "seqeval 1.2.2 loses a lone X": (lambda: chunk_f1(*LONE_X)["f1"], 50, 200 / 3),
    "POS called accuracy in the text of XTREME": (
        lambda: chunk_f1([["DET", "NOUN", "NOUN", "X"]], [["DET", "NOUN", "VERB", "X"]])["f1"],
        # three predicted chunks, four gold ones, two in common
        400 / 7,
        token_accuracy([["DET", "NOUN", "NOUN", "X"]], [["DET", "NOUN", "VERB", "X"]]),
    ),
    "jiant and transformers: F1 of empty against empty is 100 also in SQuAD v1.1": (
        lambda: squad_f1("", ["the"]),
        0,
        100,
    ),
    "jiant and transformers drop gold answers without words also in SQuAD v1.1": (
        lambda: squad_exact_match("the", ["the", "red"]),
        100,
        0,
    ),
    "XQuAD zh with the normalisation of MLQA": (
        lambda: squad_f1("北京", ["北京大学"]),
        0,
        mlqa_f1("北京", ["北京大学"], "zh"),
    ),
    "jiant's best_exact of SQuAD v2 counts the best prefix of the rows": (
        lambda: squad_v2_scores(["red", "blue"], [["red"], []])["exact_match"],
        50,
        100,
    ),
    "mteb searches Tatoeba from the other language into English": (
        lambda: tatoeba_accuracy(ENGLISH, OTHER)["accuracy"],
        0,
        tatoeba_accuracy(ENGLISH, OTHER, "other-to-english")["accuracy"],
    ),
    "LASER, XTREME and jiant read past the end when all candidates are best": (
        lambda: best_threshold([1.5, 1.25], [True, True], 2),
        (1.25, 100),
        IndexError,
    ),
    "LASER and XTREME count a cut within equal scores": (
        lambda: best_threshold([1.0, 1.0, 0.5], [True, False, True], 2)[0],
        0.5,  # all three, F1 80; the cut after the first would be F1 66.7, but accepts both equal scores
        1.0,
    ),
    "keeping the first of equal sentences instead of the last": (
        lambda: mined_after_collapsing(["a", "b", "a"], np.array([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])),
        [1, 0],
        [0, 1],
    ),
}


@pytest.mark.parametrize("name", TABLE)
def test_known_divergence(name):
    score, here, there = TABLE[name]
    value = score()
    assert value == pytest.approx(here)
    assert value != there


def test_a_missing_prediction_scores_zero_but_counts():
    assert squad_scores(["red", ""], [["red"], ["blue"]]) == {"exact_match": 50, "f1": 50}
