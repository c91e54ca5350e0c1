"""The stream path against transformers' own padded forward pass, on tiny random checkpoints."""

import os
from pathlib import Path
from typing import Any

import pytest
import torch  # noqa: TID253
import torch.nn.functional as F  # noqa: TID253
from helpers_encoders import LENGTHS, TIGHT, Folders, batch_of, by_sequence, own_states, pad, sequences
from transformers import AutoModel, AutoModelForMaskedLM, AutoModelForSequenceClassification  # noqa: TID253

from xfer.core.batches.features import Batch
from xfer.core.encoders.encoder import Encoder
from xfer.core.errors import UserError
from xfer.testing.encoders import KINDS, tiny_config

STREAMED = ("xlm-roberta", "bert", "roberta", "distilbert")


# ---------------------------------------------------------------- equal to transformers


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("attention", ["auto", "padded"])
@pytest.mark.parametrize("sort", [True, False])
def test_hidden_states_are_those_of_transformers(
    tiny_encoder: Folders, kind: str, attention: Any, sort: bool
) -> None:
    texts = sequences()
    encoder = Encoder.load(tiny_encoder(kind), attention=attention)
    assert encoder.stream == (attention == "auto" and kind in STREAMED)
    batch = batch_of(encoder, texts, sort)
    with torch.no_grad():
        hidden = encoder(batch)
    assert hidden.shape == (sum(LENGTHS), 32)
    for got, expected in zip(by_sequence(hidden, batch, texts), own_states(tiny_encoder(kind), texts), strict=True):
        torch.testing.assert_close(got, expected, **TIGHT)


@pytest.mark.parametrize("kind", KINDS)
def test_loss_and_gradients_are_those_of_transformers(tiny_encoder: Folders, kind: str) -> None:
    """A masked-LM loss over all tokens plus a loss over first tokens, by both ways through the model."""
    texts = sequences()
    own = AutoModelForMaskedLM.from_pretrained(tiny_encoder(kind), dtype=torch.float32).eval()
    base = getattr(own, own.base_model_prefix)
    padded = pad(texts, own.config.pad_token_id)
    inside = padded["attention_mask"] == 1
    expected = F.cross_entropy(own(**padded).logits[inside], padded["input_ids"][inside])
    expected = expected + base(**padded).last_hidden_state[:, 0].square().mean()
    expected.backward()

    encoder = Encoder.load(tiny_encoder(kind), with_lm_head=True)
    assert encoder.lm_head is not None
    assert not encoder.lm_head_missing
    batch = batch_of(encoder, texts)
    hidden = encoder(batch)
    loss = F.cross_entropy(encoder.lm_head(hidden), batch.input_ids) + hidden[batch.starts].square().mean()
    loss.backward()

    torch.testing.assert_close(loss, expected, **TIGHT)
    wanted = {name: parameter.grad for name, parameter in base.named_parameters()}
    compared = 0
    for name, parameter in encoder.model.named_parameters():
        assert (parameter.grad is None) == (wanted[name] is None)
        if parameter.grad is not None:
            torch.testing.assert_close(parameter.grad, wanted[name], atol=1e-5, rtol=1e-4)
            compared += 1
    assert compared > 30


@pytest.mark.parametrize("kind", KINDS)
def test_an_early_exit_gives_the_hidden_states_of_that_layer(tiny_encoder: Folders, kind: str) -> None:
    texts = sequences()
    encoder = Encoder.load(tiny_encoder(kind))
    batch = batch_of(encoder, texts)
    with torch.no_grad():
        every = encoder(batch, all_layers=True)
        assert len(every) == 3
        for layer in range(3):
            expected = torch.cat(own_states(tiny_encoder(kind), texts, layer))
            torch.testing.assert_close(torch.cat(by_sequence(every[layer], batch, texts)), expected, **TIGHT)
            torch.testing.assert_close(encoder(batch, layer), every[layer], **TIGHT)
            upto = encoder(batch, layer, all_layers=True)
            assert len(upto) == layer + 1
            torch.testing.assert_close(upto[-1], every[layer], **TIGHT)
    assert len(encoder.layers) == 2
    with pytest.raises(UserError, match="layer 3 of an encoder with 2"):
        encoder(batch, 3)


