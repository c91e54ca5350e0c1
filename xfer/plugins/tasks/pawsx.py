"""PAWS-X: paraphrase identification in seven languages."""

from collections.abc import Mapping
from typing import Any

from xfer.api import Source, TaskSpec, TextExample, hookimpl
from xfer.plugins.shared import releases
from xfer.plugins.shared.labels import pair_example, right_or_wrong, score_accuracy
from xfer.plugins.shared.translated import pawsx_mt

CODES = ("de", "en", "es", "fr", "ja", "ko", "zh")
LABELS = ("0", "1")
COLUMNS = ("sentence1", "sentence2", "label")
COUNTS = {f"{split}/{code}": 2000 for split in ("dev", "test") for code in CODES} | {"train/en": 49401}
SPLITS = {"train": ("train",), "dev": ("validation",), "test": ("test",)}
LOSSY = Source(
    hub="google/xtreme",
    configs={code: f"PAWS-X.{code}" for code in CODES},
    splits=SPLITS,
    columns=COLUMNS,
    counts=COUNTS,
    note="this copy lost rows to quotation marks",
)
HUB = Source(
    hub="google-research-datasets/paws-x",
    configs={code: code for code in CODES},
    splits=SPLITS,
    columns=COLUMNS,
    counts=COUNTS,
    quoting=False,
    otherwise=LOSSY,
)


def example(row: Mapping[str, Any], language: str) -> TextExample:
    """A sentence pair; label 1 is a paraphrase."""
    return pair_example(language, (row["sentence1"], row["sentence2"]), row["label"], LABELS)


TASK = TaskSpec(
    name="pawsx",
    summary="paraphrase identification; adversarial pairs translated from English",
    citation="Yang et al. 2019, PAWS-X: A Cross-lingual Adversarial Dataset for Paraphrase Identification",
    licence="free for any purpose, acknowledgement of Google LLC appreciated",
    format="classification",
    languages=CODES,
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
    fixture=(
        {"id": 1, "sentence1": "Ann met Bo in Oslo.", "sentence2": "In Oslo, Ann met Bo.", "label": 1},
        {"id": 2, "sentence1": "Ann owes Bo money.", "sentence2": "Bo owes Ann money.", "label": 0},
    ),
)


@hookimpl
def xfer_tasks() -> list[TaskSpec]:
    """The task of this module."""
    return [TASK]
