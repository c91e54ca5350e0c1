"""Miniature multiple choice over a story."""

from xfer.api import ChoiceExample, Row, TaskSpec, hookimpl
from xfer.plugins.mini.specs import mini_task
from xfer.plugins.shared.labels import right_or_wrong, score_accuracy


def example(row: Row, language: str) -> ChoiceExample:
    """A prompt with its continuations."""
    return ChoiceExample(row["id"], language, row["prompt"], tuple(row["choices"]), row["label"])


TASK = mini_task(
    "cosmosqa",
    summary="miniature multiple choice over a story",
    format="multiple-choice",
    target=False,
    example=example,
    score=score_accuracy,
    main_score="accuracy",
    score_one=right_or_wrong,
)


@hookimpl
def xfer_tasks() -> list[TaskSpec]:
    """The task of this module."""
    return [TASK]
