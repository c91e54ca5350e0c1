"""`xfer config init|show|validate|schema`: a configuration file written, explained, checked and described."""

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from xfer import bootstrap
from xfer.core import settings as core
from xfer.core.engine_settings import EngineSettings, TranslationSettings
from xfer.core.errors import UnknownName, UserError, raise_all
from xfer.core.field_docs import field_docs
from xfer.core.plans.start_points import chosen_targets, start_points
from xfer.core.records import Record, Suite, TrainSettings
from xfer.core.run import Toolkit
from xfer.verbosity import note

ConfigOption = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="TOML file with options of run.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="One setting as `xfer run --set` has it; repeat."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
EXAMPLES = {
    "strategy": '["none", "english-stilts"]',
    "model": '"FacebookAI/xlm-roberta-base"',
    "target": '["mini-xnli"]',
    "intermediate": '["mini-mnli"]',
    "language": '["de", "sw"]',
    "preset": '"fast"',
    "data_root": '"data"',
    "name": '"first-run"',
    "device": '"cuda:0"',
    "launcher": '"torchrun"',
    "nproc": "2",
    "plugin": '["my_task.py"]',
    "executor": '"local"',
    "jobs": "2",
    "max_hours": "11.5",
}
"""What a field may look like, where its default does not show it."""
UNSET = {"max_steps": "1000"}
"""The same for training settings that are unset by default."""
TABLES: dict[str, type[Record]] = {"engine": EngineSettings, "translate": TranslationSettings}
ROLES = ("train", *core.ROLES)

config = typer.Typer(
    help="Configuration files: written, explained, checked, described.", no_args_is_help=True, rich_markup_mode=None
)


def add(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(config, name="config")


@config.command("init")
def init(
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File to write; it must not be there yet. [default: stdout]")
    ] = None,
) -> None:
    """Write a commented configuration file with every option at its default."""
    text = initial_text()
    if output is None:
        print(text, end="")
        return
    if output.exists():
        raise UserError("the file is there already", str(output), "name another file, or remove this one")
    from xfer.core.storage import files

    files.write_text(output, text)
    note(f"written to {output}; next: xfer run --config {output}")


@config.command("show")
def show(
    file: ConfigOption = None,
    set_: SetOption = None,
    suite: Annotated[str | None, typer.Option(metavar="NAME", help="As in `xfer run`.")] = None,
    preset: Annotated[str | None, typer.Option(metavar="NAME", help="As in `xfer run`.")] = None,
    task: Annotated[
        list[str] | None, typer.Option(metavar="TASK", help="Show the training settings of this task too; repeat.")
    ] = None,
    json_: JsonOption = False,
) -> None:
    """Show every setting with where it comes from: default, file, environment, command line, preset."""
    flags: dict[str, Any] = {"suite": suite, "preset": preset}
    flags["set"] = core.parse_assignments(set_, "--set") if set_ else None
    given = {name: value for name, value in flags.items() if value is not None}
    settings, origin = core.load_settings(given, file)
    toolkit = bootstrap.load(settings, settings.plugin)
    rows = [
        (name, _plain(getattr(settings, name)), origin[name])
        for name in core.RunSettings.model_fields
        if name not in core.MERGED
    ]
    rows += [(f"limit.{name}", value, origin["limit"]) for name, value in settings.limit.model_dump().items()]
    own = dict.fromkeys(core.load_settings({}, file)[0].set, str(file))
    own |= dict.fromkeys(core.load_settings(given)[0].set, "command line")
    for name, record in TABLES.items():
        values = settings.engine if name == "engine" else settings.translation
        rows += [
            (f"set.{name}.{field}", getattr(values, field), own.get(f"{name}.{field}", "default"))
            for field in record.model_fields
        ]
    chosen = toolkit.suites.get(settings.suite)
    checked_preset(settings, chosen)
    _check_set(settings, toolkit)
    for path in task or ():
        rows += training_rows(settings, toolkit, chosen, path, own)
    if json_:
        print(
            json.dumps(
                [{"setting": name, "value": value, "from": source} for name, value, source in rows], indent=2
            )
        )
        return
    texts = [(name, json.dumps(value, ensure_ascii=False), source) for name, value, source in rows]
    widths = [max(len(row[place]) for row in texts) for place in (0, 1)]
    for name, value, source in texts:
        print(f"{name:<{widths[0]}}  {value:<{widths[1]}}  {source}")


@config.command("validate")
def validate(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="TOML file with options of run.")],
    json_: JsonOption = False,
) -> None:
    """Check a configuration file: fields, types, names and paths of settings. No data and no model are touched."""
    settings, _ = core.load_settings({}, file)
    toolkit = bootstrap.load(settings, settings.plugin)
    suite = toolkit.suites.get(settings.suite)
    problems: list[UserError] = []
    for check in (
        lambda: checked_preset(settings, suite),
        lambda: start_points(settings, toolkit, suite),
        lambda: chosen_targets(settings, toolkit, suite),
        lambda: _check_set(settings, toolkit),
    ):
        try:
            check()
        except UserError as error:
            problems.append(error)
    raise_all(problems)
    facts = {"file": str(file), "ok": True, "strategies": len(settings.strategy), "seeds": len(settings.seeds)}
    print(json.dumps(facts) if json_ else f"{file}: ok")


@config.command("schema")
def schema() -> None:
    """Print the JSON Schema of configuration files, for editors."""
    print(json.dumps(json_schema(), indent=2, ensure_ascii=False))


# ---------------------------------------------------------------- contents


