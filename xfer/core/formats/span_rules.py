"""Answers without a model, for `span`."""

import re

import numpy as np

from xfer.core.formats.sequences import word_spans, words

LONGEST_GUESS = 5
"""Words in an answer drawn by chance."""
_SENTENCE = re.compile(r"[^.!?。!?।؟۔\n]+")


def random_words(context: str, rng: np.random.Generator) -> str:
    """One to five words in a row, both place and number drawn uniformly; "" where there are none."""
    spans = word_spans(context)
    if not spans:
        return ""
    first = int(rng.integers(len(spans)))
    last = min(first + int(rng.integers(LONGEST_GUESS)), len(spans) - 1)
    return context[spans[first][0] : spans[last][1]]


def answer_in_best_sentence(question: str, context: str) -> str:
    """The longest run of words not in the question, in the sentence that shares most distinct words with it.

    Ties go to what comes first. "" where every word of that sentence is in the question.
    """
    asked = set(words(question))
    sentences = [match.span() for match in _SENTENCE.finditer(context)] or [(0, len(context))]
    start, end = max(sentences, key=lambda span: len(asked & set(words(context[span[0] : span[1]]))))
    best = (0, 0, 0)
    run: list[tuple[int, int]] = []
    for left, right in word_spans(context[start:end]):
        if context[start + left : start + right].lower() in asked:
            run = []
            continue
        run.append((left, right))
        if len(run) > best[0]:
            best = (len(run), run[0][0], right)
    return context[start + best[1] : start + best[2]]
