"""Core's answer to `does="train"`: prepare a job, run the loop, commit the weights."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch  # noqa: TID253
from torch import nn  # noqa: TID253

from xfer.core.batches.batching import Collator
from xfer.core.batches.features import Features
from xfer.core.batches.sampling import Schedule
from xfer.core.encoders.device import autocast
from xfer.core.encoders.encoder import Encoder
from xfer.core.encoders.pooling import hidden_states, make_pooling
from xfer.core.encoders.weights import (
    POOLING,
    Pooling,
    load_encoder,
    load_head,
    origin,
    stored_heads,
    write_weights,
)
from xfer.core.engine.described import describe
from xfer.core.engine.inputs import origins, tokeniser, use_examples
from xfer.core.engine.job import Job, Part, State
from xfer.core.engine.optimizers import compact_table, make_optimizer, one_kernel, way
from xfer.core.engine.parallel import parallel
from xfer.core.engine.sets import training_features, training_sets
from xfer.core.engine.train import resume, seeded_head, train
from xfer.core.formats.base import FormatCode
from xfer.core.records import PlannedPhase, Problem, TaskUse
from xfer.core.run import Run
from xfer.core.storage import checkpoints, files
from xfer.core.streams import numpy_stream, torch_seeded


def run_train_phase(planned: PlannedPhase, run: Run) -> None:
    """Train one phase to its end and commit it to the store. Of several ranks, the leading one commits."""
    job = prepare(planned, run)
    state = train(job, run, resume(job, run))
    if not run.group.leads:
        return
    encoder, heads = _trained(job, run, state)
    with run.store.commit_phase(planned.id) as folder:
        write_weights(folder, encoder, heads, run)
        for path in sorted(run.store.partial_folder(planned.id).glob("snapshot-*")):
            files.copy_file(path / "weights.safetensors", folder / f"{path.name}.safetensors")
        files.write_text(folder / "log.jsonl", "".join(files.json_line(entry) for entry in state.log))
        describe(
            folder,
            planned,
            run,
            steps=state.step,
            seconds=round(state.seconds, 3),
            best_step=state.best_step,
            best_score=state.best_score,
            shares=list(job.schedule.shares),
            origins=origins(run, planned.phase.uses),
            heads={
                part.code.task.name: {
                    "format": part.code.task.format,
                    "labels": list(part.code.labels),
                    **({"pooling": planned.phase.pooling} if part.pooling is not None else {}),
                }
                for part in job.parts
                if head_modules(part, job.encoder)
            },
            stream=job.encoder.stream,
            **_processes(state.processes, run),
        )
    checkpoints.clear(run.store.partial_folder(planned.id))


def _trained(job: Job, run: Run, state: State) -> tuple[Encoder, dict[str, torch.Tensor]]:
    """The encoder and the heads' weights to store. Of shards they are gathered already, into a fresh encoder."""
    if not job.sharded:
        return job.encoder, head_weights(job)
    encoder = load_encoder(job.planned, run, with_lm_head=job.encoder.lm_head is not None)
    own = {name.removeprefix("encoder."): value for name, value in state.best.items()}
    encoder.load_state_dict(own, strict=False)
    return encoder, {name[len("heads.") :]: w for name, w in state.best.items() if name.startswith("heads.")}


def _processes(processes: list[int], run: Run) -> dict[str, Any]:
    """What a phase's record says of the processes that trained it; nothing where it was one alone."""
    several = any(count > 1 for count in processes)
    return {"processes": processes, "parallel": run.settings.engine.parallel} if several else {}


def prepare(planned: PlannedPhase, run: Run) -> Job:
    """Encoder, heads, features, schedule and optimizer of a training phase."""
    phase = planned.phase
    tasks = {use.task: run.toolkit.tasks.get(use.task) for use in phase.uses}
    trained = [use for use in phase.uses if not use.counts_only]
    encoder = load_encoder(planned, run, with_lm_head=any(tasks[use.task].format == "masked-lm" for use in trained))
    parts = _parts(planned, run, encoder)
    shared = planned.settings[""]
    engine, device, ranks = run.settings.engine, run.device, run.group.world
    in_shards = ranks > 1 and engine.parallel == "fsdp"
    if not in_shards:  # a model in shards may be larger than the device
        encoder.to(device.torch_device)
    encoder.freeze(shared.frozen_layers)
    if run.settings.engine.padding == "max":
        encoder.pad_to = max(settings.max_length for settings in planned.settings.values())
    if engine.compile:
        _compile(encoder, run)
    own = [planned.settings[use.task] for use in phase.uses]
    schedule = Schedule(
        sizes=[len(part.drawn_examples) for part in parts],
        batch_sizes=[settings.batch_size for settings in own],
        epochs=[settings.epochs for settings in own],
        max_steps=shared.max_steps,
        sampling=phase.sampling,
        weights=[use.weight for use in phase.uses],
        seed=planned.seed or 0,
        name="+".join(tasks[use.task].name for use in phase.uses),
        ratios=[use.steps_ratio for use in phase.uses],
        drawn=[not use.counts_only for use in phase.uses],
        groups=[_languages(run, part, use) for part, use in zip(parts, phase.uses, strict=True)],
        exponents=[use.exponent for use in phase.uses],
    )
    taken = way(engine, device, encoder, ranks)
    compact = compact_table(engine, device, encoder, parts, tokeniser(run), ranks)
    heads = list(dict.fromkeys(module for part in parts for module in head_modules(part, encoder).values()))
    for module in heads:
        module.to(device.torch_device)
    shared_out = None
    if ranks > 1:
        tried = [partial(_tried, part, encoder, run) for part in parts if part.head is not None]
        shared_out = parallel(engine.parallel, run.group, device, encoder, heads, tried)
    parameters: dict[str, nn.Parameter] = {
        f"encoder.{name}": p for name, p in encoder.named_parameters() if p.requires_grad
    }
    for part in parts:
        for prefix, module in head_modules(part, encoder).items():
            parameters |= {f"heads.{prefix}{n}": p for n, p in module.named_parameters()}
    low = [encoder, *heads] if device.dtype == "bfloat16" else []
    optimizer = make_optimizer(parameters, shared, taken, low)
    recorded = taken == "recorded"
    return Job(planned, encoder, parts, schedule, shared, parameters, optimizer, compact, recorded, shared_out)


