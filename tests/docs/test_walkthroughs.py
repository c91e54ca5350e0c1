"""The pages that lead through an experiment: their commands are run in their order, on a few invented rows."""

import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import xfer
from tests.data import tiny_xtreme
from xfer.testing.pytest_plugin import Outcome

from .test_site import DOCS, FENCE

pytestmark = pytest.mark.slow

SHORT = ("--set", "train.max_steps=1", "--seeds", "0")
"""Put after what a page says: the page's own tasks, strategies and steps, with less training."""
ELSEWHERE = {("data", "fetch"): "tests/data/test_fetching.py"}
"""Commands that need a network, and what tests them against a mirror."""
FINDS_FAULTS = ("data", "verify")
"""It must say that so few rows are not the published data."""


def xfer_commands(page: str) -> list[list[str]]:
    """The words after `xfer` of every such line in a page's sh blocks."""
    text = (DOCS / page).read_text(encoding="utf-8")
    lines = [
        shlex.split(line, comments=True)
        for kind, block in FENCE.findall(text)
        if kind == "sh"
        for line in block.replace("\\\n", " ").splitlines()
    ]
    return [words[1:] for words in lines if words[:1] == ["xfer"]]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_encoder: Callable[[str], Path]) -> Path:
    """A folder with what the pages have fetched before: `data` and `xlm-roberta-large`."""
    monkeypatch.chdir(tmp_path)
    tiny_xtreme.write(tmp_path / "data")
    tiny_xtreme.write_intermediates(tmp_path / "data")
    shutil.copytree(tiny_encoder("xlm-roberta"), tmp_path / "xlm-roberta-large")
    for name in ("XFER_STORE", "XFER_DATA_ROOT"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def walk(page: str, run_xfer: Callable[..., Outcome], extra: Callable[[list[str]], tuple[str, ...]]) -> list[str]:
    """Run a page's commands in their order; the first words of each."""
    done = []
    for words in xfer_commands(page):
        if tuple(words[:2]) in ELSEWHERE:
            continue
        words = [last_run() if word == "RUN" else word for word in words]
        outcome = run_xfer(*words, *extra(words))
        assert outcome.status == (3 if tuple(words[:2]) == FINDS_FAULTS else 0), (words, outcome.err[-2000:])
        assert outcome.out or "--output" in words, words
        done.append(words[0])
    return done


def last_run() -> str:
    return sorted(Path("runs/runs").iterdir())[-1].name


def test_the_experiment_of_the_paper(here: Path, run_xfer: Callable[..., Outcome]) -> None:
    def extra(words: list[str]) -> tuple[str, ...]:
        if words[0] == "score":
            return ("--target", "xnli,pawsx,udpos,panx,xquad,mlqa,bucc,tatoeba", "--language", "de,zh")
        if words[0] != "run":
            return ()
        return (*SHORT, "--model", "xlm-roberta-large")

    done = walk("paper.md", run_xfer, extra)
    assert done == ["data", "run", "run", "run", "compare", "compare", "compare", "export", "score", "run"]
    assert "\\begin{tabular}" in Path("table.tex").read_text()
    assert len(xfer.load_results("runs").to_pandas()["label"].unique()) == 11


def test_a_cluster_without_internet(
    here: Path, run_xfer: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XFER_DATA_ROOT", "data")
    monkeypatch.setenv("XFER_STORE", "runs")

    done = walk("offline.md", run_xfer, lambda words: SHORT if words[0] == "run" else ())
    assert done == ["data", "doctor", "run", "run", "grid", "data"]
