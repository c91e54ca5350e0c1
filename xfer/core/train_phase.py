"""Core's answer to `does="train"`: prepare a job, run the loop, commit the weights.

A phase folder holds config.json, model.safetensors and the tokeniser (so transformers loads it as it is),
heads.safetensors, log.jsonl and phase.json.
"""

import shutil
from pathlib import Path
from typing import Any

from torch import nn  # noqa: TID253

from xfer.core import checkpoints, files
from xfer.core.batching import Collator
from xfer.core.encoder import Encoder
from xfer.core.errors import UserError
from xfer.core.formats.base import FormatCode
from xfer.core.inputs import (
    format_code,
    label_names,
    load_examples,
    tokeniser,
    training_features,
    use_examples,
)
from xfer.core.records import PlannedPhase, TaskSpec, TaskUse
from xfer.core.run import Run
from xfer.core.sampling import Schedule
from xfer.core.train import Job, Part, make_optimizer, resume, seeded_head, train

TOKENISER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")


def run_train_phase(planned: PlannedPhase, run: Run) -> None:
    """Train one phase to its end and commit it to the store."""
    job = prepare(planned, run)
    state = train(job, run, resume(job, run))
    with run.store.commit_phase(planned.id) as folder:
        _write(folder, job, run)
        files.write_text(folder / "log.jsonl", "".join(files.json_line(entry) for entry in state.log))
        files.write_json(
            folder / "phase.json",
            {
                "id": planned.id,
                "does": planned.phase.does,
                "identity": planned.identity,
                "model": run.model.name,
                "steps": state.step,
                "best_step": state.best_step,
                "best_score": state.best_score,
                "shares": list(job.schedule.shares),
                "heads": {
                    part.code.task.name: {"format": part.code.task.format, "labels": list(part.code.labels)}
                    for part in job.parts
                },
                "device": run.device.kind,
                "stream": job.encoder.stream,
            },
        )
    checkpoints.clear(run.store.partial_folder(planned.id))


def prepare(planned: PlannedPhase, run: Run) -> Job:
    """Encoder, heads, features, schedule and optimizer of a training phase."""
    phase = planned.phase
    tasks = {use.task: run.toolkit.tasks.get(use.task) for use in phase.uses}
    masked_lm = any(task.format == "masked-lm" for task in tasks.values())
    encoder = load_encoder(planned, run, with_lm_head=masked_lm)
    seed = planned.seed or 0
    parts = [_part(planned, run, encoder, tasks[use.task], use, seed) for use in phase.uses]
    shared = planned.settings[""]
    encoder.to(run.device.torch_device)
    encoder.freeze(shared.frozen_layers)
    if run.settings.engine.padding == "max":
        encoder.pad_to = max(settings.max_length for settings in planned.settings.values())
    own = [planned.settings[use.task] for use in phase.uses]
    schedule = Schedule(
        sizes=[part.features.item_count for part in parts],
        batch_sizes=[settings.batch_size for settings in own],
        epochs=[settings.epochs for settings in own],
        max_steps=shared.max_steps,
        sampling=phase.sampling,
        weights=[use.weight for use in phase.uses],
        seed=seed,
        name="+".join(use.task for use in phase.uses),
    )
    parameters: dict[str, nn.Parameter] = {
        f"encoder.{name}": p for name, p in encoder.named_parameters() if p.requires_grad
    }
    for part in parts:
        if part.head is not None and part.head is not encoder.lm_head:
            part.head.to(run.device.torch_device)
            parameters |= {f"heads.{part.code.task.name}.{n}": p for n, p in part.head.named_parameters()}
    return Job(planned, encoder, parts, schedule, shared, parameters, make_optimizer(parameters, shared))


def origin(planned: PlannedPhase, run: Run) -> Path:
    """The folder whose weights a phase starts from: its parent's, or the pretrained model's."""
    if len(planned.parents) > 1:
        raise UserError(f"phase {planned.phase.name!r}: {planned.phase.does} starts from one phase, not several")
    return run.store.phase_folder(planned.parents[0]) if planned.parents else run.model.folder


def load_encoder(planned: PlannedPhase, run: Run, with_lm_head: bool = False) -> Encoder:
    """The encoder that a phase starts from."""
    return Encoder.load(
        origin(planned, run),
        attention="padded" if run.settings.engine.padding == "max" else "auto",
        allow_pickle=run.settings.engine.allow_pickle,
        with_lm_head=with_lm_head,
    )


def stored_heads(planned: PlannedPhase, run: Run) -> dict[str, Any]:
    """Formats and labels of the heads that the folder a phase starts from holds, by task."""
    path = origin(planned, run) / "phase.json"
    return dict(files.read_json(path).get("heads", {})) if path.is_file() else {}


def load_head(planned: PlannedPhase, run: Run, code: FormatCode, encoder: Encoder) -> nn.Module | None:
    """The head that was trained for this task. Raises UserError where there is none of that shape."""
    folder = origin(planned, run)
    prefix = f"{code.task.name}."
    tensors = {}
    if (folder / "heads.safetensors").is_file():
        stored = checkpoints.load_weights(folder / "heads.safetensors")
        tensors = {name.removeprefix(prefix): value for name, value in stored.items() if name.startswith(prefix)}
    if not tensors:
        raise UserError(
            f"no head for {code.task.name} is stored with these weights",
            where=str(folder),
            fix="train the target first (xfer run), or evaluate retrieval targets, which need no head",
        )
    head = code.head(encoder.shape)
    assert head is not None
    missing, unexpected = head.load_state_dict(tensors, strict=False)
    if missing or unexpected:
        raise UserError(
            f"the stored head for {code.task.name} does not fit: missing {missing}, unexpected {unexpected}",
            where=str(folder),
        )
    return head


def _part(
    planned: PlannedPhase,
    run: Run,
    encoder: Encoder,
    task: TaskSpec,
    use: TaskUse,
    seed: int,
) -> Part:
    examples = use_examples(run, task, use)
    settings = planned.settings[task.name]
    code = format_code(run, task, label_names(run, task, examples), planned.options[task.name])
    features = training_features(run, code, examples, settings.max_length)
    if task.format == "masked-lm":
        head: Any = encoder.lm_head
    elif planned.phase.heads == "keep" and task.name in stored_heads(planned, run):
        head = load_head(planned, run, code, encoder)
    else:
        head = seeded_head(code, encoder, seed)
    collator = Collator(
        features,
        tokeniser(run).pad_id,
        encoder.position_offset,
        run.device.torch_device,
        sort=run.device.kind != "cuda",
        separator=tokeniser(run).separator,
    )
    part = Part(code, head, features, collator)
    if settings.keep == "best":
        part.dev_examples = load_examples(run, task, task.dev_split, "en", use.via)[: settings.dev_limit]
        part.dev_features = code.featurise(part.dev_examples, tokeniser(run), settings.max_length, training=False)
    return part


def _write(folder: Path, job: Job, run: Run) -> None:
    job.encoder.save(folder)
    heads = {
        f"{part.code.task.name}.{name}": value.detach()
        for part in job.parts
        if part.head is not None and part.head is not job.encoder.lm_head
        for name, value in part.head.state_dict().items()
    }
    if heads:
        checkpoints.save_weights(folder, "heads.safetensors", heads)
    for name in TOKENISER_FILES:
        if (run.model.folder / name).is_file():
            shutil.copyfile(run.model.folder / name, folder / name)
