"""The steps that most strategies are made of, as pure functions from a context to phases.

A strategy changes what these give with `Phase.model_copy(update=…)`; phases of equal content have one id, so
strategies share what they have in common.

Intermediate notation: `a` trains on one task, `a,b` on two mixed in one phase, `a+b` on one after the other,
`all` on all intermediate tasks of the suite, mixed.
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import Annotated, Any

from pydantic import BeforeValidator

from xfer.core.errors import UnknownName, UserError
from xfer.core.plans.start_points import checked_params, strategy_text
from xfer.core.records import Phase, PlanContext, Sampling, TaskSpec, TaskUse

ENGLISH = "en"
MACHINE = "mt"
"""The `via` of machine translation."""


def _listed(value: Any) -> Any:
    """ "a,b" or a single number as a tuple; anything else as it is."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return (value,) if isinstance(value, int | float) else value


Listed = Annotated[tuple[str, ...], BeforeValidator(_listed)]
"""Type of a strategy's parameter that is written `a,b` on the command line."""
Numbers = Annotated[tuple[float, ...], BeforeValidator(_listed)]
"""The same for numbers: `1e-5,3e-5`."""


def intermediate_phases(context: PlanContext, text: str) -> tuple[Phase, ...]:
    """English training on intermediate tasks: one phase for each part of `text` between "+" signs.

    Phases are called "intermediate", "intermediate-2", …; each starts from the one before with fresh heads.
    Raises UserError for an empty part, a task named twice in a mix or a task without an English training set,
    UnknownName for a task that is not there.
    Source: Phang et al. (2020), "English Intermediate-Task Training Improves Zero-Shot Cross-Lingual
    Transfer Too", with one task or all tasks mixed; sequences are an addition.
    """
    phases: list[Phase] = []
    for number, part in enumerate(text.split("+"), start=1):
        phases.append(
            Phase(
                name="intermediate" if number == 1 else f"intermediate-{number}",
                role="intermediate",
                uses=tuple(TaskUse(task=name, languages=(ENGLISH,)) for name in _mix(context, part, text)),
                starts_from=(phases[-1].name,) if phases else (),
            )
        )
    return tuple(phases)


def with_sampling(phases: Sequence[Phase], sampling: Sampling, weights: Sequence[float] = ()) -> tuple[Phase, ...]:
    """The training phases with mixed tasks sharing the steps in this way; `weights` in the order of the tasks.

    Phases of one task stay as they are. Raises UserError where `sampling` and `weights` do not fit each other or a
    mix of another number of tasks.
    """
    given = sampling.kind == "weights"
    if given != bool(weights):
        raise UserError(
            f"sampling={sampling.kind} with weights {list(weights)}",
            fix="sampling=weights takes one weight for every task of the mix, and only it: weights=3,1",
        )
    done = []
    for phase in phases:
        if len(phase.uses) < 2:
            done.append(phase)
            continue
        if given and (len(weights) != len(phase.uses) or min(weights) <= 0):
            names = ", ".join(use.task for use in phase.uses)
            raise UserError(f"weights {list(weights)} for {len(phase.uses)} tasks: {names}", fix="one above 0 each")
        shares = weights if given else [None] * len(phase.uses)
        uses = tuple(
            use.model_copy(update={"weight": share}) for use, share in zip(phase.uses, shares, strict=True)
        )
        done.append(phase.model_copy(update={"sampling": sampling, "uses": uses}))
    return tuple(done)


def with_budget(phases: Sequence[Phase], budget: int) -> tuple[Phase, ...]:
    """The training phases with at most `budget` examples in each; 0: all there are.

    Tasks of a phase get equal parts, and within a task its languages do. What rides on others (`steps_ratio`)
    is left as it is. Comparisons of strategies are fair in data when all have the same budget.
    """
    if not budget:
        return tuple(phases)
    limited = []
    for phase in phases:
        sharing = [use for use in phase.uses if use.steps_ratio is None] if phase.does == "train" else []
        tasks = {use.task for use in sharing}
        spread = {name: sum(len(use.languages) for use in sharing if use.task == name) for name in tasks}
        uses, before, used = [], 0, Fraction(0)
        for use in phase.uses:
            if use.steps_ratio is None and sharing:
                used += Fraction(budget * len(use.languages), spread[use.task] * len(tasks))
                use = use.model_copy(update={"total": max(1, int(used) - before)})
                before = int(used)
            uses.append(use)
        limited.append(phase.model_copy(update={"uses": tuple(uses)}))
    return tuple(limited)


def translations(
    context: PlanContext, task: str, languages: Sequence[str], via: str
) -> tuple[tuple[Phase, ...], TaskUse]:
    """A task's English training rows in other languages: the phases that make them, and their use.

    No `via`: the suite's. No languages: all that are there. Machine translation ("mt") is a phase of its own,
    which does nothing where files hold the translations; training phases name it in `needs`. Raises UserError
    where nothing says which languages there are.
    """
    via = via or context.suite.translated
    spec = context.tasks[task]
    if via in spec.made:
        codes = tuple(languages) or tuple(code for code in spec.made[via].configs if code != ENGLISH)
    elif via == MACHINE:
        codes = tuple(languages)
    else:
        codes = other_languages(context, task, languages)
    if not codes:
        raise UserError(f"into which languages is {task} to be translated?", f"via={via}", "languages=de,ru,…")
    use = TaskUse(task=task, languages=codes, via=via)
    return ((Phase(name=f"translate-{task}", does="translate", uses=(use,)),) if via == MACHINE else ()), use


