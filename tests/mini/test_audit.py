"""What shallow models get out of the rows: bag-of-words logistic regression and answer-type heuristics.

The models see English rows only; training rows come from the train split, test rows from the test split.
"""

import random
import re
from collections import Counter
from functools import cache

import numpy as np
import pytest

from xfer.plugins.mini import rows, sentence
from xfer.plugins.mini.questions import answer_span
from xfer.plugins.mini.tokens import detokenise

TRAIN, TEST, MARGIN = 3_000, 1_000, 8.0


def words(text):
    return re.findall(r"[a-z0-9]+", text.lower())


@cache
def table(kind, split, count):
    return list(rows.generate(kind, split, "en", count))


def vocabulary(texts):
    found = {}
    for text in texts:
        for word in words(text):
            found.setdefault(word, len(found))
    return found


def bags(texts, vocab):
    matrix = np.zeros((len(texts), len(vocab)), np.float32)
    for row, text in enumerate(texts):
        for word in words(text):
            if word in vocab:
                matrix[row, vocab[word]] += 1
    return matrix


def standardised(train, test):
    """Columns with mean 0 and variance 1 in training (rare words less), so that the descent is quick."""
    mean, spread = train.mean(0), train.std(0) + 0.05
    parts = [(part - mean) / spread for part in (train, test)]
    return [np.hstack([part, np.ones((len(part), 1), np.float32)]) for part in parts]


def logistic_weights(features, groups, targets, steps=150, penalty=1e-2):
    """Nesterov descent on softmax cross-entropy; `groups` turns scores into rows of alternatives and back."""
    shape = (features.shape[1], groups[1])
    weights = np.zeros(shape, np.float32)
    previous = weights
    bound = 0.5 * np.linalg.norm(features[:1_000], 2) ** 2 / min(len(features), 1_000) * groups[0] + penalty
    for step in range(steps):
        ahead = weights + step / (step + 3) * (weights - previous)
        previous = weights
        scores = (features @ ahead).reshape(targets.shape)
        scores = np.exp(scores - scores.max(1, keepdims=True))
        errors = (scores / scores.sum(1, keepdims=True) - targets).reshape(len(features), groups[1])
        weights = ahead - (features.T @ errors / len(targets) + penalty * ahead) / bound
    return weights


def accuracy(train_features, train_labels, test_features, test_labels):
    """Test accuracy of a softmax classifier in points above the most frequent label."""
    labels = sorted(set(train_labels))
    targets = np.eye(len(labels), dtype=np.float32)[[labels.index(label) for label in train_labels]]
    weights = logistic_weights(train_features, (1, len(labels)), targets)
    gold = np.array([labels.index(label) for label in test_labels])
    right = 100 * float(((test_features @ weights).argmax(1) == gold).mean())
    return right - 100 * Counter(test_labels).most_common(1)[0][1] / len(test_labels)


def one_side(train, test, column):
    vocab = vocabulary(row[column] for row in train)
    return standardised(*(bags([row[column] for row in part], vocab) for part in (train, test)))


def both_sides(train, test, first, second):
    """The two bags and the absolute difference between them."""
    vocab = vocabulary(row[column] for row in train for column in (first, second))
    found = []
    for part in (train, test):
        one, two = (bags([row[column] for row in part], vocab) for column in (first, second))
        found.append(np.hstack([one, two, np.abs(one - two)]))
    return standardised(*found)


def lead(kind, features, columns):
    train, test = table(kind, "train", TRAIN), table(kind, "test", TEST)
    train_features, test_features = features(train, test, *columns)
    return accuracy(train_features, [row["label"] for row in train], test_features, [row["label"] for row in test])


@pytest.mark.parametrize(
    ("kind", "column"),
    [
        ("xnli", "premise"),
        ("xnli", "hypothesis"),
        ("mnli", "hypothesis"),
        ("anli", "premise"),
        ("anli", "hypothesis"),
        ("pawsx", "sentence1"),
        ("pawsx", "sentence2"),
        ("qqp", "sentence1"),
        ("qqp", "sentence2"),
    ],
)
def test_one_sentence_alone_says_nothing(kind, column):
    assert lead(kind, one_side, (column,)) <= MARGIN


