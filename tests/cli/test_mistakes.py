"""Wrong input of every kind: one clear message (what, where, how to mend), status 2, and nothing written."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from xfer.testing.pytest_plugin import Outcome

Run = Callable[..., Outcome]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, no network, no settings from outside."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for name in ("XFER_STORE", "XFER_DATA_ROOT", "XFER_DEVICE"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory, tiny_encoder: Callable[[str], Path]) -> dict[str, Path]:
    """Folders and files that are wrong in one way each, and the checkpoint that is right."""
    base, good = tmp_path_factory.mktemp("places"), tiny_encoder("xlm-roberta")
    found = {"good": good, "absent": base / "absent", "file": base / "file", "empty": base / "empty"}
    found["file"].write_text("x")
    found["empty"].mkdir()

    def copy(name: str, *without: str) -> Path:
        found[name] = base / name
        shutil.copytree(good, found[name], ignore=shutil.ignore_patterns(*without))
        return found[name]

    copy("weightless", "*.safetensors")
    (copy("pickled", "*.safetensors") / "pytorch_model.bin").write_bytes(b"x")
    (copy("garbled") / "config.json").write_text("{")
    (copy("kindless") / "config.json").write_text("{}")
    (copy("strange") / "config.json").write_text('{"model_type": "strange"}')
    copy("speechless", "tokenizer*", "special_tokens_map.json")
    weights = copy("torn") / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    config = json.loads((copy("grown") / "config.json").read_text())
    (found["grown"] / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 3}))
    for name, text in {"torn.toml": "suite = ", "odd.toml": 'modle = "x"\n[limit]\ntrain = -1\n'}.items():
        (base / name).write_text(text)
        found[name] = base / name
    (base / "broken.py").write_text("import nothing_of_this_name\n")
    found["broken.py"] = base / "broken.py"
    rows = base / "data" / "google" / "xtreme" / "tatoeba.deu"
    rows.mkdir(parents=True)
    (rows / "validation.jsonl").write_text('{"sentence1": "Hallo"\n')
    found["data"] = base / "data"
    return found


RUN = "run --strategy none --model {good} "
MINI = RUN + "--target mini-tatoeba "
CASES = {
    RUN + "--strategy nonne": ("no strategy named 'nonne'", "mend:  did you mean none"),
    RUN + "--strategy english-stilts[intermedate=mini-mnli]": (
        "strategy english-stilts: intermedate: Extra inputs are not permitted",
        "where: --strategy 'english-stilts[intermedate=mini-mnli]'",
        "mend:  parameters: intermediate",
    ),
    RUN + "--strategy english-stilts[": ("lacks its closing ]", "mend:"),
    RUN + "--strategy english-stilts --intermediate mini-mnil": (
        "no task named 'mini-mnil'",
        "did you mean mini-mnli",
    ),
    RUN + "--strategy english-stilts --intermediate mini-bucc": (
        "mini-bucc has no English training set",
        "where: intermediate=mini-bucc",
    ),
    RUN + "--suite minni": ("no suite named 'minni'", "did you mean mini?"),
    RUN + "--target mini-xnil": ("no task named 'mini-xnil'", "did you mean mini-xnli"),
    RUN + "--target mini-xnli,mini-tatoba --language xx": (
        "no task named 'mini-tatoba'",
        "no language named 'xx'",
        "(there are de, en, es, ru, tr, zh)",
    ),
    MINI + "--language fr": ("no language named 'fr'", "(there are de, es, ru, tr, zh)"),
    MINI + "--seeds 0,a": ("--seeds '0,a' is not a list of whole numbers", "mend:  for example --seeds 0,1,2"),
    MINI + "--seeds 0,": ("--seeds '0,' is not a list of whole numbers",),
    MINI + "--limit train=0": (
        "limit.train: Input should be greater than or equal to 1 (got '0')",
        "where: command",
    ),
    MINI + "--limit test": ("--limit 'test' is not NAME=VALUE",),
    MINI + "--limit trian=5": ("no setting named 'trian'", "did you mean train?"),
    MINI + "--limit test=many": ("limit.test: Input should be a valid integer", "(got 'many')"),
    MINI + "--set epochs": ("--set 'epochs' is not NAME=VALUE", "mend:  for example --set target.xnli.epochs=1"),
    MINI + "--set target.mini-xnil.lr=1 --set trian.lr=2": (
        "no setting named 'target.mini-xnil.learning_rate'",
        "no setting named 'trian.learning_rate'",
        "where: --set",
        "did you mean target.mini-xnli.learning_rate",
    ),
    RUN + "--target mini-xnli --set train.lr=fast": ("learning_rate: Input should be a valid number", "where:"),
    MINI + "--set retrieval.pooling=max": (
        "pooling: Input should be 'mean' or 'cls' (got 'max')",
        "where: retrieval",
    ),
    MINI + "--set engine.padding=some": ("padding: Input should be 'none' or 'max'", "where: engine.padding"),
    MINI + "--preset papre": ("no preset named 'papre'", "mend:  known: debug, fast, mini"),
    MINI + "--keep some": ("keep: Input should be 'intermediate', 'all' or 'none' (got 'some')",),
    MINI + "--name a/b": ("'a/b' cannot be a run name", "mend:  use lower-case letters"),
    MINI + "--config {absent}": ("no such configuration file", "where: {absent}"),
    MINI + "--config {torn.toml}": ("configuration file is not TOML", "where: {torn.toml}"),
    MINI + "--config {odd.toml}": ("no setting named 'modle'", "where: {odd.toml}", "mend:  did you mean model"),
    MINI + "--device tpu": ("no device named 'tpu'", "mend:  use cpu, cuda, cuda:<number> or mps"),
    MINI + "--device cuda:99": ("this machine has no device 'cuda:99'", "mend:  use --device"),
    MINI + "--data-root {absent}": ("no such folder", "where: --data-root {absent}"),
    MINI + "--store {file}": ("the store must be a folder, and this is a file", "where: --store {file}"),
    MINI + "--plugin {absent}": ("plugin file cannot be read: No such file or directory", "where: {absent}"),
    "run --model mini-xmlr": ("no model named 'mini-xmlr'", "did you mean mini-xlmr", "or a folder, or a hub id"),
    "run --model {absent}": ("no such model folder: {absent}", "mend:  give a folder with config.json"),
    "run --model nobody/nothing": (
        "the model nobody/nothing could not be fetched from the hub (HF_HUB_OFFLINE is set)",
        "mend:  on a machine with network: hf download nobody/nothing",
    ),
    "run --model {empty}": ("not a checkpoint folder: config.json is missing", "where: {empty} (holds nothing)"),
    "run --model {weightless}": (
        "model.safetensors is missing",
        "where: {weightless}",
        "mend:  fetch the weights too",
    ),
    "run --model {pickled}": (
        "weights only as a pickle, which can run code",
        "where: {pickled}/pytorch_model.bin",
        "--set engine.allow_pickle=true",
    ),
    "run --model {speechless}": ("the tokeniser (tokenizer.json) is missing", "where: {speechless}", "mend:  put"),
    "run --model {garbled}": ("config.json is not JSON", "where: {garbled}/config.json"),
    "run --model {kindless}": ("config.json names no model_type", "where: {kindless}/config.json"),
    "run --suite xtreme --model {good} --strategy none --target pawsx --data-root {empty}": (
        "pawsx: no train rows in en",
        "where: {empty}",
        "mend:  `xfer data fetch --target pawsx`",
    ),
    "run --suite xtreme --model {good} --strategy none --target tatoeba --language de --data-root {data}": (
        "where: {data}/google/xtreme/tatoeba.deu/validation.jsonl",
    ),
    "eval {absent} --target mini-tatoeba": ("no such model folder: {absent}",),
    "eval {good} --target mini-tatoba": ("no task named 'mini-tatoba'", "did you mean mini-tatoeba"),
    "compare {absent}": ("no runs here", "where: {absent}", "mend:  give a store"),
    "compare {empty}": ("no runs here", "where: {empty}"),
    "compare": ("no runs here", "where: runs"),
    "pretrain --suite xtreme": ("suite xtreme has no pretraining recipe", "mend:  --suite mini has one"),
    "tasks show mini-xnil": ("no task named 'mini-xnil'", "did you mean mini-xnli"),
    "strategies show non": ("no strategy named 'non'", "did you mean none"),
    "suites show maxi": ("no suite named 'maxi'", "mend:"),
    "models show xlmr": ("no model named 'xlmr'", "mend:"),
    "plugins show nobody": ("no plugin named 'nobody'", "mend:  known: none"),
}


def told(run_xfer: Run, places: dict[str, Path], line: str, parts: tuple[str, ...]) -> Outcome:
    def filled(text: str) -> str:
        for name, path in places.items():
            text = text.replace(f"{{{name}}}", str(path))
        return text

    outcome = run_xfer(*filled(line).split())
    for part in parts:
        assert filled(part) in outcome.err
    assert outcome.err.startswith("error: ")
    assert "Traceback" not in outcome.err
    assert outcome.out == ""
    return outcome


@pytest.mark.parametrize("line", CASES)
def test_a_mistake_is_told_and_nothing_is_written(
    run_xfer: Run, places: dict[str, Path], here: Path, line: str
) -> None:
    outcome = told(run_xfer, places, line, CASES[line])
    assert outcome.status == 2
    assert list(here.iterdir()) == []


LATER = {
    "run --strategy none --model {strange} --target mini-tatoeba": ("strange",),
    "run --strategy none --model {torn} --target mini-tatoeba": ("{torn}",),
    "run --strategy none --model {grown} --target mini-tatoeba": ("{grown}",),
    "eval {good} --target mini-xnli": ("no head for mini-xnli is stored", "where: {good}", "mend:"),
    RUN + "--target mini-xnli --set train.frozen_layers=9": ("frozen_layers is 9", "mend:  use -1 to 2"),
}  # fmt: skip


@pytest.mark.parametrize("line", LATER)
def test_what_shows_only_at_work_is_told_as_well(run_xfer: Run, places: dict[str, Path], line: str) -> None:
    line += " --limit train=8,test=4 --quiet"
    assert told(run_xfer, places, line, LATER[line.partition(" --limit")[0]]).status == 2


def test_a_plugin_that_does_not_import_stops_nothing(run_xfer: Run, places: dict[str, Path]) -> None:
    outcome = run_xfer(
        "run", "--strategy", "none", "--model", places["good"], "--target", "mini-tatoeba", "--language", "de",
        "--plugin", places["broken.py"],
    )  # fmt: skip
    assert outcome.status == 0
    assert "note: import failed: ModuleNotFoundError: No module named 'nothing_of_this_name'" in outcome.err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("runn",), "No such command 'runn'"),
        (("run", "--stratgy", "none"), "No such option: --stratgy"),
        (("run", "--dry-run=3"), "dry-run"),
        (("eval",), "Missing argument 'CHECKPOINT'"),
        (("tasks", "show"), "Missing argument 'NAME'"),
        (("compare", "--mixed=x"), "mixed"),
    ],
)
def test_what_the_parser_refuses(run_xfer: Run, here: Path, arguments: tuple[str, ...], expected: str) -> None:
    outcome = run_xfer(*arguments)
    assert outcome.status == 2
    assert expected in outcome.err
    assert outcome.out == ""
    assert list(here.iterdir()) == []


REFUSING = """
from xfer.api import hookimpl

