"""Rows that are streamed off the hub: taken once, kept, read and identified like any other."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import datasets  # noqa: TID253
import pytest
from datasets.exceptions import DatasetNotFoundError  # noqa: TID253
from huggingface_hub import constants
from pydantic import ValidationError

import xfer
from xfer import commands
from xfer.bootstrap import load
from xfer.core.data import streamed
from xfer.core.data.load import MissingData, fingerprint, load_rows, origins
from xfer.core.data.needs import Need, fetch, needs, verify
from xfer.core.data.sources import revised
from xfer.core.errors import DataError, UserError
from xfer.core.records import Source, TaskSpec
from xfer.core.settings import RunSettings
from xfer.plugins.shared.revisions import WIKIPEDIA

from .folders import write_bytes, write_jsonl, write_parquet
from .server import Mirror, hub

HUB = "wikimedia/wikipedia"
ROWS, SHARDS = 100, 80


def wikipedia(rows: int = 50) -> TaskSpec:
    return revised(load().tasks.get("wikipedia"), {}, {HUB: rows})


def articles(shard: int, language: str = "sw") -> list[dict[str, str]]:
    return [{"id": f"{shard}-{row}", "text": f"{language} {shard} {row}\n\nMto."} for row in range(ROWS)]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Swahili in many shards, German in one with many groups of rows, two more languages to be cut."""
    codes = ("sw", "de", "fr", "it")
    configs = "".join(
        f"- config_name: '20231101.{code}'\n  data_files:\n  - {{split: train, path: 20231101.{code}/train-*}}\n"
        for code in codes
    )
    files = {"README.md": f"---\nconfigs:\n{configs}---\n".encode()}
    path = tmp_path_factory.mktemp("corpus") / "rows.parquet"
    for code, shards, groups in (("sw", SHARDS, 1), ("de", 1, 30), ("fr", 3, 1), ("it", 3, 1)):
        for shard in range(shards):
            rows = [row for group in range(groups) for row in articles(groups * shard + group, code)]
            name = f"20231101.{code}/train-{shard:05}-of-{shards:05}.parquet"
            files[name] = write_parquet(path, rows, group=ROWS).read_bytes()
    return files


TAKE = """
import json, os, time
time.sleep = lambda seconds: None  # between attempts, and where readers of parquet are closed
from pathlib import Path
from xfer.bootstrap import load
from xfer.core.data import needs, streamed
from xfer.core.data.load import load_rows
from xfer.core.data.sources import revised
from xfer.core.errors import XferError

def take(language, split, rows=50, revision=None, root=None):
    try:
        given = {"wikimedia/wikipedia": revision} if revision else {}
        task = revised(load().tasks.get("wikipedia"), given, {"wikimedia/wikipedia": rows})
        if root:
            needs.fetch(needs.Need(task, split, language), root)
        found = [row["text"] for row in load_rows(task, split, language, data_root=root)]
    except XferError as error:
        found = f"{type(error).__name__}: {error}"
    print("TOOK", json.dumps(found), flush=True)

def die(*paths):
    os._exit(9)

"""


def alone(mirror: Mirror, home: Path, code: str, status: int = 0) -> list[Any]:
    """What `take` printed in a process of its own: the hub's client reads its settings when it is imported."""
    environment = {**os.environ, "PYTHONPATH": str(Path(xfer.__file__).parents[1]), "HF_HOME": str(home)}
    environment |= {"HF_ENDPOINT": mirror.url, "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    environment |= {"HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    done = subprocess.run(
        [sys.executable, "-c", TAKE + code], env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == status, done.stderr
    return [json.loads(line[5:]) for line in done.stdout.splitlines() if line.startswith("TOOK ")]


FIRST = """
take("sw", "train")
take("sw", "dev")
take("sw", "train", 60)
take("de", "train")
take("fr", "train")
take("es", "train")
streamed.files.move = die
take("it", "train")
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def first(home: Path, corpus: dict[str, bytes]) -> tuple[list[Any], set[str]]:
    """What the first process took, and the files that it asked for. A French shard is cut; it dies over Italian."""
    with hub(HUB, corpus, WIKIPEDIA, cuts=10**6, cut_path="fr/train-00001-of-00003.parquet") as mirror:
        return alone(mirror, home, FIRST, status=9), {path for path, _ in mirror.asked if "/resolve/" in path}


@pytest.fixture
def offline(home: Path, first: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This process reads what the first one kept, and no network."""
    monkeypatch.setattr(constants, "HF_HOME", str(home))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    streamed._snapshot.cache_clear()
    yield
    streamed._snapshot.cache_clear()


def kept(folder: Path) -> list[str]:
    """Names of what lies in a folder, but for locks."""
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".lock"))


