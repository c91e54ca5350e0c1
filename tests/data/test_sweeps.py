"""Retrieval at several layers."""

from collections.abc import Callable
from pathlib import Path

import pytest

from xfer import commands
from xfer.core.errors import UserError
from xfer.core.plans.sweeps import layer_starts, parse_layers


@pytest.mark.parametrize(
    ("text", "layers"),
    [
        ("all", (1, 2, 3, 4)),
        ("1-3", (1, 2, 3)),
        ("4", (4,)),
        ("0", (0,)),
        ("4, 1 - 2", (4, 1, 2)),
        ("1-3,2", (1, 2, 3)),
    ],
)
def test_layers_are_named_in_three_ways(text: str, layers: tuple[int, ...]) -> None:
    assert parse_layers(text, depth=4) == layers


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("5", "there is no layer 5"),
        ("3-9", "there is no layer 9"),
        ("3-1", "go backwards"),
        ("", "not understood"),
        ("last", "not understood"),
        ("-1", "not understood"),
        ("1,,2", "not understood"),
    ],
)
def test_other_layers_are_refused(text: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        parse_layers(text, depth=4)


def flags(folder: Path, tiny_encoder: Callable[..., Path], target: str) -> dict[str, object]:
    return {
        "suite": "mini",
        "model": str(tiny_encoder("xlm-roberta")),
        "target": target,
        "language": "de",
        "limit": {"test": 20},
        "store": folder,
        "name": "sweep",
    }


def test_every_layer_is_scored_once(tmp_path: Path, tiny_encoder: Callable[..., Path]) -> None:
    def starts(model):
        return layer_starts(parse_layers("0-2", depth=model.config["num_hidden_layers"]))

    prepared = commands.prepare(flags(tmp_path, tiny_encoder, "mini-tatoeba"), starts=starts)
    result = commands.execute(prepared)
    assert [(row.label, row.task, row.language) for row in result.results] == [
        (f"layer {layer}", "mini-tatoeba", "de") for layer in range(3)
    ]
    assert len({row.phase for row in result.results}) == 3
    assert len({row.signature for row in result.results}) == 3
    single = flags(tmp_path, tiny_encoder, "mini-tatoeba") | {"set": {"retrieval": {"layer": 2}}, "name": "single"}
    checkpoint = single.pop("model")
    (alone,) = commands.evaluate(str(checkpoint), **single).results
    assert alone.value == result.results[2].value


def test_only_retrieval_has_layers_to_choose(tmp_path: Path, tiny_encoder: Callable[..., Path]) -> None:
    with pytest.raises(UserError, match="mini-xnli is not retrieval"):
        commands.prepare(flags(tmp_path, tiny_encoder, "mini-xnli"), starts=lambda model: layer_starts((1,)))
