"""The model card of an exported cell, and its evaluation results in the hub's format."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xfer.core.compare.provenance import run_command
from xfer.core.records import Cell, ModelSpec, ResultRow, TaskSpec
from xfer.core.task_records import Source

PIPELINES = {
    "classification": "text-classification",
    "multiple-choice": "multiple-choice",
    "tagging": "token-classification",
    "span": "question-answering",
    "retrieval": "feature-extraction",
}
_PAPER = "English Intermediate-Task Training Improves Zero-Shot Cross-Lingual Transfer Too"


@dataclass(frozen=True)
class CardFacts:
    """What a card tells."""

    cell: Cell
    task: TaskSpec
    rows: Sequence[ResultRow]
    settings: Mapping[str, Any]
    chain: Sequence[TaskSpec]
    """The tasks that the weights were trained on, in order."""
    base: ModelSpec | str
    labels: Sequence[str]
    options: Mapping[str, Any]
    """The format's options in evaluation."""
    loads_as: str
    difference: float


def model_card(facts: CardFacts) -> str:
    """README.md: front matter that the hub reads, then what the weights are, how they score, how they load."""
    from huggingface_hub import ModelCardData

    tasks = list(dict.fromkeys([*(task.name for task in facts.chain), facts.task.name]))
    by_name = {task.name: task for task in (*facts.chain, facts.task)}
    hubs = [hub for name in tasks if (hub := _hub(by_name[name]))]
    base = facts.base.location if isinstance(facts.base, ModelSpec) else facts.base
    data = ModelCardData(
        base_model=base if base.count("/") == 1 and not base.startswith(("package:", "/", ".")) else None,
        datasets=list(dict.fromkeys(hubs)) or None,
        language=sorted({row.language for row in facts.rows}) or None,
        library_name="transformers",
        license="other",
        license_name="see-the-card",
        pipeline_tag=PIPELINES.get(facts.task.format),
        tags=["xfer", "cross-lingual", facts.cell.strategy],
    )
    parts = [
        f"---\n{data.to_yaml()}\n---",
        f"# {_base_name(facts)}, {facts.cell.label}, {facts.task.name}",
        _what(facts, tasks),
        _scores(facts),
        _loading(facts),
        _licences(facts, tasks, by_name),
        _again(facts),
    ]
    return "\n\n".join(parts) + "\n"


def eval_results(facts: CardFacts) -> str:
    """`.eval_results/<task>.yaml`: main scores by language; "" where no hub has the task's rows, or not all count.

    The format is that of huggingface_hub's `EvalResultEntry`; the hub shows entries of data sets that are
    registered as benchmarks there, and passes over others.
    """
    from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml
    from huggingface_hub.utils import yaml_dump

    source = _hub_source(facts.task)
    if source is None or _limited(facts):
        return ""
    entries = [
        EvalResultEntry(
            dataset_id=source.hub,
            task_id=f"{row.task}.{row.language}",
            value=round(row.value, 4),
            dataset_revision=source.revision if len(source.revision) == 40 else None,
            notes=f"{row.metric} on {row.split}, language {row.language}, {row.n} examples; {_sees(row.sees)}",
        )
        for row in _main(facts)
        if row.value is not None
    ]
    return str(yaml_dump(eval_result_entries_to_yaml(entries)))


def _main(facts: CardFacts) -> list[ResultRow]:
    return [row for row in facts.rows if row.main]


def _limited(facts: CardFacts) -> bool:
    return bool((facts.settings.get("limit") or {}).get("test"))


def _hub_source(task: TaskSpec) -> Source | None:
    """The first of a task's sources that is a data set of the hub, not a release of its authors."""
    for source in task.sources:
        found: Source | None = source
        while found is not None:
            if not found.downloads and not found.obtain:
                return found
            found = found.otherwise
    return None


def _hub(task: TaskSpec) -> str:
    source = _hub_source(task)
    return source.hub if source else ""


def _base_name(facts: CardFacts) -> str:
    return facts.base.name if isinstance(facts.base, ModelSpec) else facts.base