def test_only_so_many_rows_are_taken_of_some_shards(first: Any, home: Path) -> None:
    (train, dev, more, german, *_), asked = first
    assert (len(train), len(dev), len(more), len(german)) == (50, 200, 60, 50)
    assert not set(train) & set(dev)
    assert len({*train, *dev}) == 250
    # A greater number takes the same rows and the next.
    assert more[:50] == train
    assert len({text.split()[1] for text in train}) > 5
    shards = [path for path in asked if "20231101.sw" in path]
    assert 0 < len(shards) < SHARDS, "all shards were opened"
    # Of a single file the groups of rows are shuffled.
    assert len({text.split()[1] for text in german}) > 5
    folder = home / "xfer-streams/wikimedia--wikipedia/snapshots" / WIKIPEDIA / "20231101.sw"
    assert kept(folder) == ["train.0-200.text.jsonl", "train.200-250.text.jsonl", "train.200-260.text.jsonl"]
    assert json.loads((folder / "train.200-250.text.jsonl").read_text().partition("\n")[0]) == {"text": train[0]}


def test_what_is_kept_is_read_without_a_network(first: Any, offline: None, home: Path) -> None:
    assert [row["text"] for row in load_rows(wikipedia(), "train", "sw", data_root=None)] == first[0][0]
    origin = {"source": HUB, "revision": WIKIPEDIA}
    assert origins(wikipedia(), "train", ("sw", "yo"), None) == {"sw": [origin]}
    found = verify(Need(wikipedia(), "dev", "sw"), None)
    assert (found.status, found.rows, found.revision) == ("ok", 200, WIKIPEDIA)
    with pytest.raises(MissingData, match="wikipedia has no train rows in 'yo' here") as caught:
        load_rows(wikipedia(), "train", "yo", data_root=None)
    assert "among rows that were taken before (HF_HUB_OFFLINE is set)" in str(caught.value)
    assert "xfer data fetch --target wikipedia --data-root DATA_ROOT" in str(caught.value)
    with pytest.raises(MissingData, match="revision main"):
        load_rows(revised(wikipedia(), {HUB: "main"}), "train", "sw", data_root=None)


def test_a_cut_leaves_nothing_and_says_what_to_do(first: Any, home: Path) -> None:
    cut, absent = first[0][4:]
    assert cut.startswith("UserError: the stream ended after 0 of 50 rows")
    assert "issue the same command again" in cut
    assert absent.startswith("MissingData: wikipedia has no train rows in 'es' here")
    assert "BuilderConfig '20231101.es' not found" in absent
    folder = home / "xfer-streams/wikimedia--wikipedia/snapshots" / WIKIPEDIA
    assert kept(folder / "20231101.fr") == []
    # A process that was killed leaves a part, which does not count as rows.
    assert kept(folder / "20231101.it") == ["train.200-250.text.jsonl.partial"]


