"""Predictions as an XTREME submission and back: `xfer export`, `xfer score`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xfer.bootstrap import load
from xfer.core.errors import DataError, UserError
from xfer.core.examples import Answer, ChoiceExample, PairExample, SpanExample, TaggedExample, TextExample
from xfer.core.exchange.submission import decode, encode, prediction_file, score
from xfer.core.records import TaskSpec


def task(name: str) -> TaskSpec:
    return load().tasks.get(name)


def written(folder: Path, name: str, language: str, text: str) -> Path:
    path = prediction_file(folder, task(name), language)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())
    return path


def there_and_back(
    folder: Path, name: str, examples: list[Any], values: list[Any], **extra: Any
) -> tuple[str, Any]:
    text = encode(task(name), examples, values, **extra)
    return text, decode(task(name), examples, written(folder, name, "de", text))[0]


SENTENCES = [
    TaggedExample("1", "de", ("a", "b"), ("X", "X")),
    TaggedExample("2", "de", ("c",), ("X",)),
]
PAIRS = [
    PairExample("de-1", "de", "drei", " zebra "),
    PairExample("de-2", "de", "eins", "apple"),
    PairExample("de-3", "de", "zwei", "Mango"),
    PairExample("de-4", "de", "vier", "apple"),
]
MINED = [
    PairExample("de-1/en-1", "de", "a", "A"),
    PairExample("de-2/en-2", "de", "b", "B"),
    PairExample("de-3/", "de", "c", None),
    PairExample("/en-4", "de", None, "D"),
]


def test_places_of_files() -> None:
    targets = load().suites.get("xtreme").targets
    assert {name: prediction_file(Path("s"), task(name), "zh").as_posix() for name in targets} == {
        "xnli": "s/xnli/test-zh.tsv",
        "pawsx": "s/pawsx/test-zh.tsv",
        "udpos": "s/udpos/test-zh.tsv",
        "panx": "s/panx/test-zh.tsv",
        "xquad": "s/xquad/test-zh.json",
        "mlqa": "s/mlqa/test-zh.json",
        "tydiqa": "s/tydiqa/test-zh.json",
        "bucc": "s/bucc2018/test-zh.tsv",
        "tatoeba": "s/tatoeba/test-zh.tsv",
    }


def test_labels_stand_one_a_line(tmp_path: Path) -> None:
    examples = [TextExample(str(number), "de", "a", "b", "neutral") for number in range(2)]
    text, back = there_and_back(tmp_path, "xnli", examples, ["entailment", "neutral"])
    assert text == "entailment\nneutral\n"
    assert back == ["entailment", "neutral"]


def test_choices_stand_by_number(tmp_path: Path) -> None:
    examples = [ChoiceExample(str(number), "en", "a", ("b", "c"), 0) for number in range(2)]
    assert there_and_back(tmp_path, "mini-hellaswag", examples, [1, 0]) == ("1\n0\n", [1, 0])


def test_tags_stand_one_a_line_with_a_blank_line_between_sentences(tmp_path: Path) -> None:
    values = [("B-PER", "O"), ("I-LOC",)]
    assert there_and_back(tmp_path, "panx", SENTENCES, values) == ("B-PER\nO\n\nI-LOC\n", values)


def test_answers_are_one_object(tmp_path: Path) -> None:
    examples = [SpanExample(name, "zh", "q", "c", (Answer("c", 0),)) for name in ("q1", "q2")]
    text, back = there_and_back(tmp_path, "xquad", examples, ["北京 \u2028", ""])
    assert json.loads(text) == {"q1": "北京 \u2028", "q2": ""}
    assert "北京" in text
    assert back == ["北京 \u2028", ""]


def test_found_translations_are_numbered_in_the_order_of_the_english_sentences(tmp_path: Path) -> None:
    """Capitals come first; equal sentences keep their order: Mango, apple, apple, zebra."""
    values = ["de-1", "de-3", None, "de-2"]
    text, back = there_and_back(tmp_path, "tatoeba", PAIRS, values)
    assert text == "-1\n2\n1\n0\n"
    assert back == values


def test_mined_pairs_are_those_above_the_threshold(tmp_path: Path) -> None:
    values = [("de-1/en-1", 1.4), ("/en-4", 1.1), ["de-2/en-2", 1.2], None]
    text, back = there_and_back(tmp_path, "bucc", MINED, values, tuned=1.15)
    assert text == "de-1\ten-1\nde-3\ten-2\n"
    assert back == [("de-1/en-1", 1.0), None, ("de-2/en-2", 1.0), None]
    mined = task("bucc").score(values, MINED, "de", tuned=1.15)
    again = score(task("bucc"), "de", MINED, prediction_file(tmp_path, task("bucc"), "de"))
    assert again == {metric: mined[metric] for metric in ("f1", "precision", "recall")}
    assert encode(task("bucc"), MINED, [None] * 4, tuned=1.0) == ""


def test_mined_pairs_without_a_threshold_are_refused() -> None:
    with pytest.raises(UserError, match="the threshold of bucc was not stored"):
        encode(task("bucc"), MINED, [None] * 4)


def test_other_formats_have_no_place() -> None:
    with pytest.raises(UserError, match="mlm-text"):
        encode(task("mlm-text"), [], [])


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_every_search_comes_back(data: st.DataObject) -> None:
    texts = data.draw(st.lists(st.text(max_size=6), min_size=1, max_size=8))
    examples = [PairExample(f"x-{n}", "de", "s", text) for n, text in enumerate(texts)]
    ids: Any = st.sampled_from([example.id for example in examples])
    values = data.draw(st.lists(st.none() | ids, min_size=len(examples), max_size=len(examples)))
    text = encode(task("tatoeba"), examples, values)
    order = sorted(range(len(texts)), key=lambda number: texts[number].strip())
    numbers = [-1 if values[place] is None else int(values[place][2:]) for place in order]
    assert [int(line) for line in text.split()] == numbers


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.sampled_from(["O", "B-X", "I-X"]), min_size=1, max_size=4), min_size=1, max_size=5))
def test_every_tagging_comes_back(tmp_path_factory: pytest.TempPathFactory, tags: list[list[str]]) -> None:
    examples = [TaggedExample(str(n), "de", ("w",) * len(one), tuple(one)) for n, one in enumerate(tags)]
    values = [tuple(one) for one in tags]
    assert there_and_back(tmp_path_factory.mktemp("tags"), "panx", examples, values)[1] == values


FAULTS = {
    "too few labels": ("xnli", "neutral\n", "1 predictions for 2 examples"),
    "an unknown label": ("xnli", "neutral\nmaybe\n", "unknown label 'maybe'"),
    "too few sentences": ("udpos", "X\nX\n", "predictions for 1 sentences where there are 2"),
    "a tag too many": ("udpos", "X\nX\n\nX\nX\n", "2 tags for a sentence of 1 words"),
    "no JSON": ("xquad", "{", "not JSON"),
    "a list of answers": ("xquad", "[]", "not an object from identifiers to answers"),
    "a question left out": ("xquad", '{"q1": ""}', "1 questions have no answer, the first is 'q2'"),
    "no number": ("tatoeba", "0\n1\nx\n3\n", "not a number: 'x'"),
    "a number too high": ("tatoeba", "0\n1\n4\n3\n", "there is no sentence 4"),
    "a line without a tab": ("bucc", "de-1 en-1\n", "not a pair of known identifiers"),
    "an unknown identifier": ("bucc", "de-1\ten-9\n", "not a pair of known identifiers"),
    "a sentence paired twice": ("bucc", "de-1\ten-1\nde-1\ten-2\n", "'de-1' is paired twice"),
}
EXAMPLES: dict[str, list[Any]] = {
    "xnli": [TextExample(str(number), "de", "a", "b", "neutral") for number in range(2)],
    "udpos": SENTENCES,
    "xquad": [SpanExample(name, "de", "q", "c", (Answer("c", 0),)) for name in ("q1", "q2")],
    "tatoeba": PAIRS,
    "bucc": MINED,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_files_at_fault(tmp_path: Path, fault: str) -> None:
    name, text, says = FAULTS[fault]
    path = written(tmp_path, name, "de", text)
    with pytest.raises(DataError) as caught:
        decode(task(name), EXAMPLES[name], path)
    assert says in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_files_of_other_systems(tmp_path: Path, mark: str) -> None:
    labels = written(tmp_path, "xnli", "de", f"{mark}neutral\r\nentailment\r\n\r\n")
    assert decode(task("xnli"), EXAMPLES["xnli"], labels)[0] == ["neutral", "entailment"]
    tags = written(tmp_path, "udpos", "de", f"{mark}X\r\nNOUN\r\n\r\n\r\nVERB")
    assert decode(task("udpos"), SENTENCES, tags)[0] == [("X", "NOUN"), ("VERB",)]


# ---------------------------------------------------------------- whole runs

TARGETS = ("mini-xnli", "mini-udpos", "mini-xquad", "mini-tatoeba")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, tiny_encoder: Callable[..., Path]) -> Path:
    """A store with one run of two seeds over four targets in two languages."""
    from xfer import commands

    folder = tmp_path_factory.mktemp("runs")
    commands.run(
        "none",
        suite="mini",
        model=str(tiny_encoder("xlm-roberta")),
        target=TARGETS,
        language=("de", "zh"),
        seeds=(0, 1),
        limit={"train": 16, "dev": 8, "test": 10},
        set={"target": {"max_steps": 1}},
        store=folder,
        name="tiny",
    )
    return folder


def test_scores_of_an_exported_run_are_the_runs(store: Path, tmp_path: Path, run_xfer: Callable[..., Any]) -> None:
    output = tmp_path / "submission"
    done = run_xfer("export", "tiny", "--output", output, "--store", store, "--seed", 1)
    assert done.status == 0, done.err
    suffixes = {name: "json" if name == "mini-xquad" else "tsv" for name in TARGETS}
    files = [f"{name}/test-{code}.{suffix}" for name, suffix in suffixes.items() for code in ("de", "zh")]
    assert [Path(line).relative_to(output).as_posix() for line in done.out.splitlines()] == files
    assert sorted(path.relative_to(output).as_posix() for path in output.rglob("*.*")) == sorted(files)
    assert "mini-xnli: the benchmark wants en, es, ru, tr too" in done.err
    assert "mini-tatoeba de: what a limit left out is -1" in done.err
    arguments = ("--predictions", output, "--suite", "mini", "--language", "de,zh", "--limit", 10, "--json")
    scored = run_xfer("score", *arguments)
    assert scored.status == 0, scored.err
    found = {
        (one["task"], one["language"], one["metric"]): one["value"] for one in json.loads(scored.out)["scores"]
    }
    rows = [json.loads(line) for line in (store / "runs/tiny/results.jsonl").read_text().splitlines()]
    # Retrieval trains nothing: its rows are the same for both seeds.
    want = {(row["task"], row["language"], row["metric"]): row["value"] for row in rows if row["seed"] == 1}
    assert found == want
    assert len(found) == 2 * (1 + 2 + 3 + 1)
    assert (output / "mini-xnli/test-de.tsv").read_text().count("\n") == 10


def test_what_an_export_refuses(store: Path, tmp_path: Path, run_xfer: Callable[..., Any]) -> None:
    def told(*arguments: object) -> str:
        done = run_xfer("export", *arguments, "--store", store)
        assert done.status == 2
        return str(done.err)

    output = ("--output", tmp_path / "out")
    assert "run tiny has several seeds" in told("tiny", *output)
    assert "--seed one of: 0, 1" in told("tiny", *output)
    assert "no predictions of this label and seed" in told("tiny", *output, "--seed", 7)
    assert "no predictions of this label and seed" in told("tiny", *output, "--label", "other")
    assert "no run named 'tinny'" in told("tinny", *output)
    assert "no layout named 'jiant'" in told("tiny", *output, "--to", "jiant")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine.txt").write_text("kept")
    assert "the output is there already" in told("tiny", *output, "--seed", 1)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_an_export_that_fails_leaves_nothing(store: Path, tmp_path: Path) -> None:
    from xfer.core.exchange.export import export
    from xfer.core.storage.store import Store

    kept = Store(store)

    def other_rows(task: TaskSpec, split: str, language: str) -> list[Any]:
        return [TextExample("another", language, "a", "b", "neutral")]

    with pytest.raises(DataError, match="are not those that were scored"):
        export(kept.load_run("tiny"), kept, load().tasks, other_rows, tmp_path / "out", seed=0)
    assert list(tmp_path.iterdir()) == []


def test_what_scoring_refuses(tmp_path: Path, run_xfer: Callable[..., Any]) -> None:
    done = run_xfer("score", "--predictions", tmp_path)
    assert done.status == 2
    assert "no predictions of suite xtreme" in done.err
    done = run_xfer("score", "--predictions", tmp_path, "--target", "mini-xnli", "--language", "de")
    assert done.status == 2
    assert "no such prediction file" in done.err
    assert "mini-xnli/test-de.tsv" in done.err


def test_scores_are_printed_with_their_mean(tmp_path: Path, run_xfer: Callable[..., Any]) -> None:
    for language in ("de", "zh"):
        written(tmp_path, "mini-xnli", language, "neutral\n" * 10)
    done = run_xfer(
        "score", "--predictions", tmp_path, "--target", "mini-xnli", "--language", "de,zh", "--limit", "10"
    )
    assert done.status == 0, done.err
    lines = done.out.splitlines()
    assert lines[0].split() == ["task", "language", "metric", "points", "n"]
    points = [float(line.split()[3]) for line in lines[1:3]]
    assert lines[3] == f"mean of mini-xnli over languages: {sum(points) / 2:.2f}"
