"""Which rows targets need by the protocol, what is there of them, and getting the rest."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from xfer.core.data.downloads import ARCHIVES, NotServed, Progress, download, unpack
from xfer.core.data.load import MissingData, digests, expected_rows, load_examples, load_rows
from xfer.core.data.sources import (
    Located,
    absent,
    config_of,
    copies,
    fetch_from_hub,
    is_local,
    locate,
    remedy,
    revised,
    revision_of,
    search,
)
from xfer.core.data.streamed import NotOnHub
from xfer.core.errors import Locked, UnknownName, UserError
from xfer.core.records import Source, TaskSpec
from xfer.core.storage import files

ARCHIVE_FOLDER = ".archives"
"""Below the data root: archives that are being fetched or unpacked."""


class Tasks(Protocol):
    """Tasks by name."""

    def get(self, name: str) -> TaskSpec:
        """The task of a name; UnknownName otherwise."""


@dataclass(frozen=True)
class Need:
    """Rows of one task, split and language."""

    task: TaskSpec
    split: str
    language: str


@dataclass(frozen=True)
class Verified:
    """What was found of a need. `status`: ok, differs (a number that is not the published one), missing, faulty."""

    task: str
    split: str
    language: str
    status: str
    licence: str
    source: str = ""
    rows: int = 0
    expected: int | None = None
    files: tuple[tuple[str, str], ...] = ()
    """Path below the data set's folder, and SHA-256."""
    revision: str = ""
    """The hub's commits that the files are of, where its cache or `hf download` noted them."""
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Fetched:
    """Where a need's rows are now; `fetched` is false where they were there before."""

    task: str
    split: str
    language: str
    source: str
    fetched: bool


def needs(
    names: Iterable[str],
    tasks: Tasks,
    languages: Sequence[str] = (),
    revisions: Mapping[str, str] = {},
    rows: Mapping[str, int] = {},
) -> list[Need]:
    """What the tasks are trained, tuned and scored on: English training and dev rows, and scored rows everywhere.

    Streamed text is trained on in all its languages. `languages` narrows these and the scored ones; `revisions` and
    numbers of streamed training `rows` are those of the hub's data sets, by id. Raises `UnknownName` for a language
    that none of the tasks has.
    """
    chosen = [tasks.get(name) for name in names]
    known = {language for task in chosen for language in task.languages}
    for language in languages:
        if language not in known:
            raise UnknownName("language", language, known)
    found: dict[tuple[str, str, str], Need] = {}
    for task in chosen:
        for need in (*_training(task, tasks, languages), *_scored(task, languages)):
            own = replace(need, task=revised(need.task, revisions, rows))
            found.setdefault((need.task.name, need.split, need.language), own)
    return list(found.values())


def _training(task: TaskSpec, tasks: Tasks, languages: Sequence[str]) -> Iterator[Need]:
    if any(copy.streamed for source in task.sources for copy in copies(source)):
        codes = (code for code in task.train_languages if not languages or code in languages)
        yield from (Need(task, "train", code) for code in codes)
        return
    teacher = tasks.get(task.training_task) if task.training_task else task
    if "en" in teacher.train_languages:
        yield from (Need(teacher, split, "en") for split in ("train", teacher.dev_split) if _has(teacher, split))


def _scored(task: TaskSpec, languages: Sequence[str]) -> Iterator[Need]:
    splits = (task.dev_split, task.eval_split) if task.tune else (task.eval_split,)
    for split in splits:
        yield from (Need(task, split, code) for code in task.languages if not languages or code in languages)


def _has(task: TaskSpec, split: str) -> bool:
    """Whether a task has a split; generated rows have them all."""
    return not task.sources or any(split in copy.splits for source in task.sources for copy in copies(source))


# ---------------------------------------------------------------- verifying


def verify(need: Need, data_root: Path | None) -> Verified:
    """Read all rows of a need as a run would, and compare with what is published. Raises nothing for bad data."""
    task, split, language = need.task, need.split, need.language
    known: dict[str, Any] = {"task": task.name, "split": split, "language": language, "licence": task.licence}
    parts: list[Located] = []
    try:
        parts = locate(task, split, language, data_root)
        loaded = load_examples(task, split, language, load_rows(task, split, language, data_root=data_root))
    except UserError as error:
        status = "missing" if isinstance(error, MissingData) else "faulty"
        return Verified(**known, status=status, source=_names(parts), problems=(str(error),))
    expected = expected_rows([part.source for part in parts], split, language)
    return Verified(
        **known,
        status="ok" if expected in (None, loaded.rows) else "differs",
        source=_names(parts) or "generated",
        rows=loaded.rows,
        expected=expected,
        files=tuple((path, digest) for part in parts for _, path, digest in digests(part)),
        revision=", ".join(dict.fromkeys(found for part in parts if (found := revision_of(part)))),
        problems=tuple(problem.message for problem in loaded.problems),
    )


