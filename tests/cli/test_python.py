"""The commands as functions: `xfer.run`, `xfer.compare`, `xfer.evaluate`, `xfer.load_results`."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import xfer
from xfer import commands, results
from xfer.core.errors import UserError
from xfer.core.records import ResultRow
from xfer.core.run import Reporter


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory, tiny_encoder: Callable[[str], Path]) -> dict[str, Any]:
    return {
        "model": str(tiny_encoder("xlm-roberta")),
        "store": tmp_path_factory.mktemp("python") / "store",
        "target": "mini-xnli",
        "language": ("en", "de"),
        "limit": {"train": 16, "test": 6},
        "set": {"train.max_steps": 2},
    }


def test_importing_xfer_loads_nothing() -> None:
    code = "import sys, xfer; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    bare, loaded = (
        subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True).stdout.split()
        for text in (code.replace(", xfer", ""), code)
    )
    assert "xfer" in loaded
    assert not (set(loaded) - set(bare)) & {"torch", "numpy", "pydantic", "typer", "pluggy", "rich"}


def test_the_promised_names() -> None:
    assert {"run", "compare", "evaluate", "load_results", "__version__"} <= set(xfer.__all__)
    assert all(hasattr(xfer, name) for name in xfer.__all__)
    assert xfer.run is commands.run
    with pytest.raises(AttributeError, match="has no attribute 'runn'"):
        _ = xfer.runn


def test_run_compare_and_load(options: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[str] = []

    class Watching(Reporter):
        def phase_started(self, planned: Any, position: int, total: int) -> None:
            seen.append(f"{position}/{total}")

    first = xfer.run("none", **options, name="first", reporter=Watching())
    assert (first.status, first.failed, first.run) == (0, {}, "first")
    assert seen == ["1/2", "2/2"]
    second = xfer.run(strategy=["none", "english-stilts"], **options, seeds=[0, 1])
    rows = xfer.load_results(options["store"])
    assert rows == [*first.results, *second.results]
    assert xfer.load_results(options["store"] / "runs" / second.run) == second.results
    frame = rows.to_pandas()
    assert list(frame.columns) == list(ResultRow.model_fields)
    assert frame["value"].tolist() == [row.value for row in rows]
    assert frame.groupby(["label", "params", "language"])["value"].count().sum() == len(rows)
    comparison = xfer.compare(options["store"])
    assert "english-stilts" in results.report(comparison, "json")
    assert capsys.readouterr() == ("", "")


def test_eval_takes_a_folder(options: dict[str, Any]) -> None:
    fields = {name: options[name] for name in ("store", "limit")}
    result = xfer.evaluate(options["model"], **fields, target="mini-tatoeba", language="de")
    assert [(row.label, row.language, row.n) for row in result.results] == [("eval", "de", 6)]


def test_a_configuration_file_serves_as_well(options: dict[str, Any], tmp_path: Path) -> None:
    config = tmp_path / "run.toml"
    config.write_text('strategy = "none"\ntarget = ["mini-tatoeba"]\nseeds = [7]\n[limit]\ntest = 4\n')
    fields = {name: options[name] for name in ("model", "store", "set", "limit")}
    result = xfer.run(config=config, **fields, language="de")
    assert {(row.label, row.seed, row.task, row.n) for row in result.results} == {("none", 7, "mini-tatoeba", 6)}


def test_a_frame_of_no_rows_has_all_columns_and_failed_scores_are_nan(options: dict[str, Any]) -> None:
    assert list(results.Results().to_pandas().columns) == list(ResultRow.model_fields)
    one = xfer.load_results(options["store"])[0].model_copy(update={"value": None, "sees": ("de", "text sw")})
    frame = results.Results([one]).to_pandas()
    assert frame["value"].isna().all()
    assert frame["sees"].tolist() == ["de; text sw"]
    assert frame["seed"].tolist() == [one.seed]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"strategy": "nonne"}, "did you mean none"),
        ({"targets": "mini-xnli"}, "did you mean target"),
        ({"limit": {"trian": 3}}, "did you mean train?"),
        ({"seeds": "many"}, "seeds"),
    ],
)
def test_mistakes_are_exceptions(options: dict[str, Any], changes: dict[str, Any], expected: str) -> None:
    with pytest.raises(UserError) as caught:
        xfer.run(**{**options, **changes})
    assert expected in str(caught.value)


def test_a_run_given_the_same_name_shows_the_latest(options: dict[str, Any]) -> None:
    xfer.run("none", **options, name="twice")
    again = xfer.run("english-stilts", **options, name="twice")
    assert xfer.load_results(options["store"] / "runs" / "twice") == again.results
    assert {row.label for row in again.results} == {"english-stilts"}
