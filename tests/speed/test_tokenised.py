"""Tokenised data are made once for the same content, and anew when anything of it changes."""

import importlib
import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.engine.conftest import QUICK, Kit, calm_encoder, kit, rows, training
from tests.speed.formats import TASKS, Folders, make
from xfer.core.engine import tokenised as own
from xfer.core.engine.tokenised import content_key, tokenised
from xfer.core.engine.train_phase import prepare
from xfer.core.formats import base, span

__all__ = ["calm_encoder", "kit"]
STORED = {"engine.cache_tokens": 0, "engine.ahead": "off"}


def folders(kit: Kit) -> list[Path]:
    return sorted(path for path in (kit.store / "cache" / "features").glob("*") if path.is_dir())


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("for_training", [True, False])
def test_what_is_read_back_is_what_was_made(kit: Kit, tiny_encoder: Folders, name: str, for_training: bool) -> None:
    setting = make(name, tiny_encoder("xlm-roberta"))
    run = kit.prepare(set=STORED).run
    given = (run, setting.tokeniser, setting.code, setting.examples, 32)
    plain = setting.code.featurise(setting.examples, setting.tokeniser, 32, for_training)
    for memory in ("fresh", "kept", "restarted"):
        if memory == "restarted":
            run.memory.clear()
        found = tokenised(*given, training=for_training)
        for part in ("tokens", "offsets", "items", "example"):
            got, expected = getattr(found, part), getattr(plain, part)
            assert isinstance(got, np.memmap)
            assert got.dtype == expected.dtype
            np.testing.assert_array_equal(got, expected)
        assert {n: c.axis for n, c in found.columns.items()} == {n: c.axis for n, c in plain.columns.items()}
        for column, kept in found.columns.items():
            np.testing.assert_array_equal(kept.values, plain.columns[column].values)
        assert found.dropped == plain.dropped
    assert len(folders(kit)) == 1


def test_small_sets_are_kept_in_the_process_only(kit: Kit, tiny_encoder: Folders) -> None:
    setting = make("tagging", tiny_encoder("xlm-roberta"))
    run = kit.prepare().run
    given = (run, setting.tokeniser, setting.code, setting.examples, 32)
    assert tokenised(*given, training=True) is tokenised(*given, training=True)
    assert tokenised(*given, training=True) is not tokenised(*given, training=False)
    assert folders(kit) == []


def test_whatever_changes_the_features_changes_the_key(tiny_encoder: Folders) -> None:
    setting, bert = (make("classification", tiny_encoder(kind)) for kind in ("xlm-roberta", "bert"))
    code, examples, words = setting.code, setting.examples, setting.tokeniser
    base = content_key(words, code, examples, 32, training=True)
    assert base == content_key(words, code, list(examples), 32, training=True)
    assert base is not None
    other = type(code)(code.task, code.labels[::-1], code.options)
    renamed = type(code)(code.task.model_copy(update={"version": 2}), code.labels, code.options)
    longer = type(code)(code.task, code.labels, code.options.model_copy(update={"max_length": 64}))
    keys = {
        base,
        content_key(words, code, examples, 33, training=True),
        content_key(words, code, examples, 32, training=False),
        content_key(words, code, examples[:-1], 32, training=True),
        content_key(words, code, examples[::-1], 32, training=True),
        content_key(words, code, [replace(examples[0], text="x"), *examples[1:]], 32, training=True),
        content_key(words, code, [replace(examples[0], label=None), *examples[1:]], 32, training=True),
        content_key(words, other, examples, 32, training=True),
        content_key(words, renamed, examples, 32, training=True),
        content_key(words, longer, examples, 32, training=True),
        content_key(bert.tokeniser, code, examples, 32, training=True),
    }
    assert len(keys) == 11


