"""Weights of phases: where they lie, encoders and heads read from there, and the folder that a phase leaves.

A phase folder holds config.json, model.safetensors and the tokeniser (so transformers loads it as it is),
heads.safetensors (names `<task>.…`, those of a pooling `<task>.pooling.…`) and phase.json, which says of each head
its format, labels and pooling.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch  # noqa: TID253
from torch import nn  # noqa: TID253

from xfer.core.encoders.encoder import Encoder
from xfer.core.encoders.linear import set_products
from xfer.core.encoders.models import has_lm_head
from xfer.core.encoders.pooling import LAST, make_pooling
from xfer.core.errors import UserError
from xfer.core.formats.base import FormatCode
from xfer.core.records import PlannedPhase, Problem
from xfer.core.run import Run
from xfer.core.storage import checkpoints, files
from xfer.core.streams import torch_seeded

TOKENISER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")
MODEL = "model:"
POOLING = "pooling."
Pooling = nn.Module | int | None


def sources(planned: PlannedPhase, run: Run) -> list[Path]:
    """The folders whose weights a phase starts from, in the order of `starts_from`."""
    return [
        run.model.folder if parent.startswith(MODEL) else run.store.phase_folder(parent)
        for parent in planned.identity["parents"]
    ]


def origin(planned: PlannedPhase, run: Run) -> Path:
    """The one folder whose weights a phase starts from. Raises UserError where there are several."""
    found = sources(planned, run)
    if len(found) > 1:
        raise UserError(f"phase {planned.phase.name!r}: {planned.phase.does} starts from one phase, not several")
    return found[0]


def read_encoder(folder: Path, run: Run, with_lm_head: bool = False) -> Encoder:
    """The encoder of a folder, as the engine's settings want it read."""
    engine = run.settings.engine
    encoder = Encoder.load(
        folder,
        attention="padded" if engine.padding == "max" else "auto",
        allow_pickle=engine.allow_pickle,
        with_lm_head=with_lm_head,
    )
    set_products(encoder, run.device, engine.products)
    return encoder


def load_encoder(planned: PlannedPhase, run: Run, with_lm_head: bool = False) -> Encoder:
    """The encoder that a phase starts from.

    Phases without masked LM do not carry the masked-LM head along, so it is the pretrained model's where the
    phase's own start has none; where that has none either, it is drawn afresh from the seed, and told.
    """
    folder = origin(planned, run)
    if not with_lm_head:
        return read_encoder(folder, run)
    with torch_seeded(planned.seed or 0, "head", "masked-lm"):
        if has_lm_head(folder) or not has_lm_head(run.model.folder):
            encoder = read_encoder(folder, run, with_lm_head=True)
        else:
            encoder = read_encoder(run.model.folder, run, with_lm_head=True)
            encoder.model.load_state_dict(read_encoder(folder, run).model.state_dict())
    if encoder.lm_head_missing:
        message = f"{run.model.name} has no masked-LM head: one was drawn afresh"
        run.tell(Problem(stage="train", message=message, where=str(folder)))
    return encoder


def stored_heads(folder: Path) -> dict[str, Any]:
    """Formats, labels and poolings of the heads that a folder holds, by task."""
    path = folder / "phase.json"
    return dict(files.read_json(path).get("heads", {})) if path.is_file() else {}


def head_tensors(folder: Path) -> dict[str, torch.Tensor]:
    """The weights of all heads of a folder; none for a pretrained model."""
    path = folder / "heads.safetensors"
    return checkpoints.load_weights(path) if path.is_file() else {}


def load_head(folder: Path, code: FormatCode, encoder: Encoder) -> tuple[nn.Module, Pooling]:
    """The head that was trained for this task, and its pooling. Raises UserError where none of that shape is."""
    prefix = f"{code.task.name}."
    named = head_tensors(folder).items()
    tensors = {name.removeprefix(prefix): value for name, value in named if name.startswith(prefix)}
    if not tensors:
        raise UserError(
            f"no head for {code.task.name} is stored with these weights",
            where=str(folder),
            fix="train the target first (xfer run), or evaluate retrieval targets, which need no head",
        )
    own = {name: value for name, value in tensors.items() if not name.startswith(POOLING)}
    pooled = {name.removeprefix(POOLING): tensors[name] for name in tensors.keys() - own.keys()}
    head = code.head(encoder.shape)
    assert head is not None
    pooling = make_pooling(stored_heads(folder).get(code.task.name, {}).get("pooling", LAST), encoder.shape)
    _fill(head, own, code, folder)
    if isinstance(pooling, nn.Module):
        _fill(pooling, pooled, code, folder)
    return head, pooling


def _fill(module: nn.Module, tensors: Mapping[str, torch.Tensor], code: FormatCode, folder: Path) -> None:
    missing, unexpected = module.load_state_dict(tensors, strict=False)
    if missing or unexpected:
        raise UserError(
            f"the stored head for {code.task.name} does not fit: missing {missing}, unexpected {unexpected}",
            where=str(folder),
        )


def write_weights(folder: Path, encoder: Encoder, heads: Mapping[str, torch.Tensor], run: Run) -> None:
    """Encoder, heads and the model's tokeniser into a phase's folder."""
    encoder.save(folder)
    if heads:
        checkpoints.save_weights(folder, "heads.safetensors", heads)
    for name in TOKENISER_FILES:
        if (run.model.folder / name).is_file():
            files.write_bytes(folder / name, (run.model.folder / name).read_bytes())
