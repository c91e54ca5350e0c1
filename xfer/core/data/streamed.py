"""Rows taken off a data set of the hub by streaming, so that the whole never lies on the disk.

What was taken is one file that holds the declared columns. It lies under the data root, or in a folder like a
snapshot of the hub's cache (`HF_HOME/xfer-streams`); from there it is read and identified like any other, and
never asked for again. Which rows: shards and rows shuffled by a fixed seed, so that not the beginning alone is
seen; one run of them for each split, so that splits made out of one do not overlap.
"""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from xfer.core.data.rows import require_columns
from xfer.core.errors import UserError
from xfer.core.records import Source
from xfer.core.storage import files

SEED = 0
BUFFER = 1000
"""Rows among which the next one is drawn; so many more than are taken are read."""
FEW_SHARDS = 64
"""Below so many, the groups of rows in them (of parquet) are shuffled as shards; the end of each file is read."""
READ_AT_ONCE = 1 << 22
"""Bytes of parquet; readers ask for 32 MiB of every file otherwise."""
_PARTIAL = ".partial"
TERMS, LOG_IN = "the hub wants you to accept terms first", "log in with `hf auth login`"
NETWORK = "check the network, or give a data root"


class NotOnHub(Exception):
    """The hub, or its cache when offline, does not have the data set."""


def span(source: Source, split: str) -> tuple[int, int]:
    """First row of a split among those of the data set's own one, and the row after its last."""
    first = 0
    for name, rows in source.streamed.items():
        if name == split:
            break
        first += rows if source.splits[name] == source.splits[split] else 0
    return first, first + source.streamed[split]


def kept_as(source: Source, split: str, config: str) -> str:
    """Where rows are kept, below the data set's folder: the name says which rows and which columns."""
    first, last = span(source, split)
    name = f"{source.splits[split][0]}.{first}-{last}.{'+'.join(source.columns)}.jsonl"
    return f"{quote(config, safe='')}/{quote(name, safe='+')}"


def taken(source: Source, split: str, config: str) -> Path:
    """Folder of the kept rows in the hub's cache; they are taken now if they were not before.

    Raises `NotOnHub` for rows that are not there, `UserError` when the hub refuses or cannot be reached.
    """
    folder = _snapshot(source.hub, source.revision)
    take(source, split, config, folder, folder.name)
    return folder


def fetch(source: Source, split: str, config: str, folder: Path) -> None:
    """Take rows into a folder below the data root, with a note of the hub's commit. Raises as `taken` does."""
    commit = _snapshot(source.hub, source.revision).name
    take(source, split, config, folder, commit)
    note = folder / ".cache" / "huggingface" / "download" / f"{kept_as(source, split, config)}.metadata"
    files.write_text(note, f"{commit}\n")


def take(source: Source, split: str, config: str, folder: Path, commit: str) -> None:
    """Put a split's rows into `folder`, whole or not at all; nothing happens where they are."""
    from filelock import FileLock
    from huggingface_hub import constants

    path = folder / kept_as(source, split, config)
    if path.exists():
        return
    place = f"{config} {source.splits[split][0]} of {source.hub} (revision {commit}) on the hub"
    if constants.HF_HUB_OFFLINE:
        raise NotOnHub(f"{place}, among rows that were taken before (HF_HUB_OFFLINE is set)")
    partial = path.with_name(path.name + _PARTIAL)
    files.ensure_folder(path.parent)
    # Another process may be taking the same rows: they are taken once.
    with FileLock(path.with_name(f".{path.name}.lock")):
        if path.exists():
            return
        try:
            files.stream_bytes(partial, _lines(source, split, config, commit, place))
            if partial.stat().st_size == 0:
                raise NotOnHub(f"rows from {span(source, split)[0]:,} on in {place}")
            files.move(partial, path)
        finally:
            files.remove(partial)


def _lines(source: Source, split: str, config: str, commit: str, place: str) -> Iterator[bytes]:
    """One line of JSON a row. Whatever ends the stream too early is a `UserError`."""
    from huggingface_hub.utils import tqdm

    first, last = span(source, split)
    rows = _shuffled(_stream(source.hub, config, source.splits[split][0], commit, place), first, last)
    with tqdm(total=last - first, desc=f"{source.hub} {config} {split}", unit=" rows") as bar:
        while True:
            try:
                row = next(rows)
            except StopIteration:
                return
            except Exception as error:  # whatever the network's libraries raise
                raise UserError(
                    f"the stream ended after {bar.n:,} of {last - first:,} rows: {type(error).__name__}: {error}",
                    place,
                    "check the network and issue the same command again: what was taken whole is kept",
                ) from error
            require_columns(row, source.columns, f"{place}, row {first + bar.n + 1}")
            yield files.json_line({column: row[column] for column in source.columns}).encode("utf-8")
            bar.update()


def _stream(hub: str, config: str, split: str, commit: str, place: str) -> Any:
    """The rows of the hub's files as `datasets` reads them bit by bit; it runs no script."""
    import pyarrow.dataset
    from datasets import load_dataset_builder
    from datasets.exceptions import DataFilesNotFoundError, DatasetNotFoundError

    try:
        builder = load_dataset_builder(hub, config or None, revision=commit)
        if hasattr(builder.config, "fragment_scan_options"):
            limits = pyarrow.CacheOptions(range_size_limit=READ_AT_ONCE, lazy=True)
            options = pyarrow.dataset.ParquetFragmentScanOptions(cache_options=limits)
            builder.config.fragment_scan_options = options
        return builder.as_streaming_dataset(split=split)
    except DatasetNotFoundError as error:
        if "gated" in str(error):
            raise UserError(TERMS, place, LOG_IN) from error
        raise NotOnHub(place) from error
    except (DataFilesNotFoundError, ValueError, RuntimeError) as error:  # no such config or split; a loading script
        raise NotOnHub(f"{place} ({error})") from error
    except Exception as error:
        raise UserError(f"the hub cannot be read: {error}", place, NETWORK) from error


def _shuffled(stream: Any, first: int, last: int) -> Iterator[Mapping[str, Any]]:
    """Rows `first` to `last` of a stream in its shuffled order."""
    if stream.num_shards < FEW_SHARDS and hasattr(stream, "reshard"):  # not in every version
        stream = stream.reshard()
    yield from stream.shuffle(seed=SEED, buffer_size=BUFFER).skip(first).take(last - first)


@lru_cache(maxsize=64)
def _snapshot(hub: str, revision: str) -> Path:
    """Where rows of a revision are kept; its commit is noted, so that a branch is known offline as well."""
    from huggingface_hub import HfApi, constants
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    folder = Path(constants.HF_HOME) / "xfer-streams" / hub.replace("/", "--")
    if re.fullmatch("[0-9a-f]{40}", revision):
        return folder / "snapshots" / revision
    note, place = folder / "refs" / quote(revision, safe=""), f"{hub} (revision {revision}) on the hub"
    try:
        if not constants.HF_HUB_OFFLINE:
            files.write_text(note, str(HfApi().dataset_info(hub, revision=revision).sha))
    except (RepositoryNotFoundError, RevisionNotFoundError) as error:
        raise NotOnHub(place) from error
    except Exception as error:
        if not note.is_file():
            raise UserError(f"the hub cannot be reached: {error}", place, NETWORK) from error
    if not note.is_file():
        raise NotOnHub(f"{place}, among rows that were taken before (HF_HUB_OFFLINE is set)")
    return folder / "snapshots" / note.read_text(encoding="utf-8")
