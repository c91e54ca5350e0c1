"""`xfer data fetch` and `xfer data verify` against a mirror on loopback."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import xfer
from xfer.bootstrap import load
from xfer.core.data.load import MissingData, load_rows, origins
from xfer.core.data.needs import Need, fetch, fetching, needs, verify
from xfer.core.data.sources import copies, revised
from xfer.core.errors import DataError, Locked, UnknownName, UserError
from xfer.core.records import TaskSpec
from xfer.plugins.shared import revisions

from .folders import nli, question, write_bytes, write_jsonl
from .originals import squad_json, treebank
from .server import Mirror, hub, serving
from .test_downloads import packed


def task(name: str) -> TaskSpec:
    return load().tasks.get(name)


def unchecked(spec: TaskSpec) -> TaskSpec:
    """The task without the checksums of the real files."""
    (source,) = spec.sources
    return spec.model_copy(
        update={"source": source.model_copy(update={"downloads": dict.fromkeys(source.downloads, "")})}
    )


def listed(*names: str, languages: tuple[str, ...] = ()) -> list[tuple[str, str, str]]:
    return [(need.task.name, need.split, need.language) for need in needs(names, load().tasks, languages)]


def test_what_targets_need() -> None:
    assert listed("xquad", languages=("de", "zh")) == [
        ("squad-v1", "train", "en"),
        ("squad-v1", "dev", "en"),
        ("xquad", "test", "de"),
        ("xquad", "test", "zh"),
    ]
    assert listed("bucc", languages=("de",)) == [("bucc", "dev", "de"), ("bucc", "test", "de")]
    assert listed("mnli", "qqp") == [(name, split, "en") for name in ("mnli", "qqp") for split in ("train", "dev")]
    assert listed("tatoeba") == [("tatoeba", "test", code) for code in task("tatoeba").languages]
    # XQuAD and MLQA share a training set.
    assert listed("xquad", "mlqa").count(("squad-v1", "train", "en")) == 1
    suite = load().suites.get("xtreme")
    everything = listed(*suite.targets, *suite.intermediates)
    assert len(everything) == len(set(everything))
    assert sum(name in suite.targets and split == "test" for name, split, _ in everything) == 162
    with pytest.raises(UnknownName, match="no language named 'xx'"):
        listed("xquad", languages=("xx",))


MLQA = "MLQA_V1/test/test-context-de-question-de.json"


def test_an_archive_is_fetched_once_after_a_cut(tmp_path: Path) -> None:
    content = packed("zip", {MLQA: squad_json(question()), MLQA.replace("de", "es"): squad_json(question())})
    mlqa = unchecked(task("mlqa"))
    told: list[str] = []
    with serving({"/MLQA_V1.zip": content}, cuts=1) as mirror:
        first = fetch(Need(mlqa, "test", "de"), tmp_path, mirror.url, told.append, pause=0)
        second = fetch(Need(mlqa, "test", "es"), tmp_path, mirror.url, told.append, pause=0)
        assert [asked for _, asked in mirror.asked] == ["", f"bytes={len(content) // 2}-"]
    assert (first.source, first.fetched, second.fetched) == ("MLQA_V1", True, False)
    assert told == [f"{mirror.url}/MLQA_V1.zip"]
    assert [row["id"] for row in load_rows(mlqa, "test", "es", data_root=tmp_path)] == ["q1"]
    assert list((tmp_path / ".archives").iterdir()) == []


def test_an_archive_that_was_not_unpacked_to_the_end_is_unpacked_again(tmp_path: Path) -> None:
    content = packed("zip", {MLQA: squad_json(question(id="whole"))})
    write_bytes(tmp_path / MLQA, b"half")
    write_bytes(tmp_path / ".archives/MLQA_V1.zip", content)
    with serving({}) as mirror:
        found = fetch(Need(task("mlqa"), "test", "de"), tmp_path, mirror.url, pause=0)
        assert mirror.asked == []
    assert found.fetched
    assert [row["id"] for row in load_rows(task("mlqa"), "test", "de", data_root=tmp_path)] == ["whole"]


def test_a_known_checksum_is_checked(tmp_path: Path) -> None:
    another = packed("zip", {MLQA: squad_json(question())})
    with serving({"/MLQA_V1.zip": another}) as mirror, pytest.raises(DataError, match="the checksum is"):
        fetch(Need(task("mlqa"), "test", "de"), tmp_path, mirror.url, pause=0)
    assert not (tmp_path / "MLQA_V1").exists()


def test_plain_files_go_where_the_task_looks(tmp_path: Path) -> None:
    served = {"/tatoeba.deu-eng.deu": b"eins\n", "/tatoeba.deu-eng.eng": b"one\n"}
    need = Need(task("tatoeba"), "test", "de")
    with serving(served, refusals={"/tatoeba.deu-eng.eng": [503] * 3}) as mirror:
        with pytest.raises(UserError, match="503"):
            fetch(need, tmp_path, mirror.url, pause=0)
        # Half of the pair is here; the next command gets the other half only.
        assert fetch(need, tmp_path, mirror.url, pause=0).fetched
        assert [path for path, _ in mirror.asked].count("/tatoeba.deu-eng.deu") == 1
        assert not fetch(need, tmp_path, mirror.url, pause=0).fetched
    (row,) = load_rows(task("tatoeba"), "test", "de", data_root=tmp_path)
    assert (row["source_sentence"], row["target_sentence"]) == ("eins", "one")


def test_only_the_files_of_the_split_are_fetched(tmp_path: Path) -> None:
    served = {f"/{split}-v1.1.json": squad_json(question(id=split)) for split in ("train", "dev")}
    with serving(served) as mirror:
        fetch(Need(unchecked(task("squad-v1")), "dev", "en"), tmp_path, mirror.url, pause=0)
        assert mirror.asked == [("/dev-v1.1.json", "")]


CARD = b"""---
configs:
- config_name: mnli
  data_files:
  - {split: train, path: mnli/train-*}
  - {split: validation_matched, path: mnli/validation_matched-*}
