import numpy as np
import torch  # noqa: TID253
from hypothesis import given
from hypothesis import strategies as st

from xfer.core.streams import numpy_stream, stream_seed, torch_seeded


def test_the_seed_of_a_stream_never_moves() -> None:
    assert stream_seed(0, "dropout", 7) == 3779657328995349573
    assert stream_seed(0) == 3456079177858693020


@given(st.integers(0, 2**40), st.lists(st.one_of(st.text(max_size=4), st.integers(-9, 9)), max_size=4))
def test_seeds_have_63_bits_and_depend_on_the_run(seed: int, names: list[str | int]) -> None:
    value = stream_seed(seed, *names)
    assert 0 <= value < 2**63
    assert value == stream_seed(seed, *names)
    assert value != stream_seed(seed + 1, *names)


def test_names_are_kept_apart() -> None:
    names: list[tuple[str | int, ...]] = [
        ("a", "b"),
        ("ab",),
        ("b", "a"),
        ("a|1:sb",),
        (1,),
        ("1",),
        (),
        ("",),
        (11,),
        (1, 1),
    ]
    assert len({stream_seed(3, *each) for each in names}) == len(names)


def test_numpy_streams_are_equal_by_name_and_apart_otherwise() -> None:
    first, again, other = (numpy_stream(5, "order", epoch).permutation(50) for epoch in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_numpy_integers_name_the_same_stream_as_python_integers() -> None:
    assert stream_seed(1, int(np.int64(4))) == stream_seed(1, np.int64(4))  # type: ignore[arg-type]


def test_torch_is_seeded_at_once() -> None:
    torch_seeded(1, "dropout", 3)
    first = torch.rand(4)
    torch.rand(9)
    torch_seeded(1, "dropout", 3)
    assert torch.equal(first, torch.rand(4))
    torch_seeded(1, "dropout", 4)
    assert not torch.equal(first, torch.rand(4))


def test_a_with_statement_gives_the_former_state_back() -> None:
    torch.manual_seed(8)
    expected = torch.rand(6)
    torch.manual_seed(8)
    first = torch.rand(3)
    with torch_seeded(2, "heads"):
        inside = torch.rand(3)
    assert torch.equal(torch.cat([first, torch.rand(3)]), expected)
    with torch_seeded(2, "heads"):
        assert torch.equal(inside, torch.rand(3))
