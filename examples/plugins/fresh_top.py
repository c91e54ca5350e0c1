"""A new kind of phase: draw the top layers of the pretrained encoder anew before anything is trained.

After Zhang et al. 2021, Revisiting Few-sample BERT Fine-tuning (arXiv 2006.05987). What runs a phase works on
weights, so it uses modules of xfer.core, which may change between minor versions; all else here is xfer.api.
"""

from collections.abc import Sequence
from typing import Any

from xfer.api import Phase, PlanContext, PlannedPhase, Record, Strategy, hookimpl, target_phases


class Params(Record):
    """Parameters: `--strategy 'fresh-top[layers=2]'`."""

    layers: int = 1
    """Layers that are drawn anew, from the top."""


def plan(context: PlanContext, params: Params) -> Sequence[Phase]:
    """Layers drawn anew, then the target in English, then zero-shot evaluation."""
    fresh = Phase(name="fresh", does="fresh-top", role="intermediate", params={"layers": params.layers})
    return fresh, *target_phases(context, after="fresh")


FRESH_TOP = Strategy(
    name="fresh-top",
    summary="the top layers drawn anew, then the target",
    citation="Zhang et al. 2021, Revisiting Few-sample BERT Fine-tuning, arXiv 2006.05987",
    params=Params,
    plan=plan,
)


@hookimpl
def xfer_strategies() -> Sequence[Strategy]:
    """One strategy."""
    return [FRESH_TOP]


@hookimpl
def xfer_run_phase(phase: PlannedPhase, run: Any) -> bool | None:
    """Runs phases of the kind `fresh-top`: load, change, commit. The id of the phase holds its params and seed."""
    if phase.phase.does != "fresh-top":
        return None
    from torch import nn

    from xfer.core.encoders.weights import load_encoder, write_weights
    from xfer.core.streams import torch_seeded

    encoder = load_encoder(phase, run)
    with torch_seeded(phase.seed or 0, "fresh-top"):
        for layer in encoder.layers[-phase.phase.params["layers"] :]:
            for module in layer.modules():
                if isinstance(module, nn.Linear):
                    nn.init.normal_(module.weight, std=encoder.shape.initializer_range)
                    nn.init.zeros_(module.bias)
                elif isinstance(module, nn.LayerNorm):
                    module.reset_parameters()
    with run.store.commit_phase(phase.id) as folder:
        write_weights(folder, encoder, {}, run)
    return True
