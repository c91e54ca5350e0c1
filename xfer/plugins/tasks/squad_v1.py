"""SQuAD v1.1: extractive question answering in English; the training set of XQuAD and MLQA."""

from xfer.api import Source, TaskSpec, hookimpl
from xfer.plugins.shared import releases, revisions
from xfer.plugins.shared.qa import COLUMNS, question_row, score_squad, score_squad_one, squad_example
from xfer.plugins.shared.translated import squad_mt

CONTEXT = "The lighthouse on Gull Rock was lit in 1884 and is kept by volunteers."

TASK = TaskSpec(
    name="squad-v1",
    summary="extractive question answering on Wikipedia, every question answerable",
    citation="Rajpurkar et al. 2016, SQuAD: 100,000+ Questions for Machine Comprehension of Text",
    licence="CC BY-SA 4.0",
    format="span",
    languages=("en",),
    train_languages=("en",),
    source=releases.squad(
        Source(
            hub="rajpurkar/squad",
            revision=revisions.SQUAD_V1,
            configs={"en": "plain_text"},
            splits={"train": ("train",), "dev": ("validation",)},
            columns=COLUMNS,
            counts={"train/en": 87599, "dev/en": 10570},
        ),
        "1.1",
        train="3527663986b8295af4f7fcdff1ba1ff3f72d07d61a20f487cb238a6ef92fd955",
        dev="95aa6a52d5d6a735563366753ca50492a658031da74f301ac5238b03966972c9",
    ),
    made={"mt": squad_mt()},
    example=squad_example,
    score=score_squad,
    main_score="mean_f1_em",
    score_one=score_squad_one,
    eval_split="dev",
    traps=("Training set of XQuAD and MLQA: as intermediate task before them the same rows are seen twice.",),
    fixture=(
        question_row("light-1", CONTEXT, "When was the lighthouse lit?", "1884", "in 1884"),
        question_row("light-2", CONTEXT, "Who keeps the lighthouse?", "volunteers"),
    ),
)


@hookimpl
def xfer_tasks() -> list[TaskSpec]:
    """The task of this module."""
    return [TASK]
