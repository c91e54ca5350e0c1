"""What a plan's training sees of what the target evaluates: whether a score is zero-shot, and if not, why.

Marks, sorted: "de" (labelled rows in German), "de (mt)" (labelled rows made otherwise, by `via`), "text de"
(running text), "words de" (a dictionary), "test rows" (rows of the split that is evaluated, in any language).
English is the language that transfer starts from and is never marked, and neither is what the pretrained model saw.
"""

from collections.abc import Iterable, Mapping, Sequence

from xfer.core.records import PlannedPhase, TaskSpec, TaskUse

ENGLISH = "en"
LEARNS = ("train", "select")
"""Kinds of phases whose weights depend on the labels of their rows."""


def seen(
    phases: Iterable[PlannedPhase],
    target: TaskSpec,
    tasks: Mapping[str, TaskSpec],
    transforms: Mapping[str, Sequence[str]] = {},
) -> tuple[str, ...]:
    """Marks of the phases that lead to an evaluation of `target`.

    `transforms` gives, by phase id, the languages that a phase's transform brings in.
    """
    marks: set[str] = set()
    for planned in phases:
        if planned.phase.does not in LEARNS:
            continue
        for use in planned.phase.uses:
            if not use.counts_only:
                marks |= _marks(use, tasks[use.task], target, tasks)
        marks |= {f"words {code}" for code in transforms.get(planned.id, ()) if _evaluated(code, target)}
    return tuple(sorted(marks))


def zero_shot(sees: Sequence[str]) -> str:
    """The marks as a reader gets them: "zero-shot: yes", or "zero-shot: no, sees de, text sw"."""
    return f"zero-shot: no, sees {', '.join(sees)}" if sees else "zero-shot: yes"


def _marks(use: TaskUse, task: TaskSpec, target: TaskSpec, tasks: Mapping[str, TaskSpec]) -> set[str]:
    languages = [code for code in use.languages if _evaluated(code, target)]
    if task.format == "masked-lm":
        return {f"text {code}" for code in languages}
    made = "" if use.via == "original" else f" ({use.via})"
    marks = {f"{code}{made}" for code in languages}
    return marks | {"test rows"} if _same_rows(use, task, target, tasks) else marks


def _evaluated(code: str, target: TaskSpec) -> bool:
    return code != ENGLISH and code in target.languages


def _same_rows(use: TaskUse, task: TaskSpec, target: TaskSpec, tasks: Mapping[str, TaskSpec]) -> bool:
    """Whether a use reads the split that is evaluated: by its name, or because both are the same files."""
    if task is not target:
        return False
    if use.split == target.eval_split:
        return True
    return any(
        source.splits.get(use.split) is not None
        and set(source.splits[use.split]) & set(source.splits.get(target.eval_split, ()))
        for source in task.sources
    )
