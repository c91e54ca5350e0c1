"""SQuAD v2.0: extractive question answering with questions that have no answer."""

from xfer.api import Source, TaskSpec, hookimpl
from xfer.plugins.shared import releases, revisions
from xfer.plugins.shared.qa import COLUMNS, question_row, score_squad_v2, score_squad_v2_one, squad_v2_example

CONTEXT = "The observatory on Mount Ade opened in 1911; its telescope came from Jena."

TASK = TaskSpec(
    name="squad-v2",
    summary="extractive question answering on Wikipedia, about a third without an answer",
    citation="Rajpurkar et al. 2018, Know What You Don't Know: Unanswerable Questions for SQuAD",
    licence="CC BY-SA 4.0",
    format="span",
    languages=("en",),
    train_languages=("en",),
    source=releases.squad(
        Source(
            hub="rajpurkar/squad_v2",
            revision=revisions.SQUAD_V2,
            configs={"en": "squad_v2"},
            splits={"train": ("train",), "dev": ("validation",)},
            columns=COLUMNS,
            counts={"train/en": 130319, "dev/en": 11873},
        ),
        "2.0",
    ),
    example=squad_v2_example,
    score=score_squad_v2,
    main_score="mean_f1_em",
    score_one=score_squad_v2_one,
    eval_split="dev",
    options={"unanswerable": True},
    traps=(
        "No threshold is searched (best_f1): jiant's figures with one are invalid.",
        "Holds the questions of SQuAD v1.1, the training set of XQuAD and MLQA.",
    ),
    fixture=(
        question_row("ade-1", CONTEXT, "Where did the telescope come from?", "Jena"),
        question_row("ade-2", CONTEXT, "Who paid for the telescope?"),
    ),
)


@hookimpl
def xfer_tasks() -> list[TaskSpec]:
    """The task of this module."""
    return [TASK]
