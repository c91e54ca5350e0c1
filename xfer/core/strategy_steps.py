"""The steps that most strategies are made of, as pure functions from a context to phases.

Intermediate notation: `a` trains on one task, `a,b` on two mixed in one phase, `a+b` on one after the other,
`all` on all intermediate tasks of the suite, mixed.
"""

from xfer.core.errors import UnknownName, UserError
from xfer.core.records import Phase, PlanContext, TaskSpec, TaskUse

ENGLISH = "en"


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
