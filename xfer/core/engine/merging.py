"""Phases that make weights out of weights: `average`, `combine` and `select`. Nothing is trained in them.

average   the mean of several parents, or of one's snapshots (`params: snapshots=true`; TrainSettings.snapshots)
combine   a weighted sum of parents (`params: weights=[…]`, in the order of `starts_from`; "pretrained" may be one)
select    the parent whose score on the uses' rows is best, the mean of main scores where there are several; of
          equals the first. Plans use English dev rows.

Sources: averaging of checkpoints, Schmidt et al. 2023 (arXiv 2305.16834); sums of differences of weights ("task
vectors"), Ilharco et al. 2023 (arXiv 2212.04089).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch  # noqa: TID253

from xfer.core.encoders.encoder import Encoder
from xfer.core.encoders.models import has_lm_head
from xfer.core.encoders.weights import head_tensors, read_encoder, sources, stored_heads, write_weights
from xfer.core.engine.described import describe
from xfer.core.engine.evaluate import head_of_task
from xfer.core.engine.inputs import load_examples, tokeniser
from xfer.core.engine.predict import predict
from xfer.core.errors import UserError
from xfer.core.records import PlannedPhase, TaskSpec, TaskUse
from xfer.core.run import Run
from xfer.core.storage import checkpoints, files

ENCODER, HEADS = "encoder.", "heads."


def run_average_phase(planned: PlannedPhase, run: Run) -> None:
    """The mean of the parents' encoders and heads, or of one parent's snapshots. Commits a phase with weights.

    Raises UserError for parents without a common set of heads, and for a parent without snapshots.
    """
    folders = sources(planned, run)
    if planned.phase.params.get("snapshots"):
        encoder, heads = _mean_of_snapshots(planned, folders, run)
        info = stored_heads(folders[0])
    else:
        encoder = _weighted(folders, [1 / len(folders)] * len(folders), run)
        info = _common_heads(planned, folders)
        heads = _mean([head_tensors(folder) for folder in folders]) if info else {}
    _commit(planned, run, encoder, heads, info)


def run_combine_phase(planned: PlannedPhase, run: Run) -> None:
    """A weighted sum of the parents' encoders; each head is the first parent's that has one for its task.

    Raises UserError unless there is one weight for each parent.
    """
    folders = sources(planned, run)
    weights = [float(weight) for weight in planned.phase.params.get("weights", ())]
    if len(weights) != len(folders):
        raise UserError(
            f"phase {planned.phase.name!r}: {len(weights)} weights for {len(folders)} parents",
            fix="combine takes params={'weights': [...]} with a weight for each name in starts_from",
        )
    heads: dict[str, torch.Tensor] = {}
    info: dict[str, Any] = {}
    for folder in folders:
        tensors = head_tensors(folder)
        new = {task: about for task, about in stored_heads(folder).items() if task not in info}
        heads |= {name: tensors[name] for name in tensors for task in new if name.startswith(f"{task}.")}
        info |= new
    _commit(planned, run, _weighted(folders, weights, run), heads, info)


def run_select_phase(planned: PlannedPhase, run: Run) -> None:
    """Go on from the parent that is best on the uses' rows: its files are copied. Commits a phase with weights."""
    folders = sources(planned, run)
    scores = [_score(planned, folder, run) for folder in folders]
    best = scores.index(max(scores))
    with run.store.commit_phase(planned.id) as folder:
        for path in sorted(folders[best].iterdir()):
            keeps = path.suffix == ".safetensors" and not path.name.startswith("snapshot-")
            if keeps or (path.suffix == ".json" and path.name != "phase.json"):
                files.copy_file(path, folder / path.name)
        parents = list(planned.identity["parents"])
        about = {"chosen": parents[best], "scores": [list(pair) for pair in zip(parents, scores, strict=True)]}
        describe(folder, planned, run, heads=dict(stored_heads(folders[best])), **about)


# ---------------------------------------------------------------- sums of weights


