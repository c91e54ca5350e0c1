"""Machine translation of training examples: the phase `translate`, its cache, and examples read back from it.

Texts are translated once: the cache is addressed by the translator (`translator`) and holds pairs of texts, so it
serves every task, limit and run, and an interrupted phase goes on where it stopped. Rows of `via="mt"` are the
English examples with their texts replaced. An answer is marked with brackets in its context and looked for in the
translation, first between the brackets, then as the answer translated by itself; what is not found is dropped and
counted.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from xfer.core.data import load as data
from xfer.core.data.sources import revised
from xfer.core.errors import PluginError, UserError
from xfer.core.examples import Answer, ChoiceExample, Example, LineExample, SpanExample, TextExample
from xfer.core.manager import PluginManager
from xfer.core.plans.strategy_steps import ENGLISH, MACHINE
from xfer.core.records import PlannedPhase, Problem, TaskSpec
from xfer.core.registry import BUILTIN
from xfer.core.settings import RunSettings
from xfer.core.storage import files
from xfer.core.storage.locks import phase_lock
from xfer.core.storage.manifest import parse_json

CHUNK = 256
"""Texts between two writes to the cache."""
BRACKETS = ("[]", "{}", "⟦⟧")
"""Pairs of marks around an answer; the first that its context does not hold is taken."""
UNALIGNED = "the answer was not found in its translation"
UNTRANSLATED = "not translated"


def made_task(task: TaskSpec, via: str) -> TaskSpec:
    """The task with its rows of a `via` from files as its training rows."""
    source = task.made[via]
    codes = tuple(code for code in source.configs if code)
    return task.model_copy(update={"source": source, "rows": None, "train_languages": codes})


def translator(manager: PluginManager, language: str, settings: RunSettings) -> str:
    """What identifies the translator from English into a language: a plugin with its version, or a model.

    Raises UserError where nobody translates, and what the built-in says to a model that is not there.
    """
    answer = manager.first("xfer_translate", texts=[], source=ENGLISH, target=language, settings=settings)
    if answer is None:
        raise UserError(
            f"nobody translates from English into {language!r}",
            fix="--set translate.model=MODEL (a hub id or folder of a translation model; {target} is filled in), "
            "put translations into files under the data root, or install a plugin that answers xfer_translate",
        )
    owner = answer[1]
    if owner != BUILTIN:
        return f"{owner} {manager.versions().get(owner, '')}"
    from xfer.core.data.seq2seq import identity

    return identity(settings.translation, language)


def fingerprint(task: TaskSpec, split: str, language: str, settings: RunSettings, manager: PluginManager) -> str:
    """What rows that are to be translated follow from: the English ones and the translator."""
    own = revised(task, settings.revisions, settings.streams)
    english = data.fingerprint(own, split, (ENGLISH,), settings.data_root)
    return f"{english} {MACHINE}:{translator(manager, language, settings)}"


# ---------------------------------------------------------------- examples to texts and back


def texts_of(example: Example) -> list[str]:
    """The texts that make up an example in translation. Raises UserError for a kind that has none."""
    match example:
        case TextExample():
            return [example.text] if example.text_pair is None else [example.text, example.text_pair]
        case ChoiceExample():
            return [example.prompt, *example.choices]
        case LineExample():
            return [example.text]
        case SpanExample(answers=()):
            return [example.question, example.context]
        case SpanExample():
            return [example.question, _marked(example), example.answers[0].text]
    raise UserError(
        f"examples of the kind {type(example).__name__} cannot be translated by machine",
        fix="labels of words do not survive translation; use a task over texts, or translations from files",
    )


def rebuilt(example: Example, texts: Sequence[str], language: str) -> Example | None:
    """The example in another language from the translations of `texts_of`; None where an answer is lost."""
    match example:
        case TextExample():
            pair = None if example.text_pair is None else texts[1]
            return replace(example, language=language, text=texts[0], text_pair=pair)
        case ChoiceExample():
            return replace(example, language=language, prompt=texts[0], choices=tuple(texts[1:]))
        case LineExample():
            return replace(example, language=language, text=texts[0], parallel=None, parallel_language=None)
        case SpanExample(answers=()):
            return replace(example, language=language, question=texts[0], context=texts[1])
        case SpanExample():
            found = _recovered(texts[1], texts[2], _brackets(example.context))
            if found is None:
                return None
            context, answer = found
            return replace(example, language=language, question=texts[0], context=context, answers=(answer,))
    raise TypeError(type(example).__name__)


def _brackets(context: str) -> str:
    return next((pair for pair in BRACKETS if not set(pair) & set(context)), BRACKETS[-1])


def _marked(example: SpanExample) -> str:
    answer, pair = example.answers[0], _brackets(example.context)
    end = answer.start + len(answer.text)
    return f"{example.context[: answer.start]}{pair[0]}{answer.text}{pair[1]}{example.context[end:]}"


def _recovered(context: str, answer: str, brackets: str) -> tuple[str, Answer] | None:
    """A translated context without marks, and the answer in it."""
    left, right = brackets[0], brackets[1]
    plain = context.replace(left, "").replace(right, "")
    if context.count(left) == context.count(right) == 1 and context.index(left) < context.index(right):
        inside = context[context.index(left) + 1 : context.index(right)]
        text = inside.strip()
        if text:
            start = context.index(left) + len(inside) - len(inside.lstrip())
            return plain, Answer(text, start)
    answer = answer.strip()
    if answer and plain.count(answer) == 1:
        return plain, Answer(answer, plain.index(answer))
    return None


# ---------------------------------------------------------------- the cache


def cache_folder(settings: RunSettings, identity: str) -> Path:
    """Where the translations of one translator lie."""
    return settings.store / "cache" / "translations" / hashlib.sha256(identity.encode()).hexdigest()[:20]


def cached(folder: Path, language: str) -> tuple[dict[str, str], int]:
    """English texts to their translations, as far as they were made, and the number of lines that are damaged.

    A line holds pairs and the SHA-256 of their JSON; what a damaged one held counts as not translated.
    """
    path = folder / f"{ENGLISH}-{language}.jsonl"
    known: dict[str, str] = {}
    damaged = 0
    for line in path.read_bytes().split(b"\n")[:-1] if path.is_file() else ():  # a torn last line is left out
        try:
            digest, pairs = parse_json(line)
            if digest != _digest(pairs):
                raise ValueError("another checksum")
            known |= dict(pairs)
        except (ValueError, TypeError, RecursionError):
            damaged += 1
    return known, damaged


def _digest(pairs: list[list[str]]) -> str:
    return hashlib.sha256(files.json_line(pairs).encode()).hexdigest()


def translated_examples(
    english: Sequence[Any], language: str, settings: RunSettings, manager: PluginManager
) -> tuple[list[Any], dict[str, int]]:
    """The examples in another language, from the cache, and how many are missing, by reason."""
    known, _ = cached(cache_folder(settings, translator(manager, language, settings)), language)
    found: list[Any] = []
    dropped: dict[str, int] = {}
    for example in english:
        texts = texts_of(example)
        whole = all(text in known for text in texts)
        made = rebuilt(example, [known[text] for text in texts], language) if whole else None
        if made is None:
            reason = UNALIGNED if whole else UNTRANSLATED
            dropped[reason] = dropped.get(reason, 0) + 1
        else:
            found.append(made)
    return found, dropped


# ---------------------------------------------------------------- the phase


def run_translate_phase(planned: PlannedPhase, run: Any) -> None:
    """Translate the uses' English examples into their languages, as far as the cache lacks them, and commit.

    Languages whose rows lie in files are left alone. Raises PluginError for an answer of another length.
    """
    from xfer.core.engine.described import describe
    from xfer.core.engine.inputs import load_examples, rows_in_files

    made: list[dict[str, Any]] = []
    for use in planned.phase.uses:
        task = run.toolkit.tasks.get(use.task)
        for language in use.languages:
            if rows_in_files(run, task, use.split, language, use.via):
                made.append({"task": task.name, "language": language, "from": "files"})
                continue
            english = load_examples(run, task, use.split, ENGLISH)
            made.append(_translate(planned, run, task, english, language))
    with run.store.commit_phase(planned.id) as folder:
        describe(folder, planned, run, translations=made)


def _translate(
    planned: PlannedPhase, run: Any, task: TaskSpec, english: Sequence[Any], language: str
) -> dict[str, Any]:
    settings, manager = run.settings, run.toolkit.manager
    identity = translator(manager, language, settings)
    folder = cache_folder(settings, identity)
    texts = list(dict.fromkeys(text for example in english for text in texts_of(example)))
    with phase_lock(run.store, f"translate-{folder.name}-{language}", wait=True):
        known, damaged = cached(folder, language)
        if damaged:
            message = f"{damaged} lines of cached translations are damaged; what they held is translated again"
            run.tell(Problem(stage="data", message=message, where=str(folder / f"{ENGLISH}-{language}.jsonl")))
        lacking = sorted((text for text in texts if text not in known), key=lambda text: (-len(text), text))
        done = len(texts) - len(lacking)
        for chunk in _chunks(lacking):
            answer = manager.first(
                "xfer_translate", texts=chunk, source=ENGLISH, target=language, settings=settings
            )
            translations = list(answer[0]) if answer is not None else []
            if len(translations) != len(chunk) or not all(isinstance(text, str) for text in translations):
                raise PluginError(f"{len(translations)} translations of {len(chunk)} texts", where=identity)
            pairs = [list(pair) for pair in zip(chunk, translations, strict=True)]
            line = files.json_line([_digest(pairs), pairs]).rstrip("\n")
            files.append_line(folder / f"{ENGLISH}-{language}.jsonl", line)
            done += len(chunk)
            run.reporter.evaluated(planned, done, len(texts))
    found, dropped = translated_examples(english, language, settings, manager)
    for reason, count in dropped.items():
        message = f"{task.name} train/{language} ({MACHINE}): {count} of {len(english)} examples dropped: {reason}"
        run.tell(Problem(stage="data", message=message, where=identity))
    return {
        "task": task.name, "language": language, "translator": identity, "licence": licence(settings, language),
        "texts": len(texts), "examples": len(found), "dropped": dropped,
    }  # fmt: skip


def _chunks(texts: Sequence[str]) -> Iterator[list[str]]:
    for start in range(0, len(texts), CHUNK):
        yield list(texts[start : start + CHUNK])


def licence(settings: RunSettings, language: str) -> str:
    """The licence of the built-in translator's weights, as their card states it; "" without a model."""
    if not settings.translation.model:
        return ""
    from xfer.core.data.seq2seq import card_licence

    return card_licence(settings.translation, language)


def licence_notes(phases: Sequence[PlannedPhase], settings: RunSettings) -> list[str]:
    """A line for each set of weights that a plan would translate with, and a warning for non-commercial ones."""
    if not settings.translation.model:
        return []
    uses = [use for planned in phases if planned.phase.does == "translate" for use in planned.phase.uses]
    found: Mapping[str, str] = {
        settings.translation.name(language): licence(settings, language)
        for use in uses
        for language in use.languages
    }
    return [
        f"translation model {name}: licence {stated or 'not stated'}"
        + (" (non-commercial)" if "-nc" in stated else "")
        for name, stated in found.items()
    ]
