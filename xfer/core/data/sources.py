"""Finds the files of a `Source`: under a data root, or in the hub's snapshot. Never runs a loading script.

A folder is read as `hf download <id> --repo-type dataset --local-dir DIR/<id>` leaves it: the `configs` of
the card (the front matter of README.md) name the files of every config and split; without them the usual
file names are looked for. A snapshot of the hub is the same folder, so there is one reader.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from xfer.core.data import streamed
from xfer.core.data.rows import SUFFIXES, LabelNames, label_names
from xfer.core.data.streamed import LOG_IN, NETWORK, TERMS, NotOnHub
from xfer.core.errors import DataError, UnknownName, UserError
from xfer.core.records import Source, TaskSpec


class MissingData(DataError):
    """The rows of a task are not there for this split and language."""

    def __init__(self, what: str, where: str, fix: str, task: str, split: str, language: str) -> None:
        super().__init__(what, where, fix)
        self.task, self.split, self.language = task, split, language


@dataclass(frozen=True)
class Located:
    """The files of one source for one split and language, in order, and the label names of its card.

    `splits` holds for every file the data set's own name of the split that it is read for; `span` the first row
    that is read of all files together and the one after the last, None for no end.
    """

    source: Source
    folder: Path
    files: tuple[Path, ...]
    splits: tuple[str, ...]
    names: LabelNames
    span: tuple[int, int | None] = (0, None)


def locate(task: TaskSpec, split: str, language: str, data_root: Path | None) -> list[Located]:
    """Find the files of every source that the task joins for `split` and `language`.

    Raises `UnknownName` for a language or split that the task does not have, and `MissingData` when files
    are not there.
    """
    require_known(task, split, language)
    if data_root is not None and not data_root.is_dir():
        raise UserError("the data root is not a folder", str(data_root), "give the folder that holds <hub id>/")
    parts = [source for source in task.sources if any(split in copy.splits for copy in copies(source))]
    return [_locate(task, source, split, language, data_root) for source in parts]


def revised(task: TaskSpec, revisions: Mapping[str, str], rows: Mapping[str, int] = {}) -> TaskSpec:
    """The task with its data sets at other revisions, and with other numbers of streamed training `rows`.

    Both by hub id; the same task where none of its data sets is named.
    """
    named = {copy.hub for source in task.sources for copy in copies(source)} & {*revisions, *rows}
    if not named:
        return task
    return task.model_copy(update={"source": tuple(_revised(source, revisions, rows) for source in task.sources)})


def _revised(source: Source, revisions: Mapping[str, str], rows: Mapping[str, int]) -> Source:
    changed: dict[str, Any] = {}
    if source.otherwise is not None:
        changed["otherwise"] = _revised(source.otherwise, revisions, rows)
    if source.hub in revisions and not is_local(source):
        changed["revision"] = revisions[source.hub]
    if source.hub in rows and "train" in source.streamed:
        changed["streamed"] = {**source.streamed, "train": rows[source.hub]}
    return source.model_copy(update=changed)


def revision_of(part: Located) -> str:
    """The hub's commit that the files are of, as its cache or `hf download` noted it; "" where nothing says."""
    if part.folder.parent.name == "snapshots":
        return part.folder.name
    notes = part.folder / ".cache" / "huggingface" / "download"
    found = set()
    for file in part.files:
        note = notes / f"{file.relative_to(part.folder).as_posix()}.metadata"
        found.add(note.read_text(encoding="utf-8").partition("\n")[0].strip() if note.is_file() else "")
    return found.pop() if len(found) == 1 else ""


def copies(source: Source) -> Iterator[Source]:
    """A source and what is looked for when it is not there, in order."""
    candidate: Source | None = source
    while candidate is not None:
        yield candidate
        candidate = candidate.otherwise


def config_of(source: Source, split: str, language: str) -> str | None:
    """The config that holds a split in a language; None if the source has it not."""
    return source.configs.get(language, source.configs.get("")) if split in source.splits else None


def require_known(task: TaskSpec, split: str, language: str) -> None:
    """Raise `UnknownName` for a language or split that the task does not have."""
    known = {*task.languages, *task.train_languages}
    if language not in known:
        raise UnknownName(f"language of {task.name}", language, known)
    splits = {name for source in task.sources for copy in copies(source) for name in copy.splits}
    if task.sources and split not in splits:
        raise UnknownName(f"split of {task.name}", split, splits)


def absent(task: TaskSpec, split: str, language: str, where: str, fix: str) -> MissingData:
    """The one wording for rows that are not there."""
    what = f"{task.name} has no {split} rows in {language!r} here"
    return MissingData(what, where, fix, task.name, split, language)