---
"""


def lines(*rows: Any) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


GLUE = {
    "README.md": CARD,
    "mnli/train-00000-of-00002.jsonl": lines(nli("neutral")),
    "mnli/train-00001-of-00002.jsonl": lines(nli("entailment")),
    "mnli/validation_matched-00000-of-00001.jsonl": lines(nli("neutral")),
    "qqp/train-00000-of-00001.jsonl": lines({"question1": "a", "question2": "b", "label": 1}),
}
FETCH = """
from pathlib import Path
from xfer.bootstrap import load
from xfer.core.errors import XferError
from xfer.core.data.needs import Need, fetch
from xfer.core.data.sources import revised
try:
    task = revised(load().tasks.get({name!r}), {revisions!r})
    found = fetch(Need(task, {split!r}, {language!r}), Path({root!r}), {url!r}, pause=0)
    print("FOUND", found.source, found.fetched)
except XferError as error:
    print("ERROR", type(error).__name__, error)
"""


def alone(mirror: Mirror, root: Path, name: str, split: str, language: str = "en", **other: str) -> str:
    """In a process of its own: the hub's client reads its settings when it is imported."""
    place = {"name": name, "split": split, "language": language, "root": str(root), "url": mirror.url}
    code = FETCH.format(**place, revisions=other)
    environment = {**os.environ, "PYTHONPATH": str(Path(xfer.__file__).parents[1]), "HF_HOME": str(root / ".home")}
    environment |= {
        "HF_TOKEN": "hf_secret",
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120, check=True
    )
    return next(line for line in done.stdout.splitlines() if line.startswith(("FOUND", "ERROR")))


def test_the_hubs_files_are_fetched_by_config_and_split(tmp_path: Path) -> None:
    with hub("nyu-mll/glue", GLUE, revisions.GLUE) as mirror:
        assert alone(mirror, tmp_path, "mnli", "train") == "FOUND nyu-mll/glue True"
        asked = {path.rpartition("/")[2] for path, _ in mirror.asked if "/resolve/" in path}
        assert asked == {"README.md", "train-00000-of-00002.jsonl", "train-00001-of-00002.jsonl"}
        assert mirror.tokens == {""}
    found = verify(Need(task("mnli"), "train", "en"), tmp_path)
    assert (found.status, found.revision) == ("differs", revisions.GLUE)
    rows = load_rows(task("mnli"), "train", "en", data_root=tmp_path)
    assert [row["label"] for row in rows] == ["neutral", "entailment"]


def test_a_cut_of_the_hub_leaves_nothing_that_counts_as_whole(tmp_path: Path) -> None:
    large = lines(*[nli("neutral", premise="x" * 500) for _ in range(200)])
    files = {**GLUE, "mnli/train-00001-of-00002.jsonl": large}
    refused = f"/datasets/nyu-mll/glue/resolve/{revisions.GLUE}/mnli/train-00001-of-00002.jsonl"
    with hub("nyu-mll/glue", files, revisions.GLUE, refusals={refused: [403] * 9}) as mirror:
        assert alone(mirror, tmp_path, "mnli", "train").startswith("ERROR UserError")
    with pytest.raises(MissingData, match="train"):
        load_rows(task("mnli"), "train", "en", data_root=tmp_path)
    with hub("nyu-mll/glue", files, revisions.GLUE) as mirror:
        assert alone(mirror, tmp_path, "mnli", "train") == "FOUND nyu-mll/glue True"
    assert len(list(load_rows(task("mnli"), "train", "en", data_root=tmp_path))) == 201


