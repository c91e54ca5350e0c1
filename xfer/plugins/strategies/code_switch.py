"""Code-switching: words replaced from bilingual dictionaries while training, drawn anew each epoch."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from xfer.api import (
    Example,
    Listed,
    Phase,
    PlanContext,
    Record,
    Strategy,
    Transform,
    hookimpl,
    wrapped_phases,
)
from xfer.plugins.shared.dictionaries import dictionary_files, files_fingerprint, read_dictionaries, switched


class Params(Record):
    """Parameters of `code-switch`."""

    of: str = "none"
    """The strategy whose training is switched: `NAME` or `NAME[key=value,…]`."""
    dictionaries: str = "dictionaries"
    """Folder with your dictionaries, in MUSE's format: en-de.txt, en-sw.txt, …"""
    languages: Listed = ()
    """Languages of the dictionaries; empty: all in the folder."""
    words: float = 0.5
    """Share of the words that a dictionary has, which are replaced."""
    examples: float = 1.0
    """Share of the examples that are switched at all."""
    role: Literal["target", "intermediate", "all"] = "target"
    """In which training phases."""


def plan(context: PlanContext, params: Params) -> Sequence[Phase]:
    """The wrapped plan with the transform `code-switch` in its training phases."""
    own = {
        "dictionaries": params.dictionaries,
        "languages": list(params.languages),
        "words": params.words,
        "examples": params.examples,
    }
    return [
        phase.model_copy(update={"transform": "xfer/code-switch", "params": {**phase.params, **own}})
        if phase.does == "train" and params.role in ("all", phase.role)
        else phase
        for phase in wrapped_phases(context, params.of)
    ]


def load(params: Mapping[str, Any]) -> tuple[Any, float, float]:
    """Dictionaries, share of words, share of examples."""
    read = read_dictionaries(params["dictionaries"], tuple(params["languages"]))
    return read, params["words"], params["examples"]


def apply(example: Example, rng: Any, loaded: tuple[Any, float, float]) -> Example:
    """Switch the words of an English example; others stay as they are."""
    dictionaries, words, examples = loaded
    if rng.random() >= examples or example.language != "en":
        return example
    return switched(example, rng, dictionaries, words)


def fingerprint(params: Mapping[str, Any]) -> str:
    """The shares, and the contents of the dictionaries."""
    contents = files_fingerprint(params["dictionaries"], params["languages"])
    return f"{contents} words={params['words']} examples={params['examples']}"


def languages(params: Mapping[str, Any]) -> Sequence[str]:
    """The languages that words come from."""
    return list(dictionary_files(params["dictionaries"], params["languages"]))


CODE_SWITCH = Strategy(
    name="code-switch",
    summary="English training with words replaced from bilingual dictionaries, anew each epoch",
    citation="Qin et al. 2020, CoSDA-ML, arXiv 2006.06402; MUSE: Conneau et al. 2018, arXiv 1710.04087",
    params=Params,
    plan=plan,
)
TRANSFORM = Transform(
    name="code-switch",
    summary="words of English examples replaced from bilingual dictionaries",
    load=load,
    apply=apply,
    fingerprint=fingerprint,
    languages=languages,
)


@hookimpl
def xfer_strategies() -> Sequence[Strategy]:
    """One strategy."""
    return [CODE_SWITCH]


@hookimpl
def xfer_transforms() -> Sequence[Transform]:
    """The transform that it names."""
    return [TRANSFORM]
