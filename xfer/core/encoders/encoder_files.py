"""Reading and describing checkpoints of encoders: every weight accounted for, every failure explained."""

import hashlib
import inspect
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch  # noqa: TID253
from torch import nn  # noqa: TID253

from xfer.core.errors import UserError
from xfer.core.storage import checkpoints, files

WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
PICKLED = ("pytorch_model.bin", "pytorch_model.bin.index.json")
BUFFERS = ("position_ids", "token_type_ids")
"""Old checkpoints hold these, though they are no weights."""
IDENTITY = [
    "model_type",
    "num_attention_heads",
    "hidden_act",
    "activation",
    "layer_norm_eps",
    "pad_token_id",
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
    "dropout",
    "attention_dropout",
    "position_embedding_type",
    "relative_attention",
    "position_buckets",
    "max_relative_positions",
    "pos_att_type",
    "share_att_key",
    "norm_rel_ebd",
    "position_biased_input",
    "conv_kernel_size",
    "conv_act",
]
"""Fields of a configuration that change numbers without changing a weight's shape. A fixed list, because the
fields that a configuration writes out differ between versions of transformers."""


@contextmanager
def _quiet() -> Iterator[None]:
    """Without transformers' reports of loaded weights: what matters in them raises an error here."""
    from transformers.utils import logging

    level, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bar:
            logging.enable_progress_bar()


def _check_folder(folder: Path, allow_pickle: bool) -> None:
    """Raise `UserError` for a folder that is not there or lacks files."""
    if not folder.is_dir():
        raise UserError("no such model folder", where=str(folder), fix="give an existing folder or a hub id")
    there = {path.name for path in folder.iterdir()}
    missing = [] if "config.json" in there else ["config.json"]
    if not there & {*WEIGHTS, *(PICKLED if allow_pickle else ())}:
        missing.append("model.safetensors")
    if not missing:
        return
    fix = "download or save the whole model into this folder"
    if missing == ["model.safetensors"] and there & set(PICKLED):
        fix = "convert the pickled weights with save_pretrained, or allow pickle if you trust their source"
    raise UserError(f"the model folder lacks {' and '.join(missing)}", where=str(folder), fix=fix)


def _is_folder(location: str | Path) -> bool:
    """Whether a location means a folder rather than a hub id ("owner/name")."""
    text = str(location)
    return (
        isinstance(location, Path) or Path(text).exists() or text.startswith((".", "/", "~")) or text.count("/") > 1
    )


