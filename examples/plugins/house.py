"""A house's own names: an encoder, a suite, rows that were made by hand, and a translator."""

import os
from collections.abc import Iterable, Sequence

from xfer.api import ModelSpec, Row, Suite, TaskSpec, hookimpl

ENGLISH_GERMAN = {"a": "ein", "the": "der", "and": "und", "not": "nicht", "every": "jeder", "no": "kein"}


@hookimpl
def xfer_models() -> Sequence[ModelSpec]:
    """`--model house-encoder`: a folder by a short name, with its retrieval layer."""
    folder = os.environ.get("HOUSE_ENCODER", "encoder")
    options = {"retrieval": {"layer": 1}}
    return [ModelSpec(name="house-encoder", summary="the house's encoder", location=folder, options=options)]


@hookimpl
def xfer_suites() -> Sequence[Suite]:
    """`--suite house`: two targets, one intermediate task, settings for a first look."""
    return [
        Suite(
            name="house",
            summary="two miniature targets with the house's encoder",
            targets=("mini-xnli", "mini-tatoeba"),
            intermediates=("mini-mnli",),
            default_intermediate="mini-mnli",
            default_model="house-encoder",
            presets={"house": {"": {"batch_size": 4, "max_steps": 2, "max_length": 64}}},
            default_preset="house",
        )
    ]


@hookimpl
def xfer_load_rows(task: TaskSpec, split: str, language: str, via: str) -> Iterable[Row] | None:
    """Rows made otherwise, by name: `translated-stilts[via=shouted]` reads these. None: not ours."""
    if via != "shouted" or task.rows is None:
        return None
    return ({**row, "premise": str(row["premise"]).upper()} for row in task.rows(split, "en"))


@hookimpl
def xfer_translate(texts: Sequence[str], source: str, target: str) -> list[str] | None:
    """Word by word, for demonstration; [] for no texts says that the pair of languages is ours."""
    if (source, target) != ("en", "de"):
        return None
    return [" ".join(ENGLISH_GERMAN.get(word, word) for word in text.split()) for text in texts]
