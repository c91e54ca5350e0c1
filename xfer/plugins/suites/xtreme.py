"""Suite `xtreme`: the nine targets of XTREME, the paper's nine intermediate tasks, its encoders and settings."""

from collections.abc import Mapping
from typing import Any

from xfer.api import ModelSpec, Suite, hookimpl

TARGETS = ("xnli", "pawsx", "udpos", "panx", "xquad", "mlqa", "tydiqa", "bucc", "tatoeba")
INTERMEDIATES = (
    "anli-plus",
    "mnli",
    "qqp",
    "squad-v1",
    "squad-v2",
    "hellaswag",
    "ccg",
    "cosmosqa",
    "commonsenseqa",
)
NLI = ("xnli", "mnli", "snli", "anli-plus")
TAGGING = ("udpos", "panx", "ccg")
QUESTIONS = ("xquad", "mlqa", "tydiqa", "squad-v1", "squad-v2")

Preset = Mapping[str, Mapping[str, Any]]


def _for(role: str, tasks: tuple[str, ...], **settings: Any) -> dict[str, dict[str, Any]]:
    return {f"{role}.{task}": settings for task in tasks}


def paper() -> Preset:
    """The authors' toolkit: jiant 2's guide to XTREME; 3 epochs of intermediate training (its default).

    The paper's own intermediate settings are not public. Question answering trains on 384 tokens.
    """
    return {
        "": {
            "learning_rate": 1e-5,
            "batch_size": 32,
            "max_length": 256,
            "warmup": 0.1,
            "keep": "best",
            "eval_every": 1000,
            "dev_limit": 500,
            "patience": 30,
        },
        "intermediate": {"epochs": 3},
        **_for("intermediate", QUESTIONS, batch_size=16, max_length=384),
        **_for("target", NLI, epochs=2),
        **_for("target", ("pawsx",), epochs=5),
        **_for("target", TAGGING, epochs=10),
        **_for("target", QUESTIONS, epochs=2, batch_size=16, max_length=384),
    }


def small() -> Preset:
    """For encoders of BERT-base size and below: higher rates, the last weights."""
    table: dict[str, dict[str, Any]] = {
        "": {"learning_rate": 5e-5, "batch_size": 32, "epochs": 2, "max_length": 128, "keep": "last"}
    }
    for role in ("intermediate", "target"):
        table |= _for(role, TAGGING, learning_rate=1e-4, epochs=5)
        table |= _for(role, QUESTIONS, learning_rate=1e-4, epochs=4, max_length=384)
        table |= _for(role, ("hellaswag", "cosmosqa"), max_length=256)
    return table


def fast() -> Preset:
    """A first look: one epoch of everything at the rates of `small`, the last weights. Scores are lower."""
    return {path: {**values, "epochs": 1} for path, values in small().items()}


def debug() -> Preset:
    """Two steps of four examples: shows that data, model and machine work together, and nothing else."""
    table: dict[str, dict[str, Any]] = {
        "": {"learning_rate": 5e-5, "batch_size": 4, "max_steps": 2, "max_length": 128, "keep": "last"}
    }
    for role in ("intermediate", "target"):
        table |= _for(role, QUESTIONS, max_length=384)
    return table


XTREME = Suite(
    name="xtreme",
    summary="XTREME (Hu et al. 2020): nine targets in up to 40 languages, nine English intermediate tasks",
    targets=TARGETS,
    intermediates=INTERMEDIATES,
    default_intermediate="mnli",
    default_model="xlm-r-large",
    text_task="mlm-text",
    presets={"paper": paper(), "small": small(), "fast": fast(), "debug": debug()},
    default_preset="paper",
    options={
        "classification": {"max_length": 256},
        "multiple-choice": {"max_length": 256},
        "tagging": {"max_length": 256},
        "span": {"max_length": 384, "step": 128},
        "retrieval": {"max_length": 512},
    },
)


def _encoder(name: str, summary: str, location: str, licence: str, layer: int) -> ModelSpec:
    options = {"retrieval": {"layer": layer, "pooling": "mean"}}
    return ModelSpec(name=name, summary=summary, location=location, licence=licence, options=options)


@hookimpl
def xfer_suites() -> list[Suite]:
    """The suite of this module."""
    return [XTREME]


@hookimpl
def xfer_models() -> list[ModelSpec]:
    """The encoders of the paper and its benchmark. Layers: XTREME's scripts; base: the same share of its depth."""
    return [
        _encoder("xlm-r-large", "XLM-R, 24 layers, 100 languages", "FacebookAI/xlm-roberta-large", "MIT", 14),
        _encoder("xlm-r-base", "XLM-R, 12 layers, 100 languages", "FacebookAI/xlm-roberta-base", "MIT", 7),
        _encoder(
            "mbert",
            "multilingual BERT, 12 layers, 104 languages",
            "google-bert/bert-base-multilingual-cased",
            "Apache-2.0",
            8,
        ),
    ]
