"""PAWS-X: paraphrase identification in seven languages."""

from collections.abc import Mapping
from typing import Any

from xfer.api import Source, TaskSpec, TextExample, hookimpl
from xfer.plugins.shared import published, releases, revisions
from xfer.plugins.shared.labels import fixture_rows, pair_example, right_or_wrong, score_accuracy
from xfer.plugins.shared.translated import pawsx_mt

LABELS = ("0", "1")
COLUMNS = ("sentence1", "sentence2", "label")


def copy(hub: str, config: str, **fields: Any) -> Source:
    """One of the hub's copies."""
    configs = {code: config + code for code in published.PAWSX_LANGUAGES}
    splits = releases.HUB_SPLITS
    return Source(hub=hub, configs=configs, splits=splits, columns=COLUMNS, counts=published.PAWSX, **fields)


LOSSY = copy("google/xtreme", "PAWS-X.", note="this copy lost rows to quotation marks")
HUB = copy("google-research-datasets/paws-x", "", revision=revisions.PAWSX, quoting=False, otherwise=LOSSY)


def example(row: Mapping[str, Any], language: str) -> TextExample:
    """A sentence pair; label 1 is a paraphrase."""
    return pair_example(language, (row["sentence1"], row["sentence2"]), row["label"], LABELS)


TASK = TaskSpec(
    name="pawsx",
    version=2,
    summary="paraphrase identification; adversarial pairs translated from English",
    citation="Yang et al. 2019, PAWS-X: A Cross-lingual Adversarial Dataset for Paraphrase Identification",
    licence="free for any purpose, acknowledgement of Google LLC appreciated",
    format="classification",
    languages=published.PAWSX_LANGUAGES,
    train_languages=("en",),
    labels=LABELS,
    source=releases.pawsx(HUB),
    made={"mt": pawsx_mt()},
    example=example,
    parallel=True,
    score=score_accuracy,
    main_score="accuracy",
    score_one=right_or_wrong,
    traps=(
        "Some translated rows are the placeholder NS; XTREME keeps them, and so does xfer.",
        "In google/xtreme 49,175 of the 49,401 English training rows are left.",
    ),
    fixture=fixture_rows(
        COLUMNS, ("Ann met Bo in Oslo.", "In Oslo, Ann met Bo.", 1), ("Ann owes Bo money.", "Bo owes Ann money.", 0)
    ),
)


@hookimpl
def xfer_tasks() -> list[TaskSpec]:
    """The task of this module."""
    return [TASK]