@pytest.mark.parametrize("kind", ["xlm-roberta", "deberta-v2"])
def test_layers_above_the_exit_are_not_run(tiny_encoder: Folders, kind: str) -> None:
    encoder = Encoder.load(tiny_encoder(kind))
    batch = batch_of(encoder, sequences())
    runs: list[int] = []
    for number, layer in enumerate(encoder.layers):
        layer.register_forward_hook(lambda *_, number=number: runs.append(number))
    with torch.no_grad():
        encoder(batch, 1)
        assert runs == [0]
        encoder(batch)
    assert runs == [0, 0, 1]


@pytest.mark.parametrize(
    ("kind", "extra", "stream"),
    [
        ("xlm-roberta-xl", {"max_position_embeddings": 66}, True),
        ("modernbert", {"local_attention": 8}, False),
    ],
)
def test_encoders_of_other_make_are_tried_before_a_short_cut_is_taken(kind: str, extra: Any, stream: bool) -> None:
    """Both normalise after their last layer, so that a shorter stack gives something else; one has windows."""
    torch.manual_seed(0)
    encoder = Encoder.from_config({**tiny_config("xlm-roberta", 100), "model_type": kind, **extra})
    assert encoder.stream is stream
    texts = sequences((20, 3, 7))
    batch = batch_of(encoder, texts)
    with torch.no_grad():
        got = [by_sequence(encoder(batch, layer), batch, texts) for layer in range(3)]
        encoder.model.set_attn_implementation("sdpa")
        own = encoder.model(**pad(texts, encoder.pad_id), output_hidden_states=True).hidden_states
    for states, expected in zip(got, own, strict=True):
        for state, row in zip(states, expected, strict=True):
            torch.testing.assert_close(state, row[: len(state)], **TIGHT)


@pytest.mark.parametrize(("kind", "what"), [("albert", "list of 2 layers"), ("eurobert", "embeddings")])
def test_encoders_that_xfer_cannot_take_apart_are_told(kind: str, what: str) -> None:
    with pytest.raises(UserError, match=what):
        Encoder.from_config({**tiny_config("xlm-roberta", 100), "model_type": kind, "num_key_value_heads": 2})


# ---------------------------------------------------------------- nothing else changes the numbers


def outputs_and_gradients(encoder: Encoder, batch: Batch, texts: list[list[int]]) -> tuple[Any, Any]:
    encoder.zero_grad()
    states = by_sequence(encoder(batch), batch, texts)
    sum(((number + 1) * state.square().mean() for number, state in enumerate(states)), torch.zeros(())).backward()
    return states, [parameter.grad.clone() for parameter in encoder.parameters() if parameter.grad is not None]


@pytest.mark.parametrize("kind", KINDS)
def test_order_and_filler_change_nothing(tiny_encoder: Folders, kind: str) -> None:
    texts = sequences()
    encoder = Encoder.load(tiny_encoder(kind))
    plain = batch_of(encoder, texts, sort=False)
    states, gradients = outputs_and_gradients(encoder, plain, texts)
    batches = {"sorted": batch_of(encoder, texts)}
    batches |= {f"filler {size}": batch_of(encoder, texts, filler=size) for size in (64, 128, 512)}
    other = batch_of(encoder, texts, filler=128)
    other.input_ids[other.real_tokens :] = torch.arange(len(other.input_ids) - other.real_tokens) % 50 + 5
    batches["filler of words"] = other
    for name, batch in batches.items():
        got, gradient = outputs_and_gradients(encoder, batch, texts)
        for a, b in zip(got, states, strict=True):
            torch.testing.assert_close(a, b, **TIGHT, msg=lambda m, name=name: f"{name}: {m}")
        assert len(gradient) == len(gradients)
        for a, b in zip(gradient, gradients, strict=True):
            torch.testing.assert_close(a, b, atol=2e-5, rtol=1e-4, msg=lambda m, name=name: f"{name}: {m}")

    turned = list(reversed(texts))
    with torch.no_grad():
        batch = batch_of(encoder, turned, sort=False)
        for a, b in zip(by_sequence(encoder(batch), batch, turned), reversed(states), strict=True):
            torch.testing.assert_close(a, b, **TIGHT)


