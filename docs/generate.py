"""The pages under reference/, made from the sources whenever the site is built (a hook of mkdocs).

They are not in the repository, so they cannot be out of date; the tests read them as the build does.
"""

import ast
import contextlib
import inspect
import io
import os
import re
import textwrap
from collections.abc import Callable, Iterator, Mapping
from enum import IntEnum
from pathlib import Path
from typing import Any

from hooks_page import hooks_page, table

ROOT = Path(__file__).parents[1]


def pages() -> dict[str, str]:
    """File names under reference/ to their texts."""
    os.environ["COLUMNS"] = "100"
    os.environ["XFER_NO_PLUGINS"] = "1"
    made: dict[str, Callable[[], Iterator[str]]] = {
        "cli.md": cli_page,
        "hooks.md": hooks_page,
        "tasks.md": tasks_page,
        "results.md": results_page,
        "settings.md": settings_page,
        "api.md": api_page,
    }
    return {name: "\n".join(page()).rstrip() + "\n" for name, page in made.items()}


# ---------------------------------------------------------------- commands


def cli_page() -> Iterator[str]:
    """Every command's own help, and the exit statuses."""
    import typer

    from xfer import cli
    from xfer.core.errors import ExitStatus

    yield "# Commands\n"
    yield "Data goes to stdout, everything else to stderr. `--json` prints one JSON document. `xfer -q COMMAND`"
    yield "leaves nothing on stderr but errors; `xfer -v COMMAND` tells every logged step, and stack traces of"
    yield "errors. `NO_COLOR` is honoured. `xfer --install-completion` completes names of tasks, strategies,"
    yield "languages, suites, models and presets in the shell.\n"
    yield "## Exit statuses\n"
    docs = _members(ExitStatus)
    meaning = {"DONE": "Done.", **docs}
    yield from table(("status", "name", "meaning"), [(int(one), one.name, meaning[one.name]) for one in ExitStatus])

    def walk(command: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        yield path
        for name, one in getattr(command, "commands", {}).items():
            yield from walk(one, (*path, name))

    for path in walk(typer.main.get_command(cli.app), ()):
        with contextlib.redirect_stdout(io.StringIO()) as out:
            cli.run_command([*path, "--help"])
        yield f"## `{' '.join(('xfer', *path))}`\n"
        yield f"```text\n{out.getvalue().rstrip()}\n```\n"


def _members(kind: type[IntEnum]) -> dict[str, str]:
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(definition, ast.ClassDef)
    found = {}
    for field, below in zip(definition.body, definition.body[1:], strict=False):
        match field, below:
            case ast.Assign(targets=[ast.Name(id=name)]), ast.Expr(value=ast.Constant(value=str(text))):
                found[name] = text
    return found


# ---------------------------------------------------------------- records


def tasks_page() -> Iterator[str]:
    """Every task: what it is, citation, licence, metric, languages, where its rows come from, traps."""
    from xfer import bootstrap
    from xfer.core.languages import LANGUAGES

    toolkit = bootstrap.load()
    yield "# Task records\n"
    yield "From the records, as `xfer tasks show NAME` prints them. Licences are what the data sets' authors or"
    yield "hosts state; read them before you publish rows or weights.\n"
    rows = []
    for name, task in toolkit.tasks.items():
        rows.append((f"[`{name}`](#{name})", task.format, len(task.languages), task.main_score, task.licence))
    yield from table(("task", "format", "languages", "main score", "licence"), rows)
    for name, task in toolkit.tasks.items():
        yield f"## `{name}` {{ #{name} }}\n"
        yield f"{task.summary[:1].upper()}{task.summary[1:]}.\n"
        named = [f"{code} ({LANGUAGES[code].name})" if code in LANGUAGES else code for code in task.languages]
        facts = [
            ("citation", task.citation),
            ("licence", task.licence),
            ("format", f"`{task.format}`; version {task.version}"),
            ("main score", f"`{task.main_score}` on `{task.eval_split}`"),
            ("evaluated in", ", ".join(named)),
            ("trained in", ", ".join(task.train_languages) or _training(task)),
            ("labels", ", ".join(task.labels) if len(task.labels) <= 20 else f"{len(task.labels)} labels"),
            ("rows", _sources(task)),
        ]  # fmt: skip
        yield from table(("", ""), [(key, value) for key, value in facts if value])
        if task.traps:
            yield "Known traps:\n"
            yield "\n".join(f"- {' '.join(trap.split())}" for trap in task.traps) + "\n"


def _training(task: Any) -> str:
    return f"rows of `{task.training_task}`" if task.training_task else "no training set"


def _sources(task: Any) -> str:
    if task.rows is not None and not task.sources:
        return "generated"
    texts = []
    for source in task.sources:
        while source is not None:
            streamed = ", streamed" if source.streamed else ""
            texts.append(f"`{source.hub}`{streamed}" + (f": {source.note}" if source.note else ""))
            source = source.otherwise
    return "; else ".join(dict.fromkeys(texts))


def results_page() -> Iterator[str]:
    """The schema of result rows and of the files around them."""
    from xfer.core.records import Problem, ResultRow

    yield "# Result rows\n"
    yield "`runs/<name>/results.jsonl` holds one JSON object a line, one number each; `xfer run --json` prints the"
    yield 'same rows. From Python: `xfer.load_results("runs")`. Rows of unlike `signature` or `data_fingerprint`'
    yield "are not averaged.\n"
    yield from _fields(ResultRow)
    yield "## Problems\n"
    yield "`runs/<name>/problems.jsonl`: what did not stop the run but must be told.\n"
    yield from _fields(Problem)
    yield "## Other files\n"
    yield from table(
        ("file", "holds"),
        [
            ("`runs/<name>/run.toml`", "the settings, where each came from, the model's folder"),
            ("`runs/<name>/plan.json`", "all phases with what was hashed into their ids, and all cells"),
            ("`phases/<id>/phase.json`", "what a phase did, on which device, in how many steps"),
            ("`phases/<id>/log.jsonl`", "the training log: step, loss, learning rate, tokens a second"),
            ("`phases/<id>/results.jsonl`", "scores of a phase that evaluates, without the run's provenance"),
            ("`phases/<id>/predictions/<task>.<language>.parquet`", "id, prediction, text, gold, points"),
            ("`phases/<id>/DONE`", "sizes and SHA-256 of all files; a phase without it does not count"),
        ],
    )


def settings_page() -> Iterator[str]:
    """Settings, their defaults and what they mean; presets."""
    from xfer import bootstrap
    from xfer.config_commands import TABLES, option_helps
    from xfer.core.records import TrainSettings
    from xfer.core.settings import RunSettings

    toolkit = bootstrap.load()
    yield "# Settings\n"
    yield "Defaults, then a TOML file (`--config`), then `XFER_STORE`, `XFER_DATA_ROOT`, `XFER_DEVICE`, then the"
    yield "command line. `xfer config init` writes a commented file, `xfer config validate FILE` checks one, `xfer"
    yield "config show` says where each value comes from, `xfer config schema` prints a JSON Schema for editors.\n"
    helps = option_helps()
    rows = [
        (f"`{name}`", f"`{_plain(field.get_default(call_default_factory=True))}`", helps[name])
        for name, field in RunSettings.model_fields.items()
    ]
    yield from table(("option", "default", "meaning"), rows)
    yield "## Training: `--set train.KEY`, `--set target.TASK.KEY`, `--set intermediate.TASK.KEY`\n"
    yield "For all phases, for a role (`target.KEY`), for a role and task; the more special wins over a preset.\n"
    yield from _fields(TrainSettings, defaults=True)
    for name, record in TABLES.items():
        yield f"## `--set {name}.KEY`\n"
        yield from _fields(record, defaults=True)
    for record in toolkit.formats:
        yield f"## Format `{record.name}`: `--set {record.name}.KEY` or `--set TASK.KEY`\n"
        yield f"{record.summary[:1].upper()}{record.summary[1:]}. Part of a result's signature.\n"
        yield from _fields(record.options, defaults=True)
    yield "## Presets\n"
    for suite in toolkit.suites:
        for preset, paths in suite.presets.items():
            mark = " (default)" if preset == suite.default_preset else ""
            yield f"### `{preset}` of suite `{suite.name}`{mark}\n"
            yield from table(
                ("for", "settings"),
                [
                    (
                        f"`{path}`" if path else "all phases",
                        ", ".join(f"{key} {_plain(v)}" for key, v in values.items()),
                    )
                    for path, values in paths.items()
                ],
            )


def api_page() -> Iterator[str]:
    """What `xfer.api` and `xfer` offer, with the first line of each name's docstring."""
    import xfer
    import xfer.api
    import xfer.testing

    yield "# Python\n"
    yield "Names that are not here are xfer's own business and may change at any time.\n"
    for module, text in (
        (xfer, "The commands as functions."),
        (xfer.api, "All that a plugin may import: the compatibility promise (`tests/plugins/golden/api.txt`)."),
        (xfer.testing, "The kit for tests of plugins. Its pytest fixtures are there once xfer is installed: "
                       "`run_xfer`, `xfer_manager`, `tiny_encoder`."),
    ):  # fmt: skip
        yield f"## `{module.__name__}`\n"
        yield text + "\n"
        yield from table(("name", "what it is"), [(f"`{name}`", _summary(module, name)) for name in _names(module)])


OTHERS = {
    "Name": "A checked name of a record.",
    "Listed": "A parameter: names, `a,b` on the command line.",
    "Numbers": "A parameter: numbers, `1,2` on the command line.",
    "hookimpl": "Marks a function as a hook's.",
    "LANGUAGES": "XTREME's languages by code.",
    "Row": "One raw row: a mapping.",
    "Example": "Any of the examples' classes.",
}
"""Names that are neither classes nor functions."""


def _names(module: Any) -> list[str]:
    return sorted((name for name in module.__all__ if not name.startswith("__")), key=str.lower)


def _summary(module: Any, name: str) -> str:
    value = getattr(module, name)
    if isinstance(value, str):
        return f"`{value!r}`"
    if inspect.isclass(value) or inspect.isfunction(value):
        return (inspect.getdoc(value) or "").partition("\n")[0]
    return OTHERS[name]


def _fields(record: Any, defaults: bool = False) -> Iterator[str]:
    from xfer.core.field_docs import field_docs

    docs = field_docs(record)
    rows = []
    for name, field in record.model_fields.items():
        default = [f"`{_plain(field.get_default(call_default_factory=True))}`"] if defaults else []
        rows.append((f"`{name}`", f"`{_type(field.annotation)}`", *default, docs[name]))
    yield from table(("field", "type", *(["default"] if defaults else []), "meaning"), rows)


def _type(annotation: Any) -> str:
    text = (
        annotation.__name__
        if inspect.isclass(annotation) and not getattr(annotation, "__args__", ())
        else str(annotation)
    )
    return re.sub(r"\b(typing|collections\.abc|pathlib)\.", "", text)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping) or hasattr(value, "model_dump"):
        return "{}"
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "()"
    return '""' if value == "" else value


