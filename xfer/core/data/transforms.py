"""Functions that change training examples, drawn anew each epoch: what `Phase.transform` names.

Every example of a phase goes through the function in every epoch, with a random stream of its own that follows
from the run's seed, the epoch and the example, so that a resumed run equals an uninterrupted one.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from xfer.core.records import Name, Phase, Record

if TYPE_CHECKING:
    from xfer.core.run import Toolkit


class Transform(Record):
    """A function over training examples, by name. Collected by the hook `xfer_transforms`."""

    name: Name
    version: int = 1
    summary: str
    load: Callable[[Mapping[str, Any]], Any] | None = None
    """`load(params)` once a phase; what it gives goes to `apply` in place of the params."""
    apply: Callable[..., Any]
    """`apply(example, rng, loaded)` gives an example of the same kind, answers at their places; `rng` is a NumPy
    generator."""
    fingerprint: Callable[[Mapping[str, Any]], str] | None = None
    """`fingerprint(params)` stands for the params in a phase's id, where these name files. May read them, and
    raises UserError where they are not there."""
    languages: Callable[[Mapping[str, Any]], Sequence[str]] | None = None
    """`languages(params)`: the languages whose words it brings into training."""


def identity(phase: Phase, toolkit: "Toolkit") -> list[Any] | None:
    """What a phase's id holds of its transform: full name, version, and that of its plugin."""
    if phase.transform is None:
        return None
    registry = toolkit.transforms
    full, transform = registry.full_name(phase.transform), registry.get(phase.transform)
    return [full, transform.version, toolkit.manager.versions().get(registry.owner(transform), "")]


def params_identity(phase: Phase, toolkit: "Toolkit") -> Any:
    """The phase's parameters, or what its transform says that they stand for."""
    transform = toolkit.transforms.get(phase.transform) if phase.transform else None
    if transform is None or transform.fingerprint is None:
        return dict(phase.params)
    return transform.fingerprint(phase.params)
