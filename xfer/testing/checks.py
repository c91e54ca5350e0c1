"""Checks of a task or a strategy as a plugin hands it over. All faults come in one AssertionError."""

import pickle
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from xfer.core.data.load import load_examples
from xfer.core.errors import XferError
from xfer.core.examples import (
    ChoiceExample,
    LineExample,
    PairExample,
    Row,
    SpanExample,
    TaggedExample,
    TextExample,
)
from xfer.core.formats import BUILTIN_FORMATS
from xfer.core.loading import load_object
from xfer.core.records import PRETRAINED, Format, Phase, PlanContext, Record, Strategy, TaskSpec, TaskUse
from xfer.testing.samples import contexts as sample_contexts

Values = Callable[[Sequence[Any]], Sequence[Any]]
EXAMPLES: Mapping[str, type] = {
    "classification": TextExample,
    "multiple-choice": ChoiceExample,
    "span": SpanExample,
    "tagging": TaggedExample,
    "retrieval": PairExample,
    "masked-lm": LineExample,
}
UNSCORED = ("masked-lm",)
"""Formats without predictions to score."""


def check_task(
    spec: TaskSpec,
    tokeniser: Any = None,
    *,
    language: str = "",
    formats: Sequence[Format] = BUILTIN_FORMATS,
    gold: Values | None = None,
    wrong: Values | None = None,
) -> None:
    """Check a task against its fixture: examples of the right kind, known labels, gold scored 100, wrong less.

    `language` is the fixture's (English, else the task's first); with a `tokeniser` the format turns the
    fixture into features too. `gold` and `wrong` make prediction values for a list of examples, for a format
    that xfer does not know. Raises AssertionError.
    """
    _report(f"task {spec.name}", _task_faults(spec, tokeniser, language, formats, gold, wrong))


def check_strategy(
    strategy: Strategy, params: Record | None = None, contexts: Mapping[str, PlanContext] | None = None
) -> str:
    """Plan for a trainable, a span and a retrieval target, check the plans, and return them as text.

    The text suits a golden file. `contexts` replaces the invented ones. Raises AssertionError.
    """
    chosen = strategy.params() if params is None else params
    known = sample_contexts() if contexts is None else contexts
    faults = list(_unpicklable(plan=strategy.plan, params=strategy.params))
    texts = []
    for name, context in known.items():
        phases = tuple(strategy.plan(context, chosen))
        faults += [f"{name}: {fault}" for fault in _plan_faults(phases, context)]
        if phases != tuple(strategy.plan(context, chosen)):
            faults.append(f"{name}: two calls of plan() differ")
        texts.append(f"{name}\n{plan_text(phases)}")
    _report(f"strategy {strategy.name}", faults)
    return "\n".join(texts)


def plan_text(phases: Sequence[Phase]) -> str:
    """Phases as text, one a line: name, kind, what is used, where it starts, and what differs from defaults."""
    plain = Phase(name="plain")
    said = ("name", "does", "uses", "starts_from")
    lines = []
    for phase in phases:
        uses = "; ".join(map(_use_text, phase.uses))
        extra = [
            f"{field}={getattr(phase, field)!r}"
            for field in Phase.model_fields
            if field not in said and getattr(phase, field) != getattr(plain, field)
        ]
        start = ",".join(phase.starts_from) or "pretrained"
        lines.append("  ".join(["", f"{phase.name}: {phase.does} [{uses}] from {start}", *extra]).rstrip() + "\n")
    return "".join(lines)


def _use_text(use: TaskUse) -> str:
    """Task, split, `via`, languages, and what differs from the defaults."""
    said = ("task", "split", "via", "languages")
    extra = [
        f"{name}={getattr(use, name)!r}"
        for name, field in TaskUse.model_fields.items()
        if name not in said and getattr(use, name) != field.default
    ]
    return " ".join([use.task, use.split, use.via, ",".join(use.languages), *extra])


def _report(subject: str, faults: Any) -> None:
    found = list(faults)
    if found:
        raise AssertionError(
            "\n".join([f"{subject} has {len(found)} fault(s):", *(f"- {fault}" for fault in found)])
        )


# ---------------------------------------------------------------- tasks


def _task_faults(
    spec: TaskSpec,
    tokeniser: Any,
    language: str,
    formats: Sequence[Format],
    gold: Values | None,
    wrong: Values | None,
) -> Iterator[str]:
    yield from (
        f"{field} is empty" for field in ("summary", "citation", "licence") if not getattr(spec, field).strip()
    )
    for field in ("languages", "train_languages", "labels"):
        if len(set(getattr(spec, field))) < len(getattr(spec, field)):
            yield f"{field} has duplicates"
    if not spec.languages:
        yield "there is no language to evaluate in"
    yield from _unpicklable(
        example=spec.example,
        score=spec.score,
        score_one=spec.score_one,
        tune=spec.tune,
        heuristic=spec.heuristic,
        rows=spec.rows,
        **{f"source {source.hub}: belongs": source.belongs for source in spec.sources},
        **{f"source {source.hub}: reader": source.reader for source in spec.sources},
    )
    record = next((known for known in formats if known.name == spec.format), None)
    if record is None:
        yield f"unknown format {spec.format!r}; pass the plugin's own as formats="
    if not 2 <= len(spec.fixture) <= 6:
        yield f"the fixture has {len(spec.fixture)} rows; two to six are wanted"
        return
    language = language or ("en" if "en" in spec.languages else spec.languages[0])
    rows = [row for row in spec.fixture if _belongs(spec, row, language)]
    try:
        examples = load_examples(spec, spec.eval_split, language, rows).examples
    except XferError as error:
        yield f"the fixture cannot be read in {language}: {error}"
        return
    kind = EXAMPLES.get(spec.format, object)
    if not all(isinstance(example, kind) for example in examples):
        yield f"example() gives {type(examples[0]).__name__}; {spec.format} works on {kind.__name__}"
        return
    if spec.format not in UNSCORED:
        yield from _score_faults(spec, examples, language, gold or _gold, wrong or _wrong(spec))
    if tokeniser is not None and record is not None:
        yield from _feature_faults(spec, examples, record, tokeniser)


