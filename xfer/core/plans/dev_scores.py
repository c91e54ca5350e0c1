"""The scoring of a target once more on dev of all its languages, to choose by: `--dev-languages all`."""

from collections.abc import Callable, Mapping

from xfer.core.errors import UnknownName
from xfer.core.records import Phase, TaskSpec, TaskUse

Fingerprint = Callable[[TaskSpec, str, str, str], str | None]
"""(task, split, language, via) to a fingerprint of the rows; None where there are none."""


def scored_on_dev(
    phase: Phase, tasks: Mapping[str, TaskSpec], fingerprint: Fingerprint, tell: Callable[[str], None]
) -> Phase | None:
    """The same evaluation on the dev split; None where a language has none, which is told.

    Nothing but all languages serves: a choice on some of them is another choice than the one that is named.
    """
    uses = []
    for use in phase.uses:
        task = tasks[use.task]
        if use.split == task.dev_split:
            return None
        absent = [code for code in use.languages if not _has_dev(task, code, use, fingerprint)]
        if absent:
            tell(f"{task.name}: no dev rows in {', '.join(absent)}; nothing is chosen on dev of all its languages")
            return None
        uses.append(use.model_copy(update={"split": task.dev_split}))
    return phase.model_copy(update={"name": f"{phase.name}-dev", "uses": tuple(uses)})


def _has_dev(task: TaskSpec, language: str, use: TaskUse, fingerprint: Fingerprint) -> bool:
    try:
        return fingerprint(task, task.dev_split, language, use.via) is not None
    except UnknownName:
        return False
