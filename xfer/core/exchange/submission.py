"""Predictions as the files of an XTREME submission, and back.

Layout (google-research/xtreme, README and `evaluate.py`): a folder a task, in it `test-<language>.tsv`, or
`.json` for question answering. Labels and tags stand one a line, a blank line ends a sentence; answers are one
object from identifier to text; Tatoeba's line i is the number, from 0, of the sentence found for the i-th
English one in alphabetical order; BUCC's lines are the identifiers of mined pairs.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from xfer.core.errors import DataError, UserError
from xfer.core.examples import PairExample
from xfer.core.records import TaskSpec

FOLDERS = {"bucc": "bucc2018"}
"""Tasks whose folder has another name."""
NOT_ASKED = "-1"
"""Stands for a query that a limit left out; XTREME counts it as wrong."""


def prediction_file(folder: Path, task: TaskSpec, language: str) -> Path:
    """Where the predictions of a task and language lie in a submission."""
    suffix = "json" if task.format == "span" else "tsv"
    return folder / FOLDERS.get(task.name, task.name) / f"test-{language}.{suffix}"


def encode(task: TaskSpec, examples: Sequence[Any], values: Sequence[Any], tuned: float | None = None) -> str:
    """The text of a file. `tuned` is the margin from which mined pairs count.

    Raises `UserError` for a format that has no such file, and for mined pairs without a margin.
    """
    if task.format in ("classification", "multiple-choice"):
        return "".join(f"{value}\n" for value in values)
    if task.format == "tagging":
        return "\n".join("".join(f"{tag}\n" for tag in tags) for tags in values)
    if task.format == "span":
        answers = {example.id: value for example, value in zip(examples, values, strict=True)}
        return json.dumps(answers, ensure_ascii=False, indent=1) + "\n"
    if task.format == "retrieval" and task.tune is None:
        place = {example.id: number for number, example in enumerate(examples)}
        found = [NOT_ASKED if value is None else str(place[value]) for value in values]
        return "".join(f"{found[number]}\n" for number in _alphabetical(examples))
    if task.format == "retrieval":
        return _mined_lines(task, examples, values, tuned)
    raise UserError(f"the predictions of {task.name} ({task.format}) have no place in an XTREME submission")


def decode(task: TaskSpec, examples: Sequence[Any], path: Path) -> tuple[list[Any], dict[str, Any]]:
    """Prediction values of a file for the examples in order, and what `score` takes beside them.

    Raises `UserError` when there is no file, and `DataError`, naming the line, for numbers of lines, labels
    and identifiers that do not fit the examples.
    """
    text = _text(path)
    if task.format == "span":
        return _answers(examples, path, text), {}
    # Not splitlines(): other line separators of Unicode may be part of a line.
    lines = text.replace("\r\n", "\n").split("\n")
    if task.format == "tagging":
        return _tags(examples, path, lines), {}
    if task.format == "retrieval" and task.tune is not None:
        return _mined(examples, path, lines), {"tuned": 1.0}
    lines = _as_many(lines, len(examples), path)
    if task.format == "retrieval":
        return _found(examples, path, lines), {}
    if task.format == "multiple-choice":
        return [_number(line, path, number) for number, line in enumerate(lines, 1)], {}
    for number, line in enumerate(lines, 1):
        if task.labels and line not in task.labels:
            where = f"{path}, line {number}"
            raise DataError(f"unknown label {line!r}", where, f"the labels are: {', '.join(task.labels)}")
    return lines, {}


def score(task: TaskSpec, language: str, examples: Sequence[Any], path: Path) -> dict[str, float]:
    """The task's own scores of a prediction file; those that need margins (`oracle_…`) are left out."""
    values, extra = decode(task, examples, path)
    scores: Mapping[str, float] = task.score(values, examples, language, **extra)
    return {metric: value for metric, value in scores.items() if not metric.startswith("oracle_")}


# ---------------------------------------------------------------- retrieval


def _alphabetical(examples: Sequence[PairExample]) -> list[int]:
    """Positions of the examples in the order in which XTREME sorts English sentences."""
    return sorted(range(len(examples)), key=lambda number: (examples[number].target or "").strip())


def _sides(example: PairExample) -> tuple[str, str]:
    """Identifiers of both sentences: "de-1/en-1", or one name for both."""
    source, slash, target = example.id.partition("/")
    return (source, target) if slash else (source, source)


