"""Retrieval at several layers of one encoder: a start point a layer, scored side by side."""

import re
from collections.abc import Sequence

from xfer.core.errors import UserError
from xfer.core.plans.start_points import StartPoint
from xfer.core.plans.strategy_steps import target_phases
from xfer.core.records import NoParams, Phase, PlanContext, Strategy


def parse_layers(text: str, depth: int) -> tuple[int, ...]:
    """Layers named as "all", "1-12" or "3,7,9-12", of an encoder with `depth`; 0 is the embeddings.

    "all" leaves the embeddings out. Each layer comes once, in the order named. Raises `UserError` for other
    texts and for layers that the encoder does not have.
    """
    if text.strip() == "all":
        return tuple(range(1, depth + 1))
    found: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?", part)
        if match is None:
            raise UserError(f"layers {text!r} are not understood", fix="all, 1-12, or 3,7,9-12")
        first, last = int(match[1]), int(match[2] or match[1])
        if first > last:
            raise UserError(f"layers {part.strip()!r} go backwards", fix=f"{last}-{first}")
        if last > depth:
            raise UserError(f"there is no layer {last}", fix=f"the encoder has {depth} layers, 0 is the embeddings")
        found += range(first, last + 1)
    return tuple(dict.fromkeys(found))


def layer_starts(layers: Sequence[int]) -> tuple[StartPoint, ...]:
    """A start point "layer N" for each layer: the target as it is, scored at that layer, without training."""
    return tuple(StartPoint(f"layer {layer}", _at_layer(layer), NoParams()) for layer in layers)


def _at_layer(layer: int) -> Strategy:
    def plan(context: PlanContext, params: object) -> tuple[Phase, ...]:
        if context.target.format != "retrieval":
            fix = "name retrieval targets with --target, e.g. tatoeba"
            raise UserError(f"{context.target.name} is not retrieval: it has no layer to choose", fix=fix)
        phases = target_phases(context.model_copy(update={"training": None}), after=None)
        return tuple(
            phase.model_copy(
                update={
                    "uses": tuple(
                        use.model_copy(update={"options": {**use.options, "layer": layer}}) for use in phase.uses
                    )
                }
            )
            for phase in phases
        )

    return Strategy(name=f"layer-{layer}", summary=f"score layer {layer} as it is", plan=plan)
