"""The encoder: transformers' own modules, run over streams of tokens.

Encoders that let their attention be replaced run without padding. Others, and `attention="padded"`, are padded
inside `forward`; what comes out has the same form. Whether the fast path gives the model's own numbers is
not taken from its word but tried at loading, on two short sequences.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np
import torch  # noqa: TID253
from torch import nn  # noqa: TID253

from xfer.core.batches.batching import Collator
from xfer.core.batches.features import Batch, Features
from xfer.core.encoders import attention as stream_attention
from xfer.core.encoders import encoder_files as files
from xfer.core.errors import UserError
from xfer.core.formats.base import EncoderShape

Attention = Literal["auto", "padded"]
TOLERANCE = 1e-3
"""Largest difference, as a share of the largest hidden value, that counts as rounding."""


class Encoder(nn.Module):
    """An encoder and, where asked for, its masked-LM head.

    shape            what heads need to know
    position_offset  position id of a sequence's first token (RoBERTa family: padding_idx + 1; BERT: 0)
    max_tokens       the longest sequence that the position table allows
    stream           whether the padding-free path is used
    pad_to           padded path: tokens that every sequence is padded to at least
    lm_head          [n, hidden_size] to [n, vocabulary], decoder tied to the input embeddings; None if not loaded
    lm_head_missing  True where the checkpoint lacked the head or a part of it, which was then drawn afresh
    """

    def __init__(
        self,
        model: Any,
        *,
        attention: Attention = "auto",
        with_lm_head: bool = False,
        lm_head_missing: bool = False,
    ) -> None:
        super().__init__()
        base = files.encoder_of(model)
        self.model: Any = base
        self.config = base.config
        self.lm_head: nn.Module | None = None
        self.lm_head_missing = lm_head_missing
        if with_lm_head:
            self.lm_head, self._head_prefix = files.lm_head_of(model)
        self._masked_lm = type(model).__name__ if with_lm_head else ""
        if not isinstance(getattr(base, "embeddings", None), nn.Module):
            raise UserError(f"{type(base).__name__} has no embeddings that xfer could find")
        # in a tuple, or the module would be registered a second time
        self._stack = _layer_stack(base, self.config.num_hidden_layers)
        self._dropout = float(_first(self.config, "hidden_dropout_prob", "dropout") or 0.0)
        table = _position_table(base)
        padding = None if table is None else table.padding_idx
        self.position_offset = 0 if padding is None else int(padding) + 1
        rows = self.config.max_position_embeddings if table is None else table.num_embeddings
        self.max_tokens = int(rows) - self.position_offset
        self.pad_id = int(_first(self.config, "pad_token_id") or 0)
        self._typed = (_first(self.config, "type_vocab_size") or 0) > 1
        self.pad_to = 0
        self.stream = False
        self._exits = True
        self._try_paths(attention)
        self.train(base.training)  # or this module would count as training while the model in it does not

    # ------------------------------------------------------------ making

    @classmethod
    def load(
        cls,
        location: str | Path,
        revision: str = "main",
        *,
        attention: Attention = "auto",
        allow_pickle: bool = False,
        with_lm_head: bool = False,
    ) -> "Encoder":
        """From a hub id or a folder, in float32 and evaluation mode. Remote code is never run.

        Raises `UserError` for a folder without the files, a hub that cannot be reached, a model that is no
        encoder, and encoder weights that are missing or left over; pooler and head weights may be either.
        A lacking masked-LM head is drawn from torch's global random stream.
        """
        model, heads = files.read_model(location, revision, allow_pickle=allow_pickle, with_lm_head=with_lm_head)
        return cls(model, attention=attention, with_lm_head=with_lm_head, lm_head_missing=bool(heads))

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], *, attention: Attention = "auto", with_lm_head: bool = False
    ) -> "Encoder":
        """With random weights from torch's global random stream, scaled by `initializer_range`.

        `config` holds fields of transformers' configuration; `model_type` is xlm-roberta unless given.
        """
        from transformers import AutoConfig

        fields = {"model_type": "xlm-roberta", **config}
        made = AutoConfig.for_model(**fields)
        kind, arguments = files.model_class(made, with_lm_head)
        return cls(kind(made, **arguments).eval(), attention=attention, with_lm_head=with_lm_head)

    def _try_paths(self, attention: Attention) -> None:
        """Choose the fast path and the early exit if they give the model's own hidden states."""
        probe = _probe(self)
        training = self.model.training
        self.model.eval()
        with torch.no_grad():
            expected = self(probe, all_layers=True)
            self._exits = all(_same(self(probe, layer=k), expected[k]) for k in range(min(2, len(expected))))
            able = bool(getattr(self.model, "_supports_attention_backend", False))
            if attention == "auto" and able:
                own = self.config._attn_implementation
                self.model.set_attn_implementation(stream_attention.register())
                self.stream = True
                try:
                    self.stream = _same(self(probe), expected[-1])
                except (TypeError, ValueError, RuntimeError):
                    self.stream = False
                if not self.stream:
                    self.model.set_attn_implementation(own)
        self.model.train(training)

    # ------------------------------------------------------------ describing

    @property
    def shape(self) -> EncoderShape:
        """Sizes, dropout and initialisation that heads take over."""
        return EncoderShape(
            hidden_size=int(self.config.hidden_size),
            layers=len(self.layers),
            vocabulary=int(self.word_embeddings.num_embeddings),
            dropout=self._dropout,
            initializer_range=float(getattr(self.config, "initializer_range", 0.02)),
        )

    @property
    def layers(self) -> nn.ModuleList:
        """The stack of layers, first to last."""
        layers = getattr(*self._stack)
        assert isinstance(layers, nn.ModuleList)
        return layers

    @property
    def word_embeddings(self) -> nn.Embedding:
        """The input embeddings."""
        embeddings = self.model.get_input_embeddings()
        assert isinstance(embeddings, nn.Embedding)
        return embeddings

    def replace_embeddings(self, table: nn.Embedding) -> None:
        """Put another table in place of the input embeddings."""
        self.model.set_input_embeddings(table)

    @property
    def fingerprint(self) -> str:
        """sha256 over configuration and encoder weights, 16 hex digits; computed anew at every call."""
        return files.fingerprint(self.config, self.model.state_dict())

    # ------------------------------------------------------------ changing

    def dropout(self, probability: float) -> None:
        """Set every dropout probability, attention included."""
        for module in self.model.modules():
            if isinstance(module, nn.Dropout):
                module.p = probability
        self._dropout = probability

    def freeze(self, frozen_layers: int) -> None:
        """-1 trains everything, 0 freezes the embeddings, n also the first n layers."""
        if frozen_layers > len(self.layers):
            raise UserError(
                f"frozen_layers is {frozen_layers}, but the encoder has {len(self.layers)} layers",
                fix=f"use -1 to {len(self.layers)}",
            )
        self.model.requires_grad_(True)
        if frozen_layers >= 0:
            self.model.embeddings.requires_grad_(False)
        for layer in self.layers[: max(0, frozen_layers)]:
            layer.requires_grad_(False)

    def checkpoint_activations(self) -> bool:
        """Compute activations of layers again in the backward pass: less memory, about half more time.

        Returns whether the model knows how. Evaluation is not touched.
        """
        if not getattr(self.model, "supports_gradient_checkpointing", False):
            return False
        self.model.gradient_checkpointing_enable({"use_reentrant": False})
        return True

    def compile_layers(self, backend: str = "inductor") -> None:
        """Let torch compile the layers when they are first run, once for streams of all lengths."""
        for layer in self.layers:
            layer.compile(dynamic=True, backend=backend)

    def save(self, folder: str | Path, *, with_lm_head: bool | None = None) -> None:
        """Write config.json and model.safetensors for transformers' `AutoModel`.

        With the masked-LM head (by default if there is one): for `AutoModelForMaskedLM`.
        """
        weights = self.model.state_dict()
        if with_lm_head is None:
            with_lm_head = self.lm_head is not None
        if not with_lm_head:
            files.write(folder, self.config, type(self.model).__name__, weights)
            return
        if self.lm_head is None:
            raise ValueError("this encoder was loaded without its masked-LM head")
        named = {f"{self.model.base_model_prefix}.{name}": tensor for name, tensor in weights.items()}
        head = {f"{self._head_prefix}{name}": tensor for name, tensor in self.lm_head.state_dict().items()}
        files.write(folder, self.config, self._masked_lm, named | head)

    # ------------------------------------------------------------ computing

    @overload
    def forward(
        self, batch: Batch, layer: int | None = None, all_layers: Literal[False] = False
    ) -> torch.Tensor: ...

    @overload
    def forward(
        self, batch: Batch, layer: int | None = None, *, all_layers: Literal[True]
    ) -> list[torch.Tensor]: ...

    def forward(
        self, batch: Batch, layer: int | None = None, all_layers: bool = False
    ) -> torch.Tensor | list[torch.Tensor]:
        """Hidden states of the stream, [T, hidden_size]: of `layer` (0 = embeddings; None = last), or a list
        of all up to it. Layers above it are not run.

        Raises `UserError` for a sequence longer than `max_tokens`.
        """
        depth = len(self.layers)
        layer = depth if layer is None else layer
        if not 0 <= layer <= depth:
            raise UserError(f"layer {layer} of an encoder with {depth}", fix=f"use 0 to {depth}")
        if batch.max_seqlen > self.max_tokens:
            raise UserError(
                f"a sequence of {batch.max_seqlen} tokens; the encoder takes {self.max_tokens}",
                fix=f"set max_length to {self.max_tokens} or less",
            )
        # a stack of no layers would break some encoders, so the embeddings are read off in front of the first
        run = max(1, layer) if self._exits else depth
        several = all_layers or layer == 0 or (layer < depth and not self._exits)
        with self._only(run):
            states = self._streamed(batch, several) if self.stream else self._padded(batch, several)
        return states[: layer + 1] if all_layers else states[layer if several else -1]

    @contextmanager
    def _only(self, count: int) -> Iterator[None]:
        """With the first layers only. Not for use from several threads at once."""
        layers = self.layers
        if count < len(layers):
            setattr(*self._stack, layers[:count])
        try:
            yield
        finally:
            if count < len(layers):
                setattr(*self._stack, layers)

    def _streamed(self, batch: Batch, several: bool) -> list[torch.Tensor]:
        extra: dict[str, Any] = {"output_hidden_states": True} if several else {}
        if self._typed and batch.token_types is not None:
            extra["token_type_ids"] = batch.token_types[None]
        out = self.model(
            input_ids=batch.input_ids[None],
            position_ids=batch.position_ids[None],
            **stream_attention.stream_arguments(batch.cu_seqlens, batch.max_seqlen, batch.lengths),
            **extra,
        )
        return [state[0] for state in (out.hidden_states if several else [out.last_hidden_state])]

    def _padded(self, batch: Batch, several: bool) -> list[torch.Tensor]:
        """Through the model's own padded forward pass, with the positions that it gives itself."""
        lengths = np.array([length for length in batch.lengths if length])
        place = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        rows, columns = len(lengths), max(int(lengths.max()), self.pad_to)
        device = batch.input_ids.device
        index = torch.from_numpy(np.repeat(np.arange(rows) * columns, lengths) + place).to(device)
        ids = torch.full((rows * columns,), self.pad_id, device=device).index_copy(0, index, batch.input_ids)
        mask = torch.zeros_like(ids).index_fill(0, index, 1)
        extra: dict[str, Any] = {"output_hidden_states": True} if several else {}
        if self._typed and batch.token_types is not None:
            types = torch.zeros_like(ids).index_copy(0, index, batch.token_types)
            extra["token_type_ids"] = types.view(rows, columns)
        out = self.model(input_ids=ids.view(rows, columns), attention_mask=mask.view(rows, columns), **extra)
        padded = out.hidden_states if several else [out.last_hidden_state]
        return [state.flatten(0, 1).index_select(0, index) for state in padded]


