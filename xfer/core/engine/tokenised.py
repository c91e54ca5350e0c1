"""Tokenised data by content: kept in the process, and large ones in the store, mapped into memory.

What a tokenised data set depends on is hashed: the examples, the tokeniser and its library, the format's options,
labels and code, and the length. Nothing else needs to be known to use it again, in another phase, run or process.
"""

import hashlib
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import is_dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from xfer.core.batches import features as batch_features
from xfer.core.batches.features import Column, Features
from xfer.core.encoders import tokeniser as tokenisers
from xfer.core.encoders.tokeniser import Tokeniser
from xfer.core.errors import Stopped
from xfer.core.formats.base import FormatCode
from xfer.core.plans.identity import SCHEMA
from xfer.core.run import Run
from xfer.core.storage import files
from xfer.core.storage.locks import phase_lock, worker
from xfer.core.storage.process import this_process

State = Literal["made", "found", "small", "unkept"]
"""What became of features that were made ahead: they are in the store by now or were before; they have less than
`engine.cache_tokens` tokens; they cannot be kept."""
POLL = 0.1
"""Seconds between two looks whether another process is done."""
_PARTS = ("tokens", "offsets", "items", "example")


def tokenised(
    run: Run, tokeniser: Tokeniser, code: FormatCode, examples: Sequence[Any], max_length: int, *, training: bool
) -> Features:
    """`code.featurise`, done once for the same content.

    From `engine.cache_tokens` tokens on they are written to the store and read back as maps of its files, so
    that memory is the page cache's. What cannot be hashed or written without pickling is made anew every time.
    What another process makes ahead of this one right now is waited for.
    """
    key = content_key(tokeniser, code, examples, max_length, training=training)
    make = partial(code.featurise, examples, tokeniser, max_length, training)
    return make() if key is None else _of(run, key, make)


def tokenised_ahead(
    run: Run, tokeniser: Tokeniser, code: FormatCode, examples: Sequence[Any], max_length: int, *, training: bool
) -> tuple[Features | None, State]:
    """`tokenised` for a phase to come, and what became of them; whoever asks for them meanwhile waits.

    None for what could not be kept anyway.
    """
    key = content_key(tokeniser, code, examples, max_length, training=training)
    if key is None:
        return None, "unkept"
    folder = run.store.feature_folder(key)
    found = _read(folder)
    if found is None:
        with phase_lock(run.store, _lock(key), wait=True):
            found = _read(folder)
            if found is None:
                made = _of(run, key, partial(code.featurise, examples, tokeniser, max_length, training))
                small = len(made.tokens) < run.settings.engine.cache_tokens
                return made, "small" if small else "made" if files.is_committed(folder) else "unkept"
    return found, "found"


def _of(run: Run, key: str, make: Callable[[], Features]) -> Features:
    """The features of a key: this process's, the store's, or made."""
    remembered = ("features", key)
    if remembered not in run.memory:
        folder = run.store.feature_folder(key)
        found = _read(folder)
        if found is None and _waited(run, key):
            found = _read(folder)
        if found is None:
            found = make()
            large = len(found.tokens) >= run.settings.engine.cache_tokens
            if large and run.group.leads and _plain(found):
                _write(folder, found)
                found = _read(folder) or found
                run.large_data()
        run.memory[remembered] = found
    features: Features = run.memory[remembered]
    return features


def _lock(key: str) -> str:
    return f"features-{key}"


def _waited(run: Run, key: str) -> bool:
    """Wait while another process makes the features of a key ahead of this one; whether there was one."""
    waited = False
    while worker(run.store, _lock(key)) not in (None, this_process()):
        if run.stop_requested():
            raise Stopped(
                "stopped as asked before the data were tokenised", fix="issue the same command again to continue"
            )
        waited = True
        time.sleep(POLL)
    return waited


def content_key(
    tokeniser: Tokeniser, code: FormatCode, examples: Sequence[Any], max_length: int, *, training: bool
) -> str | None:
    """sha256 of all that the features follow from, 32 hex digits.

    None for examples that are no plain data, and for formats whose code lies in no file.
    """
    import tokenizers

    code_used = sources(type(code))
    if code_used is None:
        return None
    described = [
        SCHEMA,
        (np.__version__, tokenizers.__version__),
        tokeniser.fingerprint,
        (tokeniser.pad_id, tokeniser.mask_id, tokeniser.special_ids, tokeniser.size),
        (code.task.name, code.task.version, code.task.format, code.task.labels, code.labels),
        code.options.model_dump(mode="json"),
        (max_length, training),
        code_used,
    ]
    digest = hashlib.sha256(json.dumps(described).encode())
    try:
        for start in range(0, len(examples), 4096):
            digest.update(json.dumps(examples[start : start + 4096], default=_fields).encode())
    except (TypeError, ValueError):
        return None
    return digest.hexdigest()[:32]


def _fields(example: Any) -> list[Any]:
    """An example as JSON takes it: its kind, and its fields in order."""
    if not is_dataclass(example):
        raise TypeError(f"{type(example).__name__} is no plain data")
    return [type(example).__name__, *(getattr(example, name) for name in example.__dataclass_fields__)]


@cache
def sources(kind: type[FormatCode]) -> tuple[str, ...] | None:
    """sha256 of the code that makes a format's features: whoever changes it must not read those of the old one.

    These are the files beside the modules of its class and of those that it inherits from, for formats share
    code, and the modules that every format uses. None where a module has no file.
    """
    own = [one.__module__ for one in kind.__mro__ if one.__module__ not in ("abc", "builtins", "typing")]
    found: dict[Path, None] = {}
    for name in dict.fromkeys((*own, batch_features.__name__, tokenisers.__name__)):
        module = sys.modules.get(name)
        path = Path((module and module.__file__) or "")
        if not path.is_file():
            return None
        beside = name in own and module and module.__package__
        found |= dict.fromkeys(sorted(path.parent.glob("*.py")) if beside else [path])
    return tuple(files.sha256_file(path) for path in found)


def _plain(features: Features) -> bool:
    return all(column.values.dtype.kind in "biufU" for column in features.columns.values())


def _write(folder: Path, features: Features) -> None:
    files.ensure_folder(folder.parent)
    with files.committed_folder(folder) as temporary:
        for name in _PARTS:
            np.save(temporary / f"{name}.npy", getattr(features, name), allow_pickle=False)
        for number, column in enumerate(features.columns.values()):
            np.save(temporary / f"column-{number}.npy", column.values, allow_pickle=False)
        columns = [[name, column.axis] for name, column in features.columns.items()]
        files.write_json(temporary / "features.json", {"columns": columns, "dropped": features.dropped})


def _read(folder: Path) -> Features | None:
    """The features of a committed folder, or None; one that does not verify is removed."""
    if not files.is_committed(folder):
        return None
    if files.verify(folder):
        files.remove(folder)
        return None
    files.mark_used(folder)
    about = files.read_json(folder / "features.json")
    parts = {name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in _PARTS}
    columns = {
        name: Column(axis, np.load(folder / f"column-{number}.npy", mmap_mode="r", allow_pickle=False))
        for number, (name, axis) in enumerate(about["columns"])
    }
    return Features(**parts, columns=columns, dropped=about["dropped"])
