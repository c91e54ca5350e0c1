import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xfer.core import toml

texts = st.text(st.characters(exclude_categories=["Cs"]))
scalars = st.one_of(st.booleans(), st.integers(), st.floats(allow_nan=False), texts)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=20,
)


@given(st.dictionaries(texts, values, max_size=6))
def test_what_is_written_is_read(table: dict[str, Any]) -> None:
    read = tomllib.loads(toml.dumps(table))
    assert read == table
    assert repr(read).count("True") == repr(table).count("True")  # True == 1


def test_the_text() -> None:
    table = {"model": "xlm-r", "target": {"learning_rate": 1e-05, "a b": {"x": [1, True], "none": None}}, "z": {}}
    assert toml.dumps(table) == (
        'model = "xlm-r"\n\n[target]\nlearning_rate = 1e-05\n\n[target."a b"]\nx = [1, true]\n\n[z]\n'
    )
    assert toml.dumps({}) == ""


def test_tuples_are_lists_and_none_is_left_out() -> None:
    assert tomllib.loads(toml.dumps({"a": (1, 2), "b": None, "c": [{"d": None, "e": 1}]})) == {
        "a": [1, 2],
        "c": [{"e": 1}],
    }


@pytest.mark.parametrize(
    ("value", "error"), [([None], ValueError), ("\ud800", ValueError), (b"x", TypeError), ({1: 2}, TypeError)]
)
def test_what_toml_cannot_hold(value: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        toml.dumps({"a": value})
