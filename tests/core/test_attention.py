import pytest
import torch  # noqa: TID253
from hypothesis import given, settings
from hypothesis import strategies as st

from xfer.core.encoders import attention
from xfer.core.encoders.attention import (
    backend,
    loop_attention,
    runs_attention,
    runs_of,
    stream_arguments,
    stream_attention,
)

LENGTHS = st.lists(st.integers(0, 9), min_size=1, max_size=9).filter(any)
MODULE = torch.nn.Identity()


def heads(total: int, seed: int = 0, grad: bool = False) -> list[torch.Tensor]:
    """Query, key and value as transformers hands them over: [1, heads, T, d], transposed views."""
    generator = torch.Generator().manual_seed(seed)
    made = [torch.randn(1, total, 3, 8, generator=generator) for _ in range(3)]
    return [each.transpose(1, 2).requires_grad_(grad) for each in made]


def arguments(lengths: list[int]) -> dict[str, object]:
    cu = torch.tensor([0, *lengths]).cumsum(0).to(torch.int32)
    return stream_arguments(cu, max(lengths), lengths)


def test_runs_join_neighbours_of_equal_length() -> None:
    assert runs_of([2, 2, 5, 0, 5, 2, 0]) == ((2, 2), (1, 5), (1, 5), (1, 2))
    assert runs_of([4]) == ((1, 4),)


@settings(max_examples=60, deadline=None)
@given(LENGTHS, st.sampled_from([None, 0.1, 1.0]))
def test_runs_equal_the_definition(lengths: list[int], scaling: float | None) -> None:
    query, key, value = heads(sum(lengths))
    out = runs_attention(query, key, value, runs_of(lengths), 0.0, scaling)
    expected = loop_attention(query, key, value, lengths, scaling)
    assert out.shape == (1, sum(lengths), 3, 8)
    torch.testing.assert_close(out, expected, atol=1e-5, rtol=1e-5)


@settings(max_examples=20, deadline=None)
@given(LENGTHS)
def test_gradients_equal_those_of_the_definition(lengths: list[int]) -> None:
    weight = torch.randn(1, sum(lengths), 3, 8)
    gradients = []
    for runs in (True, False):
        query, key, value = given = heads(sum(lengths), grad=True)
        if runs:
            out = runs_attention(query, key, value, runs_of(lengths), 0.0, None)
        else:
            out = loop_attention(query, key, value, lengths)
        gradients.append(torch.autograd.grad((out * weight).sum(), given))
    for got, expected in zip(*gradients, strict=True):
        torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)


def test_dropout_falls_on_attention_weights() -> None:
    query, key, value = heads(40)
    plain = stream_attention(MODULE, query, key, value, dropout=0.0, **arguments([20, 20]))[0]
    torch.manual_seed(0)
    draws = [stream_attention(MODULE, query, key, value, dropout=0.5, **arguments([20, 20]))[0] for _ in range(400)]
    assert not torch.equal(draws[0], draws[1])
    mean = torch.stack(draws).mean(0)
    torch.testing.assert_close(mean, plain, atol=0.25, rtol=0.0)
    assert (mean - plain).abs().mean() < 0.04


def test_values_of_other_sequences_do_not_matter() -> None:
    lengths = [3, 5, 4]
    query, key, value = heads(12)
    before = stream_attention(MODULE, query, key, value, **arguments(lengths))[0]
    changed = [each.clone() for each in (query, key, value)]
    for each in changed:
        each[:, :, 3:8] = float("nan")
    after = stream_attention(MODULE, *changed, **arguments(lengths))[0]
    assert torch.equal(before[:, :3], after[:, :3])
    assert torch.equal(before[:, 8:], after[:, 8:])
    assert after[:, 3:8].isnan().all()


def test_whatever_would_mix_sequences_is_refused() -> None:
    query, key, value = heads(6)
    boundaries = arguments([2, 4])
    two_rows = [each.expand(2, -1, -1, -1) for each in (query, key, value)]
    with pytest.raises(ValueError, match="padded batch of 2 rows"):
        stream_attention(MODULE, *two_rows, **boundaries)
    with pytest.raises(ValueError, match="no attention mask"):
        stream_attention(MODULE, query, key, value, torch.ones(1, 6), **boundaries)
    with pytest.raises(ValueError, match="boundaries"):
        stream_attention(MODULE, query, key, value)
    with pytest.raises(ValueError, match="sliding window"):
        stream_attention(MODULE, query, key, value, **boundaries, sliding_window=4)
    with pytest.raises(ValueError, match="do not make up"):
        stream_attention(MODULE, query, key, value, **arguments([2, 3]))


def test_transformers_builds_no_mask_and_drops_none() -> None:
    from transformers import BertConfig
    from transformers.masking_utils import (
        create_bidirectional_mask,
        create_bidirectional_sliding_window_mask,
        create_causal_mask,
    )

    config = BertConfig(attn_implementation=attention.register(), sliding_window=2)
    given = {"config": config, "inputs_embeds": torch.zeros(1, 4, 8)}
    assert create_bidirectional_mask(**given, attention_mask=None) is None
    with pytest.raises(ValueError, match="no attention mask"):
        create_bidirectional_mask(**given, attention_mask=torch.ones(1, 4))
    with pytest.raises(ValueError, match="no windows"):
        create_bidirectional_sliding_window_mask(**given, attention_mask=None)
    with pytest.raises(ValueError, match="no causal"):
        create_causal_mask(**given, attention_mask=None, past_key_values=None)


def test_the_backend_without_a_variable_length_kernel_is_runs() -> None:
    assert backend(torch.device("cpu"), torch.float32, 8) == "runs"
    assert backend(torch.device("cpu"), torch.bfloat16, 8) == "runs"


def test_a_kernel_that_is_wrong_or_absent_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    device, dtype = torch.device("cpu"), torch.float32

    def right(
        query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, cu: torch.Tensor, *rest: object
    ) -> torch.Tensor:
        return loop_attention(query, key, value, cu.diff().tolist())

    def across_sequences(
        query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, cu: torch.Tensor, *rest: object
    ) -> torch.Tensor:
        return loop_attention(query, key, value, [int(cu[-1])])

    def absent(*given: object) -> torch.Tensor:
        raise RuntimeError("no kernel for this card")

    for kernel, verdict in ((right, True), (across_sequences, False), (absent, False)):
        monkeypatch.setattr(attention, "flash_attention", kernel)
        for mode in (torch.enable_grad, torch.inference_mode):
            with mode():
                assert attention._flash_is_right(device, dtype, 8) is verdict


@pytest.mark.cuda
def test_the_kernel_on_cuda_agrees_with_runs() -> None:
    lengths = [30, 7, 7, 1, 64, 0, 0]
    device = torch.device("cuda")
    assert backend(device, torch.bfloat16, 64) == "flash"
    qkv = [torch.randn(1, 4, sum(lengths), 64, device=device, dtype=torch.bfloat16) for _ in range(3)]
    cu = torch.tensor([0, *lengths], device=device).cumsum(0).to(torch.int32)
    out = stream_attention(MODULE, *qkv, **stream_arguments(cu, 64, lengths))[0]
    expected = runs_attention(*(each.float() for each in qkv), runs_of(lengths), 0.0, None)
    torch.testing.assert_close(out.float(), expected, atol=0.02, rtol=0.02)
