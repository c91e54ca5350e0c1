"""Files to rows: layouts, kinds of files, label names, the hub's cache, fingerprints."""

import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

import xfer
from xfer.core.data.load import MissingData, fingerprint, load_examples, load_rows
from xfer.core.data.rows import label_names
from xfer.core.records import TaskSpec
from xfer.plugins.shared import revisions
from xfer.plugins.tasks import anli_plus, ccg, mnli, pawsx, snli, squad_v1, xnli, xquad

from .folders import nli, question, write_bytes, write_jsonl, write_parquet

GLUE = "nyu-mll/glue"
MNLI = mnli.TASK


def labels(task: TaskSpec, split: str, root: Path, language: str = "en") -> list[str | None]:
    rows = load_rows(task, split, language, data_root=root)
    return [example.label for example in load_examples(task, split, language, rows).examples]


@pytest.mark.parametrize(
    "name",
    [
        "mnli/train-00000-of-00001.parquet",
        "mnli/train.parquet",
        "mnli/train/0000.parquet",
        "mnli/train.jsonl",
        "mnli/train-part.jsonl",
    ],
)
def test_usual_file_names_are_found_without_a_card(tmp_path: Path, name: str) -> None:
    path = tmp_path / GLUE / name
    write = write_parquet if path.suffix == ".parquet" else write_jsonl
    write(path, [nli(0), nli(2)])
    write(tmp_path / GLUE / f"mnli/train_r1-0{path.suffix}", [nli(1)])
    assert labels(MNLI, "train", tmp_path) == ["entailment", "contradiction"]


def test_the_default_config_lies_in_data_or_at_the_top(tmp_path: Path) -> None:
    for folder in ("data", "default", "."):
        root = tmp_path / folder.strip(".")
        write_parquet(root / "extra/ccg-silver" / folder / "train-0.parquet", [{"tokens": ["a"], "tags": ["N"]}])
        rows = list(load_rows(ccg.TASK, "train", "en", data_root=root))
        assert [row["tags"] for row in rows] == [["N"]]


CARD = """---
configs:
- config_name: plain_text
  data_files:
  - split: train
    path: anywhere/part-*.jsonl
  - split: validation
    path: [anywhere/a.jsonl, anywhere/b.jsonl]
- config_name: other
  data_files: other.jsonl
dataset_info:
- config_name: plain_text
  features:
  - name: label
    dtype:
      class_label:
        names:
          '0': contradiction
          '1': neutral
          '2': entailment
---
"""


def test_the_card_names_files_and_labels(tmp_path: Path) -> None:
    folder = tmp_path / "stanfordnlp/snli"
    write_bytes(folder / "README.md", CARD.encode())
    write_jsonl(folder / "anywhere/part-2.jsonl", [nli(2)])
    write_jsonl(folder / "anywhere/part-1.jsonl", [nli(0), nli(-1)])
    write_jsonl(folder / "anywhere/b.jsonl", [nli("neutral")])
    write_jsonl(folder / "anywhere/a.jsonl", [nli(1), nli(None)])
    assert labels(snli.TASK, "train", tmp_path) == ["contradiction", "entailment"]
    assert labels(snli.TASK, "dev", tmp_path) == ["neutral", "neutral"]
    with pytest.raises(MissingData):
        load_rows(snli.TASK, "test", "en", data_root=tmp_path)


@pytest.mark.parametrize(
    "files",
    ["train.jsonl", ["train.jsonl"], {"train": "train.jsonl"}, [{"split": "train", "path": "train.jsonl"}]],
    ids=["text", "list", "mapping", "splits"],
)
def test_every_form_of_data_files(tmp_path: Path, files: object) -> None:
    folder = tmp_path / "stanfordnlp/snli"
    card = f"---\nconfigs:\n- config_name: plain_text\n  data_dir: deep\n  data_files: {files!r}\n---\n"
    write_bytes(folder / "README.md", card.encode())
    write_jsonl(folder / "deep/train.jsonl", [nli(1)])
    assert labels(snli.TASK, "train", tmp_path) == ["neutral"]


def test_label_names_of_the_file_win_over_documented_ones(tmp_path: Path) -> None:
    order = ["neutral", "contradiction", "entailment"]
    write_parquet(tmp_path / GLUE / "mnli/train-0.parquet", [nli(0), nli(1), nli(2), nli(-1)], {"label": order})
    assert labels(MNLI, "train", tmp_path) == order


@pytest.mark.parametrize(
    "features",
    [
        {"tags": {"feature": {"names": ["A", "B"], "_type": "ClassLabel"}, "_type": "List"}},
        {"tags": {"feature": {"names": ["A", "B"], "_type": "ClassLabel"}, "_type": "Sequence"}},
        {"tags": [{"names": ["A", "B"], "_type": "ClassLabel"}]},
        [{"name": "tags", "list": {"class_label": {"names": {"1": "B", "0": "A"}}}}],
        [{"name": "tags", "sequence": {"class_label": {"names": {"0": "A", "1": "B"}}}}],
        [{"name": "tags", "dtype": {"class_label": {"names": {"0": "A", "1": "B"}}}}],
    ],
)
def test_label_names_in_every_notation(features: object) -> None:
    assert label_names(features) == {"tags": ("A", "B")}


