"""SNLI: natural language inference on image captions, a part of ANLI+."""

from xfer.api import Source, TaskSpec, hookimpl
from xfer.plugins.shared import releases, revisions
from xfer.plugins.shared.labels import NLI, nli_example, right_or_wrong, score_accuracy

TASK = TaskSpec(
    name="snli",
    summary="natural language inference on image captions",
    citation="Bowman et al. 2015, A large annotated corpus for learning natural language inference",
    licence="CC BY-SA 4.0",
    format="classification",
    languages=("en",),
    train_languages=("en",),
    labels=NLI,
    source=Source(
        hub="stanfordnlp/snli",
        revision=revisions.SNLI,
        configs={"en": "plain_text"},
        splits=releases.HUB_SPLITS,
        columns=("premise", "hypothesis", "label"),
        counts={"train/en": 550152, "dev/en": 10000, "test/en": 10000},
    ),
    example=nli_example,
    score=score_accuracy,
    main_score="accuracy",
    score_one=right_or_wrong,
    traps=("Rows without a majority label have label -1; they are dropped and counted (785 in training).",),
    fixture=(
        {"premise": "A girl climbs a tree.", "hypothesis": "A girl is outdoors.", "label": 0},
        {"premise": "Two men play chess.", "hypothesis": "The men are brothers.", "label": 1},
        {"premise": "A dog runs on sand.", "hypothesis": "A dog sleeps.", "label": 2},
        {"premise": "A crowd waits.", "hypothesis": "People are angry.", "label": -1},
    ),
)


@hookimpl
def xfer_tasks() -> list[TaskSpec]:
    """The task of this module."""
    return [TASK]
