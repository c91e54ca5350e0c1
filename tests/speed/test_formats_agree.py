"""Padding-free equals padded: every format against transformers' own models with heads, on ragged batches."""

from typing import Any

import numpy as np
import pytest
import torch  # noqa: TID253

from tests.speed.formats import TASKS, TRAINED, Folders, Setting, make, shuffled
from xfer.core.encoders.device import Device
from xfer.core.engine.predict import predict

KINDS = ("xlm-roberta", "bert")
CPU = Device(torch.device("cpu"), "float32")


def gradients(setting: Setting, loss: torch.Tensor, model: Any) -> dict[str, torch.Tensor]:
    model.zero_grad()
    loss.backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def both(setting: Setting) -> tuple[Any, ...]:
    """Outputs, losses and encoder gradients of xfer and of transformers."""
    batch = setting.batch(items=shuffled(setting.features.item_count))
    out = setting.streamed(setting.batch())["out"]
    hidden = setting.encoder(batch)
    summed, terms = setting.code.loss(setting.head, hidden, batch)
    own_out = setting.padded()
    own_loss = setting.own_loss(own_out)
    base = getattr(setting.own, setting.own.base_model_prefix)
    return (
        (out, own_out),
        (summed / terms, own_loss),
        (gradients(setting, summed / terms, setting.encoder.model), gradients(setting, own_loss, base)),
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", TRAINED)
def test_outputs_loss_and_gradients_are_those_of_transformers(tiny_encoder: Folders, name: str, kind: str) -> None:
    outs, losses, grads = both(make(name, tiny_encoder(kind)))
    torch.testing.assert_close(*outs, atol=2e-5, rtol=1e-5)
    torch.testing.assert_close(*losses, atol=1e-5, rtol=1e-5)
    got, expected = grads
    compared = sorted(got.keys() & expected.keys())
    assert set(expected) - set(got) <= {"pooler.dense.weight", "pooler.dense.bias"}
    assert len(compared) > 30
    for key in compared:
        torch.testing.assert_close(
            got[key], expected[key], atol=1e-5, rtol=1e-4, msg=lambda m, key=key: f"{key}: {m}"
        )


def distance(got: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> float:
    """Relative error of all gradients together."""
    shared = got.keys() & expected.keys()
    wrong = sum(float((got[key] - expected[key]).double().square().sum()) for key in shared)
    return float((wrong / sum(float(expected[key].double().square().sum()) for key in shared)) ** 0.5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", TRAINED)
def test_in_bfloat16_the_error_is_that_of_padded_bfloat16(tiny_encoder: Folders, name: str, kind: str) -> None:
    setting = make(name, tiny_encoder(kind))
    (exact, _), (_, loss), (gradient, _) = both(setting)
    exact, loss = exact.detach(), loss.detach()
    with torch.autocast("cpu", torch.bfloat16):
        (streamed, padded), (own, other), (one, two) = both(setting)
    scale = exact.double().norm()
    errors = [float((each.detach() - exact).double().norm() / scale) for each in (streamed, padded)]
    assert 1e-5 < errors[0] < 1.2 * errors[1] + 1e-4, errors
    assert (own - loss).abs() < (other - loss).abs() + 5e-3
    assert distance(one, gradient) < 1.2 * distance(two, gradient) + 1e-3


@pytest.mark.parametrize("kind", KINDS)
def test_retrieval_reads_transformers_hidden_states(tiny_encoder: Folders, kind: str) -> None:
    setting = make("retrieval", tiny_encoder(kind))
    with torch.no_grad():
        torch.testing.assert_close(setting.streamed(setting.batch())["out"], setting.padded(), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", TASKS)
def test_predictions_do_not_depend_on_the_batches(tiny_encoder: Folders, name: str, kind: str) -> None:
    setting = make(name, tiny_encoder(kind))
    # as an evaluation makes them: with everything that decoding reads
    features = setting.code.featurise(setting.examples, setting.tokeniser, 64, training=False)
    found = [
        predict(
            setting.code, setting.encoder, setting.head, features, setting.tokeniser, CPU, budget, setting.layer
        )
        for budget in (1, 40, 16384)
    ]
    values = [setting.code.decode(setting.examples, features, outputs) for outputs in found]
    assert len(values[0]) == len(setting.examples)
    for outputs, decoded in zip(found[1:], values[1:], strict=True):
        assert outputs.keys() == found[0].keys()
        for axis in outputs:
            np.testing.assert_allclose(outputs[axis], found[0][axis], atol=1e-5, rtol=1e-5)
        if name == "masked-lm":
            np.testing.assert_allclose(decoded, values[0], atol=1e-4)
        else:
            assert decoded == values[0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", TRAINED)
def test_filler_changes_no_loss_and_no_gradient(tiny_encoder: Folders, name: str, kind: str) -> None:
    """Content and size of the filler; no filler sequence is longer than the longest real one."""
    setting = make(name, tiny_encoder(kind))
    longest = int(setting.features.sequence_lengths.max())

    def result(filler: int | None, content: str) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        batch = setting.batch(filler=filler)
        real = batch.real_tokens
        assert max(batch.lengths) == batch.max_seqlen == longest
        assert batch.cu_seqlens.diff().max() == longest
        if filler:
            assert len(batch.input_ids) % filler == 0
            assert len(batch.input_ids) > real
        if content == "words":
            batch.input_ids[real:] = torch.arange(len(batch.input_ids) - real) % 50 + 5
        summed, terms = setting.code.loss(setting.head, setting.encoder(batch), batch)
        return terms, gradients(setting, summed / terms, setting.encoder.model) | {
            "loss": (summed / terms).detach()
        }

    terms, expected = result(None, "padding")
    for filler, content in ((64, "padding"), (64, "words"), (500, "padding"), (1024, "words")):
        count, got = result(filler, content)
        assert count == terms
        for key in expected:
            assert got[key].isfinite().all()
            torch.testing.assert_close(got[key], expected[key], atol=1e-5, rtol=1e-4)
