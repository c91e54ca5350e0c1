"""What is looked at in a checkpoint folder before any library reads it: it may come from a stranger.

Nothing outside the folder is read, no code is fetched or run, and nobody is kept busy by absurd sizes.
"""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xfer.core.errors import Damaged, UserError
from xfer.core.storage import files
from xfer.core.storage.manifest import DONE, parse_json

CONFIG_BYTES = 4_000_000
INDEX_BYTES = 50_000_000
LIMITS: Mapping[str, int] = {
    "num_hidden_layers": 1_000, "n_layers": 1_000, "hidden_size": 100_000, "dim": 100_000,
    "intermediate_size": 1_000_000, "hidden_dim": 1_000_000, "num_attention_heads": 10_000, "n_heads": 10_000,
    "vocab_size": 10_000_000, "max_position_embeddings": 10_000_000, "type_vocab_size": 10_000,
}  # fmt: skip
"""Fields of a configuration that are whole numbers from 0, and how large they may be."""
AGAIN = "save or download it again"
"""How to mend what no library writes."""
TENSOR = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,511}")
_READ = re.compile(r"(.*\.(json|safetensors|txt|model|bin))|DONE")


def inspect(folder: Path) -> None:
    """Look at a checkpoint folder, without torch.

    Raises:
        UserError: a link out of the folder, code of its own, sizes that cannot be, tensors with hostile names.
        Damaged: the folder was committed by xfer and a file of it is not as it was written.
    """
    for path in sorted(folder.iterdir()):
        if _READ.fullmatch(path.name):
            _check_inside(path, folder)
    if os.path.lexists(folder / DONE):
        found = [problem for problem in files.verify(folder) if _READ.fullmatch(problem.partition(" ")[0])]
        if found:
            raise Damaged(
                f"the checkpoint is damaged: {'; '.join(found[:3])}", str(folder), "copy it again, or make it again"
            )
    _check_config(folder / "config.json")
    _no_own_code(_object(folder / "tokenizer_config.json", CONFIG_BYTES), folder / "tokenizer_config.json")
    shards = _shards(folder / "model.safetensors.index.json")
    for path in (folder / "model.safetensors", folder / "heads.safetensors", *(folder / name for name in shards)):
        if path.is_file():
            _check_names(path)


def _check_inside(path: Path, folder: Path) -> None:
    """Refuse links that leave the folder; the hub's cache keeps the files of its snapshots beside them."""
    target = path.resolve()
    home = folder.resolve()
    if target.parent != home and target.parent != home.parent.parent / "blobs":
        raise UserError(
            f"{path.name} is a link out of the checkpoint folder, which is not followed",
            where=str(path),
            fix="put the file itself into the folder, if you trust where the link leads",
        )


def _check_config(path: Path) -> None:
    config = _object(path, CONFIG_BYTES)
    _no_own_code(config, path)
    for name, value in config.items():
        if "attn_implementation" in name and ("/" in str(value) or isinstance(value, dict)):
            raise UserError(
                f"{name} asks for code from elsewhere: {str(value)[:80]}", str(path), "remove the field"
            )
        if name not in LIMITS or value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= LIMITS[name]:
            raise UserError(
                f"{name} is {str(value)[:80]!r}, not a number from 0 to {LIMITS[name]:,}", str(path), AGAIN
            )


def _no_own_code(config: Mapping[str, Any], path: Path) -> None:
    if config.get("auto_map"):
        raise UserError(
            f"{path.name} brings code of its own (auto_map), which xfer never runs",
            where=str(path),
            fix="use a model that transformers knows; if it does without this code, remove the field",
        )


def _shards(path: Path) -> list[str]:
    """The files that an index names, all of them in its folder."""
    if not path.is_file():
        return []
    named = _object(path, INDEX_BYTES).get("weight_map")
    if not isinstance(named, dict):
        raise UserError("the index has no weight_map", str(path), AGAIN)
    shards = sorted({str(name) for name in named.values()})
    for name in shards:
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\.safetensors", name):
            raise UserError(f"the index names {name[:200]!r}, which is no file of this folder", str(path), AGAIN)
    return shards


def _check_names(path: Path) -> None:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "np") as opened:
            names = list(opened.keys())
    except (OSError, SafetensorError) as error:
        raise UserError(f"the model cannot be read: {error}", str(path), AGAIN) from None
    for name in names:
        if not TENSOR.fullmatch(name) or ".." in name:
            raise UserError(f"{path.name} holds a tensor that is named {name[:200]!r}", str(path), AGAIN)


def _object(path: Path, limit: int) -> dict[str, Any]:
    """A JSON object of bounded size; an empty one for a file that is not there."""
    if not path.is_file():
        return {}
    if path.stat().st_size > limit:
        raise UserError(f"{path.name} has more than {limit:,} bytes", str(path), AGAIN)
    try:
        found = parse_json(path.read_bytes())
    except (json.JSONDecodeError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise UserError(f"{path.name} is not JSON: {error}", str(path), AGAIN) from None
    if not isinstance(found, dict):
        raise UserError(f"{path.name} is no JSON object", str(path), AGAIN)
    return found
