"""Whatever is read - configurations, rows, predictions, result rows - ends well or in a message.

Each target has a share of `XFER_FUZZ_SECONDS` (5 by default, which the main suite allows).
"""

import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from xfer.core.data.load import load_examples, load_rows
from xfer.core.errors import UserError, XferError
from xfer.core.settings import load_settings
from xfer.plugins.tasks import mnli, udpos, xquad

SECONDS = float(os.environ.get("XFER_FUZZ_SECONDS", "5"))
TARGETS = 5
tried: dict[str, int] = {}

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


def fuzzed(strategy: st.SearchStrategy[Any], check: Callable[[Any], object], name: str) -> None:
    """Try examples until the share of the time is over."""
    tried[name] = number = 0
    begun = time.monotonic()
    while number == 0 or time.monotonic() - begun < SECONDS / TARGETS:
        number += 1

        @seed(number)
        @settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(strategy)
        def attempt(value: Any) -> None:
            tried[name] += 1
            try:
                check(value)
            except XferError as error:
                message = str(error).strip()
                assert message

        attempt()
    assert tried[name] >= 10


def toml_like() -> st.SearchStrategy[bytes]:
    keys = st.sampled_from(
        [
            "suite",
            "model",
            "seeds",
            "limit",
            "set",
            "name",
            "store",
            "strategy",
            "target",
            "keep",
            "[set.train]",
            "lr",
            "x.y",
        ]
    )
    literals = st.sampled_from(
        ['"toy"', "1", "-1", "nan", "inf", "true", "[1, 2]", '["a"]', "{train = 0}", "1979-05-27", '"\\u0000"']
    )
    line = st.builds(lambda key, value: key if key.startswith("[") else f"{key} = {value}", keys, literals)
    return st.lists(line, max_size=6).map(lambda lines: "\n".join(lines).encode()) | st.binary(max_size=200)


def test_configurations(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"

    def check(data: bytes) -> None:
        path.write_bytes(data)
        load_settings({}, path)

    fuzzed(toml_like(), check, "configuration")


def test_assignments() -> None:
    paths = st.sampled_from(
        ["train.lr", "engine.padding", "limit", "target", "a.b.c", "", "train", "set"]
    ) | st.text(max_size=10)
    fuzzed(st.dictionaries(paths, values, max_size=3), lambda given: load_settings({"set": given}), "assignments")


ROW_NAMES = ["premise", "hypothesis", "label", "tokens", "pos_tags", "id", "context", "question", "answers", "text"]


def test_rows(tmp_path: Path) -> None:
    folders = [
        (mnli.TASK, "train", "en", "nyu-mll/glue/mnli/train.jsonl"),
        (udpos.TASK, "test", "en", "google/xtreme/udpos.English/test.jsonl"),
        (xquad.TASK, "test", "de", "google/xtreme/XQuAD.de/validation.jsonl"),
    ]
    rows = st.lists(st.dictionaries(st.sampled_from(ROW_NAMES), values, max_size=6), max_size=3)
    lines = rows.map(lambda found: "\n".join(map(json.dumps, found)).encode()) | st.binary(max_size=100)

    def check(data: bytes) -> None:
        for task, split, language, name in folders:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            with suppress(UserError):
                load_examples(task, split, language, load_rows(task, split, language, data_root=tmp_path))

    fuzzed(lines, check, "rows")


def test_predictions(tmp_path: Path) -> None:
    from xfer.core.exchange.submission import score

    root = tmp_path / "google" / "xtreme" / "udpos.English"
    root.mkdir(parents=True)
    (root / "test.jsonl").write_text(json.dumps({"tokens": ["Go", "on"], "pos_tags": [15, 1]}) + "\n")
    rows = load_rows(udpos.TASK, "test", "en", data_root=tmp_path)
    examples = load_examples(udpos.TASK, "test", "en", rows).examples
    path = tmp_path / "test-en.tsv"

    def check(data: bytes) -> None:
        path.write_bytes(data)
        score(udpos.TASK, "en", examples, path)

    texts = st.text(alphabet="VERBADP\t\n_X ", max_size=30).map(str.encode)
    fuzzed(texts | st.binary(max_size=100), check, "predictions")


def test_result_rows(tmp_path: Path) -> None:
    import xfer
    from tests.store.test_store import row

    folder = tmp_path / "runs" / "r"
    folder.mkdir(parents=True)
    good = row().model_dump(mode="json")

    def check(change: tuple[str, Any] | bytes) -> None:
        if isinstance(change, bytes):
            (folder / "results.jsonl").write_bytes(change)
        else:
            line = json.dumps(good | {change[0]: change[1]})
            (folder / "results.jsonl").write_text(line + "\n")
        xfer.compare(tmp_path)

    fuzzed(st.tuples(st.sampled_from([*good, "new"]), values) | st.binary(max_size=100), check, "result rows")


def test_how_many_were_tried(capsys: pytest.CaptureFixture[str]) -> None:
    """Last in this module: tells its figures."""
    with capsys.disabled():
        print("\n  fuzzed " + ", ".join(f"{name} {count}" for name, count in tried.items()))
