"""Raw rows out of files: parquet, jsonl, csv, tsv. Every row knows its place; nothing is coerced in silence.

Cells of csv and tsv files are text, "NA" and "null" included. Ids of a column that is known to hold class
labels (from the file's own metadata, else from the data set's card) become label names; -1 becomes None.
"""

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from xfer.core.errors import DataError
from xfer.core.examples import Row
from xfer.core.records import Source

LabelNames = Mapping[str, tuple[str, ...]]
SUFFIXES = (".parquet", ".jsonl", ".csv", ".tsv")
csv.field_size_limit(2**31 - 1)


class FileRow(dict[str, Any]):
    """A row with its source, and the file and the line or row number for messages."""

    __slots__ = ("source", "where")

    def __init__(self, cells: Iterable[tuple[str, Any]] | Mapping[str, Any], where: str) -> None:
        super().__init__(cells)
        self.where = where
        self.source: Source | None = None


def read_rows(path: Path, source: Source, split: str, names: LabelNames) -> Iterator[FileRow]:
    """Rows of one file of `source`, in order. `split` is the data set's own name of it, `names` are the label
    names of its card, by column.

    Raises `DataError` for a file that cannot be decoded or lacks one of the source's columns, and for a class
    label out of range.
    """
    known = dict(names)
    if source.reader is not None:
        rows = _read_with(source.reader, path, split)
    elif path.suffix == ".parquet":
        rows = _read_parquet(path, known)
    elif path.suffix == ".jsonl":
        rows = _read_jsonl(path)
    elif path.suffix in (".csv", ".tsv"):
        rows = _read_table(path, "," if path.suffix == ".csv" else "\t", source.quoting)
    else:
        fix = f"convert it to {' or '.join(SUFFIXES)}"
        raise DataError(f"files of the kind {path.suffix!r} are not read", str(path), fix)
    for row in rows:
        row.source = source
        require_columns(row, source.columns, row.where)
        for column in known:
            if column in row:
                row[column] = _named(row[column], known[column], column, row.where)
        yield row


def require_columns(row: Row, columns: Sequence[str], where: str) -> None:
    """Raise `DataError` that names the columns that are missing and those that are there."""
    missing = [column for column in columns if column not in row]
    if missing:
        raise DataError(
            f"column {', '.join(map(repr, missing))} is missing", where, f"the columns there are: {', '.join(row)}"
        )


def label_names(features: Any) -> dict[str, tuple[str, ...]]:
    """Names of class labels by column, from the features of a card's `dataset_info` or of parquet metadata."""
    if isinstance(features, Mapping):
        pairs = list(features.items())
    else:
        pairs = [(entry.get("name"), entry) for entry in features or () if isinstance(entry, Mapping)]
    found = ((name, _names_in(feature)) for name, feature in pairs)
    return {name: names for name, names in found if names}


def _names_in(feature: Any) -> tuple[str, ...]:
    """Label names of one feature: itself a class label, or a list of class labels."""
    if isinstance(feature, list) and feature:
        return _names_in(feature[0])
    if not isinstance(feature, Mapping):
        return ()
    if isinstance(label := feature.get("class_label"), Mapping):
        feature = label
    names = feature.get("names")
    if isinstance(names, Mapping):
        return tuple(str(names[key]) for key in sorted(names, key=int))
    if isinstance(names, list):
        return tuple(map(str, names))
    inner = (feature.get(key) for key in ("dtype", "list", "sequence", "feature"))
    return next((names for names in map(_names_in, inner) if names), ())


def _named(value: Any, names: tuple[str, ...], column: str, where: str) -> Any:
    if isinstance(value, list):
        return [_named(item, names, column, where) for item in value]
    if not isinstance(value, int) or isinstance(value, bool):
        return value
    if value == -1:
        return None
    if not 0 <= value < len(names):
        raise DataError(
            f"label {value} in column {column!r} is out of range",
            where,
            f"ids go from 0 to {len(names) - 1}: {', '.join(names)} (-1: no label)",
        )
    return names[value]


def _read_with(reader: Callable[[Path, str], Iterable[Row]], path: Path, split: str) -> Iterator[FileRow]:
    try:
        for number, row in enumerate(reader(path, split), 1):
            yield FileRow(row, f"{path}, row {number}")
    except UnicodeDecodeError as error:
        raise _not_utf8(path, error) from None


def _read_parquet(path: Path, known: dict[str, tuple[str, ...]]) -> Iterator[FileRow]:
    """Rows of a parquet file; label names of its own metadata go into `known`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            metadata = json.loads((file.schema_arrow.metadata or {}).get(b"huggingface", b"{}"))
            known.update(label_names(metadata.get("info", {}).get("features")))
            batches = (batch.to_pylist() for batch in file.iter_batches(batch_size=4096))
            for number, cells in enumerate(chain.from_iterable(batches), 1):
                yield FileRow(cells, f"{path}, row {number}")
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(f"not a readable parquet file: {error}", str(path), "fetch it again") from error


def _read_jsonl(path: Path) -> Iterator[FileRow]:
    for number, line in _lines(path):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            cells = json.loads(line)
        except ValueError as error:
            raise DataError(f"not JSON: {error}", where, "every line holds one JSON object") from None
        if not isinstance(cells, dict):
            raise DataError("not a JSON object", where, "every line holds one JSON object")
        yield FileRow(cells, where)


def _read_table(path: Path, separator: str, quoting: bool) -> Iterator[FileRow]:
    header: list[str] | None = None
    for number, cells in _quoted(path, separator) if quoting else _unquoted(path, separator):
        where = f"{path}, line {number}"
        if header is None:
            header = cells
            if len(set(header)) < len(header):
                raise DataError("a column name occurs twice", where, f"the header is: {', '.join(header)}")
        elif len(cells) != len(header):
            raise DataError(
                f"{len(cells)} cells where the header has {len(header)}",
                where,
                f"the columns are: {', '.join(header)}; look for a stray separator or quotation mark",
            )
        else:
            yield FileRow(zip(header, cells, strict=True), where)


def _unquoted(path: Path, separator: str) -> Iterator[tuple[int, list[str]]]:
    return ((number, line.split(separator)) for number, line in _lines(path) if line)


def _quoted(path: Path, separator: str) -> Iterator[tuple[int, list[str]]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=separator, strict=True)
        try:
            for cells in reader:
                if cells:
                    yield reader.line_num, cells
        except UnicodeDecodeError as error:
            raise _not_utf8(path, error) from None
        except csv.Error as error:
            raise DataError(
                f"not a readable table: {error}", f"{path}, line {reader.line_num}", "mend the quotation marks"
            ) from None


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Numbered lines without their ends (LF or CRLF) and without a byte order mark."""
    with path.open(encoding="utf-8-sig", newline="\n") as file:
        try:
            for number, line in enumerate(file, 1):
                yield number, line.removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError as error:
            raise _not_utf8(path, error) from None


def _not_utf8(path: Path, error: UnicodeDecodeError) -> DataError:
    """The decoder counts bytes from its last read, so the place is looked for anew."""
    try:
        path.read_bytes().decode("utf-8")
        place = str(path)
    except UnicodeDecodeError as whole:
        line = path.read_bytes().count(b"\n", 0, whole.start) + 1
        place = f"{path}, line {line} (byte {whole.start})"
    return DataError(f"not UTF-8: {error.reason}", place, "convert the file to UTF-8")
