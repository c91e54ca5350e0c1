"""The records that plugins hand over and plans are made of. Frozen, checked, free of torch."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

from pydantic import ConfigDict, Field

from xfer.core.record import Name as Name
from xfer.core.record import Record as Record
from xfer.core.record import Reference as Reference
from xfer.core.task_records import Format as Format
from xfer.core.task_records import Source as Source
from xfer.core.task_records import TaskSpec as TaskSpec

# ---------------------------------------------------------------- training


class TrainSettings(Record):
    """Hyperparameters of one training phase."""

    learning_rate: float = Field(1e-5, gt=0)
    batch_size: int = Field(32, ge=1)
    """Examples in an optimizer step (windows for `span`)."""
    epochs: float = Field(3.0, gt=0)
    max_steps: int | None = Field(None, ge=1)
    """Optimizer steps, instead of `epochs`."""
    max_length: int = Field(256, ge=8)
    """Tokens in a sequence, special tokens included."""
    warmup: float = Field(0.1, ge=0, le=1)
    """Share of the steps in which the learning rate rises."""
    decay: Literal["linear", "constant"] = "linear"
    weight_decay: float = Field(0.01, ge=0)
    clip_norm: float = Field(1.0, gt=0)
    adam_epsilon: float = Field(1e-8, gt=0)
    adam_betas: tuple[float, float] = (0.9, 0.999)
    keep: Literal["last", "best"] = "last"
    """Which weights the phase ends with: the last, or the best on English dev."""
    eval_every: int = Field(1000, ge=1)
    """Steps between evaluations on English dev, with `keep=best`."""
    dev_limit: int = Field(500, ge=1)
    patience: int = Field(30, ge=1)
    """Evaluations without gain after which a phase with `keep=best` stops."""
    micro_batch_tokens: int = Field(16384, ge=64)
    """Tokens in one forward pass; a larger step is accumulated."""
    frozen_layers: int = Field(-1, ge=-1)
    """-1 trains everything, 0 freezes the embeddings, n also the first n layers."""
    snapshots: int = Field(0, ge=0)
    """Weights kept at so many evenly spaced steps, the last one included, for `average`."""


class Sampling(Record):
    """How several tasks share the steps of one phase (jiant draws one task a step, and so does xfer)."""

    kind: Literal["proportional", "temperature", "uniform", "weights"] = "proportional"
    cap: int | None = Field(None, ge=1)
    """Sizes above this count as this (`proportional`, `temperature`)."""
    temperature: float = Field(1.0, gt=0)
    """Sizes are raised to 1/temperature."""


class TaskUse(Record):
    """A task as a phase uses it."""

    task: Reference
    languages: tuple[str, ...] = ("en",)
    split: str = "train"
    via: Name = "original"
    """"original" rows, or how others were made ("mt", "gold", …)."""
    weight: float | None = Field(None, gt=0)
    """Share of the steps, with `sampling.kind=weights`."""
    cap: int | None = Field(None, ge=1)
    """At most so many examples a language."""
    total: int | None = Field(None, ge=1)
    """At most so many examples over all languages, as evenly as their sizes allow (after `cap`)."""
    disjoint: bool = False
    """Each position belongs to one language, drawn by hash: no row is used in two translations."""
    exponent: float | None = Field(None, ge=0, le=1)
    """Languages are drawn in proportion to their sizes to this power, instead of their sizes."""
    steps_ratio: float | None = Field(None, gt=0)
    """Steps for each step of the uses without a ratio, which they come on top of; size does not matter then."""
    counts_only: bool = False
    """Nothing is trained on it: its steps only say how many the uses with a `steps_ratio` get."""
    where_present: bool = False
    """Languages without rows are left out, and told; otherwise they are an error in training."""
    loss_weight: float = Field(1.0, gt=0)
    """Factor on the loss, before the gradient is clipped."""
    options: Mapping[str, Any] = {}
    """Options of the format that the strategy fixes."""


PRETRAINED = "pretrained"
"""In `starts_from` of a phase with several parents: the pretrained model."""


class Phase(Record):
    """One step of a plan. `starts_from` names earlier phases of the same plan; none: the pretrained model."""

    name: Name
    does: Name = "train"
    """"train", "evaluate", "average", "combine", "select", "translate", or a kind that a plugin's
    `xfer_run_phase` answers."""
    role: Literal["intermediate", "target", "evaluation"] = "target"
    """Whose settings apply: `intermediate.<task>` or `target.<task>`."""
    uses: tuple[TaskUse, ...] = ()
    starts_from: tuple[str, ...] = ()
    """Whose weights: one phase for `train` and `evaluate`, several for `average`, `combine` ("pretrained" may be
    among them) and `select`."""
    needs: tuple[str, ...] = ()
    """Earlier phases that must be done but lend no weights (`translate`)."""
    heads: Literal["fresh", "keep"] = "fresh"
    sampling: Sampling = Sampling()
    transform: Reference | None = None
    """A `Transform` by name: changes every training example, drawn anew each epoch. `params` are its parameters."""
    pooling: str = Field("last", pattern=r"^(last|attention|\d{1,3})$")
    """What the heads read: the last layer, a layer by number (0: embeddings), or attention over all layers."""
    overrides: Mapping[str, Any] = {}
    """Fields of `TrainSettings` that the strategy fixes."""
    params: Mapping[str, Any] = {}
    """Parameters of the kind of phase, or of its transform."""


class PlanContext(Record):
    """What a strategy may know when it plans: no disk, no network, no torch."""

    target: TaskSpec
    training: TaskSpec | None
    """The task that holds the target's English training set; None for retrieval."""
    tasks: Mapping[str, TaskSpec]
    suite: "Suite"
    strategies: Mapping[str, "Strategy"] = {}
    """What a strategy may wrap."""

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages that the target is evaluated in."""
        return self.target.languages


class NoParams(Record):
    """A strategy without parameters."""


class Strategy(Record):
    """A way to get from the pretrained model to a target's scores: `plan(context, params)` is pure."""

    name: Name
    summary: str
    citation: str = ""
    params: type[Record] = NoParams
    plan: Callable[[PlanContext, Any], Sequence[Phase]]


