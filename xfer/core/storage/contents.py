"""What a store holds, who needs it, and what may go: `xfer cache`.

A phase is needed by every run whose plan leads through it, also while the run works (its plan is written first),
and by every run whose result rows name it. Nothing is removed while another process works on it.
"""

import re
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xfer.core.errors import Damaged, Locked, UnknownName, UserError
from xfer.core.storage import files, locks
from xfer.core.storage.manifest import DONE, tree_size
from xfer.core.storage.store import Store, check_run

_PHASE = re.compile(r"([a-z0-9][a-z0-9_-]{0,63})(\.partial|\.damaged-\d+)?")
UNUSED_DAYS = 30.0
"""Days after which tokenised data that nobody read may go."""
SHORTEST = 4
"""Characters of an id that may stand for all of it, where they are unique."""


@dataclass(frozen=True)
class Item:
    """One thing in a store that takes room."""

    name: str
    """`<phase id>`, `<id>.partial`, `<id>.damaged-1`, `translations/<hash>`, …: what `xfer cache rm` is told."""
    kind: str
    """phase, partial, damaged, translations, features, other."""
    path: Path
    bytes: int
    does: str = ""
    """What the phase did: "train target xnli (seed 0)"; "" where its phase.json cannot be read."""
    weights: str = ""
    """kept, dropped, or "" for phases without."""
    needs: tuple["Need", ...] = ()
    """Who leads through it."""

    @property
    def phase(self) -> str:
        """The id of the phase that it belongs to; "" for caches."""
        match = _PHASE.fullmatch(self.name)
        return match[1] if match else ""


@dataclass(frozen=True)
class Need:
    """Why a phase is there: a run, the labels of it that lead through the phase, and what starts from it."""

    run: str
    labels: tuple[str, ...]
    targets: tuple[str, ...]
    scores: bool
    """Whether these cells' numbers were computed in this very phase."""


@dataclass
class Removal:
    """What was removed, or would be, and what stayed for which reason."""

    removed: list[Item] = field(default_factory=list)
    kept: dict[str, str] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        """Room that is won."""
        return sum(item.bytes for item in self.removed)


# ---------------------------------------------------------------- looking


def contents(store: Store) -> list[Item]:
    """Everything in the store that takes room, phases first. Nothing is hashed.

    Raises:
        UserError: there is no store.
        Damaged: a run's plan cannot be read, so that nobody can tell what it needs.
    """
    if not store.root.is_dir():
        raise UserError("no such store", where=str(store.root), fix="name one with --store, or run something first")
    needs = _needs(store)
    items = [_phase_item(store, path, needs) for path in _below(store.root / "phases")]
    for folder in _below(store.root / "cache"):
        items += [Item(f"{folder.name}/{path.name}", folder.name, path, _size(path)) for path in _below(folder)]
    return items


def find(items: Sequence[Item], names: Iterable[str]) -> list[Item]:
    """The items of these names, or of names that begin so where that is unique.

    Raises:
        UnknownName: nothing, or more than one thing, is called so.
    """
    found = []
    for name in names:
        exact = [item for item in items if item.name == name]
        close = [item for item in items if len(name) >= SHORTEST and item.name.startswith(name)]
        if len(exact or close) != 1:
            extra = f"({len(close)} names begin so)" if close else "(`xfer cache ls` lists them)"
            raise UnknownName("phase or cache", name, [item.name for item in close or items], extra)
        found += exact or close
    return found


def _phase_item(store: Store, path: Path, needs: Mapping[str, tuple[Need, ...]]) -> Item:
    match = _PHASE.fullmatch(path.name)
    if match is None:
        return Item(path.name, "other", path, _size(path))
    kind = {None: "phase", ".partial": "partial"}.get(match[2], "damaged")
    if kind != "phase":
        return Item(path.name, kind, path, _size(path), needs=needs.get(match[1], ()))
    weights = "kept" if store.has_weights(match[1]) else "dropped" if store.dropped_weights(match[1]) else ""
    return Item(path.name, kind, path, _size(path), _doing(path), weights, needs.get(match[1], ()))


def _doing(folder: Path) -> str:
    try:
        info = files.read_json(folder / "phase.json")
        uses = [f"{use['task']}" for use in info["identity"].get("uses", ())]
        seed = info["identity"].get("seed")
        return f"{info['does']} {','.join(uses)}" + ("" if seed is None else f" (seed {seed})")
    except (Damaged, KeyError, TypeError, AttributeError):
        return ""


