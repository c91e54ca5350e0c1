"""The task and the strategy against xfer's kit; no data and no network."""

import pytest
import xfer_belebele
from xfer_belebele.strategy import READING_STILTS, Params
from xfer_belebele.task import BELEBELE, example

from xfer.api import DataError
from xfer.testing import check_strategy, check_task


def test_the_task() -> None:
    check_task(BELEBELE)


def test_right_answers_are_counted_from_one() -> None:
    row = BELEBELE.fixture[1]
    found = example(row, "en")
    assert found.choices[found.label or 0] == "By helicopter"
    with pytest.raises(DataError, match="correct_answer_num is '5'"):
        example({**row, "correct_answer_num": 5}, "en")


def test_the_strategy() -> None:
    text = check_strategy(READING_STILTS, Params(steps=("kit-second", "kit-first"), budget=7))
    assert "intermediate: train [kit-second train original en total=7] from pretrained" in text
    assert "intermediate-2: train [kit-first train original en total=7] from intermediate" in text
    assert "kit-first" in check_strategy(READING_STILTS)


def test_the_package_offers_both() -> None:
    assert xfer_belebele.xfer_tasks() == [BELEBELE]
    assert xfer_belebele.xfer_strategies() == [READING_STILTS]
