"""Wrong data of every kind: each is the user's mistake (exit status 2), with its place and how to mend it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from xfer.core.data.load import MissingData, load_examples, load_rows
from xfer.core.errors import DataError, ExitStatus, UnknownName, UserError
from xfer.core.records import TaskSpec
from xfer.plugins.shared import revisions
from xfer.plugins.tasks import (
    bucc,
    ccg,
    commonsenseqa,
    cosmosqa,
    hellaswag,
    mnli,
    snli,
    squad_v1,
    tatoeba,
    udpos,
    xnli,
    xquad,
)

from .folders import Rows, nli, question, write_bytes, write_jsonl, write_parquet

MNLI = "nyu-mll/glue/mnli/train"
XQUAD = "google/xtreme/XQuAD.de/validation"
SQUAD = "rajpurkar/squad/plain_text/train"
UDPOS = "google/xtreme/udpos.English/test"
TATOEBA = "google/xtreme/tatoeba.deu/validation"
CARD = "stanfordnlp/snli/README.md"
BUCC = "bucc2018/de-en/de-en.sample"
THIRD = ", row 3"


@dataclass(frozen=True)
class Case:
    """What is written, what is asked for, and what the message must hold."""

    name: str
    task: TaskSpec
    split: str
    write: Callable[[Path], object]
    says: tuple[str, ...]
    language: str = "en"
    kind: type[UserError] = DataError


def parquet(name: str, rows: Rows, **class_labels: Any) -> Callable[[Path], object]:
    return lambda root: write_parquet(root / f"{name}-00000.parquet", rows, class_labels)


def jsonl(name: str, *rows: Any) -> Callable[[Path], object]:
    return lambda root: write_jsonl(root / f"{name}.jsonl", rows)


def raw(name: str, content: bytes) -> Callable[[Path], object]:
    return lambda root: write_bytes(root / name, content)


def files(**contents: bytes) -> Callable[[Path], object]:
    return lambda root: [write_bytes(root / f"{BUCC}.{end}", content) for end, content in contents.items()]


def table(*lines: str) -> bytes:
    return "\n".join(("premise,hypothesis,label", *lines, "")).encode()


def words(tokens: Any = ("Go", "on"), tags: Any = (15, 1)) -> dict[str, Any]:
    return {"tokens": tokens, "pos_tags": tags}


def pair(source: Any, target: Any) -> dict[str, Any]:
    return {"source_sentence": source, "target_sentence": target}


def story(label: Any) -> dict[str, Any]:
    return {"ctx_a": "a", "ctx_b": "b", "endings": ["c", "d", "e", "f"], "label": label}


def blog(label: Any, **changed: Any) -> dict[str, Any]:
    answers = {f"answer{number}": "x" for number in range(4)}
    return {"id": "i", "context": "c", "question": "q", **answers, "label": label, **changed}


GOOD = [nli(), nli()]
XNLI_ROW = {"language": "de", "sentence1": "a", "sentence2": "b", "gold_label": "neutral"}
CHOICE = {"id": "c", "question": "q", "choices": {"label": ["A", "B"], "text": ["x", "y"]}, "answerKey": "F"}
CASES = [
    Case(
        "missing column, parquet",
        mnli.TASK,
        "train",
        parquet(MNLI, [{"premise": "a", "label": 1}]),
        ("column 'hypothesis' is missing", "-00000.parquet, row 1", "the columns there are: premise, label"),
    ),
    Case(
        "missing column, one line of jsonl",
        mnli.TASK,
        "train",
        jsonl(MNLI, nli(), {"premise": "a", "hypothesis": "b", "gold": 1}),
        ("column 'label' is missing", "train.jsonl, line 2", "premise, hypothesis, gold"),
    ),
    Case(
        "unknown label name",
        mnli.TASK,
        "train",
        jsonl(MNLI, nli(), nli("maybe")),
        ("unknown label 'maybe'", "line 2", "entailment, neutral, contradiction"),
    ),
    Case(
        "label id as text in a table",
        mnli.TASK,
        "train",
        raw(f"{MNLI}.csv", table("a,b,neutral", "a,b,2")),
        ("unknown label '2'", "train.csv, line 3", "entailment, neutral, contradiction"),
    ),
    Case(
        "label out of range of the file's names",
        mnli.TASK,
        "train",
        parquet(MNLI, [*GOOD, nli(3)], label=("entailment", "neutral", "contradiction")),
        ("label 3 in column 'label' is out of range", THIRD, "0 to 2: entailment, neutral, contradiction"),
    ),
    Case(
        "label out of range of the documented names",
        mnli.TASK,
        "train",
        parquet(MNLI, [*GOOD, nli(7)]),
        ("label 7 is out of range", THIRD, "entailment, neutral, contradiction"),
    ),
    Case(
        "label below -1", mnli.TASK, "train", parquet(MNLI, [*GOOD, nli(-2)]), ("label -2 is out of range", THIRD)
    ),
    Case(
        "label that is a fraction",
        mnli.TASK,
        "train",
        parquet(MNLI, [nli(0.5)]),
        ("label 0.5 is not a label name", "row 1"),
    ),
    Case(
        "NA for a label",
        mnli.TASK,
        "train",
        raw(f"{MNLI}.csv", table("NA,NA,neutral", "a,b,NA")),
        ("unknown label 'NA'", "line 3"),
    ),
    Case(
        "no labels at all",
        mnli.TASK,
        "train",
        parquet(MNLI, [nli(-1), nli(-1)]),
        ("none of the 2 rows can be used", "mnli train (en)", "without a label: 2"),
    ),
    Case(
        "null text",
        mnli.TASK,
        "train",
        parquet(MNLI, [*GOOD, nli(0, hypothesis=None)]),
        ("the second text is empty (null)", THIRD),
    ),
    Case(
        "number for text",
        mnli.TASK,
        "train",
        jsonl(MNLI, nli(0, premise=12)),
        ("text is 12, not text", "train.jsonl, line 1"),
    ),
    Case(
        "offset past the end",
        xquad.TASK,
        "test",
        parquet(XQUAD, [question(), question(4711, "barn", "q2")]),
        ("answer offset 4711 is past the end of a context of 16 characters", "row 2", "the answer is 'barn'"),
        "de",
    ),
    Case(
        "offset below zero",
        xquad.TASK,
        "test",
        jsonl(XQUAD, question(-3)),
        ("answer offset -3 is not a number from 0", "line 1"),
        "de",
    ),
    Case("offset as text", squad_v1.TASK, "train", jsonl(SQUAD, question("4")), ("answer offset '4'", "line 1")),
    Case(
        "answers without offsets",
        squad_v1.TASK,
        "train",
        jsonl(SQUAD, {**question(), "answers": {"text": ["a", "b"], "answer_start": [1]}}),
        ("2 answer texts for 1 offsets", "line 1"),
    ),
    Case(
        "answers as a list",
        squad_v1.TASK,
        "train",
        jsonl(SQUAD, {**question(), "answers": ["mill"]}),
        ("answers are ['mill']", "line 1", "text and answer_start"),
    ),
    Case(
        "no answer occurs in its context",
        squad_v1.TASK,
        "train",
        jsonl(SQUAD, question(4, "barn")),
        ("none of the 1 rows can be used", "no answer found in its context: 1"),
    ),
    Case(
        "identifier twice",
        xquad.TASK,
        "test",
        parquet(XQUAD, [question(), question(id="q2"), question()]),
        ("identifier 'q1' occurs twice", THIRD, "first seen at", "row 1"),
        "de",
    ),
    Case(
        "identifier that is null",
        squad_v1.TASK,
        "train",
        jsonl(SQUAD, question(id=7)),  # type: ignore[arg-type]
        ("identifier is 7, not text", "line 1"),
    ),
    Case(
        "unpaired row",
        tatoeba.TASK,
        "test",
        parquet(TATOEBA, [pair("eins", "one"), pair("zwei", None)]),
        ("unpaired row", "row 2", "go together"),
        "de",
    ),
    Case(
        "gold pair without its sentence",
        bucc.TASK,
        "dev",
        files(de=b"de-1\teins\n", en=b"en-1\tone\n", gold=b"de-1\ten-1\nde-2\ten-1\n"),
        ("no sentence is called 'de-2'", "de-en.sample.gold, line 2"),
        "de",
    ),
    Case(
        "one of two parallel files missing",
        bucc.TASK,
        "dev",
        files(de=b"de-1\teins\n", gold=b"de-1\ten-1\n"),
        ("a file of the pair is missing", "de-en.sample.en"),
        "de",
    ),
    Case(
        "line without a tab",
        bucc.TASK,
        "dev",
        files(de=b"de-1\teins\nde-2 zwei\n", en=b"", gold=b""),
        ("no tab in the line", "de-en.sample.de, line 2"),
        "de",
    ),
    Case(
        "identifier of a parallel text twice",
        bucc.TASK,
        "dev",
        files(de=b"de-1\teins\nde-1\tzwei\n", en=b"", gold=b""),
        ("identifier 'de-1' occurs twice", "de-en.sample.de, line 2"),
        "de",
    ),
    Case(
        "parquet without rows", mnli.TASK, "train", parquet(MNLI, []), ("the file holds no rows", "-00000.parquet")
    ),
    Case("empty file", mnli.TASK, "train", raw(f"{MNLI}.jsonl", b""), ("the file holds no rows", "train.jsonl")),
    Case("table with a header only", mnli.TASK, "train", raw(f"{MNLI}.csv", table()), ("the file holds no rows",)),
    Case(
        "parquet cut short",
        mnli.TASK,
        "train",
        raw(f"{MNLI}-0.parquet", b"PAR1 and no more"),
        ("not a readable parquet file", "train-0.parquet", "fetch it again"),
    ),
    Case(
        "a pointer of git LFS for a file",
        mnli.TASK,
        "train",
        raw(f"{MNLI}-0.parquet", b"version https://git-lfs.github.com/spec/v1\n"),
        ("not a readable parquet file", "train-0.parquet"),
    ),
    Case(
        "jsonl in another encoding",
        mnli.TASK,
        "train",
        raw(f"{MNLI}.jsonl", b'{"premise": "a", "hypothesis": "b", "label": 0}\n{"premise": "caf\xe9"}\n'),
        ("not UTF-8", "train.jsonl, line 2", "convert the file to UTF-8"),
    ),
    Case(
        "table in another encoding",
        mnli.TASK,
        "train",
        raw(f"{MNLI}.csv", "premise,hypothesis,label\na,b,neutral\nä,b,neutral\n".encode("latin-1")),
        ("not UTF-8", "train.csv, line 3", "convert the file to UTF-8"),
    ),
    Case(
        "UTF-16",
        mnli.TASK,
        "train",
        raw(f"{MNLI}.csv", table("a,b,neutral").decode().encode("utf-16")),
        ("not UTF-8",),
    ),
    Case(
        "broken JSON",
        mnli.TASK,
        "train",
        raw(f"{MNLI}.jsonl", b'{"premise": "a",\n'),
        ("not JSON", "train.jsonl, line 1", "every line holds one JSON object"),
    ),
    Case("JSON list", mnli.TASK, "train", jsonl(MNLI, [1, 2]), ("not a JSON object", "line 1")),
    Case(
        "too many cells",
        mnli.TASK,
        "train",
        raw(f"{MNLI}.csv", table("a,b,neutral", "a,b, and c,neutral")),
        ("4 cells where the header has 3", "line 3", "premise, hypothesis, label"),
    ),
    Case(
        "column name twice",
        mnli.TASK,
        "train",
        raw(f"{MNLI}.csv", b"premise,label,label\na,b,c\n"),
        ("a column name occurs twice", "line 1"),
    ),
    Case(
        "quotation mark left open",
        mnli.TASK,
        "train",
        raw(f"{MNLI}.csv", table('"a,b,neutral')),
        ("not a readable table", "mend the quotation marks"),
    ),
    Case(
        "file of another kind",
        snli.TASK,
        "train",
        lambda root: (
            write_bytes(root / CARD, b"---\nconfigs:\n- config_name: plain_text\n  data_files: all.xml\n---\n"),
            write_bytes(root / "stanfordnlp/snli/all.xml", b"<x/>"),
        ),
        ("files of the kind '.xml' are not read", "all.xml", ".parquet"),
    ),
    Case(
        "card that is not YAML",
        snli.TASK,
        "train",
        raw(CARD, b"---\nconfigs: [\n---\n"),
        ("the front matter cannot be read", "snli/README.md"),
    ),
    Case(
        "over-long word",
        udpos.TASK,
        "test",
        parquet(UDPOS, [words(), words(["x" * 5000, "y"])]),
        ("a word of 5000 characters", "row 2", "was the sentence split into words?"),
    ),
    Case(
        "words and tags differ in number",
        udpos.TASK,
        "test",
        parquet(UDPOS, [words(), words(tags=[15])]),
        ("1 tags for 2 words", "row 2"),
    ),
    Case(
        "sentence not split into words",
        udpos.TASK,
        "test",
        jsonl(UDPOS, words("Go on")),
        ("tokens and pos_tags must be lists", "line 1"),
    ),
    Case("null word", udpos.TASK, "test", jsonl(UDPOS, words(["Go", None])), ("word 2 is empty (null)", "line 1")),
    Case("unknown tag", udpos.TASK, "test", jsonl(UDPOS, words(tags=["VERB", "ADPO"])), ("unknown label 'ADPO'",)),
    Case("tag out of range", udpos.TASK, "test", jsonl(UDPOS, words(tags=[15, 17])), ("label 17 is out of range",)),
    Case(
        "choice out of range",
        cosmosqa.TASK,
        "dev",
        jsonl("allenai/cosmos_qa/data/validation", blog(4)),
        ("label 4 is out of range", "there are 4 choices, counted from 0"),
    ),
    Case(
        "choice that is null",
        cosmosqa.TASK,
        "dev",
        jsonl("allenai/cosmos_qa/data/validation", blog(1, answer2=None)),
        ("choice 2 is empty (null)", "line 1"),
    ),
    Case(
        "null in a text that is joined",
        cosmosqa.TASK,
        "dev",
        jsonl("allenai/cosmos_qa/data/validation", blog(1, question=None)),
        ("question is empty (null)", "line 1"),
    ),
    Case(
        "choice by letter",
        hellaswag.TASK,
        "dev",
        jsonl("Rowan/hellaswag/data/validation", story("B")),
        ("label 'B' is not the number of a choice", "line 1"),
    ),
    Case(
        "answer that is no choice",
        commonsenseqa.TASK,
        "dev",
        jsonl("tau/commonsense_qa/data/validation", CHOICE),
        ("unknown answer 'F'", "line 1", "the choices are: A, B"),
    ),
    Case(
        "derivation without leaves",
        ccg.TASK,
        "test",
        raw("ccgbank/data/AUTO/23/wsj_2300.auto", b"ID=wsj_2300.1\n(<T NP 0 1> )\n"),
        ("a derivation without leaves", "wsj_2300.auto, line 2"),
    ),
    Case(
        "words without tags",
        ccg.TASK,
        "dev",
        raw("ccgbank/ccg.dev", b"a b\tN N\na b\n"),
        ("no tab in the line", "ccg.dev, line 2"),
    ),
    Case(
        "licensed data missing",
        ccg.TASK,
        "train",
        lambda root: root.mkdir(exist_ok=True),
        ("ccg has no train rows in 'en'", "AUTO/02/*.auto and 19 more", "LDC2005T13", "words<TAB>tags"),
        kind=MissingData,
    ),
    Case(
        "language of the task, not in the root",
        xquad.TASK,
        "test",
        parquet(XQUAD, [question()]),
        (
            "xquad has no test rows in 'zh'",
            "google/xtreme/XQuAD.zh/validation-*.parquet",
            f"hf download google/xquad --repo-type dataset --revision {revisions.XQUAD} --local-dir",
        ),
        "zh",
        MissingData,
    ),
    Case(
        "language not in a file of several",
        xnli.TASK,
        "test",
        jsonl("google/xtreme/XNLI/test", XNLI_ROW),
        ("xnli has no test rows in 'fr'", "test.jsonl", "the files hold other languages only"),
        "fr",
        MissingData,
    ),
    Case(
        "language not in the task",
        xnli.TASK,
        "test",
        jsonl("google/xtreme/XNLI/test", XNLI_ROW),
        ("no language of xnli named 'pt'", "did you mean"),
        "pt",
        UnknownName,
    ),
    Case(
        "unknown split",
        mnli.TASK,
        "trian",
        parquet(MNLI, GOOD),
        ("'trian'", "did you mean train"),
        kind=UnknownName,
    ),
    Case(
        "data root that is a file",
        mnli.TASK,
        "train",
        lambda root: write_bytes(root, b""),
        ("the data root is not a folder", "<hub id>/"),
        kind=UserError,
    ),
]


def test_there_are_many_ways_to_be_wrong() -> None:
    assert len(CASES) >= 50
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
@pytest.mark.parametrize("limit", [None, 1])
def test_wrong_input_is_told_with_its_place(case: Case, limit: int | None, tmp_path: Path) -> None:
    root = tmp_path / "root"
    case.write(root)
    with pytest.raises(UserError) as caught:
        load_examples(
            case.task,
            case.split,
            case.language,
            load_rows(case.task, case.split, case.language, data_root=root),
            limit,
        )
    assert isinstance(caught.value, case.kind)
    assert caught.value.status is ExitStatus.USER
    for text in case.says:
        assert text in str(caught.value)


def test_missing_data_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(MissingData) as caught:
        load_rows(tatoeba.TASK, "test", "sw", data_root=tmp_path)
    assert (caught.value.task, caught.value.split, caught.value.language) == ("tatoeba", "test", "sw")
    assert str(tmp_path / "google/xtreme/tatoeba.swh/validation-*.parquet") in caught.value.where