def _needs(store: Store) -> dict[str, tuple[Need, ...]]:
    """By phase id, the runs that lead through it."""
    found: dict[str, list[Need]] = {}
    for run in store.runs():
        path = store.run_folder(run) / "plan.json"
        try:
            check_run(path.parent)
            plan = files.read_json(path)
            through: dict[str, list[Any]] = {planned["id"]: [] for planned in plan["phases"]}
            for cell in plan["cells"]:
                for id in dict.fromkeys(filter(None, (*cell["chain"], cell["phase"], cell.get("dev_phase")))):
                    through.setdefault(id, []).append(cell)
            for id, cells in through.items():
                labels = tuple(dict.fromkeys(str(cell["label"]) for cell in cells))
                targets = tuple(dict.fromkeys(str(cell["target"]) for cell in cells))
                scores = any(cell["phase"] == id for cell in cells)
                found.setdefault(id, []).append(Need(run, labels, targets, scores))
            rows = files.read_json_lines(path.with_name("results.jsonl"))
            for id in dict.fromkeys(row["phase"] for row in rows if row["phase"] not in through):
                own = [row for row in rows if row["phase"] == id]  # of a plan that was there before
                labels = tuple(dict.fromkeys(str(row["label"]) for row in own))
                targets = tuple(dict.fromkeys(str(row["task"]) for row in own))
                found.setdefault(id, []).append(Need(run, labels, targets, True))
        except (Damaged, KeyError, TypeError, AttributeError) as error:
            raise Damaged(
                f"what run {run!r} needs cannot be read",
                where=str(path),
                fix=f"`xfer cache rm --run {run}` if it may go, or put its plan.json back",
            ) from error
    return {id: tuple(each) for id, each in found.items()}


def _below(folder: Path) -> list[Path]:
    there = folder.iterdir() if folder.is_dir() and not folder.is_symlink() else ()
    return sorted(path for path in there if not path.name.startswith("."))


def _size(path: Path) -> int:
    return tree_size(path) if path.is_dir() and not path.is_symlink() else path.lstat().st_size


# ---------------------------------------------------------------- removing


def remove(store: Store, items: Sequence[Item], force: bool = False, dry_run: bool = False) -> Removal:
    """Remove what was named.

    Raises:
        UserError: a run needs one of them, and nothing was forced; nothing was removed then.
        Locked: another process works on one of them; nothing was removed then.
    """
    wanted = [item for item in items if item.needs and item.kind == "phase"]
    if wanted and not force:
        runs = sorted({need.run for item in wanted for need in item.needs})
        raise UserError(
            f"{', '.join(item.name for item in wanted)}: needed by {_listed(runs)}",
            where=str(store.root),
            fix="`xfer cache why` tells what for; remove the runs (--run NAME), or insist with --force: numbers in "
            "the runs' results stay, and what is missing is computed again when it is asked for",
        )
    with ExitStack() as held:
        for id in dict.fromkeys(item.phase for item in items if item.phase):
            held.enter_context(locks.phase_lock(store, id))
        if not dry_run:
            for item in items:
                files.remove(item.path)
    return Removal(list(items))


def remove_runs(store: Store, names: Iterable[str], dry_run: bool = False) -> Removal:
    """Remove runs: their settings, plans and result rows. Their phases stay until `collect`.

    Raises:
        UnknownName: no run has this name; nothing was removed then.
    """
    removal = Removal()
    for name in names:
        if name not in store.runs():
            raise UnknownName("run", name, store.runs(), extra=f"(in {store.root})")
        folder = store.run_folder(name)
        removal.removed.append(Item(name, "run", folder, _size(folder)))
    if not dry_run:
        for item in removal.removed:
            files.remove(item.path)
    return removal


def collect(store: Store, dry_run: bool = False, unused_days: float = UNUSED_DAYS) -> Removal:
    """Remove what no run needs: phases, checkpoints of unfinished ones, damaged ones, and what crashes left.

    Tokenised data go when nobody read them for so many days: they are made again in minutes. What another process
    works on stays, and so do translations, which cost hours and serve later plans.
    """
    removal = Removal()
    plans, since = _plans(store), dict[str, tuple[Need, ...]]()
    for item in contents(store):
        if plans != (now := _plans(store)):  # a run began meanwhile, and may count on what is stored
            plans, since = now, _needs(store)
        if item.kind in ("phase", "partial") and (item.needs or since.get(item.phase)):
            continue
        if item.kind == "features" and time.time() - _last_used(item.path) >= unused_days * 86400:
            removal.removed += remove(store, [item], dry_run=dry_run).removed
            continue
        if not item.phase:
            removal.kept[item.name] = "a cache: name it to `xfer cache rm` if it may go"
            continue
        try:
            removal.removed += remove(store, [item], dry_run=dry_run).removed
        except Locked as locked:
            removal.kept[item.name] = locked.what
    if not dry_run:
        store.sweep()
    return removal


def _last_used(folder: Path) -> float:
    """When tokenised data were written or read last, in seconds since 1970; a broken folder: changed."""
    done = folder / DONE
    return (done if done.is_file() else folder).lstat().st_mtime


def _plans(store: Store) -> dict[str, int]:
    """When the plan of each run was written."""
    found = {}
    for run in store.runs():
        with suppress(FileNotFoundError):  # just removed
            found[run] = (store.run_folder(run) / "plan.json").stat().st_mtime_ns
    return found


def _listed(names: Sequence[str], most: int = 5) -> str:
    kind = "run" if len(names) == 1 else "runs"
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{kind} {', '.join(names[:most])}{more}"