def test_a_connection_to_the_hub_that_is_cut_is_taken_up_again(tmp_path: Path) -> None:
    large = lines(*[nli("neutral", premise="x" * 500) for _ in range(4000)])
    files = {**GLUE, "mnli/train-00001-of-00002.jsonl": large}
    with hub("nyu-mll/glue", files, revisions.GLUE, cuts=1, cut_path="00001-of-00002.jsonl") as mirror:
        told = alone(mirror, tmp_path, "mnli", "train")
        if told.startswith("ERROR"):
            told = alone(mirror, tmp_path, "mnli", "train")
        assert told == "FOUND nyu-mll/glue True"
        asked = [span for path, span in mirror.asked if path.endswith("00001-of-00002.jsonl")]
    assert len(asked) == 2
    assert len(list(load_rows(task("mnli"), "train", "en", data_root=tmp_path))) == 4001


def test_the_hubs_copy_stands_in_for_an_original_that_is_gone(tmp_path: Path) -> None:
    split = b"  data_files:\n  - {split: validation, path: 'xquad.de/*.jsonl'}\n"
    card = b"---\nconfigs:\n- config_name: xquad.de\n" + split + b"---\n"
    files = {"README.md": card, "xquad.de/v.jsonl": lines(question(id="hub"))}
    with hub("google/xquad", files, revisions.XQUAD) as mirror:
        assert alone(mirror, tmp_path, "xquad", "test", "de") == "FOUND google/xquad True"
        assert mirror.asked[0] == ("/xquad.de.json", "")
    assert [row["id"] for row in load_rows(task("xquad"), "test", "de", data_root=tmp_path)] == ["hub"]


def test_another_revision_can_be_asked_for(tmp_path: Path) -> None:
    """The pinned commit is not there: an error that names it; the one that was asked for is fetched."""
    with hub("nyu-mll/glue", GLUE, "1" * 40) as mirror:
        assert alone(mirror, tmp_path, "mnli", "train").startswith("ERROR MissingData")
        asked = {"nyu-mll/glue": "1" * 40}
        assert alone(mirror, tmp_path, "mnli", "train", **asked) == "FOUND nyu-mll/glue True"
    assert verify(Need(task("mnli"), "train", "en"), tmp_path).revision == "1" * 40
    origin = {"source": "nyu-mll/glue", "revision": "1" * 40}
    assert origins(task("mnli"), "train", ("en", "de"), tmp_path) == {"en": [origin]}
    assert origins(task("mini-xnli"), "test", ("de",), tmp_path) == {}


def test_revisions_reach_every_copy_of_a_data_set() -> None:
    given = {"nyu-mll/glue": "abc", "google/xtreme": "def"}
    spec = needs(["xquad", "mnli"], load().tasks, (), given)
    found = {
        (need.task.name, copy.hub): copy.revision
        for need in spec
        for source in need.task.sources
        for copy in copies(source)
    }
    assert found["mnli", "nyu-mll/glue"] == "abc"
    assert found["xquad", "google/xtreme"] == "def"
    assert found["xquad", "google/xquad"] == revisions.XQUAD
    assert revised(task("ccg"), given) is task("ccg")


def test_revisions_on_the_command_line(run_xfer: Any, tmp_path: Path) -> None:
    unknown = run_xfer("data", "verify", "--target", "mnli", "--revision", "glue=abc")
    assert (unknown.status, "no data set of the hub named 'glue'" in unknown.err) == (2, True)
    unknown = run_xfer("run", "--dry-run", "--set", "data.revision.nyu-mll/glu=abc")
    assert (unknown.status, "data.revision.nyu-mll/glue" in unknown.err) == (2, True)
    taken = run_xfer("run", "--dry-run", "--set", "data.revision.nyu-mll/glue=abc", "--target", "mini-xnli")
    assert taken.status == 0, taken.err
    missing = run_xfer(
        "data", "verify", "--target", "mnli", "--data-root", tmp_path, "--revision", "nyu-mll/glue=abc"
    )
    assert missing.status == 3
    assert "hf download nyu-mll/glue --repo-type dataset --revision abc --local-dir" in missing.err


