"""`xfer doctor`: checks of this installation; with names, the test kit's checks of tasks and strategies."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

from xfer import bootstrap, completion, crashes
from xfer.core.errors import ExitStatus, UnknownName, printable
from xfer.core.run import Toolkit
from xfer.probing import probes

Check = tuple[str, Callable[[], str]]


def add(app: typer.Typer) -> None:
    """Add the command."""
    app.command(short_help="Check the installation, a task or a plugin.")(doctor)


def doctor(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME]...",
            help="Tasks, strategies, plugins to check as their tests would. [default: the installation]",
            autocompletion=completion.checkable,
        ),
    ] = None,
    plugin: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="Load a plugin from a Python file; repeat.")
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check this installation, or by NAME a task, a strategy or all that a plugin brings; status 3 on a fault."""
    apart = not names and not plugin  # installed plugins are tried in processes of their own
    toolkit = bootstrap.own() if apart else bootstrap.load(None, tuple(plugin or ()))
    wanted = (
        list(_named(toolkit, names))
        if names
        else [(name, partial(check, toolkit)) for name, check in CHECKS.items()]
    )
    checks = [(name, *_checked(check)) for name, check in wanted]
    if apart:
        checks += [(probe.name, probe.ok, probe.detail) for probe in probes()]
        checks += [(f"plugin {problem.plugin}", False, problem.message) for problem in crashes.told()]
    if json_:
        print(json.dumps([{"check": n, "ok": ok, "detail": detail} for n, ok, detail in checks], indent=2))
    else:
        for name, ok, detail in checks:
            print(printable(f"{'ok  ' if ok else 'FAIL'}  {name}: {detail}"))
    if not all(ok for _, ok, _ in checks):
        raise typer.Exit(ExitStatus.SOME_FAILED)


def _checked(check: Callable[[], str]) -> tuple[bool, str]:
    try:
        return True, check()
    except AssertionError as error:
        return False, str(error)
    except Exception as error:
        return False, f"{type(error).__name__}: {error}"


# ---------------------------------------------------------------- by name


def _named(toolkit: Toolkit, names: Sequence[str]) -> Iterator[Check]:
    owners = sorted({plugin.owner for plugin in toolkit.manager.plugins()})
    failed = {problem.plugin: problem.message for problem in toolkit.problems}
    for name in names:
        found = list(_records(toolkit, name))
        if name in owners:
            registries: tuple[Any, ...] = (toolkit.tasks, toolkit.strategies)
            own = [listed for registry in registries for listed, record in registry.items()
                   if registry.owner(record) == name]  # fmt: skip
            found += [check for listed in own for check in _records(toolkit, listed)]
            found = found or [(f"plugin {name}", _nothing_to_check)]
        if name in failed:
            found.append((f"plugin {name}", _failing(failed[name])))
        if not found:
            known = [*toolkit.tasks.names(), *toolkit.strategies.names(), *owners, *failed]
            raise UnknownName("task, strategy or plugin", name, known)
        yield from found


def _records(toolkit: Toolkit, name: str) -> Iterator[Check]:
    if name in toolkit.tasks:
        yield f"task {name}", lambda: _check_task(toolkit, name)
    if name in toolkit.strategies:
        yield f"strategy {name}", lambda: _check_strategy(toolkit, name)


def _check_task(toolkit: Toolkit, name: str) -> str:
    from xfer.core.encoders.tokeniser import Tokeniser
    from xfer.testing import check_task

    task = toolkit.tasks.get(name)
    if task.rows is not None and not task.fixture:  # generated rows are their own fixture
        language = "en" if "en" in task.languages else task.languages[0]
        task = task.model_copy(update={"fixture": tuple(islice(task.rows(task.eval_split, language), 6))})
    check_task(task, Tokeniser.load(_bundled(toolkit).folder), formats=tuple(toolkit.formats))
    return f"{len(task.fixture)} rows read, scored and turned into features; {len(task.languages)} languages"


def _check_strategy(toolkit: Toolkit, name: str) -> str:
    from xfer.testing import check_strategy

    lines = check_strategy(toolkit.strategies.get(name)).splitlines()
    return f"{sum(line.startswith('  ') for line in lines)} phases planned for three kinds of targets, twice alike"


def _nothing_to_check() -> str:
    return "loads; it brings no task and no strategy, and the kit checks nothing else"


def _failing(message: str) -> Callable[[], str]:
    def fail() -> str:
        raise AssertionError(message)

    return fail


# ---------------------------------------------------------------- the installation


def _versions(toolkit: Toolkit) -> str:
    import torch
    import transformers

    return f"Python {sys.version.split()[0]}, torch {torch.__version__}, transformers {transformers.__version__}"


def _device(toolkit: Toolkit) -> str:
    from xfer.core.encoders.device import choose

    device = choose()
    return f"{device.kind}, {device.dtype}"


def _plugin_check(toolkit: Toolkit) -> str:
    if toolkit.problems:
        raise RuntimeError("; ".join(problem.message for problem in toolkit.problems))
    count = len({plugin.owner for plugin in toolkit.manager.plugins()})
    return f"{count} plugins, {len(toolkit.tasks)} tasks, {len(toolkit.strategies)} strategies"


def _bundled(toolkit: Toolkit) -> Any:
    from xfer.core.encoders.models import resolve_model

    name = toolkit.suites.get("mini").default_model
    return resolve_model(name, toolkit.models.get(name))


def _bundled_model(toolkit: Toolkit) -> str:
    from xfer.core.encoders.encoder import Encoder

    model = _bundled(toolkit)
    Encoder.load(model.folder)
    return f"{model.name} {model.fingerprint}"


CHECKS: dict[str, Callable[[Toolkit], str]] = {
    "versions": _versions,
    "device": _device,
    "plugins": _plugin_check,
    "bundled model": _bundled_model,
}
"""What is checked of an installation."""
