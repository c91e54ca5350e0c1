"""Every original release that a task declares: fetched from a mirror after a cut, unpacked, found and read."""

import json
from pathlib import Path
from typing import Any

import pytest

from xfer.bootstrap import load
from xfer.core.data.load import load_examples, load_rows
from xfer.core.data.needs import Need, fetch
from xfer.core.data.sources import copies
from xfer.core.records import Source, TaskSpec

from .folders import question
from .originals import conllu, squad_json, xnli_table
from .server import serving
from .test_downloads import packed

TREEBANK = conllu([("1", "Ja", "INTJ", "0"), ("2", ".", "PUNCT", "1")])
PAWSX = b'id\tsentence1\tsentence2\tlabel\n1\t"a\tb\t1\n'
XNLI = xnli_table(("de", "neutral", "a", "b"))
STORY = {"ctx_a": "A.", "ctx_b": "he", "endings": ["runs", "sits"], "label": 1}
CHOICES = [{"label": letter, "text": letter.lower()} for letter in "ABCDE"]
KNOWN = {"id": "q", "answerKey": "D", "question": {"stem": "Which?", "choices": CHOICES}}
COSMOS = b"id,context,question,answer0,answer1,answer2,answer3,label\nx,c,q,a,b,c,d,2\n"


def bucc(split: str) -> bytes:
    stem = f"bucc2018/de-en/de-en.{split}"
    members = {f"{stem}.de": b"de-1\teins\n", f"{stem}.en": b"en-1\tone\n", f"{stem}.gold": b"de-1\ten-1\n"}
    return packed("tar.bz2", members)


def line(row: Any) -> bytes:
    return json.dumps(row).encode() + b"\n"


SERVED: dict[str, tuple[str, str, dict[str, bytes]]] = {
    "udpos": (
        "test",
        "de",
        {"ud-treebanks-v2.5.tgz": packed("tgz", {"ud-treebanks-v2.5/UD_German-T/de_t-ud-test.conllu": TREEBANK})},
    ),
    "panx": (
        "test",
        "de",
        {"panx_dataset.zip": packed("zip", {"panx_dataset/de.tar.gz": packed("tar.gz", {"test": b"de:Ja\tO\n"})})},
    ),
    "pawsx": ("test", "de", {"x-final.tar.gz": packed("tar.gz", {"x-final/de/test_2k.tsv": PAWSX})}),
    "xnli": ("test", "de", {"XNLI-1.0.zip": packed("zip", {"XNLI-1.0/xnli.test.tsv": XNLI})}),
    "xquad": ("test", "de", {"xquad.de.json": squad_json(question())}),
    "mlqa": (
        "dev",
        "de",
        {"MLQA_V1.zip": packed("zip", {"MLQA_V1/dev/dev-context-de-question-de.json": squad_json(question())})},
    ),
    "tydiqa": ("train", "en", {"tydiqa-goldp-v1.1-train.json": squad_json(question(id="english-1"))}),
    "bucc": ("dev", "de", {"bucc2018-de-en.sample-gold.tar.bz2": bucc("sample")}),
    "tatoeba": ("test", "de", {"tatoeba.deu-eng.deu": b"eins\n", "tatoeba.deu-eng.eng": b"one\n"}),
    "squad-v1": ("dev", "en", {"dev-v1.1.json": squad_json(question())}),
    "squad-v2": ("train", "en", {"train-v2.0.json": squad_json(question())}),
    "hellaswag": ("dev", "en", {"hellaswag_val.jsonl": line(STORY)}),
    "cosmosqa": ("train", "en", {"train.csv": COSMOS}),
    "commonsenseqa": ("dev", "en", {"dev_rand_split.jsonl": line(KNOWN)}),
}


def unchecked(spec: TaskSpec) -> TaskSpec:
    """The task without the checksums of the real files."""

    def plain(source: Source) -> Source:
        otherwise = plain(source.otherwise) if source.otherwise is not None else None
        return source.model_copy(update={"downloads": dict.fromkeys(source.downloads, ""), "otherwise": otherwise})

    (source,) = spec.sources
    return spec.model_copy(update={"source": plain(source)})


def test_every_task_with_originals_is_here() -> None:
    tasks = {name: spec for name, spec in load().tasks.items() if not name.startswith("mini-")}
    declared = {
        name
        for name, spec in tasks.items()
        for source in spec.sources
        if any(copy.downloads for copy in copies(source))
    }
    assert declared == set(SERVED)


@pytest.mark.parametrize("name", SERVED)
def test_fetched_after_a_cut_and_read(tmp_path: Path, name: str) -> None:
    split, language, files = SERVED[name]
    spec = unchecked(load().tasks.get(name))
    with serving({f"/{path}": content for path, content in files.items()}, cuts=1) as mirror:
        found = fetch(Need(spec, split, language), tmp_path, mirror.url, pause=0)
        assert found.fetched
        assert any(span.startswith("bytes=") for _, span in mirror.asked)
        asked = len(mirror.asked)
        assert not fetch(Need(spec, split, language), tmp_path, mirror.url, pause=0).fetched
        assert len(mirror.asked) == asked
    loaded = load_examples(spec, split, language, load_rows(spec, split, language, data_root=tmp_path))
    assert len(loaded.examples) == 1
    assert spec.sources[0].hub == found.source
    assert not [path for path in tmp_path.rglob("*") if path.name.endswith((".partial", ".etag", ".unpacked"))]


def test_the_second_split_of_bucc_joins_the_first(tmp_path: Path) -> None:
    spec = unchecked(load().tasks.get("bucc"))
    files = {f"/bucc2018-de-en.{split}-gold.tar.bz2": bucc(split) for split in ("sample", "training")}
    with serving(files) as mirror:
        for split in ("dev", "test"):
            assert fetch(Need(spec, split, "de"), tmp_path, mirror.url, pause=0).fetched
    assert len(list((tmp_path / "bucc2018/de-en").iterdir())) == 6
