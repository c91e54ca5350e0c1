"""The first two stops of the data flow: a task's raw rows, then its examples, checked."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

from xfer.core.data.checking import check, realign, useless
from xfer.core.data.rows import FileRow, read_rows
from xfer.core.data.sources import Located, MissingData, absent, locate, require_known, revision_of
from xfer.core.errors import DataError, PluginError, UnknownName, UserError, XferError
from xfer.core.examples import Example, PairExample, Row, SpanExample
from xfer.core.records import Problem, Source, TaskSpec

__all__ = ["Loaded", "MissingData", "fingerprint", "load_examples", "load_rows", "origins"]

UNALIGNED = "no answer found in its context"


@dataclass(frozen=True)
class Loaded:
    """Examples of one task, split and language, and what was found on the way.

    `rows` counts raw rows; `dropped` says how many could not be used and why; `realigned` counts answers
    whose offset was mended. A limit on a retrieval task leaves the examples whole and stands in
    `query_limit`, because it cuts queries and never the index.
    """

    examples: list[Example]
    dropped: dict[str, int]
    problems: list[Problem]
    rows: int
    realigned: int = 0
    query_limit: int | None = None


def load_rows(
    task: TaskSpec, split: str, language: str, *, data_root: Path | None, limit: int | None = None
) -> Iterable[Row]:
    """Raw rows: from `task.rows`, or from the files of its sources under `data_root`, else from the hub.

    `limit` reads at most so many, for a look; a run reads all, so that faults behind a limit are found.
    Raises `UnknownName` for a language or split that the task does not have, `MissingData` when the files
    are not there (at once) or no row is in the language (while reading), `DataError` for faulty files.
    """
    if task.rows is not None:
        require_known(task, split, language)
        return islice(_given(task, split, language), limit)
    if not task.sources:
        raise UserError(f"{task.name} has neither rows nor a source", task.name, "a plugin must load its rows")
    return islice(_read(task, split, language, locate(task, split, language, data_root)), limit)


def _given(task: TaskSpec, split: str, language: str) -> Iterator[Row]:
    """What a task's own function gives. Whatever it does wrong is a `PluginError` that names the task."""
    number = 0
    try:
        assert task.rows is not None
        for number, row in enumerate(task.rows(split, language), 1):
            if not isinstance(row, Mapping):
                raise TypeError(f"row {number} is a {type(row).__name__}, not a mapping of columns")
            yield row
    except (XferError, GeneratorExit):
        raise
    except (Exception, SystemExit) as error:
        raise PluginError(
            f"task {task.name} failed to give its {split} rows in {language}, after {number}: "
            f"{type(error).__name__}: {error}",
            where=getattr(task.rows, "__module__", ""),
        ) from error


def load_examples(
    task: TaskSpec, split: str, language: str, rows: Iterable[Row], limit: int | None = None
) -> Loaded:
    """Turn rows into examples and check every one of them before `limit` cuts.

    A row without an identifier is called "<language>-<number>", or "<number>" in a task whose languages are
    parallel, so that translations of one another have one name. Rows without a label are dropped and
    counted, and so are answers that do not occur in their context. A number of rows that differs from the
    published one is a problem, not an error. Raises `DataError`, naming file and row, for anything else.
    """
    place = f"{task.name} {split} ({language})"
    examples: list[Example] = []
    dropped: Counter[str] = Counter()
    seen: dict[str, str] = {}
    used: dict[str, Source] = {}
    count = realigned = lost = 0
    for count, row in enumerate(rows, 1):
        where = row.where if isinstance(row, FileRow) else f"row {count} of {place}"
        if isinstance(row, FileRow) and row.source is not None:
            used[row.source.hub] = row.source
        example = _example(task, row, language, where)
        if example is None:
            dropped["not used by the task"] += 1
            continue
        example = (
            example if example.id else replace(example, id=str(count) if task.parallel else f"{language}-{count}")
        )
        check(example, task.labels, where)
        if example.id in seen:
            raise DataError(f"identifier {example.id!r} occurs twice", where, f"first seen at {seen[example.id]}")
        seen[example.id] = where
        reason = useless(example)
        if isinstance(example, SpanExample):
            example, moved, refused = realign(example, where)
            realigned += moved
            reason = UNALIGNED if refused and not example.answers else ""
            lost += refused
        if reason:
            dropped[reason] += 1
        else:
            examples.append(example)
    if not examples:
        told = "; ".join(f"{reason}: {number}" for reason, number in dropped.items())
        raise DataError(f"none of the {count} rows can be used", place, told or "the source holds no rows")
    expected = expected_rows(used.values(), split, language)
    problems = _problems(place, used.values(), expected, count, realigned, lost)
    if isinstance(examples[0], PairExample):
        return Loaded(examples, dict(dropped), problems, count, realigned, limit)
    return Loaded(_cut(examples, limit, len(task.sources) > 1), dict(dropped), problems, count, realigned)