def test_both_bags_say_nothing_about_pawsx():
    assert lead("pawsx", both_sides, ("sentence1", "sentence2")) <= MARGIN


def test_both_bags_with_differences_may_solve_the_easy_paraphrases():
    assert lead("qqp", both_sides, ("sentence1", "sentence2")) > 30


def test_the_audit_finds_a_leak_where_there_is_one():
    train, test = table("xnli", "train", 1_000), table("xnli", "test", 500)
    leaky = [
        [row for row in part if ("not" in words(row["premise"])) == (row["label"] == "entailment")]
        for part in (train, test)
    ]
    features = one_side(*leaky, "premise")
    labels = [[row["label"] for row in part] for part in leaky]
    assert accuracy(features[0], labels[0], features[1], labels[1]) > 2 * MARGIN


@pytest.mark.parametrize(("kind", "margin"), [("cosmosqa", 8), ("commonsenseqa", 8), ("hellaswag", 15)])
def test_choices_alone_say_little(kind, margin):
    train, test = table(kind, "train", 1_500), table(kind, "test", 600)
    size = len(train[0]["choices"])
    vocab = vocabulary(choice for row in train for choice in row["choices"])
    features = standardised(
        *(bags([choice for row in part for choice in row["choices"]], vocab) for part in (train, test))
    )
    targets = np.eye(size, dtype=np.float32)[[row["label"] for row in train]]
    weights = logistic_weights(features[0], (size, 1), targets)
    scores = (features[1] @ weights).reshape(len(test), size)
    right = 100 * float((scores.argmax(1) == np.array([row["label"] for row in test])).mean())
    assert right - 100 / size <= margin


QA = ("xquad", "mlqa", "tydiqa", "squad-v1", "squad-v2")


def f1(guess, gold):
    """Token F1 without articles, as in the SQuAD evaluation script."""
    one, two = ([w for w in words(text) if w not in ("a", "an", "the")] for text in (guess, gold))
    common = sum((Counter(one) & Counter(two)).values())
    return 200.0 * common / (len(one) + len(two)) if common else 0.0


def candidates(question):
    """(sentence, constituent of the asked role) for each sentence that has one."""
    story, found = question.story, []
    for event, order in zip(story.events, story.orders, strict=True):
        if getattr(event, story.role) is not None:
            tokens = sentence.sentence("en", event, order)
            text, spans = detokenise("en", tokens)
            first, last = answer_span("en", tokens, story.role)
            found.append((text, text[spans[first][0] : spans[last][1]]))
    return found


def heuristic_scores(kind, count=400):
    """Mean F1 on hard rows of two guesses: right type anywhere, right type in the most similar sentence."""
    rng, by_type, by_overlap = random.Random("heuristics"), [], []
    questions = rows.meanings(kind, "test", count)
    for question, row in zip(questions, table(kind, "test", count), strict=True):
        if not row["hard"] or not row["answers"]["text"]:
            continue
        gold, found = row["answers"]["text"][0], candidates(question)
        by_type.append(f1(rng.choice(found)[1], gold))
        asked = set(words(row["question"]))
        by_overlap.append(f1(max(found, key=lambda pair: len(asked & set(words(pair[0]))))[1], gold))
    return sum(by_type) / len(by_type), sum(by_overlap) / len(by_overlap)


@pytest.mark.parametrize("kind", QA)
def test_the_type_of_the_answer_is_not_enough_on_hard_questions(kind):
    by_type, by_overlap = heuristic_scores(kind)
    assert by_type <= 60
    assert by_overlap > by_type  # the question does point at its sentence


@pytest.mark.parametrize("kind", QA)
def test_most_questions_are_hard(kind):
    found = table(kind, "test", 400)
    assert sum(row["hard"] for row in found) >= 0.6 * len(found)
    assert {row["answer_type"] for row in found} >= {"subject", "place", "time"}
