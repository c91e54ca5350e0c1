"""What `xfer run` prints: a plan (`--dry-run`), and the table at the end."""

import json
import shlex
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import typer

from xfer import commands, results
from xfer.core.engine import execute as engine
from xfer.core.engine.inputs import rows_in_files, tokeniser, use_examples
from xfer.core.plans import forecast
from xfer.core.plans.leaks import zero_shot
from xfer.core.plans.strategy_steps import ENGLISH, MACHINE
from xfer.core.records import PlannedPhase, TaskUse
from xfer.core.run import Run
from xfer.progress import describe


def plan_document(prepared: commands.Prepared) -> dict[str, Any]:
    """The plan as data: every phase with its state, examples, steps and settings; cells; cost."""
    run, plan = prepared.run, prepared.plan
    needed = engine.phases_to_run(plan, run)
    phases = [_phase(planned, run, planned.id in needed) for planned in plan.phases]
    space = forecast.disk(plan, needed, run.model, run.settings.keep)
    tokens = sum(phase.get("tokens", 0) for phase in phases if phase["state"] == "to run")
    seconds = forecast.training_seconds(run.model, tokens, forecast.matrix_rate())
    return {
        "suite": run.suite.name,
        "model": run.model.name,
        "model_fingerprint": run.model.fingerprint,
        "licence": run.model.licence,
        "device": run.device.kind,
        "precision": run.device.dtype,
        "phases": phases,
        "cells": [cell.model_dump(mode="json") for cell in plan.cells],
        "disk": {"peak_bytes": space.peak, "final_bytes": space.final},
        "training_seconds_estimate": round(seconds, 1),
        "problems": [problem.message for problem in plan.problems],
        "origin": dict(prepared.origin),
    }


def plan_json(prepared: commands.Prepared) -> str:
    """`--dry-run --json`."""
    return json.dumps(plan_document(prepared), indent=2, ensure_ascii=False) + "\n"


def plan_text(prepared: commands.Prepared) -> str:
    """`--dry-run`: one line a phase, then what it needs."""
    document = plan_document(prepared)
    to_run = sum(phase["state"] == "to run" for phase in document["phases"])
    lines = [
        f"suite {document['suite']}, model {document['model']} ({document['model_fingerprint']}), "
        f"{document['device']}, {document['precision']}",
        "",
    ]
    sheets: list[Mapping[str, Any]] = []
    for planned, phase in zip(prepared.plan.phases, document["phases"], strict=True):
        lines.append(f"{phase['id']}  {phase['state']:<7} {describe(planned)}{_after(planned)}")
        if "steps" in phase:
            trained = {
                task: held.model_dump(mode="json", exclude_defaults=False)
                for task, held in planned.settings.items()
                if task
            }
            lines.append(
                f"    {phase['examples']:,} examples, {phase['steps']:,} steps, about {phase['tokens']:,} tokens"
                f"{_sheet_numbers(trained, sheets)}"
            )
            shares = ", ".join(f"{name} {count:,}" for name, count in phase["shares"].items())
            lines += [f"    steps: {shares}"] if len(planned.phase.uses) > 1 else []
        else:
            lines.append(f"    {', '.join(phase['languages'])}{_sheet_numbers(planned.options, sheets)}")
    lines += [
        "",
        *(line for number in range(len(sheets)) for line in _sheet_lines(sheets, number)),
        "",
        f"{len(document['cells'])} cells (label × seed × target)",
        *_zero_shot_lines(prepared),
        f"{to_run} of {len(document['phases'])} phases to run",
        f"disk: {forecast.size_text(document['disk']['peak_bytes'])} at the peak, "
        f"{forecast.size_text(document['disk']['final_bytes'])} in the end",
        f"training: about {document['training_seconds_estimate']:,.0f} s, by this machine's matrix products",
        *(f"note: {problem}" for problem in document["problems"]),
    ]
    return "\n".join(lines) + "\n"


def print_result(result: commands.RunResult, mixed: bool = False) -> None:
    """The targets' means beside chance and heuristic, what to know of them, and what to type next.

    The other tables are left to `xfer compare`. `mixed` lets labels differ in signature (a sweep of layers).
    """
    from xfer.core.reports import table

    if result.results:
        table.print_out(results.compared(result.results, result.problems, mixed=mixed), brief=True)
    for phase, reason in result.failed.items():
        print(f"failed: phase {phase}: {reason}")
    print(f"\nresults: {result.store / 'runs' / result.run}")
    print(f"next: xfer compare {shlex.quote(str(result.store))}")


