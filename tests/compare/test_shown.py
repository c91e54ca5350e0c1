"""What of an example and a prediction is kept for drill-down."""

import json

import pytest

from xfer.core.compare.shown import LENGTH, cut, prediction, shown
from xfer.core.examples import (
    Answer,
    ChoiceExample,
    LineExample,
    PairExample,
    SpanExample,
    TaggedExample,
    TextExample,
)


@pytest.mark.parametrize(
    ("example", "text", "gold"),
    [
        (TextExample("1", "de", "Eins.", "Zwei.", "neutral"), "Eins. ‖ Zwei.", "neutral"),
        (TextExample("1", "de", "Eins."), "Eins.", ""),
        (ChoiceExample("1", "en", "Who?", ("me", "you"), 1), "Who? (0) me (1) you", "1"),
        (SpanExample("1", "en", "Who?", "Ann and Bo.", (Answer("Ann", 0), Answer("Bo", 8))),
         "Who? ‖ Ann and Bo.", "Ann / Bo"),
        (SpanExample("1", "en", "Who?", "Nobody."), "Who? ‖ Nobody.", ""),
        (TaggedExample("1", "en", ("a", "cat"), ("DET", "NOUN")), "a cat", "DET NOUN"),
        (PairExample("de-7", "de", "ja", "yes"), "ja", "de-7: yes"),
        (PairExample("de-7", "de", None, "yes"), "", "de-7: yes"),
        (LineExample("1", "en", "one\ntwo"), "one two", ""),
        (7, "7", ""),
    ],
)  # fmt: skip
def test_every_kind_of_example_shows_text_and_gold(example, text, gold):
    assert shown(example) == (text, gold)


def test_texts_are_cut_to_three_hundred_characters():
    assert cut("x" * LENGTH) == "x" * 300
    assert cut("x" * 301) == "x" * 299 + "…"


@pytest.mark.parametrize(
    ("value", "text"),
    [("neutral", "neutral"), ("", ""), (1, "1"), (["DET", "NOUN"], "DET NOUN"), (None, "null"), ([1, 2], "[1, 2]")],
)
def test_predictions_read_as_text(value, text):
    assert prediction(json.dumps(value)) == text
