"""Miniature mining of parallel sentences among distractors, without training."""

from xfer.api import PairExample, Row, TaskSpec, hookimpl
from xfer.plugins.mini.specs import mini_task
from xfer.plugins.shared.retrieval import score_mined, tune_threshold


def example(row: Row, language: str) -> PairExample:
    """A sentence and its English translation; a distractor has one of them only."""
    return PairExample(row["id"], language, row["source"], row["target"])


TASK = mini_task(
    "bucc",
    summary="miniature mining of parallel sentences among distractors, without training",
    format="retrieval",
    target=True,
    languages=("de", "ru", "zh"),
    train_languages=(),
    example=example,
    score=score_mined,
    main_score="f1",
    tune=tune_threshold,
)


@hookimpl
def xfer_tasks() -> list[TaskSpec]:
    """The task of this module."""
    return [TASK]
