"""The bundled suite: everything generated, everything offline."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from xfer.api import ModelSpec, PretrainRecipe, PretrainStage, Row, Suite, TaskSpec, hookimpl
from xfer.plugins.mini.documents import documents
from xfer.plugins.mini.rows import LANGUAGES, rows
from xfer.plugins.mini.translations import translated

RECIPE = PretrainRecipe(
    documents=documents,
    languages=LANGUAGES,
    vocabulary=4000,
    tokeniser_documents=6000,
    config={
        "hidden_size": 96,
        "num_attention_heads": 3,
        "intermediate_size": 288,
        "max_position_embeddings": 162,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "layer_norm_eps": 1e-5,
        "initializer_range": 0.05,
    },
    stages=(
        PretrainStage(
            steps=3000,
            layers=3,
            learning_rate=2e-3,
            warmup=0.03,
            decay="constant",
            translation_share=0.75,
            restart_share=1.0,
            simple_share=0.75,
        ),
        PretrainStage(
            steps=5000, layers=3, learning_rate=2e-3, translation_share=0.75, restart_share=0.4, simple_share=0.35
        ),
        PretrainStage(
            steps=16000, layers=4, learning_rate=1.5e-3, translation_share=0.7, restart_share=0.4, simple_share=0.3
        ),
    ),
)


def _named(names: str) -> tuple[str, ...]:
    return tuple(f"mini-{name}" for name in names.split())


PRESET: dict[str, dict[str, Any]] = {
    "": {
        "learning_rate": 5e-4,
        "batch_size": 16,
        "epochs": 6,
        "max_length": 128,
        "frozen_layers": 1,
        "adam_betas": (0.9, 0.98),
    },
    "intermediate": {"learning_rate": 8e-4, "epochs": 4},
    "target.mini-pawsx": {"epochs": 4},
}
SUITE = Suite(
    name="mini",
    summary="nine miniature targets and nine miniature intermediate tasks, generated; runs offline in a minute",
    targets=_named("xnli pawsx udpos panx xquad mlqa tydiqa bucc tatoeba"),
    intermediates=_named("mnli anli qqp squad-v1 squad-v2 hellaswag ccg cosmosqa commonsenseqa"),
    default_intermediate="mini-mnli",
    default_model="mini-xlmr",
    text_task="mini-text",
    translated="gold",
    presets={
        "mini": PRESET,
        "fast": {path: values | ({"epochs": 1} if "epochs" in values else {}) for path, values in PRESET.items()},
        "debug": {"": {"learning_rate": 5e-4, "batch_size": 4, "max_steps": 2, "max_length": 128}},
    },
    default_preset="mini",
    options={
        "classification": {"max_length": 128},
        "multiple-choice": {"max_length": 128},
        "span": {"max_length": 128, "step": 64, "max_question": 40, "max_answer": 12},
        "tagging": {"label_piece": "first-content"},
        "retrieval": {"max_length": 128, "special_tokens": False},
        "masked-lm": {"max_length": 128},
    },
    pretrain=RECIPE,
    note="Suite mini is generated and tiny: a demonstration and a test bed, not a replication of the paper.",
)

MODEL = ModelSpec(
    name="mini-xlmr",
    summary="0.8 M parameters, XLM-R architecture, pretrained on generated text (masked LM and translation LM)",
    location="package:xfer.plugins.mini/assets",
    licence="Apache-2.0",
)


@hookimpl
def xfer_suites() -> list[Suite]:
    """The suite of this module."""
    return [SUITE]


@hookimpl
def xfer_models() -> list[ModelSpec]:
    """Its pretrained model."""
    return [MODEL]


@hookimpl
def xfer_load_rows(task: TaskSpec, split: str, language: str, via: str) -> Iterator[Row] | None:
    """Translations of generated rows: the generator's own ("gold"), and the same with noise ("noisy")."""
    generated = isinstance(task.rows, partial) and task.rows.func is rows
    if via not in ("gold", "noisy") or not generated:
        return None
    assert isinstance(task.rows, partial)
    return translated(task.rows.args[0], split, language, via)
