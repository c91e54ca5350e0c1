"""A format and a transform: classification with smoothed labels, and words that are left out at random."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from xfer.api import Format, Record, TextExample, Transform, hookimpl


class SmoothOptions(Record):
    """Options of `smooth-classification`: `--set smooth-classification.smoothing=0.2`."""

    max_length: int = 128
    smoothing: float = 0.1


@hookimpl
def xfer_formats() -> Sequence[Format]:
    """A task says `format="smooth-classification"`. The implementation is imported when something is computed."""
    return [
        Format(
            name="smooth-classification",
            summary="classification with smoothed labels (Szegedy et al. 2016, arXiv 1512.00567)",
            options=SmoothOptions,
            implementation="smooth_format:Smooth",
        )
    ]


def leave_out(example: TextExample, rng: Any, params: Mapping[str, Any]) -> TextExample:
    """Each word goes with probability `share` (default 0.1), but never all of them."""
    words = example.text.split()
    kept = [word for word in words if rng.random() >= params.get("share", 0.1)]
    return replace(example, text=" ".join(kept or words))


@hookimpl
def xfer_transforms() -> Sequence[Transform]:
    """A phase names it: `Phase(..., transform="leave-out", params={"share": 0.2})`."""
    return [Transform(name="leave-out", summary="words left out at random", apply=leave_out)]