def read_config(location: str | Path, revision: str) -> Any:
    """The configuration of an encoder; `UserError` for what is no encoder or cannot be had."""
    from transformers import MODEL_FOR_MASKED_LM_MAPPING, AutoConfig

    try:
        with _quiet():
            config = AutoConfig.from_pretrained(str(location), revision=revision, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        raise _unreadable(location, revision, error) from error
    if config.is_encoder_decoder or type(config) not in MODEL_FOR_MASKED_LM_MAPPING:
        raise UserError(
            f"a model of type {config.model_type!r} is not a masked-LM encoder",
            where=str(location),
            fix="use an encoder such as XLM-R, BERT, RoBERTa, DistilBERT or DeBERTa",
        )
    return config


def model_class(config: Any, with_lm_head: bool) -> tuple[type[Any], dict[str, Any]]:
    """transformers' class for this configuration, and the arguments that leave out its pooler."""
    from transformers import MODEL_FOR_MASKED_LM_MAPPING, MODEL_MAPPING

    found = (MODEL_FOR_MASKED_LM_MAPPING if with_lm_head else MODEL_MAPPING)[type(config)]
    kind = found[0] if isinstance(found, tuple) else found
    takes_pooler = "add_pooling_layer" in inspect.signature(kind.__init__).parameters
    return kind, {"add_pooling_layer": False} if takes_pooler else {}


def read_model(
    location: str | Path, revision: str, *, allow_pickle: bool, with_lm_head: bool
) -> tuple[Any, frozenset[str]]:
    """transformers' model in float32, and the names of head weights that the checkpoint lacks.

    Raises `UserError` for a folder without the files, a hub that cannot be reached, and encoder weights that
    are missing or left over.
    """
    if _is_folder(location):
        location = Path(location).expanduser()
        _check_folder(location, allow_pickle)
    config = read_config(location, revision)
    kind, arguments = model_class(config, with_lm_head)
    try:
        with _quiet():
            model, info = kind.from_pretrained(
                str(location),
                config=config,
                revision=revision,
                dtype=torch.float32,
                use_safetensors=None if allow_pickle else True,
                output_loading_info=True,
                **arguments,
            )
    except Exception as error:  # OSError, RuntimeError, SafetensorError, …: all mean an unusable checkpoint
        raise _unreadable(location, revision, error) from error
    heads = _account(model, info, str(location), with_lm_head)
    _check_finite(model, heads, str(location))
    return model, heads


def _check_finite(model: Any, lacking: frozenset[str], where: str) -> None:
    """Refuse weights that are NaN or infinite; those that the checkpoint lacks are drawn and are neither."""
    for name, parameter in model.named_parameters():
        if name not in lacking and not checkpoints.is_finite(parameter):
            raise UserError(
                f"the checkpoint holds a weight that is not finite: {name}",
                where=where,
                fix="it was damaged, or its training diverged: use another one",
            )


def _unreadable(location: str | Path, revision: str, error: Exception) -> UserError:
    told = str(error).strip().splitlines()
    first = (told[0] if told else type(error).__name__)[:500]
    if isinstance(location, Path):
        return UserError(f"the model cannot be read: {first}", str(location), "save or download it again")
    return UserError(
        f"the model cannot be fetched or read: {first}",
        where=f"{location} (revision {revision})",
        fix=f"download it beforehand, with `hf download {location} --revision {revision}` on a machine with a "
        "network and the same HF_HOME, or with --local-dir and then give that folder",
    )


def _account(model: Any, info: Mapping[str, Any], where: str, with_lm_head: bool) -> frozenset[str]:
    """Check that the checkpoint and the encoder have the same weights; returns the missing head weights."""
    base = encoder_of(model)
    prefix = f"{model.base_model_prefix}." if with_lm_head else ""
    missing = set(info["missing_keys"])
    heads = frozenset(name for name in missing if prefix and not name.startswith(prefix))
    lacking = sorted(name for name in missing - heads if "pooler" not in name.split("."))
    children = {name for name, _ in base.named_children()} - {"pooler"}
    unexpected = sorted(
        name
        for name in info["unexpected_keys"]
        if name.removeprefix(f"{model.base_model_prefix}.").split(".")[0] in children
        and name.split(".")[-1] not in BUFFERS
    )
    for names, what in (
        (lacking, "lacks weights of the encoder"),
        (unexpected, "has weights the encoder does not know"),
    ):
        if names:
            some = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
            raise UserError(
                f"the checkpoint {what}: {some}",
                where=where,
                fix="check that config.json belongs to these weights, and that they bear transformers' names",
            )
    return heads


def encoder_of(model: Any) -> Any:
    """The encoder inside a model with a head, or the model itself."""
    return getattr(model, model.base_model_prefix, model)


def lm_head_of(model: Any) -> tuple[nn.Module, str]:
    """The masked-LM head as one module from [n, d] to [n, vocabulary], and the prefix of its weights' names.

    Most models have one child besides the encoder. DistilBERT and ELECTRA have a chain of them, in order but
    for the activation function. What comes out is compared with the model's own logits.
    """
    base = encoder_of(model)
    children = {name: child for name, child in model.named_children() if child is not base}
    weighty = [name for name, child in children.items() if any(True for _ in child.parameters())]
    if len(weighty) == 1:
        head, prefix = children[weighty[0]], f"{weighty[0]}."
    else:
        chain = {name: children[name] for name in weighty}
        activation = [child for name, child in children.items() if name == "activation"]
        names = list(chain)
        head = nn.Sequential()
        for name in names:
            head.add_module(name, chain[name])
            if name == names[0] and activation:
                head.add_module("activation", activation[0])
        prefix = ""
    ids = torch.arange(4).remainder(base.config.vocab_size)[None]
    mask = torch.ones_like(ids)
    try:
        with torch.no_grad():
            expected = model(input_ids=ids, attention_mask=mask).logits[0]
            states = base(input_ids=ids, attention_mask=mask).last_hidden_state[0]
            same = torch.allclose(head(states), expected, atol=1e-3, rtol=1e-3)
    except (TypeError, RuntimeError, AttributeError):
        same = False
    if not same:
        raise UserError(f"the masked-LM head of {type(model).__name__} is of a kind that xfer does not know")
    return head, prefix


def fingerprint(config: Any, weights: Mapping[str, torch.Tensor]) -> str:
    """sha256 over what the numbers of an encoder depend on, 16 hex digits; the weights' order does not matter."""
    identity = {name: getattr(config, name, None) for name in IDENTITY}
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True, default=str).encode())
    for name in sorted(weights):
        tensor = weights[name].detach().to("cpu", torch.float32).contiguous()
        digest.update(f"|{name}:{list(tensor.shape)}|".encode())
        digest.update(tensor.numpy().data)
    return digest.hexdigest()[:16]


def write(folder: str | Path, config: Any, architecture: str, weights: Mapping[str, torch.Tensor]) -> None:
    """config.json and model.safetensors, in the weights' own precision; tied weights are written once."""
    kept: dict[str, torch.Tensor] = {}
    seen: set[int] = set()
    for name, tensor in weights.items():
        if tensor.data_ptr() not in seen:
            seen.add(tensor.data_ptr())
            kept[name] = tensor.detach().cpu().contiguous()
    dtype = str(next(iter(kept.values())).dtype).removeprefix("torch.")
    described = config.to_diff_dict() | {"architectures": [architecture], "dtype": dtype}
    folder = Path(folder)
    files.write_text(folder / "config.json", json.dumps(described, indent=2, sort_keys=True) + "\n")
    checkpoints.save_weights(folder, "model", kept)