def _mined_lines(
    task: TaskSpec, examples: Sequence[PairExample], values: Sequence[Any], tuned: float | None
) -> str:
    if tuned is None:
        fix = "evaluate the target again with this version of xfer, which stores it"
        raise UserError(f"the threshold of {task.name} was not stored with the run", fix=fix)
    named = {example.id: example for example in examples}
    pairs = [
        (_sides(example)[0], _sides(named[value[0]])[1])
        for example, value in zip(examples, values, strict=True)
        if value is not None and value[1] >= tuned
    ]
    return "".join(f"{source}\t{target}\n" for source, target in pairs)


def _mined(examples: Sequence[PairExample], path: Path, lines: Sequence[str]) -> list[Any]:
    sources = {_sides(example)[0]: place for place, example in enumerate(examples) if example.source is not None}
    targets = {_sides(example)[1]: example.id for example in examples if example.target is not None}
    values: list[Any] = [None] * len(examples)
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        source, tab, target = line.partition("\t")
        if not tab or source not in sources or target not in targets:
            raise DataError(f"not a pair of known identifiers: {line!r}", where, "source-id<TAB>english-id")
        if values[sources[source]] is not None:
            raise DataError(f"{source!r} is paired twice", where, "mining pairs a sentence with one other")
        values[sources[source]] = (targets[target], 1.0)
    return values


def _found(examples: Sequence[PairExample], path: Path, lines: Sequence[str]) -> list[Any]:
    values: list[Any] = [None] * len(examples)
    for number, (line, place) in enumerate(zip(lines, _alphabetical(examples), strict=True), 1):
        found = _number(line, path, number)
        if found >= len(examples):
            where = f"{path}, line {number}"
            raise DataError(
                f"there is no sentence {found}", where, f"they are numbered from 0 to {len(examples) - 1}"
            )
        values[place] = examples[found].id if found >= 0 else None
    return values


# ---------------------------------------------------------------- reading


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise UserError(
            "no such prediction file", str(path), "a submission holds one a task and language"
        ) from None
    except UnicodeDecodeError as error:
        raise DataError(f"not UTF-8: {error.reason}", str(path), "convert the file to UTF-8") from None


def _as_many(lines: Sequence[str], due: int, path: Path) -> list[str]:
    kept = list(lines)
    while kept and not kept[-1].strip():
        kept.pop()
    if len(kept) != due:
        raise DataError(f"{len(kept)} predictions for {due} examples", str(path), "one a line, in the data's order")
    return [line.strip() for line in kept]


def _number(line: str, path: Path, number: int) -> int:
    try:
        return int(line)
    except ValueError:
        raise DataError(f"not a number: {line!r}", f"{path}, line {number}") from None


def _answers(examples: Sequence[Any], path: Path, text: str) -> list[str]:
    try:
        answers = json.loads(text)
    except ValueError as error:
        raise DataError(f"not JSON: {error}", str(path)) from None
    if not isinstance(answers, dict) or not all(isinstance(answer, str) for answer in answers.values()):
        raise DataError("not an object from identifiers to answers", str(path))
    missing = [example.id for example in examples if example.id not in answers]
    if missing:
        raise DataError(f"{len(missing)} questions have no answer, the first is {missing[0]!r}", str(path))
    return [answers[example.id] for example in examples]


def _tags(examples: Sequence[Any], path: Path, lines: Sequence[str]) -> list[tuple[str, ...]]:
    sentences: list[tuple[int, list[str]]] = []
    fresh = True
    for number, line in enumerate(lines, 1):
        if not line.strip():
            fresh = True
        elif fresh:
            sentences.append((number, [line.strip()]))
            fresh = False
        else:
            sentences[-1][1].append(line.strip())
    if len(sentences) != len(examples):
        what = f"predictions for {len(sentences)} sentences where there are {len(examples)}"
        raise DataError(what, str(path), "one tag a line, a blank line between sentences")
    for (number, tags), example in zip(sentences, examples, strict=True):
        if len(tags) != len(example.tokens):
            where = f"{path}, line {number}"
            raise DataError(f"{len(tags)} tags for a sentence of {len(example.tokens)} words", where)
    return [tuple(tags) for _, tags in sentences]
