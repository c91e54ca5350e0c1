"""Examples and tokeniser of a run: what several phases of one process share is loaded once."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from xfer.core.data import load as data
from xfer.core.data import translation
from xfer.core.data.sources import revised
from xfer.core.encoders.tokeniser import Tokeniser
from xfer.core.errors import DataError, PluginError
from xfer.core.examples import Row
from xfer.core.formats.base import FormatCode
from xfer.core.loading import load_object
from xfer.core.manager import PluginManager
from xfer.core.plans.dev_scores import Fingerprint
from xfer.core.plans.strategy_steps import ENGLISH, MACHINE
from xfer.core.records import Problem, TaskSpec, TaskUse
from xfer.core.registry import BUILTIN
from xfer.core.run import Run
from xfer.core.settings import RunSettings
from xfer.core.streams import stream_seed


def row_fingerprint(settings: RunSettings, manager: PluginManager) -> Fingerprint:
    """The planner's question which rows there are: a fingerprint, or None where there are none."""
    known: dict[tuple[int, str, str, str], str | None] = {}

    def ask(task: TaskSpec, split: str, language: str, via: str) -> str | None:
        key = (id(task), split, language, via)
        if key not in known:
            known[key] = _look(task, split, language, via, settings, manager)
        return known[key]

    return ask


def _look(
    task: TaskSpec, split: str, language: str, via: str, settings: RunSettings, manager: PluginManager
) -> str | None:
    try:
        given = _given(manager, task, split, language, via, settings)
        if given is None and via == MACHINE:
            return translation.fingerprint(task, split, language, settings, manager)
        rows, owner = _required(given, task, split, language, via)
        if next(iter(rows), None) is None:
            return None
    except data.MissingData:
        return None
    if owner == BUILTIN and via in task.made:
        return data.fingerprint(translation.made_task(task, via), split, (language,), settings.data_root)
    if owner == BUILTIN:
        own = revised(task, settings.revisions, settings.streams)
        rows_known = data.fingerprint(own, split, (language,), settings.data_root)
        return rows_known if via == "original" else f"{rows_known} {via}"
    return f"{owner} {manager.versions().get(owner, '')}: {task.name}-v{task.version} {via}"


def _given(
    manager: PluginManager, task: TaskSpec, split: str, language: str, via: str, settings: RunSettings
) -> tuple[Iterable[Row], str] | None:
    """Raw rows and who gave them; None where nobody does. Raises what the reader raises."""
    return manager.first("xfer_load_rows", task=task, split=split, language=language, via=via, settings=settings)


def _required(
    given: tuple[Iterable[Row], str] | None, task: TaskSpec, split: str, language: str, via: str
) -> tuple[Iterable[Row], str]:
    if given is None:
        raise PluginError(f"{task.name}: nobody loads {split} rows in {language} via {via!r}")
    return given


def origins(run: Run, uses: Iterable[TaskUse]) -> dict[str, Any]:
    """Where the rows of a phase's uses come from, for its record: by task, split, language (`data.origins`)."""
    found: dict[str, Any] = {}
    for use in uses:
        task = revised(run.toolkit.tasks.get(use.task), run.settings.revisions, run.settings.streams)
        if use.via != "original" and use.via in task.made:
            task = translation.made_task(task, use.via)
        tuned_on = (task.dev_split,) if task.tune is not None else ()
        for split in (use.split, *tuned_on):
            known = data.origins(task, split, use.languages, run.settings.data_root)
            if known:
                found.setdefault(task.name, {}).setdefault(split, {}).update(known)
    return found


def rows_in_files(run: Run, task: TaskSpec, split: str, language: str, via: str) -> bool:
    """Whether rows made otherwise are given by files or a plugin, so that no machine need translate them."""
    return _given(run.toolkit.manager, task, split, language, via, run.settings) is not None


