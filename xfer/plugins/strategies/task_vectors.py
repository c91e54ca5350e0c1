"""Task arithmetic: what masked LM changed in the pretrained weights is added to weights trained on a task."""

from collections.abc import Sequence
from typing import Literal

from xfer.api import (
    PRETRAINED,
    Listed,
    Phase,
    PlanContext,
    Record,
    Strategy,
    hookimpl,
    intermediate_phases,
    target_phases,
    text_use,
)


class Params(Record):
    """Parameters of `task-vectors`."""

    intermediate: str = ""
    """As in `english-stilts`."""
    languages: Listed = ()
    """Languages of the masked LM; empty: those of the suite's targets."""
    text: str = ""
    ratio: float = 0.5
    """Masked-LM steps for each step of the intermediate task."""
    scale: float = 1.0
    """Factor on the difference (masked LM - pretrained)."""
    to: Literal["intermediate", "target"] = "intermediate"
    """The weights it is added to; a target without training gets it after the intermediate task."""


def plan(context: PlanContext, params: Params) -> Sequence[Phase]:
    """Intermediate task(s); beside them masked LM from the pretrained weights; their sum; target; evaluation."""
    first = intermediate_phases(context, params.intermediate or context.suite.default_intermediate)
    text = text_use(context, params.text, params.languages, steps_ratio=params.ratio, exponent=0.3)
    counted = tuple(use.model_copy(update={"counts_only": True}) for use in first[0].uses)
    language = Phase(name="language", role="intermediate", uses=(*counted, text))
    target = target_phases(context, after=first[-1].name)
    late = params.to == "target" and len(target) > 1
    before = (*first, *target[:-1]) if late else first
    combine = Phase(
        name="combine",
        does="combine",
        role=before[-1].role,
        starts_from=(before[-1].name, "language", PRETRAINED),
        params={"weights": [1.0, params.scale, -params.scale]},
    )
    rest = target[-1:] if late else target
    moved = rest[0].model_copy(update={"starts_from": ("combine",)})
    return *before, language, combine, moved, *rest[1:]


TASK_VECTORS = Strategy(
    name="task-vectors",
    summary="weights of the task plus the difference that masked LM made to the pretrained weights",
    citation="Ilharco et al. 2023, arXiv 2212.04089; for transfer: Parović et al. 2024 (EACL)",
    params=Params,
    plan=plan,
)


@hookimpl
def xfer_strategies() -> Sequence[Strategy]:
    """One strategy."""
    return [TASK_VECTORS]
