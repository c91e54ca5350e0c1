"""ANLI+: SNLI, MultiNLI and the three rounds of ANLI behind one head."""

from xfer.api import Source, TaskSpec, hookimpl
from xfer.plugins.shared import revisions
from xfer.plugins.shared.labels import NLI, nli_example, right_or_wrong, score_accuracy


def part(hub: str, revision: str, config: str, train: str, dev: str, counts: tuple[int, int]) -> Source:
    """One of the joined data sets: its own splits, and their published numbers of rows."""
    return Source(
        hub=hub,
        revision=revision,
        configs={"en": config},
        splits={"train": tuple(train.split()), "dev": tuple(dev.split())},
        columns=("premise", "hypothesis", "label"),
        counts=dict(zip(("train/en", "dev/en"), counts, strict=True)),
    )


SNLI = part("stanfordnlp/snli", revisions.SNLI, "plain_text", "train", "validation", (550152, 10000))
MNLI = part("nyu-mll/glue", revisions.GLUE, "mnli", "train", "validation_matched", (392702, 9815))
_SPLITS = ("train_r1 train_r2 train_r3", "dev_r1 dev_r2 dev_r3")
ANLI = part("facebook/anli", revisions.ANLI, "plain_text", *_SPLITS, (162865, 3200))


TASK = TaskSpec(
    name="anli-plus",
    summary="natural language inference: SNLI, MultiNLI and adversarial NLI in one",
    citation="Nie et al. 2020, Adversarial NLI; with Bowman et al. 2015 (SNLI) and Williams et al. 2018 (MultiNLI)",
    licence="by part: CC BY-SA 4.0 (SNLI), several (MultiNLI), CC BY-NC 4.0 (ANLI)",
    format="classification",
    languages=("en",),
    train_languages=("en",),
    labels=NLI,
    source=(SNLI, MNLI, ANLI),
    example=nli_example,
    score=score_accuracy,
    main_score="accuracy",
    score_one=right_or_wrong,
    eval_split="dev",
    traps=(
        "Rows without a label (SNLI, round 3 of ANLI) are dropped; 1,104,934 training rows remain.",
        "Holds MultiNLI, the training set of XNLI. A limit takes rows evenly from all parts.",
    ),
    fixture=(
        {"premise": "The kiln is cold.", "hypothesis": "The kiln is hot.", "label": 2},
        {"uid": "r1-1", "premise": "Ada wrote a letter.", "hypothesis": "Ada wrote.", "label": 0, "reason": ""},
        {"premise": "A lamp is lit.", "hypothesis": "It is midnight.", "label": 1, "idx": 4},
    ),
)


@hookimpl
def xfer_tasks() -> list[TaskSpec]:
    """The task of this module."""
    return [TASK]