def _first(config: Any, *names: str) -> Any:
    return next((value for name in names if (value := getattr(config, name, None)) is not None), None)


def _layer_stack(model: Any, count: int) -> tuple[nn.Module, str]:
    """The module that holds the list of layers, and the list's name there."""
    for module in model.modules():
        for name, child in module.named_children():
            if isinstance(child, nn.ModuleList) and len(child) == count:
                return module, name
    raise UserError(f"{type(model).__name__} has no list of {count} layers that xfer could find")


def _position_table(model: Any) -> nn.Embedding | None:
    table = getattr(model.embeddings, "position_embeddings", None)
    return table if isinstance(table, nn.Embedding) else None


def _probe(encoder: Encoder) -> Batch:
    """Two sequences of unlike length without pad tokens, for comparing ways through the model."""
    words = np.arange(8, dtype=np.int32) % encoder.word_embeddings.num_embeddings
    words[words == encoder.pad_id] = (encoder.pad_id + 5) % encoder.word_embeddings.num_embeddings
    two = np.arange(3)
    features = Features(words, np.array([0, 5, 8]), two, two[:2])
    device = encoder.word_embeddings.weight.device
    return Collator(features, encoder.pad_id, encoder.position_offset, device, sort=False).batch(two[:2])


def _same(got: torch.Tensor, expected: torch.Tensor) -> bool:
    scale = float(expected.abs().max())
    return got.shape == expected.shape and float((got - expected).abs().max()) <= TOLERANCE * max(scale, 1e-6)