@pytest.mark.parametrize("kind", KINDS)
def test_a_sequence_does_not_see_the_others(tiny_encoder: Folders, kind: str) -> None:
    encoder = Encoder.load(tiny_encoder(kind))
    texts = sequences()
    changed = [*texts[:2], [7] * 17, *texts[3:]]
    with torch.no_grad():
        before, after = (
            by_sequence(encoder(batch), batch, these)
            for these in (texts, changed)
            for batch in [batch_of(encoder, these)]
        )
    for number, (a, b) in enumerate(zip(before, after, strict=True)):
        assert torch.allclose(a, b, **TIGHT) == (number != 2)


def test_transformers_own_packing_would_mix_sequences(tiny_encoder: Folders) -> None:
    """The trap the stream avoids: encoders under `sdpa` attend across packed sequences, and say nothing."""
    encoder = Encoder.load(tiny_encoder("xlm-roberta"))
    batch = batch_of(encoder, sequences(), sort=False)
    packed = AutoModel.from_pretrained(tiny_encoder("xlm-roberta"), attn_implementation="sdpa").eval()
    with torch.no_grad():
        mixed = packed(input_ids=batch.input_ids[None], position_ids=batch.position_ids[None])
        assert not torch.allclose(mixed.last_hidden_state[0], encoder(batch), atol=1e-2)


def test_a_padded_batch_sent_through_the_stream_path_is_an_error(tiny_encoder: Folders) -> None:
    encoder = Encoder.load(tiny_encoder("xlm-roberta"))
    padded = pad(sequences(), encoder.pad_id)
    with pytest.raises(ValueError, match="no attention mask"):
        encoder.model(**padded)
    with pytest.raises(ValueError, match="padded batch of 7 rows"):
        encoder.model(input_ids=padded["input_ids"])


# ---------------------------------------------------------------- positions


@pytest.mark.parametrize(
    ("kind", "offset"), [("xlm-roberta", 2), ("roberta", 2), ("bert", 0), ("distilbert", 0), ("deberta-v2", 0)]
)
def test_positions_start_where_the_model_wants_them(tiny_encoder: Folders, kind: str, offset: int) -> None:
    encoder = Encoder.load(tiny_encoder(kind))
    assert encoder.position_offset == offset
    assert encoder.max_tokens == 512
    if encoder.stream:
        texts = sequences()
        batch = batch_of(encoder, texts)
        batch.position_ids += 1
        with torch.no_grad():
            moved = by_sequence(encoder(batch), batch, texts)
        assert not torch.allclose(moved[0], own_states(tiny_encoder(kind), texts)[0], atol=1e-2)


@pytest.mark.parametrize("kind", STREAMED)
def test_a_stream_may_be_longer_than_the_position_table(tiny_encoder: Folders, kind: str) -> None:
    texts = sequences((512, 40, 512, 9))
    encoder = Encoder.load(tiny_encoder(kind))
    batch = batch_of(encoder, texts)
    with torch.no_grad():
        got = by_sequence(encoder(batch), batch, texts)
    for a, b in zip(got, own_states(tiny_encoder(kind), texts), strict=True):
        torch.testing.assert_close(a, b, **TIGHT)


@pytest.mark.parametrize("kind", KINDS)
def test_too_long_a_sequence_is_told(tiny_encoder: Folders, kind: str) -> None:
    encoder = Encoder.load(tiny_encoder(kind))
    with pytest.raises(UserError, match="513 tokens; the encoder takes 512"):
        encoder(batch_of(encoder, sequences((513, 4))))