def _belongs(spec: TaskSpec, row: Row, language: str) -> bool:
    tests = [source.belongs for source in spec.sources]
    return not tests or any(test is None or test(row, language) for test in tests)


def _unpicklable(**functions: Any) -> Iterator[str]:
    """Functions that cannot be sent to another process: lambdas, and functions inside functions."""
    for name, function in functions.items():
        try:
            pickle.dumps(function)
        except Exception:
            yield f"{name} cannot be imported by name; define it at the top of a module"


def _score_faults(
    spec: TaskSpec, examples: Sequence[Any], language: str, gold: Values, wrong: Values
) -> Iterator[str]:
    scores = {}
    for name, values in (("gold", gold(examples)), ("wrong", wrong(examples))):
        extra = {} if spec.tune is None else {"tuned": spec.tune(values, examples, language)}
        found = spec.score(values, examples, language, **extra)
        if spec.main_score not in found:
            yield f"score() gives {', '.join(found)} but not main_score {spec.main_score!r}"
            return
        scores[name] = found[spec.main_score]
        if spec.score_one is not None:
            points = [
                spec.score_one(value, example, language) for value, example in zip(values, examples, strict=True)
            ]
            if name == "gold" and min(points) < 100:
                yield f"score_one() gives a gold value {min(points):g} points, not 100"
            if name == "wrong" and max(points) >= 100:
                yield "score_one() gives a wrong value 100 points"
    if abs(scores["gold"] - 100) > 1e-9:
        yield f"gold values score {scores['gold']:g} {spec.main_score}, not 100"
    if not scores["wrong"] < scores["gold"]:
        yield f"wrong values score {scores['wrong']:g}, no less than gold values"


def _gold(examples: Sequence[Any]) -> list[Any]:
    def value(example: Any) -> Any:
        match example:
            case SpanExample():
                return example.answers[0].text if example.answers else ""
            case TaggedExample():
                return example.tags
            case PairExample():
                return _found(example, example.id, examples)
        return example.label

    return [value(example) for example in examples]


def _found(example: PairExample, id: str | None, examples: Sequence[PairExample]) -> Any:
    """The id as a retrieved value; with a margin, for sources only, where some examples lack a side (mining)."""
    if all(other.source and other.target for other in examples):
        return id
    return (id, 1.0) if id and example.source and example.target else None


def _wrong(spec: TaskSpec) -> Values:
    """Values that are all wrong: the next label or choice, another id; no answer where there is one."""

    def other(label: str | None) -> str:
        labels = spec.labels
        return (
            labels[(labels.index(label) + 1) % len(labels)]
            if label in labels and len(labels) > 1
            else f"not {label}"
        )

    def values(examples: Sequence[Any]) -> list[Any]:
        found: list[Any] = []
        for position, example in enumerate(examples):
            match example:
                case SpanExample():
                    found.append("" if example.answers else "answer")
                case TaggedExample():
                    found.append(tuple(other(tag) for tag in example.tags or ()))
                case PairExample():
                    others = [other.id for other in examples if other.target and other.id != example.id]
                    found.append(_found(example, others[position % len(others)] if others else None, examples))
                case ChoiceExample():
                    found.append(((example.label or 0) + 1) % len(example.choices))
                case _:
                    found.append(other(example.label))
        return found

    return values


def _feature_faults(spec: TaskSpec, examples: Sequence[Any], record: Format, tokeniser: Any) -> Iterator[str]:
    options: Any = record.options.model_validate(dict(spec.options))
    implementation = load_object(record.implementation)
    gather = getattr(implementation, "gather_labels", None)
    labels = spec.labels or (tuple(gather(examples)) if gather else ())
    code = implementation(spec, labels, options)
    features = code.featurise(examples, tokeniser, options.max_length, training=False)
    lost = len(examples) - len(set(features.example.tolist()))
    if lost:
        yield f"{lost} of {len(examples)} examples give no features in evaluation"
    if code.trainable and spec.train_languages:
        training = code.featurise(examples, tokeniser, options.max_length, training=True)
        if not training.item_count:
            yield f"no example is left in training; dropped: {training.dropped}"


# ---------------------------------------------------------------- strategies


def _plan_faults(phases: Sequence[Phase], context: PlanContext) -> Iterator[str]:
    seen: set[str] = set()
    for phase in phases:
        missing = [name for name in (*phase.starts_from, *phase.needs) if name not in {*seen, PRETRAINED}]
        if missing:
            yield f"phase {phase.name} starts from {', '.join(missing)}, which is no earlier phase"
        if phase.name in seen:
            yield f"two phases are called {phase.name}"
        seen.add(phase.name)
        unknown = [use.task for use in phase.uses if use.task not in context.tasks]
        if unknown:
            yield f"phase {phase.name} uses {', '.join(unknown)}, which the context does not have"
        for use in phase.uses:
            task = context.tasks.get(use.task)
            if task and phase.does == "train" and not task.train_languages:
                yield f"phase {phase.name} trains on {task.name}, which has no training set"
    last = phases[-1] if phases else None
    uses = [use for use in last.uses if last.does == "evaluate"] if last else []
    if not any(use.task == context.target.name and use.languages == context.languages for use in uses):
        yield f"the last phase does not evaluate {context.target.name} in all its languages"