def text_use(context: PlanContext, task: str, languages: Sequence[str], **fields: Any) -> TaskUse:
    """Running text for continued masked LM; no task: the suite's, no languages: all of the suite's targets.

    Languages without text are left out where they were not asked for. Raises UserError for a suite without
    text, a task of another format, and a language asked for in vain.
    """
    name = task or context.suite.text_task
    if name is None:
        raise UserError(f"suite {context.suite.name} has no running text", fix="name a task: text=TASK")
    if name not in context.tasks:
        raise UnknownName("task", name, context.tasks, extra="(text)")
    found = context.tasks[name]
    if found.format != "masked-lm":
        raise UserError(f"{name} is of the format {found.format}, not masked-lm", where=f"text={name}")
    lacking = [code for code in languages if code not in found.train_languages]
    if lacking:
        raise UserError(
            f"{name} has no text in {', '.join(lacking)}", f"languages={','.join(languages)}",
            f"it has {', '.join(found.train_languages)}",
        )  # fmt: skip
    targets = [context.tasks[name] for name in context.suite.targets if name in context.tasks]
    evaluated = [code for target in (*targets, context.target) for code in target.languages]
    wanted = tuple(languages) or dict.fromkeys((ENGLISH, *sorted(evaluated)))
    codes = tuple(code for code in wanted if code in found.train_languages)
    return TaskUse(task=name, languages=codes, where_present=not languages, **fields)


def other_languages(context: PlanContext, task: str, languages: Sequence[str]) -> tuple[str, ...]:
    """Languages other than English in which a task is to be used; none named: all that it has training rows in.

    Raises UserError for a task that has none, or not the ones named.
    """
    there = [code for code in context.tasks[task].train_languages if code != ENGLISH]
    lacking = [code for code in languages if code not in there]
    if lacking or not there:
        told = ", ".join(lacking) if lacking else "other languages than English"
        raise UserError(
            f"{task} has no training rows in {told}",
            f"intermediate={task}",
            f"it has {', '.join(there)}" if there else "choose a task with training sets in several languages",
        )
    return tuple(languages) or tuple(there)


def wrapped_phases(context: PlanContext, text: str) -> tuple[Phase, ...]:
    """What another strategy plans, written `NAME` or `NAME[key=value,…]` as on the command line.

    Raises UnknownName and UserError as the command line does.
    """
    name, given = strategy_text(text)
    if name not in context.strategies:
        raise UnknownName("strategy", name, context.strategies)
    strategy = context.strategies[name]
    if "intermediate" in strategy.params.model_fields:
        given = {"intermediate": context.suite.default_intermediate, **given}
    return tuple(strategy.plan(context, checked_params(strategy, given, text)))


def target_phases(context: PlanContext, after: str | None) -> tuple[Phase, ...]:
    """English training on the target, then its evaluation in every language, zero-shot.

    `after` names the phase to start from; None is the pretrained model. A target without training data
    (retrieval) is evaluated straight from there.
    """
    starts_from = () if after is None else (after,)
    training: tuple[Phase, ...] = ()
    if context.training is not None:
        use = TaskUse(task=_known_as(context, context.training), languages=(ENGLISH,))
        training = (Phase(name="target", role="target", uses=(use,), starts_from=starts_from),)
        starts_from = ("target",)
    use = TaskUse(
        task=_known_as(context, context.target),
        languages=context.target.languages,
        split=context.target.eval_split,
    )
    return (
        *training,
        Phase(name="evaluate", does="evaluate", role="evaluation", uses=(use,), starts_from=starts_from),
    )


def _mix(context: PlanContext, part: str, text: str) -> tuple[str, ...]:
    """Names of the tasks of one phase, checked."""
    names = tuple(name.strip() for name in part.split(","))
    if names == ("all",):
        names = context.suite.intermediates
    where = f"intermediate={text}"
    if not all(names):
        raise UserError("an intermediate task has no name", where, "write a, or a,b (mixed), or a+b, or all")
    if len(set(names)) < len(names):
        raise UserError("an intermediate task is named twice in one mix", where)
    for name in names:
        if name not in context.tasks:
            raise UnknownName("task", name, context.tasks, extra=f"({where})")
        if ENGLISH not in context.tasks[name].train_languages:
            teacher = context.tasks[name].training_task
            fix = f"its training task is {teacher}" if teacher else ""
            raise UserError(f"{name} has no English training set and cannot be an intermediate task", where, fix)
    return names


def _known_as(context: PlanContext, task: TaskSpec) -> str:
    """The name under which the context lists a task: full where the short one is ambiguous."""
    return next((name for name, known in context.tasks.items() if known is task), task.name)