def initial_text() -> str:
    """The commented file: every field with its help and its default, commented out."""
    lines = [
        "# Options of `xfer run`; every line that is commented out shows the default or an example.",
        "# Check this file with `xfer config validate`, explain it with `xfer config show --config FILE`.",
        "# The command line and XFER_STORE, XFER_DATA_ROOT, XFER_DEVICE override what stands here.",
        "",
    ]
    helps = option_helps()
    plain = [name for name in core.RunSettings.model_fields if name not in core.MERGED]
    for name in plain:
        default = _plain(core.RunSettings.model_fields[name].default)
        shown = EXAMPLES.get(name) or json.dumps(default)
        lines += [f"# {helps[name]}", f"# {name} = {shown}", ""]
    lines += [f"# {helps['limit']}", "# [limit]", "# train = 2000", "# test = 500", ""]
    lines += [
        "# Training settings: of all phases, of a role, of a role and task; later tables win.",
        "# [set.train]",
    ]
    lines += _fields(TrainSettings)
    lines += ["# [set.target.mini-xnli]", "# epochs = 2", ""]
    for name, record in TABLES.items():
        lines += [f"# {_first_sentence(record)}", f"# [set.{name}]", *_fields(record)]
    return "\n".join(lines).rstrip() + "\n"


def _fields(record: type[Record]) -> list[str]:
    docs, lines = field_docs(record), []
    for name, field in record.model_fields.items():
        value = _plain(field.get_default(call_default_factory=True))
        comment = f"  # {docs[name]}" if docs[name] else ""
        shown = UNSET.get(name) if value is None else json.dumps(value)
        lines.append(f"# {name} = {shown}{comment}{' [default: none]' if value is None else ''}")
    return [*lines, ""]


def _first_sentence(record: type[Record]) -> str:
    return re.split(r"(?<=\.)\s", (record.__doc__ or "").strip())[0]


def option_helps() -> dict[str, str]:
    """What `xfer run --help` says of each option that a configuration file may hold."""
    from xfer import cli

    command = typer.main.get_command(cli.app)
    options = {parameter.name: parameter for parameter in command.commands["run"].params}  # type: ignore[attr-defined]
    return {
        name: str(options[name if name in options else f"{name}_"].help) for name in core.RunSettings.model_fields
    }


def training_rows(
    settings: core.RunSettings, toolkit: Toolkit, suite: Suite, name: str, own: Mapping[str, str]
) -> list[tuple[str, Any, str]]:
    """`set.target.<task>.<field>` with value and origin, as a phase of the task's role in the suite has them.

    Presets of the suite are told by their path; what a strategy fixes is seen in `xfer run --dry-run` only.
    """
    task = toolkit.tasks.get(name)
    role = "intermediate" if name in suite.intermediates else "target"
    names = [toolkit.training_task(task).name, task.name] if task.training_task else [task.name]
    preset = settings.preset or suite.default_preset
    paths = ["", role, *(f"{role}.{one}" for one in names)]
    values = core.resolve_training(suite, preset, settings.set, role, names, {})
    sources = dict.fromkeys(TrainSettings.model_fields, "default")
    for path in paths:
        sources |= dict.fromkeys(suite.presets[preset].get(path, {}), f"preset {preset} {path}".rstrip())
    for path in ("train", *paths[1:]):
        prefix = f"{path}."
        found = {key.removeprefix(prefix): source for key, source in own.items() if key.startswith(prefix)}
        sources |= {key: f"{source}, set.{path}" for key, source in found.items() if key in sources}
    return [(f"set.{role}.{name}.{field}", _plain(getattr(values, field)), sources[field]) for field in sources]


def checked_preset(settings: core.RunSettings, suite: Suite) -> None:
    """Raise UnknownName for a preset that the suite does not have."""
    preset = settings.preset or suite.default_preset
    if preset not in suite.presets:
        raise UnknownName("preset", preset, suite.presets)


def _check_set(settings: core.RunSettings, toolkit: Toolkit) -> None:
    """Raise for paths of settings that nothing reads, as a run would."""
    from xfer.core.data.sources import settable

    formats = {record.name: record for record in toolkit.formats}
    core.check_overrides(settings.set, toolkit.tasks.names(), formats, settable(toolkit.tasks))


def json_schema() -> dict[str, Any]:
    """The schema of a configuration file, with names of what is installed as suggestions, not as limits."""
    toolkit = bootstrap.load()
    known: dict[str, Iterable[str]] = {
        "strategy": toolkit.strategies.names(),
        "target": toolkit.tasks.names(),
        "suite": toolkit.suites.names(),
        "model": toolkit.models.names(),
        "language": sorted({code for task in toolkit.tasks for code in task.languages}),
        "preset": sorted({preset for suite in toolkit.suites for preset in suite.presets}),
    }
    made = core.RunSettings.model_json_schema()
    helps = option_helps()
    for name, described in made["properties"].items():
        described["description"] = helps[name]
        if name in known:
            described["examples"] = [*known[name]]
        if name in core.SEVERAL:
            one = described["items"]
            made["properties"][name] = {
                **{key: value for key, value in described.items() if key not in ("type", "items", "minItems")},
                "anyOf": [one, {"type": "array", "items": one}],
            }
    records: dict[str, type[Record]] = {
        "train": TrainSettings,
        **dict.fromkeys(core.ROLES, TrainSettings),
        **TABLES,
    }
    records |= {record.name: record.options for record in toolkit.formats}
    made["properties"]["set"] |= {"properties": {name: _table(record) for name, record in records.items()}}
    made["properties"]["set"].pop("additionalProperties", None)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made, "title": "xfer run"}


def _table(record: type[Record]) -> dict[str, Any]:
    docs = field_docs(record)
    made = record.model_json_schema()
    for name, described in made["properties"].items():
        described["description"] = docs[name]
    return {key: value for key, value in made.items() if key in ("type", "properties", "$defs")}


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    return [_plain(item) for item in value] if isinstance(value, tuple) else value
