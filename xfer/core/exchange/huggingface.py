"""A trained cell of a run as a folder that transformers loads.

The head goes into transformers' own class for the format and architecture only where that class computes the same
numbers: the folder is written, loaded through the `AutoModelFor…` class, and its logits are compared with xfer's on
two sequences. Where they differ (DistilBERT's classifier has a ReLU where xfer's head has tanh) or there is no such
class, encoder and head are written apart, and the card says so.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xfer.core.encoders.weights import MODEL, TOKENISER_FILES, load_head, stored_heads
from xfer.core.errors import UserError
from xfer.core.exchange.export import chosen_cells
from xfer.core.exchange.model_card import CardFacts, eval_results, model_card
from xfer.core.loading import load_object
from xfer.core.records import Cell, ModelSpec, TaskSpec
from xfer.core.run import Toolkit
from xfer.core.storage import checkpoints, files
from xfer.core.storage.store import Store, StoredRun

if TYPE_CHECKING:
    import torch

    from xfer.core.encoders.encoder import Encoder
    from xfer.core.encoders.weights import Pooling
    from xfer.core.formats.base import FormatCode

CLASSES = {
    "classification": "AutoModelForSequenceClassification",
    "multiple-choice": "AutoModelForMultipleChoice",
    "tagging": "AutoModelForTokenClassification",
    "span": "AutoModelForQuestionAnswering",
    "retrieval": "AutoModel",
}
"""transformers' class for each format that leaves a head behind; retrieval leaves none."""
TOLERANCE = 1e-5
"""Largest difference of logits that counts as equal, as a share of the largest logit (at least 1)."""


@dataclass(frozen=True)
class Exported:
    """What an export wrote."""

    folder: Path
    loads_as: str
    """The class that loads it with its head; "" where transformers has none that computes the same."""
    difference: float
    """Largest difference between its logits and xfer's on the probe, where it loads with its head."""


def export(run: StoredRun, store: Store, toolkit: Toolkit, output: Path, target: str = "", label: str = "",
           seed: int | None = None) -> Exported:  # fmt: skip
    """Write the weights behind one cell of a run, with a model card; `output` appears whole or not at all.

    Raises `UserError` when several cells fit and none is named, when the weights were not kept, when nothing was
    trained, and when `output` is there.
    """
    cell = _cell(run, target, label, seed)
    task = toolkit.tasks.get(cell.target)
    folder = _weights(run, store, cell)
    if output.exists():
        raise UserError("the output is there already", str(output), "name a new folder, or remove this one")
    files.ensure_folder(output.parent)
    temporary = output.with_name(f".{output.name}.partial")
    files.remove(temporary)
    files.ensure_folder(temporary)
    try:
        exported = _write(folder, task, cell, run, toolkit, temporary)
    except BaseException:
        files.remove(temporary)
        raise
    files.move(temporary, output)
    return Exported(output, exported.loads_as, exported.difference)


def _cell(run: StoredRun, target: str, label: str, seed: int | None) -> Cell:
    targets = sorted({cell.target for cell in run.plan.cells})
    if target and target not in targets:
        raise UserError(f"run {run.name} has no target {target!r}", fix=f"--target one of: {', '.join(targets)}")
    if not target and len(targets) > 1:
        fix = f"--target one of: {', '.join(targets)}"
        raise UserError(f"run {run.name} has several targets, and a model has the head of one", fix=fix)
    return next(cell for cell in chosen_cells(run, label, seed) if target in ("", cell.target))


def _weights(run: StoredRun, store: Store, cell: Cell) -> Path:
    """The phase folder whose weights were evaluated."""
    planned = next(phase for phase in run.plan.phases if phase.id == cell.phase)
    (parent,) = planned.identity["parents"]
    if parent.startswith(MODEL):
        raise UserError(f"{cell.label} trains nothing for {cell.target}: its weights are the pretrained model's")
    if not store.has_phase(parent) or not store.has_weights(parent):
        raise UserError(
            f"the weights of {cell.label} for {cell.target} were not kept",
            str(store.phase_folder(parent)),
            "run the same command again with --keep all",
        )
    return store.phase_folder(parent)


