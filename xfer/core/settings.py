"""What a run is asked to do: defaults < configuration file < environment < command line.

`RunSettings` holds the request as the user wrote it; `resolve_training` and `resolve_options` turn the paths
of `--set` and of a suite's presets into the numbers of one phase.
"""

import json
import os
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import Field, ValidationError

from xfer.core.engine_settings import EngineSettings, TranslationSettings
from xfer.core.errors import UnknownName, UserError, near, raise_all
from xfer.core.mends import mend
from xfer.core.records import Format, PlannedPhase, Record, Suite, TaskSpec, TrainSettings

R = TypeVar("R", bound=Record)
ROLES = ("intermediate", "target")
MAX_CONFIG_BYTES = 1_000_000
_FILE = "give a TOML file; `xfer config init` writes one to begin with"
ALIASES = {"lr": "learning_rate"}
"""Short forms of settings that papers use."""


class Limits(Record):
    """At most so many examples a task, split and language.

    `target` is for few-shot targets: it cuts the training examples of target phases alone, where `train` cuts
    those of intermediate phases too.
    """

    train: int | None = Field(None, ge=1, strict=True)
    dev: int | None = Field(None, ge=1, strict=True)
    test: int | None = Field(None, ge=1, strict=True)
    target: int | None = Field(None, ge=1, strict=True)

    def of(self, split: str) -> int | None:
        """The limit of one split."""
        return {"train": self.train, "dev": self.dev}.get(split, self.test)


class RunSettings(Record):
    """One request to `xfer run`. Field names are the long options' names."""

    strategy: tuple[str, ...] = Field(("english-stilts",), min_length=1)
    suite: str = "mini"
    model: str = ""
    target: tuple[str, ...] = ()
    intermediate: tuple[str, ...] = ()
    language: tuple[str, ...] = ()
    seeds: tuple[int, ...] = Field((0,), min_length=1)
    limit: Limits = Limits()
    preset: str = ""
    set: Mapping[str, Any] = {}
    data_root: Path | None = None
    store: Path = Path("runs")
    name: str = ""
    keep: Literal["intermediate", "all", "none"] = "intermediate"
    device: str = ""
    plugin: tuple[Path, ...] = ()
    dev_languages: Literal["english", "all"] = "english"
    """Whether targets are scored on dev of all their languages too, to choose by (`compare` marks it)."""
    tracker: tuple[str, ...] = ()
    """Experiment trackers that are told of every phase."""
    launcher: Literal["", "torchrun"] = ""
    """What starts this command in several processes, which share the work of each phase; none: nothing does."""
    nproc: int | None = Field(None, ge=1)
    """How many processes that is, on this machine; without a launcher, how many must have been started."""
    executor: str = ""
    """What runs each phase as a job of its own: local, ray, slurm, or a plugin's, "NAME[key=value,…]"; none: this
    process, one phase after the other."""
    jobs: int | None = Field(None, ge=1)
    """Jobs at once; unset: as the executor has it (local: one a CUDA device, else one)."""
    retries: int = Field(1, ge=0)
    """How often a job that failed is tried again; those that were pre-empted begin anew without a count."""
    keep_going: bool = True
    """Whether jobs that do not need a failed one are begun."""
    max_hours: float | None = Field(None, gt=0)
    """After so many hours the state is saved and the run leaves with status 75."""

    @property
    def engine(self) -> EngineSettings:
        """The `engine.*` part of `--set`."""
        return _checked(EngineSettings, _section(self.set, "engine"), "engine")

    @property
    def revisions(self) -> dict[str, str]:
        """Revisions of the hub's data sets, by id: the `data.revision.*` part of `--set`."""
        return {name: str(value) for name, value in _section(self.set, "data.revision").items()}

    @property
    def streams(self) -> dict[str, int]:
        """Training rows of a language that are streamed, by the hub's data sets: the `data.stream.*` part."""
        rows = _section(self.set, "data.stream")
        for name, number in rows.items():
            if not isinstance(number, int) or isinstance(number, bool) or number < 1:
                fix = "a number of rows above 0"
                raise UserError(f"data.stream.{name}={number} is no number of rows", "--set", fix)
        return rows

    @property
    def translation(self) -> TranslationSettings:
        """The `translate.*` part of `--set`."""
        return _checked(TranslationSettings, _section(self.set, "translate"), "translate")