def _locate(task: TaskSpec, source: Source, split: str, language: str, data_root: Path | None) -> Located:
    looked, remedies = [], []
    for candidate in copies(source):
        config = config_of(candidate, split, language)
        if config is None:
            continue
        if data_root is not None or not is_local(candidate):
            try:
                found, missed = search(candidate, split, config, data_root)
            except NotOnHub as error:
                found, missed = None, [str(error)]
            if found is not None:
                return found
            looked += missed
        remedies.append(remedy(candidate, task, data_root))
    where = f"looked for {', '.join(looked)}" if looked else "no data root was given"
    raise absent(task, split, language, where, "\n         or: ".join(dict.fromkeys(remedies)))


def search(source: Source, split: str, config: str, data_root: Path | None) -> tuple[Located | None, list[str]]:
    """What is there if all of the split's parts are, and what was looked for in vain.

    Rows that are to be streamed are taken now, where no data root is given.
    """
    span: tuple[int, int | None] = (0, None)
    if split in source.streamed:
        folder = streamed.taken(source, split, config) if data_root is None else data_root / source.hub
        file = folder / streamed.kept_as(source, split, config)
        if file.is_file():
            return Located(source, folder, (file,), source.splits[split], {}), []
        span = streamed.span(source, split)
    folder, sought = _opened(source, split, config, data_root)
    files = [_files(folder, patterns) for patterns in sought]
    missed = [patterns[0] for patterns, found in zip(sought, files, strict=True) if not found]
    missed += [name for found in files for name in _absent_shards(found)]
    if missed:
        more = f" and {len(missed) - 1} more" if len(missed) > 1 else ""
        return None, [f"{folder / missed[0]}{more}"]
    names = label_names(_features(_card(folder), config))
    own = tuple(name for name, part in zip(source.splits[split], files, strict=True) for _ in part)
    return Located(source, folder, tuple(file for part in files for file in part), own, names, span), []


def settable(tasks: Iterable[TaskSpec]) -> set[str]:
    """Paths of `--set` about the data sets of tasks."""
    every = [copy for task in tasks for source in task.sources for copy in copies(source) if not is_local(copy)]
    rows = {f"data.stream.{copy.hub}" for copy in every if "train" in copy.streamed}
    return {f"data.revision.{copy.hub}" for copy in every} | rows


def is_local(source: Source) -> bool:
    """Whether a source is looked for under the data root only."""
    return bool(source.obtain or source.downloads)


def remedy(source: Source, task: TaskSpec, data_root: Path | None) -> str:
    """How to come by the files of a source."""
    root = data_root or Path("DATA_ROOT")
    if source.downloads or source.streamed:
        return f"xfer data fetch --target {task.name} --data-root {root}"
    if source.obtain:
        return source.obtain
    revision = "" if source.revision == "main" else f" --revision {source.revision}"
    return f"hf download {source.hub} --repo-type dataset{revision} --local-dir {root / source.hub}"


def fetch_from_hub(source: Source, split: str, config: str, data_root: Path, endpoint: str | None) -> None:
    """Put what a split needs under the data root as `hf download` does, from the hub or a mirror (`endpoint`).

    What is there and unchanged is not fetched again; rows that are to be streamed are taken. Raises `NotOnHub`,
    and `UserError` when the hub refuses or cannot be reached.
    """
    folder = data_root / source.hub
    if split in source.streamed:
        if endpoint:
            raise UserError("rows cannot be streamed off this mirror", endpoint, "name it by HF_ENDPOINT instead")
        streamed.fetch(source, split, config, folder)
        return
    _download(source.hub, source.revision, (), folder, endpoint)
    wanted = (pattern for patterns in _sought(source, split, config, folder) for pattern in patterns)
    _download(source.hub, source.revision, tuple(wanted), folder, endpoint)


def _opened(source: Source, split: str, config: str, data_root: Path | None) -> tuple[Path, list[tuple[str, ...]]]:
    """The data set's folder, and for each of its own splits that make up `split` the patterns of its files."""
    folder = data_root / source.hub if data_root is not None else _snapshot(source.hub, source.revision, ())
    sought = _sought(source, split, config, folder)
    if data_root is None:
        wanted = tuple(pattern for patterns in sought for pattern in patterns)
        folder = _snapshot(source.hub, source.revision, wanted)
    return folder, sought


def _sought(source: Source, split: str, config: str, folder: Path) -> list[tuple[str, ...]]:
    return [
        tuple(pattern.format(config=config, split=name) for pattern in source.patterns)
        or _patterns_of_card(_card(folder), config, name)
        or _usual_patterns(config, name)
        for name in source.splits[split]
    ]