class Suite(Record):
    """A named set of targets and intermediate tasks with their defaults.

    `presets` maps a preset's name to settings by path: "" for all phases, "target", "intermediate",
    "target.<task>" and "intermediate.<task>"; the more special wins.
    """

    name: Name
    summary: str
    targets: tuple[Reference, ...]
    intermediates: tuple[Reference, ...]
    default_intermediate: str
    default_model: str
    text_task: Reference | None = None
    """The task with running text for continued masked LM."""
    translated: Name = "mt"
    """The `via` of translated rows, where a strategy is not told another."""
    presets: Mapping[str, Mapping[str, Mapping[str, Any]]]
    default_preset: str
    options: Mapping[str, Mapping[str, Any]] = {}
    """Format options of the suite, by format."""
    pretrain: "PretrainRecipe | None" = None
    note: str = ""
    """Printed wherever the suite's numbers appear."""


class PretrainStage(Record):
    """One stage of pretraining on generated documents, one epoch over `steps` batches of new ones."""

    steps: int = Field(ge=1)
    layers: int = Field(ge=1)
    """More layers than the stage before: the new ones start as copies of its last."""
    learning_rate: float = Field(gt=0)
    warmup: float = Field(0.01, ge=0, le=1)
    decay: Literal["linear", "constant"] = "linear"
    translation_share: float = Field(ge=0, le=1)
    """Share of examples that are a text with its translation (translation LM, Conneau & Lample 2019)."""
    restart_share: float = Field(ge=0, le=1)
    """Share of these in which positions restart in the second text."""
    simple_share: float = Field(ge=0, le=1)
    """Share of single-sentence documents."""


