"""Two plugins with a task of the same name: full names tell them apart, all the way to the rows."""

from pathlib import Path

import pytest

from tests.engine.conftest import QUICK, TOY, Kit, rows
from xfer.core.errors import UserError


@pytest.fixture
def double(tmp_path: Path) -> Path:
    """The toy plugin once more under another name, without its suite and diary, its labels the other way round."""
    text = TOY.read_text(encoding="utf-8").replace(
        'LABELS = {"labels": ANIMALS}', 'LABELS = {"labels": ANIMALS[::-1]}'
    )
    for hook in ("xfer_suites", "xfer_phase_started"):
        text = text.replace(f"@hookimpl\ndef {hook}", f"def _{hook}")
    path = tmp_path / "double.py"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_short_name_is_refused_where_two_have_it(kit: Kit, double: Path) -> None:
    with pytest.raises(UserError, match="task 'toy-class' is ambiguous") as caught:
        kit.run(set=QUICK, plugin=(TOY, double))
    assert "double/toy-class or toy/toy-class" in caught.value.fix


@pytest.mark.parametrize("target", ["toy-class", "toy-span-too", "toy-pairs", "toy-tag"])
def test_full_names_run_and_score(kit: Kit, double: Path, target: str) -> None:
    alone = kit.run(set=QUICK, target=target)
    both = kit.run(set=QUICK, target=(f"toy/{target}", f"double/{target}"), plugin=(TOY, double))
    assert both.status == 0
    assert len(both.results) == 2 * len(alone.results)
    first = both.results[: len(alone.results)]
    same = [(row.value, row.phase, row.signature, row.language) for row in alone.results]
    assert [(row.value, row.phase, row.signature, row.language) for row in first] == same
    assert {row.task for row in both.results} == {f"toy/{target}", f"double/{target}"}
    assert len({row.phase for row in both.results}) == 2


def test_a_suite_means_its_own_plugins_tasks(kit: Kit, double: Path) -> None:
    result = kit.run(set=QUICK, target=(), plugin=(TOY, double), strategy=("none", "english-stilts"))
    assert result.status == 0
    assert {cell.target for cell in result.plan.cells} == {"toy/toy-class", "toy/toy-span", "toy/toy-pairs"}
    alone = kit.run(set=QUICK, target=(), strategy=("none", "english-stilts"))
    assert kit.diary().count("intermediate toy-more") == 0
    assert [row.value for row in rows(result)] == [row.value for row in rows(alone)]