NAMED = {
    "security.md": ("Method", "Security"),
    "reliability.md": ("Method", "Reliability"),
}
"""Pages that the navigation takes up once they are there; others come under "More"."""


def on_config(config: Any) -> Any:
    """mkdocs asks for this: pages that mkdocs.yml does not list find their place."""
    listed = {page for entry in config.nav for pages in entry.values() if isinstance(pages, list)
              for one in pages for page in one.values()}  # fmt: skip
    for path in sorted((ROOT / "docs").glob("*.md")):
        if path.name in listed | {"index.md"}:
            continue
        section, title = NAMED.get(path.name, ("More", _title(path)))
        found = next((entry[section] for entry in config.nav if section in entry), None)
        if found is None:
            found = []
            config.nav.append({section: found})
        found.append({title: path.name})
    return config


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """mkdocs asks for this: links to files that are not on the site become their names.

    These are files of the repository outside docs/, and reports in Markdown, whose pages would bear their sisters'
    names. A link to a file that is not there stays, and fails the build.
    """

    def named(link: re.Match[str]) -> str:
        target = (ROOT / "docs" / link[2].partition("#")[0]).resolve()
        outside = target.is_file() and (ROOT / "docs") not in target.parents
        report = target.is_file() and re.fullmatch(r"examples/\w+\.md", link[2])
        told = target.relative_to(ROOT) if target.is_relative_to(ROOT) else target.name
        return f"{link[1]} (`{told}`)" if outside or report else link[0]

    return re.sub(r"\[([^\]]+)\]\(([^)\s:]+)\)", named, markdown)


def _title(path: Path) -> str:
    first = path.read_text(encoding="utf-8").partition("\n")[0]
    return first.lstrip("# ") or path.stem


def on_files(files: Any, config: Any) -> Any:
    """mkdocs asks for this: the pages join those of the folder."""
    from mkdocs.structure.files import File

    for name, text in pages().items():
        files.append(File.generated(config, f"reference/{name}", content=text))
    return files
