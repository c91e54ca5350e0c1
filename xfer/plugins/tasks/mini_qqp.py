"""Miniature paraphrase detection by content, for intermediate training."""

from xfer.api import Row, TaskSpec, TextExample, hookimpl
from xfer.plugins.mini.specs import mini_task
from xfer.plugins.shared.labels import right_or_wrong, score_accuracy


def example(row: Row, language: str) -> TextExample:
    """A pair of sentences that say the same, or not."""
    return TextExample(row["id"], language, row["sentence1"], row["sentence2"], row["label"])


TASK = mini_task(
    "qqp",
    summary="miniature paraphrase detection by content, for intermediate training",
    format="classification",
    target=False,
    labels=("different", "same"),
    example=example,
    score=score_accuracy,
    main_score="accuracy",
    score_one=right_or_wrong,
)


@hookimpl
def xfer_tasks() -> list[TaskSpec]:
    """The task of this module."""
    return [TASK]