def test_the_next_command_takes_what_is_lacking(
    first: Any, home: Path, corpus: dict[str, bytes], tmp_path: Path
) -> None:
    code = f"""
take("sw", "train")
take("fr", "train")
take("it", "train")
take("fr", "train", root=Path({str(tmp_path)!r}))
take("it", "dev", revision="main")
take("it", "train", 10**6, revision="main")
"""
    with hub(HUB, corpus, WIKIPEDIA, cuts=1, cut_path="fr/train-00001-of-00003.parquet") as mirror:
        swahili, french, italian, fetched, branch, everything = alone(mirror, home, code)
        asked = {path for path, _ in mirror.asked if "/resolve/" in path}
    assert swahili == first[0][0]
    assert not any("20231101.sw" in path for path in asked)
    assert (len(french), len(italian), len(branch)) == (50, 50, 200)
    folder = home / "xfer-streams/wikimedia--wikipedia/snapshots" / WIKIPEDIA
    assert "train.200-250.text.jsonl" in kept(folder / "20231101.it")
    # Less than was asked for is all that there is.
    assert len(everything) == 3 * ROWS - 200
    # Under the data root lies the same, with a note of its commit.
    assert fetched == french
    assert fingerprint(wikipedia(), "train", ["fr"], tmp_path)
    assert origins(wikipedia(), "train", ("fr",), tmp_path) == {"fr": [{"source": HUB, "revision": WIKIPEDIA}]}


