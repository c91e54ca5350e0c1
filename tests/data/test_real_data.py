"""Every task on a real data root (XFER_TEST_DATA_ROOT); the figures are those of one partial copy."""

import os
from pathlib import Path

import pytest

from xfer.bootstrap import load
from xfer.core.data.load import Loaded, MissingData, fingerprint, load_examples, load_rows
from xfer.plugins.shared import revisions

ROOT = os.environ.get("XFER_TEST_DATA_ROOT", "")
pytestmark = pytest.mark.skipif(not ROOT, reason="XFER_TEST_DATA_ROOT is not set")

# task, split, language: rows, realigned answers
FIGURES = {
    ("tydiqa", "train", "en"): (3696, 48),
    ("tydiqa", "train", "sw"): (2755, 478),
    ("tydiqa", "test", "en"): (440, 8),
    ("xquad", "test", "zh"): (1190, 100),
    ("xquad", "test", "en"): (1190, 5),
    ("xquad", "test", "de"): (1190, 0),
    ("mlqa", "dev", "de"): (312, 0),
    ("squad-v1", "train", "en"): (1481, 0),
    ("squad-v2", "train", "en"): (3131, 0),
    ("xnli", "dev", "de"): (2495, 0),
    ("xnli", "test", "sw"): (2505, 0),
    ("tatoeba", "test", "sw"): (390, 0),
    ("tatoeba", "test", "de"): (1000, 0),
    ("udpos", "train", "en"): (1781, 0),
    ("panx", "train", "en"): (20000, 0),
    ("pawsx", "test", "de"): (1000, 0),
    ("bucc", "dev", "zh"): (300, 0),
    ("mnli", "train", "en"): (1743, 0),
    ("snli", "train", "en"): (9842, 0),
    ("anli-plus", "train", "en"): (9842 + 1743 + 734 + 725 + 841, 0),
    ("qqp", "train", "en"): (5000, 0),
    ("hellaswag", "train", "en"): (6000, 0),
    ("cosmosqa", "train", "en"): (2071, 0),
    ("commonsenseqa", "train", "en"): (9741, 0),
    ("ccg", "train", "en"): (600, 0),
    ("mlm-text", "train", "sw"): (7516, 0),
}


def loaded(name: str, split: str, language: str, limit: int | None = None) -> Loaded:
    task = load().tasks.get(name)
    rows = load_rows(task, split, language, data_root=Path(ROOT))
    return load_examples(task, split, language, rows, limit)


@pytest.mark.parametrize(("name", "split", "language"), FIGURES, ids=["-".join(key) for key in FIGURES])
def test_rows_and_realigned_answers(name: str, split: str, language: str) -> None:
    found = loaded(name, split, language)
    assert (found.rows, found.realigned) == FIGURES[name, split, language]
    assert len(found.examples) == found.rows
    assert found.dropped == {}
    assert len(loaded(name, split, language, 7).examples) == (found.rows if name in ("tatoeba", "bucc") else 7)


def test_every_task_of_the_suite_is_here() -> None:
    suite = load().suites.get("xtreme")
    assert {*suite.targets, *suite.intermediates, suite.text_task, "snli"} == {name for name, _, _ in FIGURES}


def test_absent_languages_are_told() -> None:
    task = load().tasks.get("xquad")
    absent = {}
    for language in task.languages:
        try:
            fingerprint(task, "test", (language,), Path(ROOT))
        except MissingData as error:
            absent[language] = error.fix
    assert sorted(absent) == ["ar", "el", "hi", "ru", "th", "tr", "vi"]
    command = (
        f"hf download google/xquad --repo-type dataset --revision {revisions.XQUAD} --local-dir {ROOT}/google/xquad"
    )
    assert all(command in fix for fix in absent.values())
