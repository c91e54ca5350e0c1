"""The page of what is tried names tests that are there, each in the level that it says."""

import ast
import re
from functools import cache
from pathlib import Path

from xfer.core.errors import ExitStatus

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "reliability.md"
NAMED = re.compile(r"(\*?)`([\w/]+\.py)::(\w+)`")


@cache
def functions(file: str) -> dict[str, ast.FunctionDef]:
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
    return {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_test_on_the_page_is_there_in_its_level() -> None:
    named = NAMED.findall(PAGE.read_text(encoding="utf-8"))
    assert len(named) >= 60
    lacking = [f"{file}::{name}" for _, file, name in named if name not in functions(file)]
    assert lacking == []
    for star, file, name in named:
        node = functions(file)[name]
        marks = " ".join(ast.unparse(mark) for mark in node.decorator_list)
        assert bool(star) <= ("slow" in marks), f"{file}::{name} is not slow"
        assert bool(star) or "pytest.mark.slow" not in [ast.unparse(mark) for mark in node.decorator_list], name


def test_every_exit_status_has_its_row_and_its_test() -> None:
    text = PAGE.read_text(encoding="utf-8")
    tables = [part for part in text.split("\n\n") if part.startswith("| Status |")]
    assert len(tables) == 2
    for table in tables:
        told = {int(one) for row in table.splitlines()[2:] for one in row.split("|")[1].split(",")}
        assert told == {int(status) for status in ExitStatus}