def _sees(marks: Sequence[str]) -> str:
    return f"not zero-shot: training saw {', '.join(marks)}" if marks else "zero-shot outside English"


def _what(facts: CardFacts, tasks: Sequence[str]) -> str:
    trained = ", then ".join(dict.fromkeys(task.name for task in facts.chain))
    return (
        f"`{_base_name(facts)}` trained by xfer's strategy `{facts.cell.label}` on {trained}, seed "
        f"{facts.cell.seed}, for the target `{facts.task.name}` ({facts.task.summary}). "
        f"{_sees(facts.cell.sees).capitalize()}. The method is that of Phang et al. 2020, *{_PAPER}* "
        "([arXiv 2005.13013](https://arxiv.org/abs/2005.13013)), or a rival of it; these are not the authors' "
        "weights."
    )


def _scores(facts: CardFacts) -> str:
    lines = ["## Scores", "", "| language | metric | points | examples | chance |", "|---|---|---|---|---|"]
    for row in facts.rows:
        value = "" if row.value is None else f"{row.value:.2f}"
        chance = "" if row.chance is None else f"{row.chance:.2f}"
        lines.append(f"| {row.language} | {row.metric}{' (main)' * row.main} | {value} | {row.n} | {chance} |")
    if _limited(facts):
        lines += ["", f"**Scored on a part of the test rows** (`--limit test={facts.settings['limit']['test']}`)."]
    notes = [f"- {trap}" for trap in facts.task.traps]
    return "\n".join([*lines, *(["", "To know about this task:", "", *notes] if notes else [])])


def _loading(facts: CardFacts) -> str:
    if facts.task.format == "retrieval":
        options = ", ".join(f"{key}={value}" for key, value in facts.options.items())
        return (
            "## Loading\n\n```python\nfrom transformers import AutoModel\n\n"
            "model = AutoModel.from_pretrained(FOLDER)\n```\n\n"
            f"Scores were computed by xfer with these options of the format: {options}."
        )
    if facts.loads_as:
        return (
            f"## Loading\n\n```python\nfrom transformers import AutoTokenizer, {facts.loads_as}\n\n"
            f"model = {facts.loads_as}.from_pretrained(FOLDER)\n"
            "tokeniser = AutoTokenizer.from_pretrained(FOLDER)\n```\n\n"
            f"Its logits were compared with xfer's on two sequences: the largest difference is "
            f"{facts.difference:.1e} of the largest logit (at least 1). xfer's own decoding (words of several "
            "pieces, windows of long contexts, choices of unequal number) is not part of this folder."
        )
    return (
        "## Loading\n\n**transformers has no class that computes the same as xfer's head on this encoder**, so "
        "encoder and head lie apart: `AutoModel.from_pretrained(FOLDER)` loads the encoder, `head.safetensors` and "
        "`head.json` hold the head (`dense`, tanh, `out` on the first token, or `out` on every token; `pooling.…` "
        "where it reads all layers). `xfer eval` on the run's own phase folder scores them."
    )


def _licences(facts: CardFacts, tasks: Sequence[str], by_name: Mapping[str, TaskSpec]) -> str:
    lines = ["## Licences", "", "Who publishes these weights decides under which licence that may be done:", ""]
    licence = facts.base.licence if isinstance(facts.base, ModelSpec) else ""
    lines.append(f"- base model {_base_name(facts)}: {licence or 'not known to xfer'}")
    lines += [f"- data of {name}: {by_name[name].licence} ({by_name[name].citation})" for name in tasks]
    return "\n".join(lines)


def _again(facts: CardFacts) -> str:
    version = facts.rows[0].xfer_version if facts.rows else ""
    fingerprint = facts.rows[0].model_fingerprint if facts.rows else ""
    return (
        f"## The command\n\n```sh\n{run_command(facts.settings)}\n```\n\nxfer {version}; base model fingerprint "
        f"{fingerprint}; evaluation phase {facts.cell.phase}. All result rows stand in `results.jsonl`."
    )