def test_features_without_class_labels_have_no_names() -> None:
    assert label_names({"text": {"dtype": "string", "_type": "Value"}, "nested": {"a": {"dtype": "int32"}}}) == {}
    assert label_names(None) == {}


def test_cells_of_tables_stay_text(tmp_path: Path) -> None:
    table = 'premise,hypothesis,label\nNA,"null, or ""none""",entailment\n007,1.0,neutral\n'
    write_bytes(tmp_path / GLUE / "mnli/train.csv", table.encode())
    rows = [dict(row) for row in load_rows(MNLI, "train", "en", data_root=tmp_path)]
    assert rows == [nli("entailment", "NA", 'null, or "none"'), nli("neutral", "007", "1.0")]


def test_without_quoting_a_quotation_mark_is_a_character(tmp_path: Path) -> None:
    table = 'id\tsentence1\tsentence2\tlabel\n1\t"Open, he said.\tHe said "go"\t1\n'
    write_bytes(tmp_path / "google-research-datasets/paws-x/de/train.tsv", table.encode())
    task = pawsx.TASK.model_copy(update={"train_languages": ("de", "en")})
    (row,) = load_rows(task, "train", "de", data_root=tmp_path)
    assert (row["sentence1"], row["sentence2"], row["label"]) == ('"Open, he said.', 'He said "go"', "1")


@pytest.mark.parametrize("name", ["train.jsonl", "train.csv"])
@pytest.mark.parametrize("change", [b"\xef\xbb\xbf", b"\r\n"], ids=["byte order mark", "CRLF"])
def test_marks_and_line_ends_of_other_systems_are_no_content(tmp_path: Path, name: str, change: bytes) -> None:
    content = b"premise,hypothesis,label\nA \xe2\x80\xa8 b,c,neutral\n"
    if name.endswith("jsonl"):
        content = '{"premise": "A \u2028 b", "hypothesis": "c", "label": "neutral"}\n\n'.encode()
    content = change + content if change != b"\r\n" else content.replace(b"\n", b"\r\n")
    write_bytes(tmp_path / GLUE / "mnli" / name, content)
    (row,) = load_rows(MNLI, "train", "en", data_root=tmp_path)
    assert dict(row) == nli("neutral", "A \u2028 b", "c")


def test_joined_sources_come_in_order_and_a_limit_takes_from_all(tmp_path: Path) -> None:
    def write(root: Path) -> None:
        write_jsonl(root / "stanfordnlp/snli/plain_text/train.jsonl", [nli(0) for _ in range(8)])
        write_jsonl(root / GLUE / "mnli/train.jsonl", [nli(1) for _ in range(4)])
        for number in ("r1", "r2", "r3"):
            write_jsonl(root / f"facebook/anli/plain_text/train_{number}.jsonl", [nli(2) for _ in range(4)])

    write(tmp_path)
    names = ["entailment"] * 8 + ["neutral"] * 4 + ["contradiction"] * 12
    assert labels(anli_plus.TASK, "train", tmp_path) == names
    rows = load_rows(anli_plus.TASK, "train", "en", data_root=tmp_path)
    some = load_examples(anli_plus.TASK, "train", "en", rows, limit=6).examples
    assert [example.label for example in some] == ["entailment"] * 2 + ["neutral"] + ["contradiction"] * 3
    (tmp_path / "facebook/anli/plain_text/train_r2.jsonl").unlink()
    with pytest.raises(MissingData, match="anli-plus has no train rows"):
        load_rows(anli_plus.TASK, "train", "en", data_root=tmp_path)


def test_the_second_source_is_read_when_the_first_is_not_there(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "google/xtreme/XQuAD.de/validation.jsonl", [question(id="second")])
    assert [row["id"] for row in load_rows(xquad.TASK, "test", "de", data_root=tmp_path)] == ["second"]
    write_jsonl(tmp_path / "google/xquad/xquad.de/validation.jsonl", [question(id="first")])
    assert [row["id"] for row in load_rows(xquad.TASK, "test", "de", data_root=tmp_path)] == ["first"]


def test_a_limit_reads_no_further(tmp_path: Path) -> None:
    write_bytes(tmp_path / GLUE / "mnli/train.jsonl", b'{"premise": "a", "hypothesis": "b", "label": 1}\nbroken\n')
    assert len(list(load_rows(MNLI, "train", "en", data_root=tmp_path, limit=1))) == 1


def test_generated_rows_need_no_files(tmp_path: Path) -> None:
    rows = [nli(1), nli(2)]
    task = MNLI.model_copy(update={"source": None, "rows": lambda split, language: iter(rows), "version": 3})
    assert list(load_rows(task, "dev", "en", data_root=None)) == rows
    assert list(load_rows(task, "dev", "en", data_root=tmp_path, limit=1)) == rows[:1]
    assert fingerprint(task, "dev", ("en",), None) == "mnli-v3"


