"""Common mistakes, word by word: each is answered in three lines, what, where, how to mend it.

`XFER_UPDATE_GOLDEN=1 pytest tests/cli/test_mistakes_golden.py` writes the texts anew.
"""

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import xfer
from xfer.testing.pytest_plugin import Outcome

Run = Callable[..., Outcome]
GOLDEN = Path(__file__).parent / "golden" / "mistakes"
MISTAKES = {
    "task": "run --target mini-xnil",
    "strategy": "run --strategy english-stlits",
    "parameter": "run --strategy english-stilts[intermedate=mini-mnli]",
    "language": "run --target mini-xnli --language jp",
    "suite": "run --suite xtrem",
    "preset": "run --suite xtreme --preset papre --model {good}",
    "option": "run --stratgy none",
    "command": "rnu",
    "setting": "run --target mini-xnli --set target.mini-xnli.learning_rat=1e-5",
    "setting-of-the-wrong-type": "run --target mini-xnli --set train.epochs=many",
    "seeds": "run --seeds 1-5",
    "limit": "run --limit trian=100",
    "configuration-key": "run --config {odd.toml}",
    "configuration-file": "run --config {torn.toml}",
    "model-folder": "run --model {weightless}",
    "model-pickled": "run --model {pickled}",
    "model-of-the-hub-offline": "run --model nobody/nothing",
    "data-missing": "run --suite xtreme --model {good} --strategy none --target pawsx --data-root {empty}",
    "data-column": "run --suite xtreme --preset small --model {good} --target mini-tatoeba --data-root {column} -q",
    "data-label": "run --suite xtreme --preset small --model {good} --target mini-tatoeba --data-root {label} -q",
    "intermediate-without-training-rows": "run --strategy english-stilts --intermediate mini-tatoeba",
    "checkpoint-without-a-head": "eval {good} --target mini-xnli --limit test=4 --quiet",
    "device": "run --device cuda:99",
    "store": "run --store {file}",
    "compare-nothing": "compare {empty}",
    "compare-baseline": "compare {store} --baseline nne",
    "report-format": "compare {store} --format latx",
    "export-without-weights": "export first --to hf --target mini-xnli --output {absent} --store {store}",
    "export-elsewhere": "export first --to mteb --output {absent} --store {store}",
    "run-name": "export frist --output {absent} --store {store}",
    "plugin-file": "run --plugin {absent}",
    "push-by-accident": "push {good} me/mine",
}


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory, tiny_encoder: Callable[[str], Path]) -> dict[str, Path]:
    """What the commands name: files and folders that are wrong in one way each, and a store with a run."""
    base, good = tmp_path_factory.mktemp("mistakes"), tiny_encoder("xlm-roberta")
    found = {"good": good, "absent": base / "absent", "file": base / "file", "empty": base / "empty"}
    found["file"].write_text("x")
    found["empty"].mkdir()
    for name in ("weightless", "pickled"):
        found[name] = base / name
        shutil.copytree(good, found[name], ignore=shutil.ignore_patterns("*.safetensors"))
    (found["pickled"] / "pytorch_model.bin").write_bytes(b"x")
    for name, text in {"odd.toml": 'modle = "x"\n', "torn.toml": "suite = \n"}.items():
        found[name] = base / name
        found[name].write_text(text)
    rows = {
        "column": {"premise": "It rains.", "hypothesis": "It is wet."},
        "label": {"premise": "It rains.", "hypothesis": "It is wet.", "label": "true"},
    }
    for name, row in rows.items():
        found[name] = base / name
        for file in (
            "nyu-mll/multi_nli/train.jsonl",
            "nyu-mll/glue/mnli/train.jsonl",
            "facebook/xnli/en/test.jsonl",
        ):
            path = found[name] / file
            path.parent.mkdir(parents=True)
            path.write_text(json.dumps(row) + "\n", encoding="utf-8")
    found["store"] = base / "store"
    xfer.run(
        "none", target=("mini-xnli",), model=str(good), language=("en",), limit={"train": 8, "test": 4},
        set={"train.max_steps": 1}, store=found["store"], name="first",
    )  # fmt: skip
    return found


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_answered_in_three_lines(
    run_xfer: Run, places: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for variable in ("XFER_STORE", "XFER_DATA_ROOT", "XFER_DEVICE"):
        monkeypatch.delenv(variable, raising=False)
    line = MISTAKES[name]
    for place, path in places.items():
        line = line.replace(f"{{{place}}}", str(path))
    done = run_xfer(*line.split())
    told = done.err
    for place, path in sorted(places.items(), key=lambda pair: -len(str(pair[1]))):
        told = told.replace(str(path), f"{{{place}}}")
    told = re.sub(r"torch \S+", "torch VERSION", re.sub(r"\b[0-9a-f]{20}\b", "ID", told))
    if os.environ.get("XFER_UPDATE_GOLDEN"):
        (GOLDEN / f"{name}.txt").write_text(f"$ xfer {MISTAKES[name]}\n{told}", encoding="utf-8")
    assert f"$ xfer {MISTAKES[name]}\n{told}" == (GOLDEN / f"{name}.txt").read_text(encoding="utf-8")
    assert (done.status, done.out) == (2, "")
    what, where, mend = told.splitlines()
    assert what.startswith("error: ")
    assert where.startswith("  where: ")
    assert mend.startswith("  mend:  ")


def test_twenty_mistakes_and_more_are_held() -> None:
    assert {path.stem for path in GOLDEN.glob("*.txt")} == set(MISTAKES)
    assert len(MISTAKES) >= 20
