"""From `--strategy`, `--intermediate` and `--target` to the rows and columns of a comparison."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from xfer.core.errors import UnknownName, UserError, raise_all
from xfer.core.records import Record, Strategy, Suite, TaskSpec
from xfer.core.run import Toolkit
from xfer.core.settings import RunSettings, parse_value


@dataclass(frozen=True)
class StartPoint:
    """A strategy with its parameters: one row of a comparison."""

    label: str
    strategy: Strategy
    params: Record

    @property
    def intermediate(self) -> str:
        """The intermediate task(s), as the parameter was written."""
        return str(getattr(self.params, "intermediate", ""))


def start_points(settings: RunSettings, toolkit: Toolkit, suite: Suite) -> tuple[StartPoint, ...]:
    """Every strategy with its parameters; one for each `--intermediate` where the strategy has one."""
    found: dict[str, StartPoint] = {}
    for text in settings.strategy:
        name, given = strategy_text(text)
        strategy: Strategy = toolkit.strategies.get(name)
        takes_intermediate = "intermediate" in strategy.params.model_fields
        choices: Sequence[str | None] = [None]
        if takes_intermediate and "intermediate" not in given:
            choices = settings.intermediate or [suite.default_intermediate]
        for choice in choices:
            values = given if choice is None else {**given, "intermediate": choice}
            params = checked_params(strategy, values, text)
            label = _label(strategy, params, suite)
            found.setdefault(label, StartPoint(label, strategy, params))
    return tuple(found.values())


def chosen_targets(settings: RunSettings, toolkit: Toolkit, suite: Suite) -> list[TaskSpec]:
    """The targets of a run. Raises UserError for all names of tasks and languages that are not there."""
    within = "" if settings.target else toolkit.suites.owner(suite)
    problems: list[UserError] = []
    targets: dict[str, TaskSpec] = {}
    for name in settings.target or suite.targets:
        try:
            targets[name] = toolkit.tasks.get(name, within=within)
        except UserError as error:
            problems.append(error)
    for language in settings.language if targets else ():
        known = {code for task in targets.values() for code in task.languages}
        if language not in known:
            there = f"(there are {', '.join(sorted(known))})"
            problems.append(UnknownName("language", language, known, there))
    raise_all(problems)
    return list(targets.values())


def strategy_text(text: str, kind: str = "strategy") -> tuple[str, dict[str, Any]]:
    """`name[key=value,…]`, of a strategy or of something else that is written so.

    A value may hold commas: a part without "=" continues the value before it. What stands in brackets within a
    value belongs to it, commas and "=" too.
    """
    name, bracket, rest = text.partition("[")
    if not bracket:
        return name, {}
    if not rest.endswith("]"):
        raise UserError(f"{kind} {text!r} lacks its closing ]", fix=f"--{kind} 'NAME[key=value,key=value]'")
    values: dict[str, str] = {}
    key = ""
    for part in _parts(rest[:-1]):
        before, sign, after = part.partition("=")
        if sign and "[" not in before:
            key = before.strip()
            values[key] = after
        elif key:
            values[key] += "," + part
        else:
            fix = f"--{kind} 'NAME[key=value,key=value]'"
            raise UserError(f"{kind} {text!r}: {part!r} is not key=value", fix=fix)
    return name, {key: parse_value(value) for key, value in values.items()}


def _parts(text: str) -> list[str]:
    """The text cut at its commas, but not within brackets."""
    parts, depth = [""], 0
    for character in text:
        depth += (character == "[") - (character == "]")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def checked_params(strategy: Strategy, values: Mapping[str, Any], text: str) -> Record:
    """The strategy's parameters. Raises UserError with all faults."""
    try:
        return strategy.params.model_validate(dict(values))
    except ValidationError as error:
        known = ", ".join(strategy.params.model_fields) or "none"
        raise_all(
            [
                UserError(
                    f"strategy {strategy.name}: {'.'.join(map(str, fault['loc']))}: {fault['msg']}",
                    where=f"--strategy {text!r}",
                    fix=f"parameters: {known}",
                )
                for fault in error.errors()
            ]
        )
        raise AssertionError("unreachable") from error


def _label(strategy: Strategy, params: Record, suite: Suite) -> str:
    """The strategy's name and the parameters that differ from its defaults."""
    differing = []
    for name, field in strategy.params.model_fields.items():
        value = getattr(params, name)
        default = (
            suite.default_intermediate if name == "intermediate" else field.get_default(call_default_factory=True)
        )
        if value != default:
            text = ",".join(map(str, value)) if isinstance(value, tuple | list) else str(value)
            differing.append(f"{name}={text}")
    return f"{strategy.name}[{','.join(differing)}]" if differing else strategy.name