def _write(folder: Path, task: TaskSpec, cell: Cell, run: StoredRun, toolkit: Toolkit, output: Path) -> Exported:
    from xfer.core.encoders.encoder import Encoder

    encoder = Encoder.load(folder)
    for name in TOKENISER_FILES:
        if (folder / name).is_file():
            files.write_bytes(output / name, (folder / name).read_bytes())
    planned = next(phase for phase in run.plan.phases if phase.id == cell.phase)
    found = Exported(output, CLASSES[task.format], 0.0)
    labels: tuple[str, ...] = ()
    if task.format == "retrieval":
        encoder.save(output, with_lm_head=False)
    else:
        heads = stored_heads(folder)
        owner = task if task.name in heads else toolkit.training_task(task)
        labels = tuple(heads.get(owner.name, {}).get("labels", task.labels))
        record = toolkit.formats.get(owner.format)
        options = record.options.model_validate(dict(planned.options[task.name]))
        code = load_object(record.implementation)(owner, labels, options)
        head, pooling = load_head(folder, code, encoder)
        difference = _with_head(encoder, code, head, pooling, labels, output)
        if difference is None:
            _apart(encoder, head, pooling, heads[owner.name], output)
        found = Exported(output, CLASSES[task.format] if difference is not None else "", difference or 0.0)
    rows = [
        row for row in run.results if row.phase == cell.phase and row.label == cell.label and row.seed == cell.seed
    ]
    facts = CardFacts(
        cell=cell,
        task=task,
        rows=rows,
        settings=run.settings,
        chain=[
            toolkit.tasks.get(use.task)
            for phase in run.plan.phases
            if phase.id in cell.chain and phase.phase.does == "train"
            for use in phase.phase.uses
        ],
        base=_base(rows[0].model if rows else "", toolkit),
        labels=labels,
        options=planned.options[task.name],
        loads_as=found.loads_as,
        difference=found.difference,
    )
    files.write_text(output / "README.md", model_card(facts))
    files.write_json_lines(output / "results.jsonl", (row.model_dump(mode="json") for row in rows))
    text = eval_results(facts)
    if text:
        files.write_text(output / ".eval_results" / f"{task.name}.yaml", text)
    return found


def _base(name: str, toolkit: Toolkit) -> ModelSpec | str:
    return toolkit.models.get(name) if name in toolkit.models else name


# ---------------------------------------------------------------- heads


def _with_head(
    encoder: "Encoder", code: "FormatCode", head: Any, pooling: "Pooling", labels: tuple[str, ...], output: Path
) -> float | None:
    """Write transformers' model with this head, if it computes the same: the largest difference, else None."""
    import torch
    import transformers

    kind = getattr(transformers, CLASSES[code.task.format])
    config = _config(encoder, code.task.format, labels)
    if pooling is not None or type(config) not in kind._model_mapping:
        return None
    with torch.random.fork_rng(devices=[]):
        model = kind.from_config(config, dtype=torch.float32).eval()
    own = {f"{model.base_model_prefix}.{name}": value for name, value in encoder.model.state_dict().items()}
    mapped = _mapped({name: value.shape for name, value in model.state_dict().items() if name not in own}, head)
    if mapped is None:
        return None
    missing, unexpected = model.load_state_dict(own | mapped, strict=False)
    if [name for name in missing if name in mapped] or unexpected:
        return None
    model.save_pretrained(str(output))
    loaded = kind.from_pretrained(str(output), dtype=torch.float32).eval()
    difference = _difference(encoder, code, head, loaded)
    if difference is None or difference > TOLERANCE:
        for name in ("config.json", "model.safetensors"):
            files.remove(output / name)
        return None
    return difference