SEVERAL = frozenset({"strategy", "target", "intermediate", "language", "seeds", "plugin", "tracker"})
"""Settings that take several values."""
MERGED = frozenset({"set", "limit"})
"""Tables whose entries override one by one."""
ENVIRONMENT = {"XFER_STORE": "store", "XFER_DATA_ROOT": "data_root", "XFER_DEVICE": "device"}


def load_settings(flags: Mapping[str, Any], config: Path | None = None) -> tuple[RunSettings, dict[str, str]]:
    """Settings and, by field, where each came from. `flags` holds only what the user gave.

    Raises UserError (all faults in one go) for unknown keys, wrong types and unreadable files.
    """
    values: dict[str, Any] = {}
    origin: dict[str, str] = dict.fromkeys(RunSettings.model_fields, "default")
    layers: list[tuple[str, Mapping[str, Any]]] = [] if config is None else [(str(config), read_config(config))]
    layers += [(name, {key: os.environ[name]}) for name, key in ENVIRONMENT.items() if os.environ.get(name)]
    for source, layer in [*layers, ("command line", flags)]:
        for key, value in layer.items():
            values[key] = _merged(values.get(key), value) if key in MERGED else _sequence(key, value)
            origin[key] = source
    raise_all(
        [
            _unknown("setting", key, RunSettings.model_fields, origin[key])
            for key in values
            if key not in RunSettings.model_fields
        ]
    )
    settings = _validated(RunSettings, values, origin)
    _ = settings.engine, settings.translation, settings.streams
    return settings, origin


def _sequence(key: str, value: Any) -> Any:
    """One value where several are allowed counts as a sequence of one."""
    return (value,) if key in SEVERAL and isinstance(value, str | int | Path) else value


def _merged(below: Any, above: Any) -> Any:
    """Two tables as one, dotted, the upper one's entries first; what is no table is left to the validation."""
    tables = [_flat(table) if isinstance(table, Mapping) else table for table in (below, above)]
    if all(isinstance(table, Mapping) for table in tables):
        return {**tables[0], **tables[1]}
    return tables[1]


def read_config(path: Path) -> dict[str, Any]:
    """Read a TOML configuration file. Raises UserError when it is missing, too large or not TOML."""
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_CONFIG_BYTES + 1)
        if len(data) > MAX_CONFIG_BYTES:
            raise UserError(
                "configuration file is too large", where=str(path), fix=f"at most {MAX_CONFIG_BYTES} bytes"
            )
        text = data.decode("utf-8-sig")
        if max((line.count(".") for line in text.splitlines()), default=0) > 200 or text.count("[") > 10_000:
            raise UserError("configuration file is nested too deeply", str(path), _FILE)
        return tomllib.loads(text)
    except FileNotFoundError:
        raise UserError("no such configuration file", str(path), _FILE) from None
    except UnicodeDecodeError as error:
        raise UserError(f"configuration file is not UTF-8: {error}", str(path), "save it as UTF-8") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"configuration file is not TOML: {error}", str(path), _FILE) from None
    except OSError as error:
        raise UserError(f"configuration file cannot be read: {error.strerror}", str(path), _FILE) from None


def parse_assignments(items: Iterable[str], option: str, example: str = "target.xnli.epochs=1") -> dict[str, Any]:
    """`["a.b=1", …]` as a mapping. Raises UserError for an item without "="."""
    values: dict[str, Any] = {}
    for item in items:
        path, sign, value = item.partition("=")
        if not sign or not path.strip():
            raise UserError(f"{option} {item!r} is not NAME=VALUE", fix=f"for example {option} {example}")
        values[path.strip()] = parse_value(value)
    return values