@pytest.mark.parametrize("changed", ["span.py", "span_windows.py", "sequences.py", "base.py"])
def test_a_changed_format_reads_nothing_of_the_old_one(
    tiny_encoder: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    """Whichever module of its package was changed, for formats share code."""
    setting = make("span", tiny_encoder("xlm-roberta"))
    copies = tmp_path / "formats"
    shutil.copytree(Path(span.__file__).parent, copies)
    for module in (span, base):
        monkeypatch.setattr(module, "__file__", str(copies / Path(module.__file__ or "").name))

    def key() -> str | None:
        own.sources.cache_clear()
        return content_key(setting.tokeniser, setting.code, setting.examples, 32, training=True)

    before = key()
    assert before == key() is not None
    with (copies / changed).open("a") as file:
        file.write("# changed\n")
    assert key() != before
    own.sources.cache_clear()


def test_a_format_that_inherits_depends_on_what_it_inherits(
    tiny_encoder: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    setting = make("classification", tiny_encoder("xlm-roberta"))
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "own_base.py").write_text("class Words: ...\n")
    (tmp_path / "own_format.py").write_text(
        "from own_base import Words\n"
        "from xfer.core.formats.classification import Classification\n"
        "class Own(Words, Classification): ...\n"
    )
    code = importlib.import_module("own_format").Own(setting.code.task, setting.code.labels, setting.code.options)
    keys = []
    for text in ("class Words: ...\n", "class Words:\n    lower = True\n"):
        (tmp_path / "own_base.py").write_text(text)
        own.sources.cache_clear()
        keys.append(content_key(setting.tokeniser, code, setting.examples, 32, training=True))
    assert None not in keys
    assert keys[0] != keys[1]
    del sys.modules["own_base"]
    own.sources.cache_clear()
    assert content_key(setting.tokeniser, code, setting.examples, 32, training=True) is None  # nobody can tell


def test_another_tokenisation_library_makes_its_own(tiny_encoder: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    setting = make("classification", tiny_encoder("xlm-roberta"))
    given = (setting.tokeniser, setting.code, setting.examples, 32)
    before = content_key(*given, training=True)
    monkeypatch.setattr("tokenizers.__version__", "0.0.1")
    assert content_key(*given, training=True) != before


def test_examples_that_are_no_plain_data_are_tokenised_anew(kit: Kit, tiny_encoder: Folders) -> None:
    setting = make("classification", tiny_encoder("xlm-roberta"))
    odd = [replace(setting.examples[0], id=object()), *setting.examples[1:]]
    assert content_key(setting.tokeniser, setting.code, odd, 32, training=True) is None
    run = kit.prepare(set=STORED).run
    found = tokenised(run, setting.tokeniser, setting.code, odd, 32, training=True)
    np.testing.assert_array_equal(found.tokens, setting.features.tokens)
    assert folders(kit) == []


def test_a_run_from_the_store_gives_the_same_rows(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    first = rows(kit.run(set={**QUICK, **STORED}, target=("toy-class", "toy-pairs")))
    made = folders(kit)
    assert len(made) == 4  # training, English and German of one target, one language of the other
    for path in (kit.store / "phases").iterdir():
        path.rename(path.with_name(f"{path.name}-away"))

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("tokenised again")

    monkeypatch.setattr("xfer.core.formats.classification.Classification.featurise", refuse)
    monkeypatch.setattr("xfer.core.formats.retrieval.Retrieval.featurise", refuse)
    again = rows(kit.run(set={**QUICK, **STORED}, target=("toy-class", "toy-pairs")))
    assert [row.value for row in again] == [row.value for row in first]
    assert folders(kit) == made


def test_a_damaged_entry_is_made_again(kit: Kit) -> None:
    prepared = kit.prepare(set=STORED)
    expected = prepare(training(prepared), prepared.run).parts[0].features.tokens.tolist()
    (folder,) = folders(kit)
    (folder / "tokens.npy").write_bytes(b"spoilt")
    again = kit.prepare(set=STORED)
    assert prepare(training(again), again.run).parts[0].features.tokens.tolist() == expected
    assert folders(kit) == [folder]
    assert json.loads((folder / "features.json").read_text())["columns"] == [["labels", "item"]]
