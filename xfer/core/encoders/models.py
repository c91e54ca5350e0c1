"""Which pretrained model a run starts from: a registered name, a folder, or a hub id; and its fingerprint."""

import hashlib
import importlib.resources
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xfer.core.encoders.inspection import inspect
from xfer.core.errors import UserError
from xfer.core.records import ModelSpec

WEIGHT_FILES = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
TOKENISERS = ("tokenizer.json", "vocab.txt", "vocab.json")
FINGERPRINTED = ("config.json", "merges.txt", *TOKENISERS)
_DOWNLOADED = ["*.json", "*.safetensors", "*.model", "*.txt"]


@dataclass(frozen=True)
class Model:
    """A pretrained model on the local disk."""

    name: str
    folder: Path
    fingerprint: str
    """sha256 over configuration, weights and tokeniser files, 16 hex digits."""
    licence: str = ""
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)

    @property
    def hidden_size(self) -> int:
        """Width of the hidden states, by the names that configurations give it."""
        return int(self.config.get("hidden_size") or self.config.get("dim") or 768)


def resolve_model(name: str, spec: ModelSpec | None, allow_pickle: bool = False) -> Model:
    """Find the model on disk, fetching it from the hub when it is a hub id.

    `spec` is the registered model of that name, if there is one. Raises UserError when the folder is not a
    checkpoint, or the hub cannot be reached and holds no local copy.
    """
    location = spec.location if spec else name
    folder = _folder(location, spec.revision if spec else "main", allow_pickle)
    config = _config(folder)
    inspect(folder)
    _check_weights(folder, allow_pickle)
    _check_tokeniser(folder)
    label = spec.name if spec else (folder.name if Path(name).is_dir() else name)
    return Model(
        name=label,
        folder=folder,
        fingerprint=fingerprint(folder),
        licence=spec.licence if spec else "",
        options=spec.options if spec else {},
        config=config,
    )


def _folder(location: str, revision: str, allow_pickle: bool) -> Path:
    if location.startswith("package:"):
        package, _, inside = location.removeprefix("package:").partition("/")
        return Path(str(importlib.resources.files(package))) / inside
    if Path(location).is_dir():
        return Path(location).resolve()
    if location.startswith((".", "/", "~")) or location.count("/") != 1:
        raise UserError(
            f"no such model folder: {location}",
            fix="give a folder with config.json, model.safetensors and tokenizer.json, a hub id (owner/name), "
            "or a name that `xfer models` lists",
        )
    from huggingface_hub import snapshot_download

    patterns = _DOWNLOADED + (["pytorch_model*.bin"] if allow_pickle else [])
    try:
        return Path(snapshot_download(location, revision=revision, allow_patterns=patterns))
    except Exception as error:
        offline = " (HF_HUB_OFFLINE is set)" if os.environ.get("HF_HUB_OFFLINE") else ""
        raise UserError(
            f"the model {location} could not be fetched from the hub{offline}: {type(error).__name__}",
            fix=f"on a machine with network: hf download {location} --local-dir DIR; then --model DIR",
        ) from error


def _config(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        present = ", ".join(sorted(p.name for p in folder.iterdir())[:10]) or "nothing"
        raise UserError(
            "not a checkpoint folder: config.json is missing",
            where=f"{folder} (holds {present})",
            fix="point --model at the folder that `save_pretrained` or `hf download --local-dir` wrote",
        ) from None
    except (ValueError, RecursionError) as error:
        fix = "the file is damaged or something else: get the model's folder again"
        raise UserError(f"config.json is not JSON: {error}", str(path), fix) from None
    if not isinstance(config, dict) or "model_type" not in config:
        fix = "give the folder of a transformers model: its config.json says of which kind it is"
        raise UserError("config.json names no model_type", str(path), fix)
    return config


def _check_weights(folder: Path, allow_pickle: bool) -> None:
    present = [name for name in WEIGHT_FILES if (folder / name).is_file()]
    if any("safetensors" in name for name in present):
        return
    if not present:
        raise UserError(
            "not a checkpoint folder: model.safetensors is missing",
            where=str(folder),
            fix="fetch the weights too: hf download ID --local-dir DIR",
        )
    if not allow_pickle:
        raise UserError(
            "this checkpoint has its weights only as a pickle, which can run code when it is loaded",
            where=str(folder / present[0]),
            fix="convert it to safetensors, or, if you trust its source, --set engine.allow_pickle=true",
        )


HEAD_NAMES = ("lm_head.", "cls.", "vocab_", "generator_", "lm_predictions.", "predictions.")
"""How the names of masked-LM heads begin in transformers' encoders."""


def has_lm_head(folder: Path) -> bool:
    """Whether a checkpoint holds a masked-LM head; pickled weights are taken to. Reads names only."""
    index = folder / "model.safetensors.index.json"
    single = folder / "model.safetensors"
    if index.is_file():
        names = list(json.loads(index.read_text(encoding="utf-8")).get("weight_map", {}))
    elif single.is_file():
        with single.open("rb") as stream:
            size = int.from_bytes(stream.read(8), "little")
            names = list(json.loads(stream.read(size)))
    else:
        return True
    return any(name.startswith(HEAD_NAMES) for name in names)


def _check_tokeniser(folder: Path) -> None:
    """Without its files, transformers makes an empty tokeniser and says nothing."""
    if not any((folder / name).is_file() for name in TOKENISERS) and not any(folder.glob("*.model")):
        raise UserError(
            "not a checkpoint folder: the tokeniser (tokenizer.json) is missing",
            where=str(folder),
            fix="put tokenizer.json and tokenizer_config.json beside the weights",
        )


_seen: dict[tuple[str, int, int], str] = {}


def fingerprint(folder: Path) -> str:
    """sha256 over configuration, weights and tokeniser files, 16 hex digits; files are hashed once a process."""
    total = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.name in FINGERPRINTED or path.suffix in (".safetensors", ".bin", ".model"):
            stat = path.stat()
            key = (str(path), stat.st_size, stat.st_mtime_ns)
            if key not in _seen:
                with path.open("rb") as stream:
                    _seen[key] = hashlib.file_digest(stream, "sha256").hexdigest()
            total.update(f"{path.name}:{_seen[key]}\n".encode())
    return total.hexdigest()[:16]
