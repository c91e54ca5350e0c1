"""Miniature running text in six languages, for continued masked LM."""

from xfer.api import LineExample, Row, TaskSpec, hookimpl
from xfer.plugins.mini.specs import mini_task
from xfer.plugins.shared.text import score_text


def example(row: Row, language: str) -> LineExample:
    """A document."""
    return LineExample(row["id"], language, row["text"])


TASK = mini_task(
    "text",
    summary="miniature running text, for continued masked LM",
    format="masked-lm",
    target=True,
    eval_split="dev",
    example=example,
    score=score_text,
    main_score="bits_per_token",
)


@hookimpl
def xfer_tasks() -> list[TaskSpec]:
    """The task of this module."""
    return [TASK]