def finish(result: commands.RunResult, json_: bool, mixed: bool = False) -> None:
    """Print a result, as JSON where asked for, and leave with its exit status."""
    if json_:
        print(json.dumps(result.document(), ensure_ascii=False, allow_nan=False))
    else:
        print_result(result, mixed)
    if result.status:
        raise typer.Exit(result.status)


def _sheet_numbers(by_task: Mapping[str, Mapping[str, Any]], sheets: list[Mapping[str, Any]]) -> str:
    """Which of the sheets of settings the tasks have, by number; settings that are new become a sheet."""
    tasks: dict[int, list[str]] = {}
    for task, held in by_task.items():
        if held not in sheets:
            sheets.append(held)
        tasks.setdefault(sheets.index(held), []).append(task)
    several = len(tasks) > 1
    texts = (f"{at + 1}" + (f" ({', '.join(names)})" if several else "") for at, names in tasks.items())
    return f"; settings {', '.join(texts)}" if tasks else ""


def _sheet_lines(sheets: Sequence[Mapping[str, Any]], at: int) -> list[str]:
    """A sheet of settings; where an earlier one has the same fields, what differs from it."""
    held = sheets[at]
    alike = [number for number, earlier in enumerate(sheets[:at]) if earlier.keys() == held.keys()]
    text = _readable(held)
    if alike:
        first = sheets[alike[0]]
        changed = {key: "none" if value is None else value for key, value in held.items() if value != first[key]}
        text = f"as {alike[0] + 1}, but {_readable(changed)}"
    return textwrap.wrap(f"settings {at + 1}: {text}", 100, subsequent_indent="    ", break_on_hyphens=False)


def _zero_shot_lines(prepared: commands.Prepared) -> list[str]:
    """For each label whether its scores are zero-shot, and where not, what training sees."""
    held: dict[str, dict[tuple[str, ...], list[str]]] = {}
    for cell in prepared.plan.cells:
        names = held.setdefault(cell.label, {}).setdefault(cell.sees, [])
        if cell.target not in names:
            names.append(cell.target)
    return [
        f"{label}: {zero_shot(sees)}" + (f" ({', '.join(names)})" if len(kinds) > 1 else "")
        for label, kinds in held.items()
        for sees, names in kinds.items()
    ]


def _phase(planned: PlannedPhase, run: Run, to_run: bool) -> dict[str, Any]:
    document: dict[str, Any] = {
        "id": planned.id,
        "name": planned.phase.name,
        "does": planned.phase.does,
        "tasks": [use.task for use in planned.phase.uses],
        "languages": list(dict.fromkeys(code for use in planned.phase.uses for code in use.languages)),
        "parents": list(planned.parents),
        "seed": planned.seed,
        "state": "to run" if to_run else "reused",
        "options": {task: _readable(options) for task, options in planned.options.items()},
    }
    if planned.phase.does == "train":
        document |= _training(planned, run)
    return document


def _training(planned: PlannedPhase, run: Run) -> dict[str, Any]:
    uses = planned.phase.uses
    examples = [_expected_examples(run, use) for use in uses]
    steps = forecast.steps_of(planned, [len(found) for found in examples])
    tokens = sum(
        forecast.mean_tokens(tokeniser(run), found) * min(len(found), planned.settings[use.task].batch_size) * own
        for use, found, own in zip(uses, examples, steps, strict=True)
    )
    return {
        "examples": sum(len(found) for use, found in zip(uses, examples, strict=True) if not use.counts_only),
        "steps": sum(steps),
        "tokens": round(tokens),
        "shares": {_use_text(use): own for use, own in zip(uses, steps, strict=True)},
        "settings": {
            task: _readable(settings.model_dump(mode="json", exclude_defaults=False))
            for task, settings in planned.settings.items()
            if task
        },
    }


def _expected_examples(run: Run, use: TaskUse) -> list[Any]:
    """The examples of a use; of one that is still to be translated, English ones in their place."""
    task = run.toolkit.tasks.get(use.task)
    if use.via != MACHINE or rows_in_files(run, task, use.split, use.languages[0], use.via):
        return use_examples(run, task, use)
    each = use.model_copy(update={"via": "original", "languages": (ENGLISH,), "total": None, "disjoint": False})
    return (use_examples(run, task, each) * len(use.languages))[: use.total]


def _use_text(use: TaskUse) -> str:
    """A use in a few words: the task, how its rows were made, its languages where not English alone."""
    via = "" if use.via == "original" else f" {use.via}"
    languages = "" if use.languages == (ENGLISH,) else f" {','.join(use.languages)}"
    return f"{use.task}{via}{languages}"


def _readable(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}={value}" for key, value in settings.items() if value is not None)


def _after(planned: PlannedPhase) -> str:
    return f", after {', '.join(planned.parents)}" if planned.parents else ""
