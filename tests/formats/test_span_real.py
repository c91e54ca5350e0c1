"""Real questions through a real tokeniser: gold answers as logits come back as the gold texts.

Needs XFER_TEST_DATA_ROOT (XQuAD) and XFER_TEST_ENCODER; the figures are those of XLM-R's pieces.
"""

import os
from pathlib import Path

import numpy as np
import pytest

from xfer.bootstrap import load
from xfer.core.data.load import load_examples, load_rows
from xfer.core.formats import SpanOptions
from xfer.core.formats.span import Span
from xfer.core.metrics import squad_exact_match

ROOT, ENCODER = (os.environ.get(name, "") for name in ("XFER_TEST_DATA_ROOT", "XFER_TEST_ENCODER"))
pytestmark = pytest.mark.skipif(not (ROOT and ENCODER), reason="no real rows or no real tokeniser")

# language: exact match of gold answers in points, windows, windows without the answer
CEILINGS = {"en": (99.92, 1270, 54), "zh": (98.57, 1246, 38)}


@pytest.mark.parametrize("language", CEILINGS)
def test_gold_answers_come_back(language: str) -> None:
    """What is lost: answers of more than 30 tokens, and those that begin or end inside a piece."""
    from xfer.core.encoders.tokeniser import Tokeniser

    task = load().tasks.get("xquad")
    rows = load_rows(task, "test", language, data_root=Path(ROOT))
    examples = load_examples(task, "test", language, rows).examples
    code = Span(task, (), SpanOptions())
    features = code.featurise(examples, Tokeniser.load(ENCODER), 384, training=False)
    targets = features.columns["targets"].values
    logits = np.zeros((len(features.tokens), 2), np.float32)
    for end in (0, 1):
        logits[features.offsets[:-1] + targets[:, end], end] = 20
    decoded = code.decode(examples, features, {"logits": logits})
    right = [squad_exact_match(text, [one.answers[0].text]) for text, one in zip(decoded, examples, strict=True)]  # type: ignore[union-attr]
    ceiling, windows, without = CEILINGS[language]
    assert np.mean(right) == pytest.approx(ceiling, abs=0.01)
    assert (features.item_count, int((targets[:, 0] == 0).sum())) == (windows, without)
