"""Another strategy at several learning rates, the best on English dev kept: tune the baseline first."""

from collections.abc import Sequence
from typing import Literal

from xfer.api import ENGLISH, Numbers, Phase, PlanContext, Record, Strategy, TaskUse, hookimpl, wrapped_phases


class Params(Record):
    """Parameters of `lr-sweep`."""

    of: str = "none"
    """The strategy that is tuned: `NAME` or `NAME[key=value,…]`."""
    rates: Numbers = ()
    """Learning rates; empty: half, once and twice that of the suite's default preset."""
    role: Literal["target", "intermediate", "all"] = "target"
    """Which training phases are tuned, each by itself and in order."""
    dev: int = 1000
    """English dev examples that decide, at most."""


def plan(context: PlanContext, params: Params) -> Sequence[Phase]:
    """The wrapped plan; each training phase of the role once a rate, then the choice among them."""
    preset = context.suite.presets[context.suite.default_preset].get("", {})
    usual = float(preset.get("learning_rate", 1e-5))
    rates = params.rates or tuple(float(f"{usual * factor:.3g}") for factor in (0.5, 1, 2))
    phases: list[Phase] = []
    chosen: dict[str, str] = {}
    for phase in wrapped_phases(context, params.of):
        phase = phase.model_copy(
            update={"starts_from": tuple(chosen.get(name, name) for name in phase.starts_from)}
        )
        scored = _scored(context, phase, params.dev) if params.role in ("all", phase.role) else ()
        if not scored:
            phases.append(phase)
            continue
        names = [f"{phase.name}-{rate:g}" for rate in rates]
        for name, rate in zip(names, rates, strict=True):
            overrides = {**phase.overrides, "learning_rate": rate}
            phases.append(phase.model_copy(update={"name": name, "overrides": overrides}))
        select = f"{phase.name}-select"
        phases.append(Phase(name=select, does="select", role=phase.role, uses=scored, starts_from=tuple(names)))
        chosen[phase.name] = select
    return phases


def _scored(context: PlanContext, phase: Phase, dev: int) -> tuple[TaskUse, ...]:
    """English dev rows of the tasks that a phase trains on; masked LM has no score that counts."""
    names = dict.fromkeys(use.task for use in phase.uses if phase.does == "train" and not use.counts_only)
    tasks = {name: context.tasks[name] for name in names if context.tasks[name].format != "masked-lm"}
    return tuple(
        TaskUse(task=name, languages=(ENGLISH,), split=task.dev_split, cap=dev) for name, task in tasks.items()
    )


LR_SWEEP = Strategy(
    name="lr-sweep",
    summary="another strategy at several learning rates, chosen on English dev",
    citation="Chirkova & Nikoulina 2024, arXiv 2402.12279; Chirkova et al. 2023, arXiv 2310.09917",
    params=Params,
    plan=plan,
)


@hookimpl
def xfer_strategies() -> Sequence[Strategy]:
    """One strategy."""
    return [LR_SWEEP]