@pytest.mark.parametrize("kind", ["xlm-roberta", "bert"])
def test_first_tokens_are_read_where_the_stream_has_them(tiny_encoder: Folders, kind: str) -> None:
    """transformers' heads take `features[:, 0]`, in a stream the first token of the first sequence only."""
    torch.manual_seed(0)
    own = AutoModelForSequenceClassification.from_pretrained(tiny_encoder(kind), num_labels=3).eval()
    captured: list[torch.Tensor] = []
    base = getattr(own, own.base_model_prefix)
    base.register_forward_hook(lambda module, args, out: captured.append(out.last_hidden_state[:, 0]))
    texts = sequences()
    encoder = Encoder.load(tiny_encoder(kind))
    batch = batch_of(encoder, texts)
    with torch.no_grad():
        own(**pad(texts, encoder.pad_id))
        torch.testing.assert_close(encoder(batch)[batch.starts], captured[0], **TIGHT)


# ---------------------------------------------------------------- training


def test_dropout_is_drawn_in_training_only(tiny_encoder: Folders) -> None:
    encoder = Encoder.load(tiny_encoder("xlm-roberta"))
    batch = batch_of(encoder, sequences())
    assert torch.equal(encoder(batch), encoder(batch))
    encoder.train()
    torch.manual_seed(3)
    first, second = encoder(batch), encoder(batch)
    assert not torch.equal(first, second)
    torch.manual_seed(3)
    assert torch.equal(first, encoder(batch))


@pytest.mark.parametrize("kind", KINDS)
def test_dropout_can_be_set_to_nothing(tiny_encoder: Folders, kind: str) -> None:
    encoder = Encoder.load(tiny_encoder(kind))
    batch = batch_of(encoder, sequences())
    expected = encoder(batch)
    encoder.train()
    assert not torch.equal(encoder(batch), expected)
    encoder.dropout(0.0)
    assert torch.equal(encoder(batch), expected)
    assert encoder.shape.dropout == 0.0


@pytest.mark.parametrize("kind", KINDS)
def test_freezing(tiny_encoder: Folders, kind: str) -> None:
    encoder = Encoder.load(tiny_encoder(kind))

    def trained() -> tuple[bool, list[bool]]:
        flags = [all(parameter.requires_grad for parameter in layer.parameters()) for layer in encoder.layers]
        return encoder.word_embeddings.weight.requires_grad, flags

    for frozen, expected in ((0, (False, [True, True])), (1, (False, [False, True])), (-1, (True, [True, True]))):
        encoder.freeze(frozen)
        assert trained() == expected
    encoder.freeze(1)
    encoder(batch_of(encoder, sequences())).square().mean().backward()
    assert all(parameter.grad is None for parameter in encoder.layers[0].parameters())
    assert all(parameter.grad is not None for parameter in encoder.layers[1].parameters())
    with pytest.raises(UserError, match="frozen_layers is 3"):
        encoder.freeze(3)


# ---------------------------------------------------------------- a real encoder


@pytest.mark.skipif("XFER_TEST_ENCODER" not in os.environ, reason="XFER_TEST_ENCODER names no encoder folder")
def test_a_real_encoder_gives_its_own_numbers() -> None:
    from xfer.core.encoders.tokeniser import Tokeniser

    folder = Path(os.environ["XFER_TEST_ENCODER"])
    tokeniser = Tokeniser.load(folder)
    lines = ["A red cat sleeps.", "Wer hat den Vogel gesehen, der am Morgen gesungen hat?", "Paka analala."]
    texts = [encoding.ids for encoding in tokeniser.encode(lines)]
    encoder = Encoder.load(folder)
    batch = batch_of(encoder, texts)
    for layer in (len(encoder.layers) // 2, len(encoder.layers)):
        with torch.no_grad():
            got = by_sequence(encoder(batch, layer), batch, texts)
        for a, b in zip(got, own_states(folder, texts, layer), strict=True):
            torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)