@pytest.mark.parametrize(
    ("error", "kind", "told"),
    [
        (DatasetNotFoundError("Dataset 'a/b' is a gated dataset on the Hub."), UserError, "accept terms first"),
        (DatasetNotFoundError("Dataset 'a/b' doesn't exist on the Hub"), MissingData, "no train rows in 'sw'"),
        (RuntimeError("Dataset scripts are no longer supported"), MissingData, "scripts are no longer supported"),
        (ConnectionError("Couldn't reach 'a/b' on the Hub"), UserError, "Couldn't reach 'a/b'"),
    ],
)
def test_a_refusal_is_told_as_what_it_is(
    error: Exception, kind: type[UserError], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise error

    monkeypatch.setattr(datasets, "load_dataset_builder", refuse)
    monkeypatch.setattr(constants, "HF_HOME", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    streamed._snapshot.cache_clear()
    with pytest.raises(kind, match=told) as caught:
        load_rows(wikipedia(), "train", "sw", data_root=None)
    streamed._snapshot.cache_clear()
    assert type(caught.value) is kind
    (folder,) = tmp_path.glob("xfer-streams/*/snapshots/*/20231101.sw")
    assert kept(folder) == []


def test_a_column_that_the_rows_lack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_jsonl(tmp_path / "train.jsonl", [{"body": "x"}] * 3)
    stream = datasets.load_dataset("json", data_files=str(tmp_path / "train.jsonl"), split="train", streaming=True)
    monkeypatch.setattr(streamed, "_stream", lambda *arguments: stream)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    (source,) = wikipedia().sources
    short = source.model_copy(update={"streamed": {"train": 2}})
    with pytest.raises(DataError, match="column 'text' is missing") as caught:
        streamed.take(short, "train", "20231101.sw", tmp_path, "0" * 40)
    assert "the columns there are: body" in str(caught.value)
    assert kept(tmp_path / "20231101.sw") == []


def whole_copy(root: Path, *codes: str) -> Path:
    """Files as `hf download` leaves them, in two shards."""
    for code in codes:
        for shard in range(2):
            rows = [*articles(shard, code), *articles(shard + 2, code)]
            write_jsonl(root / HUB / f"20231101.{code}/train-{shard:05}-of-00002.jsonl", rows)
    return root


def test_a_whole_copy_is_read_up_to_the_same_number(tmp_path: Path) -> None:
    root = whole_copy(tmp_path, "sw")
    dev = [row["text"] for row in load_rows(wikipedia(), "dev", "sw", data_root=root)]
    train = [row["text"] for row in load_rows(wikipedia(), "train", "sw", data_root=root)]
    assert (len(dev), len(train)) == (200, 50)
    assert (dev[0], train[0]) == ("sw 0 0\n\nMto.", "sw 1 0\n\nMto.")
    prints = {fingerprint(wikipedia(rows), "train", ["sw"], root) for rows in (50, 60, 50)}
    assert len(prints) == 2
    assert not fetch(Need(wikipedia(), "train", "sw"), root).fetched
    with pytest.raises(MissingData, match=r"looked for .*20231101\.yo"):
        load_rows(wikipedia(), "train", "yo", data_root=root)


def test_all_languages_are_fetched_and_rows_off_no_other_mirror(tmp_path: Path) -> None:
    found = needs(["wikipedia"], load().tasks, ["sw", "yo"], {}, {HUB: 7})
    assert [(need.split, need.language) for need in found] == [
        ("train", "sw"),
        ("train", "yo"),
        ("dev", "sw"),
        ("dev", "yo"),
    ]
    assert {need.task.sources[0].streamed["train"] for need in found} == {7}
    with pytest.raises(UserError, match="HF_ENDPOINT"):
        fetch(found[0], tmp_path, "http://127.0.0.1:1")


@pytest.mark.parametrize(
    "fields",
    [{"streamed": {"train": 0}}, {"streamed": {"test": 5}}, {"streamed": {"train": 5}, "columns": ()}],
)
def test_a_source_says_what_is_streamed(fields: dict[str, Any]) -> None:
    known = {"hub": "a/b", "configs": {"": "c"}, "splits": {"train": ("train",)}, "columns": ("text",)}
    with pytest.raises(ValidationError, match="needs columns, one own split and a number of rows"):
        Source(**{**known, **fields})


def test_the_number_of_rows_on_the_command_line(run_xfer: Any) -> None:
    path = f"data.stream.{HUB}"
    assert run_xfer("config", "show", "--set", f"{path}=7").status == 0
    for given, told in {
        f"{path}=0": "is no number of rows",
        f"{path}=many": "is no number of rows",
        "data.stream.nyu-mll/glue=5": "data.stream.nyu-mll/glue",
    }.items():
        wrong = run_xfer("run", "--dry-run", "--set", given, "--target", "mini-xnli")
        assert (wrong.status, told in wrong.err) == (2, True), wrong.err
    other = run_xfer("data", "verify", "--target", "wikipedia", "--stream", "nyu-mll/glue=5")
    assert (other.status, "no data set that is streamed named 'nyu-mll/glue'" in other.err) == (2, True)
    assert RunSettings(set={path: 7}).streams == {HUB: 7}
    shown = run_xfer("tasks", "show", "wikipedia")
    assert (shown.status, "streamed" in shown.out, "CC BY-SA 3.0" in shown.out) == (0, True, True), shown.out


def test_a_run_on_streamed_text(tiny_encoder: Callable[[str], Path], tmp_path: Path) -> None:
    root = whole_copy(tmp_path / "data", "en", "de")

    def options(rows: int) -> dict[str, Any]:
        return {
            "model": str(tiny_encoder("xlm-roberta")),
            "store": tmp_path / "store",
            "data_root": root,
            "target": ("mini-xnli",),
            "language": ("en", "de"),
            "limit": {"train": 16, "dev": 8, "test": 8},
            "set": {
                "train.epochs": 1,
                "train.batch_size": 8,
                "train.max_length": 64,
                f"data.stream.{HUB}": rows,
            },
        }

    strategy = "mlm-stilts[text=wikipedia]"
    result = commands.run((strategy,), **options(12))
    assert (result.status, len(result.results)) == (0, 2), result.problems
    mixed = [
        planned.id
        for rows in (12, 13)
        for planned in commands.prepare({"strategy": (strategy,), "name": "again", **options(rows)}).plan.phases
        if any(use.task == "wikipedia" for use in planned.phase.uses)
    ]
    assert len(set(mixed)) == 2
    record = json.loads((tmp_path / "store/phases" / mixed[0] / "phase.json").read_text(encoding="utf-8"))
    assert set(record["origins"]["wikipedia"]["train"]) == {"de", "en"}


def test_files_of_another_kind_are_refused_before_they_are_kept(tmp_path: Path) -> None:
    """A kept file holds the declared columns, whatever wrote it."""
    write_bytes(tmp_path / HUB / "20231101.sw/train.200-250.text.jsonl", b'{"body": "x"}\n')
    with pytest.raises(UserError, match="column 'text' is missing"):
        list(load_rows(wikipedia(), "train", "sw", data_root=tmp_path))