def _weighted(folders: Sequence[Path], weights: Sequence[float], run: Run) -> Encoder:
    """The weighted sum of encoders, with a masked-LM head where all have one. Summed in double precision."""
    with_head = all(has_lm_head(folder) for folder in folders)
    result = read_encoder(folders[0], run, with_lm_head=with_head)
    total: dict[str, torch.Tensor] = {}
    for number, (folder, weight) in enumerate(zip(folders, weights, strict=True)):
        encoder = result if number == 0 else read_encoder(folder, run, with_lm_head=with_head)
        for name, tensor in encoder.state_dict().items():
            if tensor.is_floating_point():
                part = tensor.double() * weight
                total[name] = total[name] + part if name in total else part
    result.load_state_dict({name: tensor.float() for name, tensor in total.items()}, strict=False)
    return result


def _mean(parts: Sequence[Mapping[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """The mean of each tensor that all parts have."""
    shared = [name for name in parts[0] if all(name in part for part in parts)]
    return {name: torch.stack([part[name].double() for part in parts]).mean(0).float() for name in shared}


def _mean_of_snapshots(
    planned: PlannedPhase, folders: Sequence[Path], run: Run
) -> tuple[Encoder, dict[str, torch.Tensor]]:
    found = [path for folder in folders for path in sorted(folder.glob("snapshot-*.safetensors"))]
    if len(folders) != 1 or not found:
        raise UserError(
            f"phase {planned.phase.name!r} averages snapshots of one phase, which must keep some",
            where=", ".join(map(str, folders)),
            fix="set overrides={'snapshots': N} on the training phase that it starts from",
        )
    mean = _mean([checkpoints.load_weights(path) for path in found])
    encoder = read_encoder(folders[0], run, with_lm_head=has_lm_head(folders[0]))
    trained = {name.removeprefix(ENCODER): tensor for name, tensor in mean.items() if name.startswith(ENCODER)}
    encoder.load_state_dict(trained, strict=False)
    heads = head_tensors(folders[0])
    return encoder, {name: mean.get(f"{HEADS}{name}", tensor) for name, tensor in heads.items()}


def _common_heads(planned: PlannedPhase, folders: Sequence[Path]) -> dict[str, Any]:
    """The heads that all parents have. Raises UserError where parents have heads of unlike labels or pooling."""
    every = [stored_heads(folder) for folder in folders]
    shared = {task: about for task, about in every[0].items() if all(task in heads for heads in every)}
    unlike = [task for task, about in shared.items() if any(heads[task] != about for heads in every)]
    if unlike:
        raise UserError(f"phase {planned.phase.name!r}: heads for {', '.join(unlike)} differ in labels or pooling")
    return shared


# ---------------------------------------------------------------- scores of parents


def _score(planned: PlannedPhase, folder: Path, run: Run) -> float:
    scores = [_use_score(planned, folder, use, run) for use in planned.phase.uses]
    if not scores:
        what = f"phase {planned.phase.name!r} selects by no rows"
        raise UserError(what, fix="give it a use: task, split, language")
    return sum(scores) / len(scores)


def _use_score(planned: PlannedPhase, folder: Path, use: TaskUse, run: Run) -> float:
    """The mean over the use's languages of the task's main score."""
    task: TaskSpec = run.toolkit.tasks.get(use.task)
    encoder = read_encoder(folder, run)
    code, head, pooling = head_of_task(task, folder, planned.options[use.task], encoder, run)
    encoder.to(run.device.torch_device)
    scores = []
    for language in use.languages:
        examples = load_examples(run, task, use.split, language, use.via)[: use.cap]
        features = code.featurise(examples, tokeniser(run), code.options.max_length, training=False)
        budget = run.settings.engine.evaluation_tokens
        outputs = predict(code, encoder, head, features, tokeniser(run), run.device, budget, pooling)
        values = code.decode(examples, features, outputs)
        scores.append(float(task.score(values, examples, language)[task.main_score]))
    return sum(scores) / len(scores)


# ---------------------------------------------------------------- writing


def _commit(
    planned: PlannedPhase, run: Run, encoder: Encoder, heads: Mapping[str, torch.Tensor], info: Mapping[str, Any]
) -> None:
    with run.store.commit_phase(planned.id) as folder:
        write_weights(folder, encoder, heads, run)
        describe(folder, planned, run, heads=dict(info))