def _names(parts: Sequence[Located]) -> str:
    return ", ".join(dict.fromkeys(part.source.hub for part in parts))


# ---------------------------------------------------------------- fetching


@contextmanager
def fetching(data_root: Path) -> Iterator[None]:
    """Keep other processes from fetching into the same data root. Raises `Locked` when one does."""
    from filelock import FileLock, Timeout

    folder = data_root / ARCHIVE_FOLDER
    files.ensure_folder(folder)
    try:
        with FileLock(folder / "lock", timeout=0):
            yield
    except Timeout:
        raise Locked("another process fetches into this data root", str(data_root), "wait for it to end") from None


def fetch(
    need: Need,
    data_root: Path,
    base_url: str = "",
    tell: Callable[[str], None] = lambda message: None,
    progress: Progress = lambda done, total: None,
    pause: float = 1.0,
) -> Fetched:
    """Get what a need lacks: original files where they can be downloaded, else the hub's copy.

    `base_url` names a mirror that holds every original file by its last name, and the hub's files as the hub
    does. `tell` hears of every file, `progress` of its bytes. Raises `MissingData` for data that cannot be
    downloaded, and what `download` and `unpack` raise.
    """
    files.ensure_folder(data_root)
    names, fetched = [], False
    for source in need.task.sources:
        if any(need.split in copy.splits for copy in copies(source)):
            name, new = _fetch_source(need, source, data_root, base_url, tell, progress, pause)
            names.append(name)
            fetched = fetched or new
    return Fetched(need.task.name, need.split, need.language, ", ".join(names) or "generated", fetched)


def _fetch_source(
    need: Need,
    source: Source,
    data_root: Path,
    base_url: str,
    tell: Callable[[str], None],
    progress: Progress,
    pause: float,
) -> tuple[str, bool]:
    """Name of the source that is there in the end, and whether it had to be fetched."""
    places = [(copy, config_of(copy, need.split, need.language)) for copy in copies(source)]
    there = [(copy, config) for copy, config in places if config is not None]
    for copy, config in there:
        if not _unfinished(copy, config, need.split, data_root) and search(copy, need.split, config, data_root)[0]:
            return copy.hub, False
    refused: list[str] = []
    for copy, config in there:
        try:
            if copy.downloads:
                _fetch_original(copy, need.split, config, data_root, base_url, tell, progress, pause)
            elif not is_local(copy):
                tell(f"{copy.hub} {config} {need.split}, from the hub")
                fetch_from_hub(copy, need.split, config, data_root, base_url or None)
            else:
                continue
        except (NotServed, NotOnHub) as error:
            refused.append(str(error))
            tell(f"not to be had: {error}")
            continue
        found, missed = search(copy, need.split, config, data_root)
        if found is not None:
            return copy.hub, True
        refused.append(f"{copy.hub} was fetched and has no {', '.join(missed)}")
    ways = "\n         or: ".join(dict.fromkeys(remedy(copy, need.task, data_root) for copy, _ in there))
    raise absent(need.task, need.split, need.language, "; ".join(refused) or str(data_root), ways)


def _fetch_original(
    source: Source,
    split: str,
    config: str,
    data_root: Path,
    base_url: str,
    tell: Callable[[str], None],
    progress: Progress,
    pause: float,
) -> None:
    for url, name, checksum in _wanted(source, config, split):
        address = f"{base_url.rstrip('/')}/{name}" if base_url else url
        packed = name.endswith(ARCHIVES)
        path = data_root / (ARCHIVE_FOLDER if packed else source.hub) / name
        if not path.exists():
            tell(address)
            download(address, path, checksum, progress, pause)
        if packed:
            unpack(path, data_root / source.hub)


def _unfinished(source: Source, config: str, split: str, data_root: Path) -> bool:
    """Whether an archive of the source waits to be unpacked, or one of its plain files is not there yet."""
    names = [name for _, name, _ in _wanted(source, config, split)]
    return any(
        (data_root / ARCHIVE_FOLDER / name).exists()
        if name.endswith(ARCHIVES)
        else not (data_root / source.hub / name).exists()
        for name in names
    )


def _wanted(source: Source, config: str, split: str) -> list[tuple[str, str, str]]:
    """URL, name and checksum of all archives of a source, and of the plain files that the split is read from."""
    found = {}
    for own in source.splits[split]:
        patterns = {pattern.format(config=config, split=own) for pattern in source.patterns}
        for template, checksum in source.downloads.items():
            url = template.format(config=config, split=own)
            name = url.rpartition("/")[2]
            if name.endswith(ARCHIVES) or name in patterns:
                found[url] = (url, name, checksum)
    return list(found.values())
