"""Layers compiled by torch: once for streams of all lengths, with the numbers that they have as they are.

Without a card the variable-length kernel is stood in for by an operator of the same form, and torch traces the
layers without making code from what it traced.
"""

from typing import Any

import pytest
import torch  # noqa: TID253

from tests.engine.conftest import QUICK, Kit, calm_encoder, kit, rows, training
from tests.helpers_encoders import batch_of, sequences
from tests.speed.test_products import CONFIG
from xfer import commands
from xfer.core.encoders import attention
from xfer.core.encoders.encoder import Encoder

__all__ = ["calm_encoder", "kit"]
STREAMS = [(3, 40, 17), (5, 5, 5, 9), (60, 1), (12, 13, 14, 15, 16), (2, 2)]


@torch.library.custom_op("xfer_tests::varlen", mutates_args=())
def varlen(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, cu: torch.Tensor, longest: int) -> torch.Tensor:
    """[1, heads, T, d] to [1, T, heads, d], opaque to the compiler as the kernel is."""
    return attention.loop_attention(q, k, v, cu.diff().tolist()).contiguous()


@varlen.register_fake
def _(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, cu: torch.Tensor, longest: int) -> torch.Tensor:
    return torch.empty_like(q.transpose(1, 2))


def _keep(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
    ctx.save_for_backward(*inputs[:4])


def _backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
    *qkv, cu = ctx.saved_tensors
    with torch.enable_grad():
        again = [each.detach().requires_grad_() for each in qkv]
        out = attention.loop_attention(*again, cu.diff().tolist())
    return (*torch.autograd.grad(out, again, gradient), None, None)


varlen.register_autograd(_backward, setup_context=_keep)


def flash(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, cu: torch.Tensor, longest: int, *rest: float | None
) -> torch.Tensor:
    return varlen(q, k, v, cu, longest)


def results(encoder: Encoder) -> list[torch.Tensor]:
    """Hidden states of streams of many forms, and the gradient of all of them."""
    found = []
    for number, lengths in enumerate(STREAMS):
        hidden = encoder(batch_of(encoder, sequences(lengths, number)))
        hidden.pow(2).sum().backward()
        found.append(hidden.detach())
    grad = encoder.layers[0].attention.self.query.weight.grad  # type: ignore[union-attr]
    assert isinstance(grad, torch.Tensor)
    return [*found, grad]


def test_streams_of_other_lengths_do_not_compile_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    encoder = Encoder.from_config(CONFIG)
    monkeypatch.setattr(attention, "backend", lambda *given: "flash")
    monkeypatch.setattr(attention, "flash_attention", flash)
    expected = results(encoder)
    encoder.zero_grad()
    names = list(encoder.state_dict())
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    try:
        encoder.compile_layers("eager")
        with torch._dynamo.config.patch(error_on_recompile=True):
            got = results(encoder)
    finally:
        frames = dict(torch._dynamo.utils.counters["frames"])
        torch._dynamo.reset()
    assert frames["ok"] == frames["total"] > 0
    assert list(encoder.state_dict()) == names
    assert len(got) == len(STREAMS) + 1
    for one, other in zip(got, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


def test_elsewhere_the_setting_is_told_and_changes_nothing(kit: Kit) -> None:
    plain = kit.prepare(set=QUICK)
    compiled = kit.prepare(set={**QUICK, "engine.compile": True}, store=kit.store.with_name("other"))
    assert training(plain).id == training(compiled).id
    expected, got = commands.execute(plain), commands.execute(compiled)
    message = "engine.compile is for one CUDA device with a variable-length kernel: layers run as they are"
    assert [problem.message for problem in got.problems if "compile" in problem.message] == [message]
    assert rows(got) == rows(expected) != []
