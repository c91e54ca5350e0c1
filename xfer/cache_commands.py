"""The commands about the store: `xfer cache ls`, `why`, `rm`, `gc`."""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xfer.core.errors import UserError
from xfer.options import JsonOption, StoreOption, store_folder

if TYPE_CHECKING:
    from xfer.core.storage.contents import Item, Removal
    from xfer.core.storage.store import Store

DryOption = Annotated[bool, typer.Option("--dry-run", help="Tell what would go, and remove nothing.")]

cache = typer.Typer(help="The store: what it holds, why, and what may go.", no_args_is_help=True)


def add(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(cache, name="cache")


@cache.command("ls")
def listing(store: StoreOption = None, json_: JsonOption = False) -> None:
    """List phases and caches with their size, and how many runs need each."""
    from xfer.core.storage.contents import contents

    kept = _store(store)
    items, usage = contents(kept), kept.disk_usage()
    if json_:
        _print_json({"store": str(kept.root), "items": [_fields(item) for item in items], "usage": usage})
        return
    width = max((len(item.name) for item in items), default=0)
    for item in items:
        runs = len({need.run for need in item.needs})
        about = " ".join(filter(None, (item.kind, item.does, item.weights and f"weights {item.weights}")))
        needed = f"needed by {runs} run{'s' * (runs != 1)}" if runs else "needed by no run"
        print(f"{item.name:<{width}}  {_size(item.bytes):>7}  {about}" + (f"; {needed}" if item.phase else ""))
    parts = ", ".join(f"{part} {_size(size)}" for part, size in usage.items())
    print(f"{kept.root}: {parts}", file=sys.stderr)


@cache.command("why")
def why(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A phase's id, or how it begins.")],
    store: StoreOption = None,
    json_: JsonOption = False,
) -> None:
    """Tell why a phase is there: which runs and labels lead through it."""
    from xfer.core.storage.contents import contents, find

    kept = _store(store)
    (item,) = find(contents(kept), [name])
    if json_:
        _print_json(_fields(item))
        return
    print(f"{item.name}: {' '.join(filter(None, (item.kind, item.does)))}, {_size(item.bytes)}")
    for need in item.needs:
        role = "is scored in it" if need.scores else "leads through it"
        cells = f"{', '.join(need.labels)} on {', '.join(need.targets)}" if need.labels else "its plan"
        print(f"run {need.run}: {cells} {role}")
    if not item.needs:
        print("no run needs it; `xfer cache gc` removes it" if item.phase else "a cache, filled when it is needed")


@cache.command("rm")
def rm(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME]...", help="Phases or caches, as `xfer cache ls` calls them."),
    ] = None,
    run: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Remove this run's files; its phases stay until gc.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Also what runs need; never what is worked on.")] = False,
    dry_run: DryOption = False,
    store: StoreOption = None,
    json_: JsonOption = False,
) -> None:
    """Remove phases, caches or runs by name; what runs need only with --force."""
    from xfer.core.storage.contents import Removal, contents, find, remove, remove_runs

    if not names and not run:
        raise UserError("nothing was named", fix="xfer cache rm NAME, or --run NAME; `xfer cache ls` lists names")
    kept = _store(store)
    removal = Removal()
    if run:
        removal.removed += remove_runs(kept, run, dry_run).removed
    if names:
        removal.removed += remove(kept, find(contents(kept), names), force, dry_run).removed
    _told(removal, dry_run, json_)


@cache.command("gc")
def gc(
    unused_days: Annotated[
        float,
        typer.Option(min=0, metavar="DAYS", help="Tokenised data that nobody read for so long go too."),
    ] = 30,
    dry_run: DryOption = False,
    store: StoreOption = None,
    json_: JsonOption = False,
) -> None:
    """Remove the phases that no run needs, damaged ones, old tokenised data, and what crashes left behind."""
    from xfer.core.storage.contents import collect

    _told(collect(_store(store), dry_run, unused_days), dry_run, json_)


def _store(folder: Path | None) -> "Store":
    from xfer.core.storage.store import Store

    return Store(store_folder(folder))


def _told(removal: "Removal", dry_run: bool, json_: bool) -> None:
    if json_:
        removed: Sequence[Any] = [_fields(item) for item in removal.removed]
        _print_json({"removed": removed, "kept": removal.kept, "bytes": removal.bytes, "dry_run": dry_run})
        return
    verb = "would remove" if dry_run else "removed"
    for item in removal.removed:
        print(f"{verb} {item.name}  {_size(item.bytes)}  {' '.join(filter(None, (item.kind, item.does)))}")
    for name, reason in removal.kept.items():
        print(f"kept {name}: {reason}", file=sys.stderr)
    print(f"{verb} {len(removal.removed)}, {_size(removal.bytes)}", file=sys.stderr)


def _fields(item: "Item") -> dict[str, Any]:
    return {
        "name": item.name, "kind": item.kind, "path": str(item.path), "bytes": item.bytes, "does": item.does,
        "weights": item.weights,
        "needs": [
            {"run": need.run, "labels": list(need.labels), "targets": list(need.targets), "scores": need.scores}
            for need in item.needs
        ],
    }  # fmt: skip


def _print_json(document: Any) -> None:
    print(json.dumps(document, ensure_ascii=False, indent=2))


def _size(size: int) -> str:
    from xfer.core.plans.forecast import size_text

    text: Callable[[int], str] = size_text
    return text(size)