def fingerprint(task: TaskSpec, split: str, languages: Iterable[str], data_root: Path | None) -> str:
    """What the rows of a split are: a SHA-256 over the contents of their files, whatever folder they lie in.

    Generated rows are known by the task's name and version. Raises as `load_rows` does, at once: a file that
    several languages share is read until a row in the language is found.
    """
    if not task.sources:
        return f"{task.name}-v{task.version}"
    contents = []
    for language in sorted(set(languages)):
        parts = locate(task, split, language, data_root)
        if any(part.source.belongs for part in parts):
            next(_read(task, split, language, parts))
        contents.append([language, [_content(part) for part in parts]])
    return hashlib.sha256(json.dumps([split, contents]).encode()).hexdigest()


def origins(
    task: TaskSpec, split: str, languages: Iterable[str], data_root: Path | None
) -> dict[str, list[dict[str, str]]]:
    """For each language the data sets that its rows are read from and the hub's commits ("" where nothing says).

    Languages whose rows are not in files are left out.
    """
    found: dict[str, list[dict[str, str]]] = {}
    for language in languages if task.sources else ():
        try:
            parts = locate(task, split, language, data_root)
        except (MissingData, UnknownName):
            continue
        found[language] = [{"source": part.source.hub, "revision": revision_of(part)} for part in parts]
    return found


def expected_rows(sources: Iterable[Source], split: str, language: str) -> int | None:
    """The published number of rows of all sources together; None where one of them has none, or there are none."""
    numbers = [source.counts.get(f"{split}/{language}") for source in sources]
    known = [number for number in numbers if number is not None]
    return sum(known) if numbers and len(known) == len(numbers) else None


def _read(task: TaskSpec, split: str, language: str, parts: list[Located]) -> Iterator[Row]:
    files = ", ".join(str(file) for part in parts for file in part.files)
    empty, found = True, False
    for part in parts:
        source = part.source
        rows = (
            row
            for file, own in zip(part.files, part.splits, strict=True)
            for row in read_rows(file, source, own, part.names)
        )
        for row in islice(rows, *part.span):
            empty = False
            if source.belongs is None or source.belongs(row, language):
                found = True
                yield row
    if empty:
        raise DataError(f"{task.name} {split}: the file holds no rows", files, "remove it, or fetch it again")
    if not found:
        raise absent(task, split, language, files, "the files hold other languages only")


def _example(task: TaskSpec, row: Row, language: str, where: str) -> Example | None:
    """The task's own function, with its failures explained."""
    try:
        return task.example(row, language)
    except DataError as error:
        raise DataError(error.what, error.where or where, error.fix) from error
    except KeyError as error:
        if error.args and error.args[0] in row:
            raise PluginError(f"{task.name} cannot read a row: {error!r}", where) from error
        columns = f"the columns there are: {', '.join(map(str, row))}"
        raise DataError(f"column {error} is missing", where, columns) from error
    except Exception as error:
        raise PluginError(f"{task.name} cannot read a row: {error!r}", where) from error


def _cut(examples: list[Example], limit: int | None, joined: bool) -> list[Example]:
    """The first `limit` examples; of joined sources evenly spaced ones, so that every part has its share."""
    if limit is None or limit >= len(examples):
        return examples
    if joined:
        return [examples[number * len(examples) // limit] for number in range(limit)]
    return examples[:limit]


def _problems(
    place: str, sources: Iterable[Source], expected: int | None, rows: int, realigned: int, lost: int
) -> list[Problem]:
    messages = [f"from {source.hub}: {source.note}" for source in sources if source.note]
    if expected not in (None, rows):
        messages.append(f"{rows:,} rows where the published number is {expected:,}")
    if realigned:
        messages.append(f"{realigned:,} answer offsets were misplaced and have been realigned ({rows:,} rows)")
    if lost:
        messages.append(f"{lost:,} answers do not occur near their offset and are left out ({rows:,} rows)")
    return [Problem(stage="data", message=f"{place}: {message}", where=place) for message in messages]


def _content(part: Located) -> list[list[Any]]:
    """What the rows of a part are: its files, and which of their rows where not all are read."""
    return [*digests(part), *([["rows", *part.span]] if part.span != (0, None) else [])]


def digests(part: Located) -> list[list[str]]:
    """Data set, path in its folder and SHA-256 of every file of a part."""
    found = []
    for file in part.files:
        state = file.stat()
        digest = _digest(file, state.st_size, state.st_mtime_ns)
        found.append([part.source.hub, file.relative_to(part.folder).as_posix(), digest])
    return found


@lru_cache(maxsize=4096)
def _digest(path: Path, size: int, modified: int) -> str:
    """SHA-256 of a file; size and time of change only tell the cache that it is another one."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