def load_examples(run: Run, task: TaskSpec, split: str, language: str, via: str = "original") -> list[Any]:
    """Examples of one task, split and language, limited as the settings say; problems are told."""

    def load() -> list[Any]:
        limit = run.settings.limit.of(split)
        given = _given(run.toolkit.manager, task, split, language, via, run.settings)
        if given is None and via == MACHINE:
            return _translated(run, task, split, language)
        rows, _ = _required(given, task, split, language, via)
        loaded = data.load_examples(task, split, language, rows, limit)
        for problem in loaded.problems:
            run.tell(problem)
        for reason, count in loaded.dropped.items():
            run.tell(
                Problem(stage="data", message=f"{task.name} {split}/{language}: {count} rows dropped: {reason}")
            )
        return loaded.examples

    examples: list[Any] = _remembered(run, ("examples", id(task), split, language, via), load)
    return examples


def _translated(run: Run, task: TaskSpec, split: str, language: str) -> list[Any]:
    """English examples in another language, all but those whose answer was lost.

    Raises DataError where one was not translated, or its translation is damaged: fewer would train in silence.
    """
    english = load_examples(run, task, split, ENGLISH)
    found, dropped = translation.translated_examples(english, language, run.settings, run.toolkit.manager)
    lacking = dropped.get(translation.UNTRANSLATED, 0)
    if lacking or not found:
        raise DataError(
            f"{task.name}: {lacking} of {len(english)} examples are not translated into {language!r}",
            where=f"{split} rows, via {MACHINE}",
            fix="the plan needs a `translate` phase before the phase that trains on them; if it has one, its texts "
            "were removed or damaged: `xfer cache rm NAME --force` (see `xfer cache ls`), then the command again",
        )
    return found


def use_examples(run: Run, task: TaskSpec, use: TaskUse) -> list[Any]:
    """Examples of all languages of a training use, cut as it says: into parts by language, by `cap`, by `total`."""
    found = []
    for place, language in enumerate(use.languages):
        examples = load_examples(run, task, use.split, language, use.via)
        found.append((own_part(examples, place, len(use.languages)) if use.disjoint else examples)[: use.cap])
    shares = even_shares([len(examples) for examples in found], use.total)
    return [example for examples, share in zip(found, shares, strict=True) for example in examples[:share]]


def own_part(examples: Sequence[Any], part: int, parts: int) -> list[Any]:
    """Every position belongs to one of so many parts, drawn by hash; the examples at those of one part.

    Not in turn by position: rows often go round their labels, and then a part would be one label.
    """
    return [one for place, one in enumerate(examples) if stream_seed(0, "disjoint", place) % parts == part]


def even_shares(sizes: Sequence[int], total: int | None) -> list[int]:
    """How much of each size adds up to `total`, as evenly as the sizes allow; the first get the remainder."""
    shares = list(sizes)
    if total is None or total >= sum(sizes):
        return shares
    left = total
    for place, number in enumerate(sorted(range(len(sizes)), key=lambda number: sizes[number])):
        shares[number] = min(sizes[number], -(-left // (len(sizes) - place)))
        left -= shares[number]
    return shares


def format_code(run: Run, task: TaskSpec, labels: Sequence[str], options: Any) -> FormatCode:
    """The implementation of a task's format, with validated options."""
    record = run.toolkit.formats.get(task.format)
    implementation = load_object(record.implementation)
    return implementation(task, tuple(labels), record.options.model_validate(dict(options)))  # type: ignore[no-any-return]


def label_names(run: Run, task: TaskSpec, examples: Callable[[], Sequence[Any]]) -> tuple[str, ...]:
    """The task's labels; an open set (CCG) is gathered from the training examples, which else are not asked for."""
    if task.labels or not task.train_languages:
        return task.labels
    gather = getattr(load_object(run.toolkit.formats.get(task.format).implementation), "gather_labels", None)
    return tuple(gather(examples())) if gather else ()


def tokeniser(run: Run) -> Tokeniser:
    """The model's tokeniser."""
    found: Tokeniser = _remembered(run, ("tokeniser",), lambda: Tokeniser.load(run.model.folder))
    return found


def _remembered(run: Run, key: tuple[Any, ...], make: Callable[[], Any]) -> Any:
    if key not in run.memory:
        run.memory[key] = make()
    return run.memory[key]