class PretrainRecipe(Record):
    """How a suite's own checkpoint is made. Tokeniser, weights and data follow from `seed`."""

    documents: Callable[[int, int, float], Iterable[Callable[[str], str]]]
    """`documents(seed, count, simple_share)` yields functions from a language to a text."""
    languages: tuple[str, ...]
    vocabulary: int
    tokeniser_documents: int
    config: Mapping[str, Any]
    """Fields of `XLMRobertaConfig`, without `vocab_size` and `num_hidden_layers`."""
    stages: tuple[PretrainStage, ...]
    batch_size: int = 32
    masking: float = 0.2
    seed: int = 0


class ModelSpec(Record):
    """A pretrained encoder by a short name, with its defaults for retrieval."""

    name: Name
    summary: str
    location: str
    """A hub id, or a folder ("package:…" for one inside a package)."""
    revision: str = "main"
    licence: str = ""
    options: Mapping[str, Mapping[str, Any]] = {}
    """Format options that fit this encoder, by format."""


class Problem(Record):
    """Something that did not stop the run but must be told."""

    stage: str
    """load, plan, data, train, evaluate, observe, …"""
    message: str
    plugin: str = ""
    distribution: str = ""
    version: str = ""
    where: str = ""
    detail: str = ""
    """A stack trace, for `xfer plugins show`."""


# ---------------------------------------------------------------- plans


class PlannedPhase(Record):
    """A phase with everything that its numbers depend on, and the id that follows from that."""

    id: str
    phase: Phase
    parents: tuple[str, ...]
    """Ids of the phases it starts from; none: the pretrained model."""
    needs: tuple[str, ...] = ()
    """Ids of the phases that must be done besides."""
    seed: int | None
    """None where nothing random happens (evaluation)."""
    settings: Mapping[str, TrainSettings]
    """Per task of `phase.uses`."""
    options: Mapping[str, Mapping[str, Any]]
    """Per task: the format's options."""
    identity: Mapping[str, Any]
    """What was hashed."""


class Cell(Record):
    """One entry of a comparison: a start point, a seed, a target, and the phase that scores it."""

    label: str
    strategy: str
    params: Mapping[str, Any]
    intermediate: str
    seed: int
    target: str
    phase: str
    chain: tuple[str, ...]
    """Ids of all phases that lead to it, in order."""
    sees: tuple[str, ...] = ()
    """What training saw of the target's evaluation (`xfer.core.plans.leaks`); nothing: zero-shot."""
    dev_phase: str = ""
    """The phase that scores it on dev of all languages, where that was asked for."""


class Plan(Record):
    """A graph of phases in an order in which they can run, and the cells it fills."""

    phases: tuple[PlannedPhase, ...]
    cells: tuple[Cell, ...]
    problems: tuple[Problem, ...] = ()


class ResultRow(Record):
    """One number. `compare` averages rows of equal signature only."""

    model_config = ConfigDict(allow_inf_nan=True)
    """A task may score NaN; whoever writes the row refuses it by name."""
    run: str
    label: str
    strategy: str
    params: Mapping[str, Any]
    intermediate: str
    suite: str
    model: str
    model_fingerprint: str
    seed: int
    task: str
    task_version: int
    language: str
    split: str
    metric: str
    value: float | None
    n: int
    main: bool
    standard_error: float | None = None
    chance: float | None = None
    heuristic: float | None = None
    phase: str
    signature: str
    """The evaluation protocol: everything that changes the number after training."""
    training: str = ""
    """Hash of everything but the seed that the weights depend on: tasks, data, settings, of all phases."""
    data_fingerprint: str
    xfer_version: str
    plugin_versions: Mapping[str, str]
    seconds: float
    device: str
    dtype: str
    sees: tuple[str, ...] = ()
    """What training saw of the target's evaluation: languages, "text de", "de (mt)"; nothing: zero-shot."""


PlanContext.model_rebuild()
Suite.model_rebuild()