@lru_cache(maxsize=1024)
def _snapshot(hub: str, revision: str, patterns: tuple[str, ...]) -> Path:
    """Folder of the hub's snapshot with the files that match; HF_HOME and HF_HUB_OFFLINE are honoured."""
    return _download(hub, revision, patterns)


def _download(
    hub: str, revision: str, patterns: tuple[str, ...], folder: Path | None = None, endpoint: str | None = None
) -> Path:
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    place = f"{hub} (revision {revision}) on the hub"
    try:
        folder = snapshot_download(
            hub,
            repo_type="dataset",
            revision=revision,
            allow_patterns=["README.md", *patterns],
            local_dir=folder,
            endpoint=endpoint,
            # A mirror must not see the user's token.
            token=False if endpoint else None,
        )
    except GatedRepoError as error:
        raise UserError(TERMS, place, LOG_IN) from error
    except (RepositoryNotFoundError, RevisionNotFoundError) as error:
        raise NotOnHub(place) from error
    except LocalEntryNotFoundError as error:
        if constants.HF_HUB_OFFLINE:
            raise NotOnHub(f"{place}, in its cache (HF_HUB_OFFLINE is set)") from error
        raise UserError("the hub cannot be reached", place, NETWORK) from error
    except HfHubHTTPError as error:
        raise UserError(f"the hub refused: {error}", place, "try again later, or give a data root") from error
    return Path(folder)


def _files(folder: Path, patterns: Sequence[str]) -> list[Path]:
    inside = (pattern for pattern in patterns if not pattern.startswith(("/", "hf:", "http")))
    found = {path for pattern in inside for path in folder.glob(pattern) if path.is_file()}
    # By file name first: the order of XTREME's files, where a split lies in several folders.
    return sorted(found, key=lambda path: (path.name, path))


def _absent_shards(found: Sequence[Path]) -> list[str]:
    """Names of the files that a set lacks whose names say how many there are ("train-00000-of-00003.parquet")."""
    shards = [match for path in found if (match := re.fullmatch(r"(.*)-(\d+)-of-(\d+)(\.\w+)", path.name))]
    there = {match[0] for match in shards}
    due = {f"{m[1]}-{number:0{len(m[2])}}-of-{m[3]}{m[4]}" for m in shards for number in range(int(m[3]))}
    return sorted(due - there)


def _usual_patterns(config: str, split: str) -> tuple[str, ...]:
    """File names of a split where the card names none, in the layouts that the hub's data sets use."""
    folders = [config, "data", "."] if config in ("", "default") else [config]
    names = [f"{split}{rest}{suffix}" for suffix in SUFFIXES for rest in ("-*", "", "/*")]
    return tuple(f"{folder}/{name}".removeprefix("/").removeprefix("./") for folder in folders for name in names)


def _patterns_of_card(card: Mapping[str, Any], config: str, split: str) -> tuple[str, ...]:
    """Patterns that the card's `configs` give for a split; none if it says nothing of it."""
    entries = [entry for entry in card.get("configs") or () if isinstance(entry, Mapping)]
    entry = next((entry for entry in entries if entry.get("config_name") == config), {})
    files = entry.get("data_files", ())
    if isinstance(files, Mapping):
        files = [{"split": name, "path": path} for name, path in files.items()]
    elif isinstance(files, str):
        files = [files]
    # A bare path holds the training rows: so the hub reads it.
    parts = [item if isinstance(item, Mapping) else {"split": "train", "path": item} for item in files]
    paths = [part.get("path", ()) for part in parts if part.get("split") == split]
    prefix = f"{entry['data_dir']}/" if entry.get("data_dir") else ""
    return tuple(prefix + str(path) for group in paths for path in (group if isinstance(group, list) else [group]))


def _features(card: Mapping[str, Any], config: str) -> Any:
    info = card.get("dataset_info") or ()
    entries = [info] if isinstance(info, Mapping) else info
    return next((entry.get("features") for entry in entries if entry.get("config_name", config) == config), ())


def _card(folder: Path) -> Mapping[str, Any]:
    """Front matter of the folder's README.md; empty without one."""
    path = folder / "README.md"
    return _read_card(path, path.stat().st_mtime_ns) if path.is_file() else {}


@lru_cache(maxsize=64)
def _read_card(path: Path, modified: int) -> Mapping[str, Any]:
    """`modified` only keeps a changed file from being answered out of the cache."""
    from huggingface_hub import metadata_load

    try:
        return metadata_load(path) or {}
    except Exception as error:
        raise DataError(f"the front matter cannot be read: {error}", str(path), "fetch the file again") from error
