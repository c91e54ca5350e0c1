"""Miniature retrieval of translations among 300 sentences, without training."""

from xfer.api import PairExample, Row, TaskSpec, hookimpl
from xfer.plugins.mini.rows import LANGUAGES
from xfer.plugins.mini.specs import mini_task
from xfer.plugins.shared.retrieval import found_or_not, score_found


def example(row: Row, language: str) -> PairExample:
    """A sentence and its English translation."""
    return PairExample(row["id"], language, row["source"], row["target"])


TASK = mini_task(
    "tatoeba",
    summary="miniature retrieval of translations, without training",
    format="retrieval",
    target=True,
    languages=tuple(code for code in LANGUAGES if code != "en"),
    train_languages=(),
    example=example,
    score=score_found,
    main_score="accuracy",
    score_one=found_or_not,
)


@hookimpl
def xfer_tasks() -> list[TaskSpec]:
    """The task of this module."""
    return [TASK]