def parse_value(text: str) -> Any:
    """A value as it stands in JSON (number, true, "text", [..]), else the text itself, spaces kept."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def resolve_training(
    suite: Suite,
    preset: str,
    overrides: Mapping[str, Any],
    role: str,
    tasks: Sequence[str],
    fixed: Mapping[str, Any],
) -> TrainSettings:
    """Hyperparameters of a role and its tasks: preset, then the strategy's own, then `--set`; later names win.

    `tasks` go from general to special: for a target that trains on another task's rows, that task and then the
    target. None give the role's settings (the shared part of a mixed phase).
    """
    table = suite.presets[preset]
    keys = [role, *(f"{role}.{task}" for task in tasks)]
    values: dict[str, Any] = {}
    for key in ("", *keys):
        values |= table.get(key, {})
    values |= fixed
    for key in ("train", *keys):
        own = _section(overrides, key)
        values |= {name: value for name, value in own.items() if name in TrainSettings.model_fields}
    return _checked(TrainSettings, values, keys[-1])


def resolve_options(
    format_record: Format,
    task: TaskSpec,
    suite: Suite,
    model: Mapping[str, Mapping[str, Any]],
    overrides: Mapping[str, Any],
    fixed: Mapping[str, Any] = {},
) -> Record:
    """Format options: format < suite < model < task < strategy (`fixed`) < `--set format.x` < `--set task.x`."""
    values: dict[str, Any] = {}
    for layer in (suite.options, model):
        values |= layer.get(format_record.name, {})
    values |= task.options
    values |= fixed
    values |= _section(overrides, format_record.name)
    values |= _section(overrides, task.name)
    return _checked(format_record.options, values, format_record.name)


def check_overrides(
    overrides: Mapping[str, Any], tasks: Iterable[str], formats: Mapping[str, Format], data: Iterable[str] = ()
) -> None:
    """Refuse paths of `--set` that nothing reads; all in one go, near names suggested. `data`: those of rows."""
    tasks = list(tasks)
    known = [f"train.{field}" for field in TrainSettings.model_fields]
    known += [f"engine.{field}" for field in EngineSettings.model_fields]
    known += [f"translate.{field}" for field in TranslationSettings.model_fields]
    known += data
    for role in ROLES:
        known += [f"{role}.{field}" for field in TrainSettings.model_fields]
        known += [f"{role}.{task}.{field}" for task in tasks for field in TrainSettings.model_fields]
    for name, record in formats.items():
        known += [f"{name}.{field}" for field in record.options.model_fields]
    fields = {field for record in formats.values() for field in record.options.model_fields}
    known += [f"{task}.{field}" for task in tasks for field in fields]
    accepted = set(known)
    raise_all([_unknown("setting", path, known, "--set") for path in _flat(overrides) if path not in accepted])


def unread_overrides(
    overrides: Mapping[str, Any],
    phases: Iterable[PlannedPhase],
    tasks: Mapping[str, TaskSpec],
    formats: Mapping[str, Format],
) -> list[str]:
    """Messages about settings of tasks and formats that have no part in a plan."""
    listed = {use.task for planned in phases for use in planned.phase.uses}
    used = {name for task in listed for name in (task, tasks[task].name, tasks[task].format)}
    messages = []
    for path in overrides:
        owner = path.rpartition(".")[0]
        role, _, task = owner.partition(".")
        named = task if role in ROLES else owner
        if named not in used and (named in tasks or named in formats):
            kind = "task" if named in tasks else "task of the format"
            messages.append(f"--set {path} is not used: this plan has no {kind} {named}")
    return messages


def _unknown(kind: str, name: str, known: Iterable[str], where: str) -> UserError:
    close = near(name, known)
    error = UnknownName(kind, name, close or known)
    error.where = where
    if close:
        error.fix = f"did you mean {' or '.join(close)}?"
    return error


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested tables as dotted paths, which is how `--set` writes them."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            head, dot, last = f"{prefix}{key}".rpartition(".")
            flat[head + dot + ALIASES.get(last, last)] = value
    return flat


def _section(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    prefix = f"{name}."
    return {path.removeprefix(prefix): value for path, value in _flat(values).items() if path.startswith(prefix)}


def _checked(record: type[R], values: Mapping[str, Any], where: str) -> R:
    return _validated(record, values, {key: f"{where}.{key}" for key in values})


def _validated(record: type[R], values: Mapping[str, Any], origin: Mapping[str, str]) -> R:
    """Validate; every fault becomes one line with its place."""
    try:
        return record.model_validate(values)
    except ValidationError as error:
        problems = []
        for fault in error.errors():
            path = ".".join(str(part) for part in fault["loc"])
            where = origin.get(str(fault["loc"][0]) if fault["loc"] else "", "")
            if fault["type"] == "extra_forbidden":
                fields = Limits.model_fields if fault["loc"][0] == "limit" else record.model_fields
                problems.append(_unknown("setting", str(fault["loc"][-1]), fields, where))
            else:
                said = f"{path}: {fault['msg']} (got {str(fault['input'])[:80]!r})"
                problems.append(UserError(said, where, mend(fault, record)))
        raise_all(problems)
        raise AssertionError("unreachable") from error
