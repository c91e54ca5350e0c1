"""The sets of examples that phases tokenise, as they ask for them themselves and as who works ahead of them does.

train      the rows of every use; English dev rows where the best step is kept
evaluate   the rows of every language, on dev too where the task tunes on them
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any

from xfer.core.batches.features import Features
from xfer.core.encoders.weights import MODEL, stored_heads
from xfer.core.engine.inputs import format_code, label_names, load_examples, tokeniser, use_examples
from xfer.core.engine.tokenised import tokenised
from xfer.core.errors import DataError
from xfer.core.formats.base import FormatCode
from xfer.core.plans.strategy_steps import ENGLISH
from xfer.core.records import PlannedPhase, Problem, TaskSpec, TaskUse
from xfer.core.run import Run
from xfer.core.storage import files


@dataclass(frozen=True)
class FeatureSet:
    """Examples with all that their features follow from, and where they come from."""

    code: FormatCode
    examples: Sequence[Any]
    max_length: int
    training: bool
    split: str
    languages: tuple[str, ...]

    def features(self, run: Run) -> Features:
        """Them tokenised (`tokenised`)."""
        code, length = self.code, self.max_length
        return tokenised(run, tokeniser(run), code, self.examples, length, training=self.training)


# ---------------------------------------------------------------- training


def training_sets(planned: PlannedPhase, run: Run) -> Iterator[tuple[TaskUse, FeatureSet, FeatureSet | None]]:
    """Each use of a training phase, its rows, and the dev rows by which its best step is known, if any.

    Uses of the same task (in several languages, or made otherwise) share labels, and the first has the dev rows.
    """
    uses = planned.phase.uses
    tasks = {use.task: run.toolkit.tasks.get(use.task) for use in uses}
    examples = [use_examples(run, tasks[use.task], use) for use in uses]
    met: set[str] = set()
    for use, own in zip(uses, examples, strict=True):
        task = tasks[use.task]
        same = [found for other, found in zip(uses, examples, strict=True) if other.task == use.task]
        labels = label_names(run, task, partial(_joined, same))
        code = format_code(run, task, labels, planned.options[use.task])
        settings = planned.settings[use.task]
        rows = FeatureSet(code, own, settings.max_length, True, use.split, use.languages)
        first = not use.counts_only and use.task not in met
        dev = None
        if first:
            met.add(use.task)
        if first and settings.keep == "best" and task.format != "masked-lm":
            found = load_examples(run, task, task.dev_split, ENGLISH)[: settings.dev_limit]
            dev = FeatureSet(code, found, settings.max_length, False, task.dev_split, (ENGLISH,))
        yield use, rows, dev


def training_features(run: Run, rows: FeatureSet) -> Features:
    """Features of training examples; what cannot be used is counted and told. Raises DataError for none left."""
    features = rows.features(run)
    name = rows.code.task.name
    for reason, count in features.dropped.items():
        run.tell(Problem(stage="data", message=f"{name}: {count} training examples dropped: {reason}"))
    if features.item_count == 0:
        raise DataError(f"{name}: no training example is left", where="after tokenisation")
    return features


# ---------------------------------------------------------------- evaluation


def scored_examples(run: Run, task: TaskSpec, use: TaskUse, split: str) -> dict[str, list[Any]]:
    """The examples that an evaluation scores, or tunes on, by language."""
    return {name: load_examples(run, task, split, name, use.via) for name in use.languages}


def scored_set(code: FormatCode, examples: Sequence[Any], split: str, language: str) -> FeatureSet:
    """The examples of one language as an evaluation tokenises them."""
    return FeatureSet(code, examples, code.options.max_length, False, split, (language,))


def scoring_code(
    task: TaskSpec, heads: Mapping[str, Any], options: Mapping[str, Any], run: Run
) -> tuple[FormatCode, TaskSpec]:
    """A task's format code where there are such heads, and the task whose head scores it: its training task's
    (XNLI: mnli) where it has none of its own."""
    owner = task if task.name in heads else run.toolkit.training_task(task)
    labels = tuple(heads.get(owner.name, {}).get("labels", task.labels))
    return format_code(run, task, labels, options), owner


# ---------------------------------------------------------------- phases that are still to run


def phase_sets(planned: PlannedPhase, phases: Mapping[str, PlannedPhase], run: Run) -> Iterator[FeatureSet]:
    """What a phase will tokenise, before the phases that it starts from are there; `phases` are the plan's, by id.

    Nothing for other kinds than training and evaluation. Raises what the reading of rows raises.
    """
    if planned.phase.does == "train":
        for _, rows, dev in training_sets(planned, run):
            yield from (rows, dev) if dev is not None else (rows,)
    elif planned.phase.does == "evaluate":
        heads = _heads_to_come(planned, phases, run)
        for use in planned.phase.uses:
            task = run.toolkit.tasks.get(use.task)
            code, _ = scoring_code(task, heads, planned.options[use.task], run)
            for split in (use.split,) if task.tune is None else (use.split, task.dev_split):
                for language, examples in scored_examples(run, task, use, split).items():
                    yield scored_set(code, examples, split, language)


def work_of(planned: PlannedPhase, phases: Mapping[str, PlannedPhase], run: Run) -> str:
    """What a phase's sets follow from, as text: equal for other seeds, and for weights whose heads are alike."""
    uses = [use.model_dump(mode="json") for use in planned.phase.uses]
    cuts = {task: (held.max_length, held.keep, held.dev_limit) for task, held in planned.settings.items()}
    heads = _heads_to_come(planned, phases, run) if planned.phase.does == "evaluate" else {}
    return json.dumps([planned.phase.does, uses, planned.options, cuts, heads], default=dict)


def _heads_to_come(planned: PlannedPhase, phases: Mapping[str, PlannedPhase], run: Run) -> dict[str, Any]:
    """What `stored_heads` will say of the weights that a phase starts from: labels, by task."""
    heads: dict[str, Any] = {}
    for parent in planned.identity["parents"]:
        if parent.startswith(MODEL):
            found = stored_heads(run.model.folder)
        elif files.is_committed(run.store.phase_folder(parent)):
            found = stored_heads(run.store.phase_folder(parent))
        elif phases[parent].phase.does == "train":
            found = _trained_heads(phases[parent], run)
        else:
            found = _heads_to_come(phases[parent], phases, run)
        heads = {**found, **heads}
    return heads


def _trained_heads(planned: PlannedPhase, run: Run) -> dict[str, Any]:
    """The labels of the heads that a phase trains; its rows are read only where they alone say which there are."""
    tasks = {use.task: run.toolkit.tasks.get(use.task) for use in planned.phase.uses if not use.counts_only}
    found = {}
    for name, task in tasks.items():
        same = (use_examples(run, task, use) for use in planned.phase.uses if use.task == name)
        found[task.name] = {"labels": label_names(run, task, partial(_joined, same))}
    return found


def _joined(parts: Iterable[Sequence[Any]]) -> list[Any]:
    return list(chain.from_iterable(parts))
