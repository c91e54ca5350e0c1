"""Products of linear layers by oneDNN: the same numbers as torch's own, in the same modules."""

import copy
from pathlib import Path

import pytest
import torch  # noqa: TID253
import torch.nn.functional as F  # noqa: TID253
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn  # noqa: TID253

from tests.helpers_encoders import batch_of, sequences
from xfer.core.encoders import linear
from xfer.core.encoders.device import Device
from xfer.core.encoders.encoder import Encoder
from xfer.core.errors import UserError

CPU = Device(torch.device("cpu"), "float32")
needed = pytest.mark.skipif(not linear.is_right(), reason="this build of torch has no oneDNN")


def layers(bias: bool = True) -> tuple[nn.Linear, nn.Linear]:
    """The same layer, with torch's product and with oneDNN's."""
    torch.manual_seed(0)
    own = nn.Linear(320, 256, bias=bias)
    fast = copy.deepcopy(own)
    assert linear.set_products(fast, CPU, "onednn") == 1
    return own, fast


@needed
@settings(deadline=None)
@given(st.integers(1, 80), st.booleans(), st.sampled_from(["flat", "stream", "strided"]))
def test_values_and_gradients_are_those_of_torch(count: int, bias: bool, form: str) -> None:
    own, fast = layers(bias)
    values = torch.randn(count, 320)
    if form == "stream":
        values = values[None]
    if form == "strided":
        values = torch.randn(320, count).t()
    weight = torch.randn(256, count).t().view(*values.shape[:-1], 256)
    found = []
    for layer in (own, fast):
        rows = values.clone(memory_format=torch.preserve_format).requires_grad_()
        out = layer(rows)
        (out * weight).sum().backward()
        found.append([out, rows.grad, *(p.grad for p in layer.parameters())])
    assert len(found[0]) == 3 + bias
    for expected, got in zip(*found, strict=True):
        torch.testing.assert_close(got, expected, atol=2e-4, rtol=1e-4)


@needed
def test_what_is_frozen_gets_no_gradient_and_no_rows_are_no_error() -> None:
    _, fast = layers()
    fast.weight.requires_grad_(False)
    fast(torch.randn(3, 320)).sum().backward()
    assert fast.weight.grad is None
    assert fast.bias.grad is not None
    assert fast(torch.randn(0, 320)).shape == (0, 256)
    with torch.no_grad():
        assert not fast(torch.randn(2, 320)).requires_grad


@needed
def test_other_precisions_stay_with_torch() -> None:
    own, fast = layers()
    rows = torch.randn(5, 320)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert fast(rows).dtype == torch.bfloat16
        assert torch.equal(fast(rows), own(rows))
    assert fast.double()(rows.double()).dtype == torch.float64


CONFIG = {
    "vocab_size": 300,
    "hidden_size": 256,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 512,
    "max_position_embeddings": 66,
    "type_vocab_size": 1,
    "pad_token_id": 1,
}


@needed
@pytest.mark.parametrize("attention", ["auto", "padded"])
def test_an_encoder_keeps_weights_names_and_numbers(attention: str) -> None:
    torch.manual_seed(0)
    own = Encoder.from_config(CONFIG, attention=attention, with_lm_head=True)  # type: ignore[arg-type]
    fast = copy.deepcopy(own)
    # six products in each layer, the dense layer of the masked-LM head and its decoder, tied to the embeddings
    assert linear.set_products(fast, CPU, "onednn") == 2 * 6 + 2
    assert list(fast.state_dict()) == list(own.state_dict())
    assert fast.fingerprint == own.fingerprint
    assert fast.lm_head.decoder.weight is fast.word_embeddings.weight  # type: ignore[union-attr]
    batch = batch_of(own, sequences((3, 40, 17, 17, 1)))
    found = []
    for encoder in (own, fast):
        hidden = encoder(batch)
        encoder.lm_head(hidden).logsumexp(-1).sum().backward()
        found.append((hidden, {name: p.grad for name, p in encoder.named_parameters()}))
    torch.testing.assert_close(found[1][0], found[0][0], atol=1e-4, rtol=1e-4)
    assert len(found[0][1]) > 30
    for name, expected in found[0][1].items():
        torch.testing.assert_close(found[1][1][name], expected, atol=1e-4, rtol=1e-3, msg=name)


@needed
def test_the_same_work_gives_the_same_bits() -> None:
    def once() -> list[torch.Tensor]:
        _, fast = layers()
        optimizer = torch.optim.AdamW(fast.parameters(), lr=1e-2, fused=True)
        generator = torch.Generator().manual_seed(1)
        for count in (7, 64, 33, 7):
            F.gelu(fast(torch.randn(count, 320, generator=generator))).sum().backward()
            optimizer.step()
            optimizer.zero_grad()
        return [p.detach() for p in fast.parameters()]

    assert all(torch.equal(one, other) for one, other in zip(once(), once(), strict=True))


def test_only_large_layers_on_a_cpu_in_float32_change(monkeypatch: pytest.MonkeyPatch) -> None:
    def model() -> nn.Module:
        return nn.Sequential(nn.Linear(256, 256), nn.Linear(256, 255), nn.Linear(8, 8))

    monkeypatch.setattr(linear, "is_right", lambda: True)
    monkeypatch.setattr(linear, "_faster", lambda: True)
    assert linear.set_products(model(), CPU) == 1
    assert linear.set_products(model(), CPU, "torch") == 0
    assert linear.set_products(model(), Device(torch.device("cpu"), "bfloat16"), "onednn") == 0
    assert linear.set_products(model(), Device(torch.device("cuda"), "float32")) == 0
    monkeypatch.setattr(linear, "_faster", lambda: False)
    assert linear.set_products(model(), CPU) == 0
    assert linear.set_products(model(), CPU, "onednn") == 1


def test_wrong_numbers_and_a_lacking_operator_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def spoilt(rows: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        return F.linear(rows, weight, bias) * (1.01 if bias is None else 1)  # wrong in the gradients alone

    def lacking(rows: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        raise AttributeError("'_OpNamespace' 'mkldnn' object has no attribute '_linear_pointwise'")

    for broken in (spoilt, lacking):
        monkeypatch.setattr(linear, "product", broken)
        linear.is_right.cache_clear()
        assert not linear.is_right()
        assert linear.set_products(nn.Linear(256, 256), CPU) == 0
        with pytest.raises(UserError, match=r"engine\.products=onednn.*oneDNN"):
            linear.set_products(nn.Linear(256, 256), CPU, "onednn")
    linear.is_right.cache_clear()


def test_a_processor_says_who_made_it(tmp_path: Path) -> None:
    said = tmp_path / "cpuinfo"
    said.write_text("processor\t: 0\nvendor_id\t: AuthenticAMD\nflags\t\t: fpu avx512f\n")
    assert linear._maker(said) == "AuthenticAMD"
    said.write_text("CPU implementer\t: 0x41\n")
    assert linear._maker(said) == ""