def _compile(encoder: Encoder, run: Run) -> None:
    if run.group.world == 1 and one_kernel(run.device, encoder):
        encoder.compile_layers()
    else:
        message = "engine.compile is for one CUDA device with a variable-length kernel: layers run as they are"
        run.tell(Problem(stage="train", message=message))


def _tried(part: Part, encoder: Encoder, run: Run) -> torch.Tensor:
    """The loss of a part's first item."""
    code = part.code
    batch = code.prepare(part.collator.batch(np.arange(1)), numpy_stream(0, "tried"), tokeniser(run))
    with autocast(run.device):
        loss, _ = code.loss(part.head, hidden_states(encoder, batch, part.pooling), batch)
    return loss


def head_modules(part: Part, encoder: Encoder) -> dict[str, nn.Module]:
    """A part's own modules by the prefix of their weights' names; the masked-LM head is the encoder's."""
    if part.head is None or part.head is encoder.lm_head:
        return {}
    name = f"{part.code.task.name}."
    pooling = {f"{name}{POOLING}": part.pooling} if isinstance(part.pooling, nn.Module) else {}
    return {name: part.head, **pooling}


def head_weights(job: Job) -> dict[str, torch.Tensor]:
    """The weights of all heads of a job by name."""
    return {
        f"{prefix}{name}": value.detach()
        for part in job.parts
        for prefix, module in head_modules(part, job.encoder).items()
        for name, value in module.state_dict().items()
    }


def _parts(planned: PlannedPhase, run: Run, encoder: Encoder) -> list[Part]:
    """One part for each use. Uses of the same task (in several languages, or made otherwise) share a head."""
    heads: dict[str, tuple[nn.Module | None, Pooling]] = {}
    parts = []
    for use, rows, dev in training_sets(planned, run):
        code = rows.code
        features = training_features(run, rows)

        def collate(features: Features) -> Collator:
            return Collator(
                features,
                tokeniser(run).pad_id,
                encoder.position_offset,
                run.device.torch_device,
                sort=run.device.kind != "cuda",
                separator=tokeniser(run).separator,
            )

        part = Part(code, None, features, collate(features), loss_weight=use.loss_weight)
        parts.append(part)
        if use.counts_only:
            continue
        part.changed = _changes(planned, run, code, rows.examples, features, collate)
        if use.task not in heads:
            heads[use.task] = _head(planned, run, encoder, code)
        part.head, part.pooling = heads[use.task]
        if dev is not None:
            part.dev_features, part.dev_examples = dev.features(run), dev.examples
    return parts


def _changes(
    planned: PlannedPhase,
    run: Run,
    code: FormatCode,
    examples: Sequence[Any],
    features: Features,
    collate: Callable[[Features], Collator],
) -> Callable[[np.ndarray, int], tuple[Features, Collator]] | None:
    """What the phase's transform makes of drawn examples in an epoch; None without a transform.

    Pure in (seed, epoch, example). Where nothing of a step is left to train on, its examples stay as they are.
    """
    phase, seed = planned.phase, planned.seed or 0
    if phase.transform is None:
        return None
    transform = run.toolkit.transforms.get(phase.transform)
    loaded = transform.load(phase.params) if transform.load else phase.params
    usable = np.unique(features.example)
    length = planned.settings[code.task.name].max_length

    def changed(drawn: np.ndarray, epoch: int) -> tuple[Features, Collator]:
        numbers = usable[drawn].tolist()
        made = []
        for number in numbers:
            example = examples[number]
            rng = numpy_stream(seed, "transform", transform.name, code.task.name, example.language, number, epoch)
            made.append(transform.apply(example, rng, loaded))
        found = code.featurise(made, tokeniser(run), length, training=True)
        if found.item_count == 0:
            unchanged = [examples[number] for number in numbers]
            found = code.featurise(unchanged, tokeniser(run), length, training=True)
        return found, collate(found)

    return changed


def _head(planned: PlannedPhase, run: Run, encoder: Encoder, code: FormatCode) -> tuple[nn.Module | None, Pooling]:
    """The head of a task and what it reads: the parent's where heads are kept and it has one, else fresh."""
    if code.task.format == "masked-lm":
        return encoder.lm_head, None
    folder = origin(planned, run)
    if planned.phase.heads == "keep" and code.task.name in stored_heads(folder):
        return load_head(folder, code, encoder)
    seed = planned.seed or 0
    with torch_seeded(seed, "pooling", code.task.name):
        pooling = make_pooling(planned.phase.pooling, encoder.shape)
    return seeded_head(code, encoder, seed), pooling


def _languages(run: Run, part: Part, use: TaskUse) -> np.ndarray | None:
    """The language of whatever is drawn, as a number, where languages are drawn by an exponent."""
    if use.exponent is None:
        return None
    examples = use_examples(run, part.code.task, use)
    number = {code: place for place, code in enumerate(use.languages)}
    return np.array([number[examples[example].language] for example in part.drawn_examples.tolist()])
