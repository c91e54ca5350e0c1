"""MultiNLI: natural language inference in English; XNLI's training set."""

from xfer.api import Source, TaskSpec, hookimpl
from xfer.plugins.shared import revisions
from xfer.plugins.shared.labels import NLI, nli_example, right_or_wrong, score_accuracy
from xfer.plugins.shared.translated import xnli_mt

TASK = TaskSpec(
    name="mnli",
    summary="natural language inference in ten genres of English",
    citation="Williams et al. 2018, A Broad-Coverage Challenge Corpus for Sentence Understanding through Inference",
    licence="OANC, CC BY 3.0, CC BY-SA 3.0 and others, by part",
    format="classification",
    languages=("en",),
    train_languages=("en",),
    labels=NLI,
    source=Source(
        hub="nyu-mll/glue",
        revision=revisions.GLUE,
        configs={"en": "mnli"},
        splits={"train": ("train",), "dev": ("validation_matched",), "mismatched": ("validation_mismatched",)},
        columns=("premise", "hypothesis", "label"),
        counts={"train/en": 392702, "dev/en": 9815, "mismatched/en": 9832},
    ),
    made={"mt": xnli_mt()},
    example=nli_example,
    score=score_accuracy,
    main_score="accuracy",
    score_one=right_or_wrong,
    eval_split="dev",
    traps=("GLUE withholds the labels of the test sets; dev is the matched set, as in jiant.",),
    fixture=(
        {"premise": "It rained all week.", "hypothesis": "The week was dry.", "label": 2, "idx": 0},
        {"premise": "He waved and left.", "hypothesis": "He went away.", "label": 0, "idx": 1},
        {"premise": "The shop sells lamps.", "hypothesis": "The lamps are cheap.", "label": 1, "idx": 2},
    ),
)


@hookimpl
def xfer_tasks() -> list[TaskSpec]:
    """The task of this module."""
    return [TASK]
