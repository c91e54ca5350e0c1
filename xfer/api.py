"""All that a plugin may import. `__all__` is the compatibility promise; nothing here loads torch or numpy.

The metrics of retrieval need numpy and are imported at first use.
"""

# A name a line would hide the groups; the order within a group is alphabetical.
# ruff: noqa: I001, RUF022
# fmt: off
from typing import TYPE_CHECKING, Any

from xfer.core.errors import DataError, UnknownName, UserError, near
from xfer.core.examples import (
    Answer, ChoiceExample, Example, LineExample, PairExample, Row, SpanExample, TaggedExample, TextExample,
)
from xfer.core.grid.executors import executor_options
from xfer.core.grid.jobs import Ended, Executor, Job, JobProcess, job_threads
from xfer.core.hookspecs import hookimpl
from xfer.core.languages import LANGUAGES, Language
from xfer.core.manager import StopRun
from xfer.core.metrics import (
    accuracy, binary_f1, chunk_f1, chunks, mean, mlqa_exact_match, mlqa_f1, mlqa_scores, normalise_mlqa,
    normalise_squad, qa_mean, squad_exact_match, squad_f1, squad_scores, squad_v2_exact_match, squad_v2_f1,
    squad_v2_scores, standard_error, token_accuracy,
)
from xfer.core.records import (
    PRETRAINED, Cell, Format, ModelSpec, Name, NoParams, Phase, Plan, PlanContext, PlannedPhase, PretrainRecipe,
    PretrainStage, Problem, Record, ResultRow, Sampling, Source, Strategy, Suite, TaskSpec, TaskUse,
    TrainSettings,
)
from xfer.core.data.transforms import Transform
from xfer.core.plans.strategy_steps import (
    ENGLISH, Listed, Numbers, intermediate_phases, other_languages, target_phases, text_use, translations,
    with_budget, with_sampling, wrapped_phases,
)

if TYPE_CHECKING:
    from xfer.core.metrics.retrieval import (
        accuracy_at_1, best_threshold, mine, mining_f1, nearest, occurring_once, tatoeba_accuracy, unique_texts,
    )

__all__ = [
    # hooks
    "StopRun", "hookimpl",
    # tasks, suites, models
    "Format", "ModelSpec", "Name", "PretrainRecipe", "PretrainStage", "Record", "Source", "Suite", "TaskSpec",
    # languages of XTREME, by code
    "LANGUAGES", "Language",
    # examples
    "Answer", "ChoiceExample", "Example", "LineExample", "PairExample", "Row", "SpanExample", "TaggedExample",
    "TextExample",
    # strategies and what becomes of them
    "Cell", "NoParams", "Phase", "Plan", "PlanContext", "PlannedPhase", "Problem", "ResultRow", "Sampling",
    "Strategy", "TaskUse", "TrainSettings", "Transform", "intermediate_phases", "target_phases",
    # parts of plans
    "ENGLISH", "PRETRAINED", "Listed", "Numbers", "other_languages", "text_use", "translations", "with_budget",
    "with_sampling",
    "wrapped_phases",
    # executors: what runs the phases as jobs
    "Ended", "Executor", "Job", "JobProcess", "executor_options", "job_threads",
    # errors
    "DataError", "UnknownName", "UserError", "near",
    # metrics, in points
    "accuracy", "binary_f1", "chunk_f1", "chunks", "mean", "mlqa_exact_match", "mlqa_f1", "mlqa_scores",
    "normalise_mlqa", "normalise_squad", "qa_mean", "squad_exact_match", "squad_f1", "squad_scores",
    "squad_v2_exact_match", "squad_v2_f1", "squad_v2_scores", "standard_error", "token_accuracy",
    # metrics of retrieval, imported at first use
    "accuracy_at_1", "best_threshold", "mine", "mining_f1", "nearest", "occurring_once", "tatoeba_accuracy",
    "unique_texts",
]
# fmt: on


def __getattr__(name: str) -> Any:
    if name in __all__:
        from xfer.core.metrics import retrieval

        return getattr(retrieval, name)
    raise AttributeError(f"module 'xfer.api' has no attribute {name!r}")