def test_what_cannot_be_downloaded_is_told(tmp_path: Path) -> None:
    with serving({}) as mirror, pytest.raises(MissingData, match="ccg has no train rows") as caught:
        fetch(Need(task("ccg"), "train", "en"), tmp_path, mirror.url, pause=0)
    assert "LDC2005T13" in str(caught.value)
    assert mirror.asked == []


def test_generated_rows_need_nothing(tmp_path: Path) -> None:
    assert (
        fetch(Need(task("mini-xnli"), "test", "de"), tmp_path, "http://127.0.0.1:1", pause=0).source == "generated"
    )


def test_one_process_fetches_at_a_time(tmp_path: Path) -> None:
    with fetching(tmp_path), pytest.raises(Locked, match="another process fetches"), fetching(tmp_path):
        pass
    with fetching(tmp_path):
        pass


# ---------------------------------------------------------------- verifying


def test_verified_rows(tmp_path: Path) -> None:
    rows = [question(id=f"q{number}") for number in range(1190)]
    write_bytes(tmp_path / "xquad/xquad.de.json", squad_json(*rows))
    write_bytes(tmp_path / "xquad/xquad.zh.json", squad_json(*rows[:-1]))
    write_bytes(tmp_path / "xquad/xquad.el.json", b"{}")
    found = {code: verify(Need(task("xquad"), "test", code), tmp_path) for code in ("de", "zh", "el", "vi")}
    assert {code: one.status for code, one in found.items()} == {
        "de": "ok",
        "zh": "differs",
        "el": "faulty",
        "vi": "missing",
    }
    good = found["de"]
    assert (good.rows, good.expected, good.source, good.licence) == (1190, 1190, "xquad", "CC BY-SA 4.0")
    assert [(path, len(digest)) for path, digest in good.files] == [("xquad.de.json", 64)]
    assert found["zh"].problems == ("xquad test (zh): 1,189 rows where the published number is 1,190",)
    assert "xfer data fetch --target xquad" in found["vi"].problems[0]


def test_rows_without_a_published_number_and_generated_ones(tmp_path: Path) -> None:
    treebank(tmp_path, "UD_T/de_t-ud-test", b"1\ta\t_\tX\t_\t_\t0\t_\t_\t_\n")
    found = verify(Need(task("udpos"), "test", "de"), tmp_path)
    assert (found.status, found.rows, found.expected, found.source) == ("ok", 1, None, "ud-treebanks-v2.5")
    made = verify(Need(task("mini-xnli"), "test", "de"), None)
    assert (made.status, made.source, made.files) == ("ok", "generated", ())
    assert made.rows > 0


def command(*arguments: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "xfer", *arguments],
        env={**os.environ, "PYTHONPATH": str(Path(xfer.__file__).parents[1]), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_the_commands(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "rajpurkar/squad/plain_text/train.jsonl", [question()])
    write_jsonl(tmp_path / "rajpurkar/squad/plain_text/validation.jsonl", [question()])
    root = ("--data-root", str(tmp_path))
    with serving({"/xquad.de.json": squad_json(question())}) as mirror:
        chosen = ("--target", "xquad", "--language", "de")
        status, out, _ = command("data", "fetch", *chosen, *root, "--base-url", mirror.url)
    assert status == 0, out
    assert [line.split() for line in out.splitlines()[1:]] == [
        ["squad-v1", "train", "en", "rajpurkar/squad", "was", "there"],
        ["squad-v1", "dev", "en", "rajpurkar/squad", "was", "there"],
        ["xquad", "test", "de", "xquad", "fetched"],
    ]
    status, out, err = command("data", "verify", *chosen, *root)
    assert status == 3
    assert "squad-v1  train  en        1     87,599     differs  rajpurkar/squad" in out
    assert "licence of xquad: CC BY-SA 4.0" in out
    assert "3 differs" in out
    assert "1 rows where the published number is 87,599" in err
    status, out, _ = command("data", "verify", *chosen, *root, "--json")
    assert status == 3
    assert [(one["task"], one["rows"]) for one in json.loads(out)] == [
        ("squad-v1", 1),
        ("squad-v1", 1),
        ("xquad", 1),
    ]
    status, out, _ = command("data", "verify", "--target", "mini-xnli")
    assert status == 0
    assert out.splitlines()[-1].endswith(" ok")
    status, _, err = command("data", "fetch", "--target", "ccg", *root)
    assert status == 3
    assert "LDC2005T13" in err
    status, _, err = command("data", "fetch", "--target", "xquad")
    assert status == 2
    assert "no data root was given" in err