@hookimpl
def xfer_load_rows(task, split, language, via, settings):
    raise OSError("the mirror is down")
"""


def test_a_plugin_that_fails_where_it_is_needed_has_its_own_status(
    run_xfer: Run, places: dict[str, Path], here: Path
) -> None:
    (here / "mirror.py").write_text(REFUSING)
    outcome = run_xfer(*MINI.format(**places).split(), "--plugin", "mirror.py")
    assert outcome.status == 5
    assert outcome.err.startswith("error: plugin mirror (mirror.py sha256:")
    assert "xfer_load_rows failed: OSError: the mirror is down" in outcome.err
    assert f"where: {here / 'mirror.py'}:6" in outcome.err
    assert "mend:  to run without it: leave the file out" in outcome.err
    assert [path.name for path in here.iterdir()] == ["mirror.py"]


def test_a_loss_that_is_not_finite_has_its_own_status(run_xfer: Run, places: dict[str, Path]) -> None:
    line = RUN.format(**places) + "--target mini-xnli --limit train=32,test=4 --quiet"
    outcome = run_xfer(
        *line.split(), "--set", "train.lr=1e30", "--set", "train.warmup=0", "--set", "train.max_steps=4"
    )
    assert outcome.status == 8
    assert "error: mini-xnli: loss" in outcome.err
    assert "the optimizer step was not taken" in outcome.err
    assert "mend:  a lower learning rate" in outcome.err


def test_settings_that_this_plan_does_not_read_are_told(run_xfer: Run, places: dict[str, Path]) -> None:
    line = MINI.format(**places) + "--dry-run --json --set target.xnli.lr=1 --set span.step=3 --set train.lr=1"
    noted = json.loads(run_xfer(*line.split()).out)["problems"]
    assert noted == [
        "--set target.xnli.learning_rate is not used: this plan has no task xnli",
        "--set span.step is not used: this plan has no task of the format span",
    ]
