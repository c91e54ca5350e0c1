"""SQuAD v1.1: extractive question answering in English; the training set of XQuAD and MLQA."""

from xfer.api import Source, TaskSpec, hookimpl
from xfer.plugins.shared.qa import COLUMNS, score_squad, score_squad_one, squad_example

CONTEXT = "The lighthouse on Gull Rock was lit in 1884 and is kept by volunteers."

TASK = TaskSpec(
    name="squad-v1",
    summary="extractive question answering on Wikipedia, every question answerable",
    citation="Rajpurkar et al. 2016, SQuAD: 100,000+ Questions for Machine Comprehension of Text",
    licence="CC BY-SA 4.0",
    format="span",
    languages=("en",),
    train_languages=("en",),
    source=Source(
        hub="rajpurkar/squad",
        configs={"en": "plain_text"},
        splits={"train": ("train",), "dev": ("validation",)},
        columns=COLUMNS,
        counts={"train/en": 87599, "dev/en": 10570},
    ),
    example=squad_example,
    score=score_squad,
    main_score="mean_f1_em",
    score_one=score_squad_one,
    eval_split="dev",
    traps=("Training set of XQuAD and MLQA: as intermediate task before them the same rows are seen twice.",),
    fixture=(
        {
            "id": "light-1",
            "title": "Gull Rock",
            "context": CONTEXT,
            "question": "When was the lighthouse lit?",
            "answers": {"text": ["1884", "in 1884"], "answer_start": [39, 36]},
        },
        {
            "id": "light-2",
            "title": "Gull Rock",
            "context": CONTEXT,
            "question": "Who keeps the lighthouse?",
            "answers": {"text": ["volunteers"], "answer_start": [59]},
        },
    ),
)


@hookimpl
def xfer_tasks() -> list[TaskSpec]:
    """The task of this module."""
    return [TASK]
