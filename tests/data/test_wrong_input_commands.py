"""Wrong rows under `xfer run`: exit status 2, a message with file and row, a store with nothing half-written."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from . import tiny_xtreme
from .folders import nli, question, write_bytes, write_jsonl
from .originals import conllu, squad_json

MNLI = "nyu-mll/glue/mnli/train.jsonl"
SQUAD = "squad/train-v1.1.json"
PAWSX = "x-final/en/train.tsv"
LASER = "LASER/data/tatoeba/v1/tatoeba.deu-eng.deu"
HEADER = b"id\tsentence1\tsentence2\tlabel\n"


def rows(*rows: Any) -> Callable[[Path], object]:
    return lambda path: write_jsonl(path, rows)


def raw(content: bytes) -> Callable[[Path], object]:
    return lambda path: write_bytes(path, content)


def added(content: bytes) -> Callable[[Path], object]:
    return lambda path: write_bytes(path, path.read_bytes() + content)


def halved(path: Path) -> object:
    return write_bytes(path, path.read_bytes()[: path.stat().st_size // 2])


# What is wrong: target, file, change, what is told.
CASES: dict[str, tuple[str, str, Callable[[Path], object], tuple[str, ...]]] = {
    "missing column": ("xnli", MNLI, rows({"premise": "a", "label": 1}), ("'hypothesis' is missing", "line 1")),
    "unknown label name": (
        "xnli",
        MNLI,
        rows(nli(), nli("maybe")),
        ("unknown label 'maybe'", "train.jsonl, line 2"),
    ),
    "label out of range": ("xnli", MNLI, rows(nli(), nli(7)), ("label 7 is out of range", "train.jsonl, line 2")),
    "null text": ("xnli", MNLI, rows(nli(), nli(0, None)), ("text is empty (null)", "train.jsonl, line 2")),
    "empty file": ("xnli", MNLI, raw(b""), ("holds no rows", "train.jsonl")),
    "broken JSON": ("xnli", MNLI, added(b"{"), ("not JSON", "train.jsonl, line 10")),
    "offset past the end": (
        "xquad",
        SQUAD,
        raw(squad_json(question(), question(999, "barn", "q2"))),
        ("offset 999 is past the end of a context of 16 characters", "train-v1.1.json, row 2"),
    ),
    "identifier twice": ("xquad", SQUAD, raw(squad_json(question(), question())), ("'q1' occurs twice", "row 2")),
    "file cut short": ("xquad", SQUAD, halved, ("not JSON", "train-v1.1.json")),
    "another encoding": ("pawsx", PAWSX, raw(HEADER + b"1\ta\tb\t1\n2\tcaf\xe9\tb\t0\n"), ("not UTF-8", "line 3")),
    "UTF-16": ("pawsx", PAWSX, raw("id\tsentence1".encode("utf-16")), ("not UTF-8", "train.tsv")),
    "NA for a label": (
        "pawsx",
        PAWSX,
        raw(HEADER + b"1\tNA\tNA\t1\n2\ta\tb\tNA\n"),
        ("unknown label 'NA'", "line 3"),
    ),
    "too many cells": ("pawsx", PAWSX, added(b"9\ta\tb\tc\t1\n"), ("5 cells where the header has 4", "line 8")),
    "over-long word": (
        "udpos",
        "ud-treebanks-v2.5/UD_Tiny-en/en_tiny-ud-train.conllu",
        raw(conllu([("1", "a", "X", "0")], [("1", "x" * 5000, "X", "0")])),
        ("a word of 5000 characters", "train.conllu, row 2"),
    ),
    "unknown tag": (
        "udpos",
        "ud-treebanks-v2.5/UD_Tiny-de/de_tiny-ud-test.conllu",
        raw(conllu([("1", "a", "NN", "0")])),
        ("unknown label 'NN'", "de_tiny-ud-test.conllu, row 1"),
    ),
    "archive cut short": ("panx", "panx_dataset/en.tar.gz", halved, ("not a readable archive", "en.tar.gz")),
    "unpaired lines": (
        "tatoeba",
        LASER,
        added(b"noch eine\n"),
        ("unpaired lines: 7 lines here, 6 in", "deu-eng.deu"),
    ),
    "blank side": ("tatoeba", LASER, raw(b"a\n\nc\nd\ne\nf\n"), ("unpaired row: one side is empty", "row 2")),
    "gold pair without its sentence": (
        "bucc",
        "bucc2018/zh-en/zh-en.training.gold",
        added(b"zh-1\ten-99\n"),
        ("no sentence is called 'en-99'", "zh-en.training.gold, line 7"),
    ),
    "dev pair without its sentence": (
        "bucc",
        "bucc2018/de-en/de-en.sample.gold",
        added(b"de-77\ten-1\n"),
        ("no sentence is called 'de-77'", "de-en.sample.gold, line 6"),
    ),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_xtreme.write(tmp_path_factory.mktemp("whole"))


@pytest.mark.parametrize("name", CASES)
def test_a_run_over_wrong_rows_ends_with_a_message(
    name: str, whole: Path, tmp_path: Path, run_xfer: Callable[..., Any], tiny_encoder: Callable[..., Path]
) -> None:
    target, file, change, says = CASES[name]
    root, store = tmp_path / "root", tmp_path / "runs"
    shutil.copytree(whole, root)
    change(root / file)
    done = run_xfer(
        "run", "--strategy", "none", "--suite", "xtreme", "--preset", "small", "--target", target,
        "--data-root", root, "--model", tiny_encoder("xlm-roberta"), "--set", "target.max_steps=1",
        "--limit", "train=1", "--store", store, "--name", "wrong", "--quiet",
    )  # fmt: skip
    assert done.status == 2, done.err
    assert all(text in done.err for text in (*says, str(root / file))), done.err
    assert "Traceback" not in done.err
    files = [path.relative_to(store).as_posix() for path in store.rglob("*") if path.is_file()]
    assert not [path for path in files if re.search("partial|tmp", path)], files
    phases = {path.split("/")[1] for path in files if path.startswith("phases/")}
    # Only a fault in test rows lets the training before them finish.
    assert len(phases) == (name == "unknown tag")
    assert all((store / "phases" / phase / "DONE").is_file() for phase in phases)
    assert not any(text for text in map(Path.read_text, store.glob("runs/*/results.jsonl")))


def test_there_are_twenty_ways_here() -> None:
    assert len(CASES) == 20


def test_a_language_that_the_task_lacks(
    whole: Path, tmp_path: Path, run_xfer: Callable[..., Any], tiny_encoder: Callable[..., Path]
) -> None:
    chosen = (
        "--suite",
        "xtreme",
        "--target",
        "xquad",
        "--data-root",
        whole,
        "--model",
        tiny_encoder("xlm-roberta"),
    )
    for language, told in (("pt", "'pt'"), ("ar", "xquad: no test rows in ar")):
        done = run_xfer("run", *chosen, "--language", language, "--store", tmp_path / "runs", "--quiet")
        assert (done.status, told in done.err) == (2, True), done.err
    assert not (tmp_path / "runs").exists()