def test_a_fingerprint_follows_contents_not_places(tmp_path: Path) -> None:
    def root(name: str, *rows: dict[str, object]) -> Path:
        write_jsonl(tmp_path / name / "stanfordnlp/snli/plain_text/train.jsonl", rows)
        return tmp_path / name

    first = fingerprint(snli.TASK, "train", ("en",), root("a", nli(0)))
    assert first == fingerprint(snli.TASK, "train", ("en",), root("b", nli(0)))
    assert first != fingerprint(snli.TASK, "train", ("en",), root("c", nli(1)))
    assert first != fingerprint(snli.TASK, "train", ("en",), root("a", nli(0), nli(0)))
    assert len(first) == 64
    assert set(first) <= set("0123456789abcdef")


def test_a_fingerprint_of_what_is_absent_is_refused(tmp_path: Path) -> None:
    row = {"language": "de", "sentence1": "a", "sentence2": "b", "gold_label": "neutral"}
    write_jsonl(tmp_path / "google/xtreme/XNLI/test.jsonl", [row])
    assert fingerprint(xnli.TASK, "test", ("de",), tmp_path)
    with pytest.raises(MissingData):
        fingerprint(xnli.TASK, "test", ("fr",), tmp_path)
    with pytest.raises(MissingData):
        fingerprint(xnli.TASK, "dev", ("de",), tmp_path)


def alone(code: str, **variables: object) -> str:
    """Output of `code` in a process of its own: the hub's client reads its settings when it is imported."""
    environment = {**os.environ, "PYTHONPATH": str(Path(xfer.__file__).parents[1])}
    environment |= {name: str(value) for name, value in variables.items()}
    environment.pop("HF_HUB_CACHE", None)
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60).stdout


OFFLINE = """
from xfer.core.data.load import MissingData, fingerprint, load_examples, load_rows
from xfer.plugins.tasks import ccg, snli, squad_v1
rows = load_rows(squad_v1.TASK, "train", "en", data_root=None)
print([example.id for example in load_examples(squad_v1.TASK, "train", "en", rows).examples])
print(fingerprint(squad_v1.TASK, "train", ("en",), None))
for task in (snli.TASK, ccg.TASK):
    try:
        load_rows(task, "train", "en", data_root=None)
    except MissingData as error:
        print(error)
"""


def test_the_cache_of_the_hub_is_read_offline(tmp_path: Path) -> None:
    snapshot = tmp_path / "home/hub/datasets--rajpurkar--squad/snapshots" / revisions.SQUAD_V1
    card = "configs:\n- config_name: plain_text\n  data_files:\n  - split: train\n    path: plain_text/train-*\n"
    write_bytes(snapshot / "README.md", f"---\n{card}---\n".encode())
    write_jsonl(snapshot / "plain_text/train-0.jsonl", [question(id="cached")])
    write_jsonl(tmp_path / "root/rajpurkar/squad/plain_text/train-0.jsonl", [question(id="cached")])
    ids, digest, *messages = alone(OFFLINE, HF_HOME=tmp_path / "home", HF_HUB_OFFLINE=1).splitlines()
    assert ids == "['cached']"
    assert digest == fingerprint(squad_v1.TASK, "train", ("en",), tmp_path / "root")
    told = "\n".join(messages)
    assert f"stanfordnlp/snli (revision {revisions.SNLI}) on the hub, in its cache (HF_HUB_OFFLINE is set)" in told
    command = f"hf download stanfordnlp/snli --repo-type dataset --revision {revisions.SNLI} --local-dir"
    assert f"{command} DATA_ROOT/stanfordnlp/snli" in told
    assert "LDC2005T13" in told


REFUSED = """
from xfer.core.data.load import load_rows
from xfer.core.errors import XferError
from xfer.plugins.tasks import snli, squad_v1, xquad
for task, language in ((xquad.TASK, "de"), (squad_v1.TASK, "en"), (snli.TASK, "en")):
    try:
        load_rows(task, "train" if language == "en" else "test", language, data_root=None)
    except XferError as error:
        print(type(error).__name__, error)
"""


class Hub(BaseHTTPRequestHandler):
    """Knows nothing of google, guards rajpurkar's data, and fails otherwise (with what is not tried again)."""

    def do_GET(self) -> None:
        answers = {"google": (404, "RepoNotFound"), "rajpurkar": (403, "GatedRepo")}
        status, code = next((answers[owner] for owner in answers if owner in self.path), (400, ""))
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_HEAD(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *arguments: object) -> None:
        """Silent."""


def test_refusals_of_the_hub_are_told(tmp_path: Path) -> None:
    with HTTPServer(("127.0.0.1", 0), Hub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        told = alone(
            REFUSED, HF_HOME=tmp_path, HF_HUB_OFFLINE=0, HF_ENDPOINT=f"http://127.0.0.1:{server.server_port}"
        )
        server.shutdown()
    absent = "MissingData xquad has no test rows in 'de' here"
    looked = f"google/xquad (revision {revisions.XQUAD}) on the hub, google/xtreme (revision main) on the hub"
    for text in (
        absent,
        looked,
        "UserError the hub wants you to accept terms",
        "UserError the hub cannot be reached",
    ):
        assert text in told
