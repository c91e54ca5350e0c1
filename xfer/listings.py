"""The commands that list and show what is installed: tasks, strategies, suites, models, plugins."""

import json
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from xfer import bootstrap, completion
from xfer.core.errors import UnknownName
from xfer.core.records import Record, Strategy, TaskSpec
from xfer.readable import readable
from xfer.verbosity import note

KINDS: dict[str, str] = {
    "tasks": "Tasks: targets and intermediate tasks.",
    "strategies": "Strategies: ways from the pretrained model to a target.",
    "suites": "Suites: named sets of tasks with their settings.",
    "models": "Named encoders. Any hub id or folder works too.",
    "plugins": "Installed plugins, and what went wrong with them.",
}

COMPLETED: dict[str, Callable[[str], list[tuple[str, str]]]] = {
    "tasks": completion.tasks,
    "strategies": completion.strategies,
    "suites": completion.suites,
    "models": completion.models,
}


def add(app: typer.Typer) -> None:
    """Add `xfer tasks [list|show NAME]` and its sisters."""
    for kind, text in KINDS.items():
        app.add_typer(_group(kind), name=kind, help=text)


def _group(kind: str) -> typer.Typer:
    group = typer.Typer(invoke_without_command=True, rich_markup_mode=None)

    @group.callback()
    def default(
        context: typer.Context,
        json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    ) -> None:
        if context.invoked_subcommand is None:
            _print_list(kind, json_)

    @group.command("list")
    def listing(json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
        """List all."""
        _print_list(kind, json_)

    @group.command("show")
    def show(
        name: Annotated[str, typer.Argument(metavar="NAME", autocompletion=COMPLETED.get(kind))],
        json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    ) -> None:
        """Show one."""
        fields = _plugin_fields(name) if kind == "plugins" else _fields(getattr(bootstrap.load(), kind).get(name))
        print(json.dumps(fields, indent=2, ensure_ascii=False) if json_ else readable(fields))

    if kind == "plugins":
        group.command("new")(new)

    return group


def new(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="task or strategy.")],
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Name of the task or strategy; the package is called xfer-NAME.")
    ],
    output: Annotated[Path, typer.Option(help="Folder that the package's folder is put in.")] = Path("."),
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Write a package with a plugin of your own; its tests pass at once."""
    from xfer.scaffold import new_package

    folder = new_package(kind, name, output)
    print(json.dumps({"folder": str(folder)}) if json_ else folder)
    note(f"next: pytest {folder}; then pip install -e {folder}")


def _print_list(kind: str, json_: bool) -> None:
    rows = _plugin_rows() if kind == "plugins" else _rows(kind)
    if json_:
        print(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    width = max((len(row["name"]) for row in rows), default=0)
    for row in rows:
        print(f"{row['name']:<{width}}  {row['summary']}")
    if kind == "plugins":
        if not rows:
            note("no third-party plugins are installed")
        for problem in bootstrap.load().problems:
            source = f"{problem.distribution} {problem.version}".strip()
            print(f"{problem.plugin or '?':<{width}}  problem: {problem.message} ({source})")


def _rows(kind: str) -> list[dict[str, Any]]:
    toolkit = bootstrap.load()
    rows = []
    for name, record in getattr(toolkit, kind).items():
        row = {"name": name, "summary": record.summary}
        if isinstance(record, TaskSpec):
            row |= {"format": record.format, "languages": list(record.languages)}
        rows.append(row)
    return rows


def _plugin_rows() -> list[dict[str, Any]]:
    return [{"name": plugin.owner, "summary": f"{plugin.distribution} {plugin.version}"} for plugin in _plugins()]


def _plugins() -> Iterable[Any]:
    return {plugin.owner: plugin for plugin in bootstrap.load().manager.plugins()}.values()


def _plugin_fields(name: str) -> dict[str, Any]:
    toolkit = bootstrap.load()
    plugins = {plugin.owner: plugin for plugin in _plugins()}
    problems = [problem for problem in toolkit.problems if problem.plugin == name]
    if name not in plugins and not problems:
        raise UnknownName("plugin", name, [*plugins, *(problem.plugin for problem in toolkit.problems)])
    fields: dict[str, Any] = {"name": name}
    if name in plugins:
        fields |= {"distribution": plugins[name].distribution, "version": plugins[name].version}
    for kind in ("tasks", "strategies", "suites", "models", "formats"):
        registry = getattr(toolkit, kind)
        owned = [short for short, record in registry.items() if registry.owner(record) == name]
        if owned:
            fields[kind] = owned
    fields["problems"] = [f"{problem.message}\n{problem.detail}".strip() for problem in problems]
    return fields


def _fields(record: Record) -> dict[str, Any]:
    """A record's fields as plain data; functions by their names."""

    def plain(value: Any) -> Any:
        if isinstance(value, Record):
            return {name: plain(getattr(value, name)) for name in type(value).model_fields}
        if isinstance(value, dict):
            return {str(key): plain(item) for key, item in value.items()}
        if isinstance(value, tuple | list):
            return [plain(item) for item in value]
        if isinstance(value, type) and issubclass(value, Record):
            return {
                name: plain(field.get_default(call_default_factory=True))
                for name, field in value.model_fields.items()
            }
        if isinstance(value, partial):
            return f"{plain(value.func)}({', '.join(map(str, value.args))})"
        if callable(value):
            return f"{value.__module__}.{value.__qualname__}"
        return value if isinstance(value, str | int | float | bool | None) else str(value)

    hidden = {"fixture"} if isinstance(record, TaskSpec) else {"plan"} if isinstance(record, Strategy) else set()
    return {name: plain(getattr(record, name)) for name in type(record).model_fields if name not in hidden}