def _config(encoder: "Encoder", format: str, labels: tuple[str, ...]) -> Any:
    """The encoder's configuration with the labels; DeBERTa's pooler gets the activation that xfer's head has."""
    from transformers import AutoConfig

    fields = encoder.config.to_dict()
    for name in ("architectures", "id2label", "label2id", "num_labels", "torch_dtype", "dtype"):
        fields.pop(name, None)
    if format in ("classification", "tagging"):
        fields["id2label"] = dict(enumerate(labels))
        fields["label2id"] = {name: number for number, name in enumerate(labels)}
    if "pooler_hidden_act" in fields:
        fields["pooler_hidden_act"] = "tanh"
    return AutoConfig.for_model(fields.pop("model_type"), **fields)


def _mapped(free: Mapping[str, Any], head: Any) -> "dict[str, torch.Tensor] | None":
    """The head's weights by the names of transformers' head; None where its layers are others.

    `free` are names and shapes of the weights that the encoder does not have. xfer's heads are `out`, or `dense`
    and `out`; transformers names them differently in each family, but in this order or by a pooler.
    """
    layers = [name.removesuffix(".weight") for name in free if name.endswith(".weight")]
    layers.sort(key=lambda name: not any(word in name for word in ("pooler", "dense", "pre_")))
    ours = [name for name in ("dense", "out") if hasattr(head, name)]
    if len(layers) != len(ours) or len(free) != 2 * len(layers):
        return None
    state = head.state_dict()
    found = {
        f"{theirs}.{part}": state[f"{own}.{part}"]
        for theirs, own in zip(layers, ours, strict=True)
        for part in ("weight", "bias")
    }
    return found if all(free.get(name) == value.shape for name, value in found.items()) else None


def _difference(encoder: "Encoder", code: "FormatCode", head: Any, model: Any) -> float | None:
    """Largest difference of two models' logits on two sequences, as a share of the largest logit (at least 1)."""
    import torch

    from xfer.core.batches.batching import Collator
    from xfer.core.batches.features import Features

    size = encoder.word_embeddings.num_embeddings
    words = (np.arange(24, dtype=np.int32) * 7 + 11) % size
    words[words == encoder.pad_id] = (encoder.pad_id + 5) % size
    two = np.arange(3)
    features = Features(words, np.array([0, 14, 24]), two, two[:2])
    device = torch.device("cpu")
    batch = Collator(features, encoder.pad_id, encoder.position_offset, device, sort=False).batch(two[:2])
    ids = torch.full((2, 14), encoder.pad_id)
    ids[0], ids[1, :10] = torch.from_numpy(words[:14]), torch.from_numpy(words[14:])
    mask = (torch.arange(14) < torch.tensor([[14], [10]])).long()
    encoder.eval()
    head.eval()
    single = code.task.format in ("classification", "multiple-choice")
    with torch.no_grad():
        hidden = encoder(batch)
        ours = head(hidden, batch.starts) if single else head(hidden)
        if code.task.format == "multiple-choice":
            theirs = model(input_ids=ids[None], attention_mask=mask[None]).logits[0, :, None]
        else:
            out = model(input_ids=ids, attention_mask=mask)
            theirs = (
                torch.stack([out.start_logits, out.end_logits], -1) if code.task.format == "span" else out.logits
            )
            theirs = theirs if single else theirs[mask.bool()]
    ours = ours[: len(theirs)]
    if ours.shape != theirs.shape:
        return None
    return float((ours - theirs).abs().max() / max(1.0, float(ours.abs().max())))


def _apart(encoder: "Encoder", head: Any, pooling: "Pooling", described: Mapping[str, Any], output: Path) -> None:
    """The encoder for `AutoModel`, and the head beside it."""
    from torch import nn

    encoder.save(output, with_lm_head=False)
    tensors = dict(head.state_dict())
    if isinstance(pooling, nn.Module):
        tensors |= {f"pooling.{name}": value for name, value in pooling.state_dict().items()}
    checkpoints.save_weights(output, "head.safetensors", tensors)
    files.write_text(output / "head.json", json.dumps(dict(described), indent=2, ensure_ascii=False) + "\n")
