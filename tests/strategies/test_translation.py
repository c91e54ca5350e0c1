"""Machine translation: by a plugin, by transformers' models, from files; cached, resumed, answers recovered."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from xfer import commands, summary
from xfer.api import Answer, ChoiceExample, LineExample, SpanExample, TaggedExample, TextExample, UserError
from xfer.core.data.seq2seq import card_licence, translate
from xfer.core.data.translation import cache_folder, cached, rebuilt, texts_of
from xfer.core.engine.inputs import load_examples
from xfer.core.engine_settings import TranslationSettings
from xfer.core.errors import DataError
from xfer.core.storage.store import Store

from .seq2seq import tiny_m2m, tiny_t5

Planned = Callable[..., commands.Prepared]
Run = Callable[..., commands.RunResult]
PLUGIN = """
from pathlib import Path

from xfer.api import hookimpl

LOG = Path(__file__).with_suffix(".log")


@hookimpl
def xfer_translate(texts, source, target, settings):
    if target not in ("de", "sw"):
        return None
    if not texts:
        return []
    before = len(LOG.read_text().splitlines()) if LOG.exists() else 0
    if Path(__file__).with_suffix(".stop").exists() and before >= 20:
        raise RuntimeError("the service is down")
    with LOG.open("a") as log:
        log.writelines(text.replace("\\n", " ") + "\\n" for text in texts)
    return [f"{target}: {text}" for text in texts]
"""
STRATEGY = "translated-stilts[languages=de,sw,via=mt]"


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    path = tmp_path / "mouth.py"
    path.write_text(f"# {tmp_path}\n{PLUGIN}", encoding="utf-8")  # equal files are one module in a process
    return path


def lines(plugin: Path) -> list[str]:
    return plugin.with_suffix(".log").read_text(encoding="utf-8").splitlines()


# ---------------------------------------------------------------- texts and back

SPAN = SpanExample("1", "en", "Who?", "The red cat saw it.", (Answer("red cat", 4),))


@pytest.mark.parametrize(
    ("example", "texts"),
    [
        (TextExample("1", "en", "a", "b", "same"), ["a", "b"]),
        (TextExample("1", "en", "a", None, "same"), ["a"]),
        (ChoiceExample("1", "en", "p", ("x", "y"), 1), ["p", "x", "y"]),
        (LineExample("1", "en", "text"), ["text"]),
        (SPAN, ["Who?", "The [red cat] saw it.", "red cat"]),
        (SpanExample("1", "en", "Who?", "Nobody."), ["Who?", "Nobody."]),
        (SpanExample("1", "en", "Q", "a [1] b", (Answer("b", 6),)), ["Q", "a [1] {b}", "b"]),
    ],
)
def test_texts_of_examples_and_back(example: Any, texts: list[str]) -> None:
    assert texts_of(example) == texts
    back = rebuilt(example, texts, "de")
    assert back is not None
    assert back.language == "de"
    assert texts_of(back) == texts, "a translator that changes nothing gives the example back"


def test_words_with_labels_are_not_translated() -> None:
    with pytest.raises(UserError, match="cannot be translated by machine"):
        texts_of(TaggedExample("1", "en", ("a",), ("X",)))


@pytest.mark.parametrize(
    ("context", "answer", "found"),
    [
        ("Es sah die [rote Katze].", "irrelevant", "rote Katze"),
        ("Es sah die [ rote Katze ].", "irrelevant", "rote Katze"),
        ("Es sah die rote Katze.", "rote Katze", "rote Katze"),
        ("Es sah [die rote Katze.", "rote Katze", "rote Katze"),
        ("Es sah [] die rote Katze.", "rote Katze", "rote Katze"),
        ("Es ]sah[ die rote Katze.", "Katze", "Katze"),
        ("Es sah die rote Katze.", "Hund", None),
        ("Die Katze sah die Katze.", "Katze", None),
        ("Es sah die rote Katze.", "", None),
    ],
)
def test_answers_are_recovered_or_given_up(context: str, answer: str, found: str | None) -> None:
    back = rebuilt(SPAN, ["Wer?", context, answer], "de")
    if found is None:
        assert back is None
        return
    assert isinstance(back, SpanExample)
    assert not set("[]") & set(back.context)
    (only,) = back.answers
    assert only.text == found
    assert back.context[only.start :].startswith(found)


# ---------------------------------------------------------------- the phase


def test_a_plugin_translates_once_and_training_reads_it(
    run: Run, planned: Planned, plugin: Path, tmp_path: Path
) -> None:
    changes: dict[str, Any] = {"plugin": (plugin,), "store": tmp_path / "store"}
    before = planned(STRATEGY, **changes)
    text = summary.plan_text(before)
    assert "mini-mnli mt de,sw" in text
    assert f"{STRATEGY}: zero-shot: no, sees de (mt)" in text, "sw is not among the target's languages"
    result = run(STRATEGY, **changes)
    assert not result.failed
    assert {row.sees for row in result.results} == {("de (mt)",)}
    texts = lines(plugin)
    assert len(texts) == 2 * len(set(texts)), "each text once for each of two languages"
    about = {
        line["language"]: line
        for planned_phase in result.plan.phases
        if planned_phase.phase.does == "translate"
        for line in Store(tmp_path / "store").phase_info(planned_phase.id)["translations"]
    }
    assert {code: line["examples"] for code, line in about.items()} == {"de": 16, "sw": 16}
    prepared = planned(STRATEGY, **changes)
    assert [one.id for one in prepared.plan.phases] == [one.id for one in before.plan.phases]
    task = prepared.run.toolkit.tasks.get("mini-mnli")
    english, german = (load_examples(prepared.run, task, "train", "en"), None)
    german = load_examples(prepared.run, task, "train", "de", "mt")
    assert [one.text for one in german] == [f"de: {one.text}" for one in english]
    assert [one.id for one in german] == [one.id for one in english]
    more = run(STRATEGY, **{**changes, "limit": {"train": 20, "dev": 8, "test": 8}})
    assert not more.failed
    assert len(set(lines(plugin))) == len(lines(plugin)) / 2, "a longer run translates only what is new"


def test_an_interrupted_translation_goes_on(
    run: Run, plugin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xfer.core.data.translation.CHUNK", 8)
    changes: dict[str, Any] = {"plugin": (plugin,), "store": tmp_path / "store"}
    plugin.with_suffix(".stop").touch()
    broken = run(STRATEGY, **changes)
    assert broken.status == 3
    assert any("the service is down" in problem.message for problem in broken.problems)
    assert not broken.results, "what depends on the translation fails with it"
    done = lines(plugin)
    assert len(done) == 24
    plugin.with_suffix(".stop").unlink()
    whole = run(STRATEGY, **changes)
    assert not whole.failed
    texts = lines(plugin)
    assert texts[:24] == done
    assert len(texts) == 2 * len(set(texts)), "nothing was translated twice"


@pytest.mark.parametrize("damage", ["flip", "cut", "gone"])
def test_a_damaged_translation_is_never_trained_on_and_made_again(
    run: Run, planned: Planned, plugin: Path, tmp_path: Path, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xfer.core.data.translation.CHUNK", 8)
    changes: dict[str, Any] = {"plugin": (plugin,), "store": tmp_path / "store"}
    prepared = planned(STRATEGY, **changes)
    (translate,) = [one for one in prepared.plan.phases if one.phase.does == "translate"]
    commands.execute(prepared)
    (path,) = (tmp_path / "store" / "cache" / "translations").glob("*/en-de.jsonl")
    known, damaged = cached(path.parent, "de")
    assert (len(known), damaged) == (len(set(lines(plugin))), 0)
    data = bytearray(path.read_bytes())
    if damage == "flip":
        data[len(data) // 2] ^= 4
    path.write_bytes({"flip": data, "cut": data[: data.index(b"\n", 9) + 40] + b"\n", "gone": b""}[damage])
    found, damaged = cached(path.parent, "de")
    assert found.items() < known.items()
    assert damaged == (damage != "gone")
    for folder in (tmp_path / "store" / "phases").iterdir():
        if folder.name != translate.id:
            shutil.rmtree(folder)
    with pytest.raises(DataError, match=r"\d+ of 16 examples are not translated") as caught:
        run(STRATEGY, **changes)
    assert "`xfer cache rm NAME --force`" in caught.value.fix
    shutil.rmtree(tmp_path / "store" / "phases" / translate.id)  # as that command does
    again = run(STRATEGY, **changes)
    assert not again.failed
    told = [problem.message for problem in again.problems if "damaged" in problem.message]
    assert told == ["1 lines of cached translations are damaged; what they held is translated again"] * damaged
    assert cached(path.parent, "de") == (known, damaged)


def test_every_flipped_bit_of_a_translation_is_noticed(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    line = json.dumps([hashlib.sha256(b'[["a cat", "ein Kater"]]\n').hexdigest(), [["a cat", "ein Kater"]]])
    good = line.encode() + b"\n"
    folder.mkdir()
    for bit in range(8 * len(good)):
        flipped = bytearray(good)
        flipped[bit // 8] ^= 1 << bit % 8
        (folder / "en-de.jsonl").write_bytes(flipped)
        known, _ = cached(folder, "de")
        assert known in ({}, {"a cat": "ein Kater"}), bit
    (folder / "en-de.jsonl").write_bytes(good)
    assert cached(folder, "de") == ({"a cat": "ein Kater"}, 0)


def test_answers_of_another_length_are_refused(run: Run, plugin: Path, tmp_path: Path) -> None:
    told = plugin.read_text(encoding="utf-8")
    plugin.write_text(told.replace("for text in texts]", "for text in texts[1:]]"), encoding="utf-8")
    result = run(STRATEGY, plugin=(plugin,), store=tmp_path / "store")
    assert result.status == 3
    assert any("translations of" in problem.message for problem in result.problems)


def test_lost_answers_are_counted(run: Run, plugin: Path, tmp_path: Path) -> None:
    told = plugin.read_text(encoding="utf-8")
    plugin.write_text(
        told.replace('f"{target}: {text}"', '(text if len(text) % 2 else "lost " + text.replace("[", ""))'),
        encoding="utf-8",
    )
    text = "translated-stilts[intermediate=mini-squad-v1,via=mt,languages=de]"
    result = run(text, plugin=(plugin,), store=tmp_path / "store", target=("mini-tatoeba",), language=("de",))
    assert not result.failed
    dropped = [p.message for p in result.problems if "the answer was not found in its translation" in p.message]
    assert len(dropped) == 1
    phase = next(one for one in result.plan.phases if one.phase.does == "translate")
    (about,) = Store(tmp_path / "store").phase_info(phase.id)["translations"]
    count = about["dropped"]["the answer was not found in its translation"]
    assert f"{count} of 16 examples dropped" in dropped[0]
    assert about["examples"] + count == 16
    assert 0 < count < 16


def test_without_a_translator_the_plan_says_what_to_do(planned: Planned) -> None:
    with pytest.raises(UserError, match="nobody translates from English into 'de'") as caught:
        planned("translated-stilts[via=mt,languages=de]")
    assert "--set translate.model=" in caught.value.fix


def test_training_before_translating_is_told(planned: Planned, plugin: Path, tmp_path: Path) -> None:
    prepared = planned(STRATEGY, plugin=(plugin,), store=tmp_path / "store")
    task = prepared.run.toolkit.tasks.get("mini-mnli")
    with pytest.raises(DataError, match="16 of 16 examples are not translated"):
        load_examples(prepared.run, task, "train", "de", "mt")


# ---------------------------------------------------------------- transformers' models

TEXTS = ["the cat saw the dog in the house", "the red cat", "", "who saw the cat ?"]


@pytest.mark.parametrize("kind", ["bilingual", "prefix", "m2m", "nllb"])
def test_models_translate_in_order_whatever_the_batch(kind: str, tmp_path: Path) -> None:
    folder = tmp_path / kind
    if kind in ("bilingual", "prefix"):
        tiny_t5(folder, ["<2de>", "<2sw>"] if kind == "prefix" else None)
    else:
        tiny_m2m(folder, ["__en__", "__de__"] if kind == "m2m" else ["eng_Latn", "deu_Latn"])
    settings = TranslationSettings(model=str(folder), max_length=16)
    together = translate(TEXTS, "de", settings, "cpu")
    assert len(together) == len(TEXTS)
    assert any(together)
    assert [translate([text], "de", settings, "cpu")[0] for text in TEXTS] == together
    small = settings.model_copy(update={"batch_tokens": 64})
    assert translate(TEXTS, "de", small, "cpu") == together
    if kind != "bilingual":
        with pytest.raises(UserError, match="does not know 'fi'"):
            translate(TEXTS, "fi", settings, "cpu")


def test_a_model_end_to_end_with_its_licence(run: Run, planned: Planned, tmp_path: Path) -> None:
    tiny_t5(tmp_path / "t5-de", ["<2de>"])
    assert card_licence(TranslationSettings(model=str(tmp_path / "t5-de")), "de") == "cc-by-nc-4.0"
    settings = {"translate.model": str(tmp_path / "t5-{target}"), "translate.max_length": 12}
    changes: dict[str, Any] = {
        "set": settings, "store": tmp_path / "store", "target": ("mini-tatoeba",), "language": ("de",),
        "limit": {"train": 6, "test": 8},
    }  # fmt: skip
    text = "translated-stilts[via=mt,languages=de]"
    notes = [problem.message for problem in planned(text, **changes).plan.problems]
    name = str(tmp_path / "t5-de")
    assert notes == [f"translation model {name}: licence cc-by-nc-4.0 (non-commercial)"]
    result = run(text, **changes)
    assert not result.failed
    phase = next(one for one in result.plan.phases if one.phase.does == "translate")
    (about,) = Store(tmp_path / "store").phase_info(phase.id)["translations"]
    assert about["licence"] == "cc-by-nc-4.0"
    prepared = planned(text, **changes)
    stored, _ = cached(cache_folder(prepared.run.settings, about["translator"]), "de")
    assert len(stored) == about["texts"] > 0
    other = planned(text, **{**changes, "set": {**settings, "translate.beams": 2}})
    assert other.plan.phases[0].id != prepared.plan.phases[0].id, "decoding is part of the phase"


@pytest.mark.parametrize("model", ["/nowhere/at/all", "no-owner"])
def test_a_model_that_is_not_there_is_told(planned: Planned, model: str) -> None:
    with pytest.raises(UserError, match="no such translation model"):
        planned("translated-stilts[via=mt,languages=de]", set={"translate.model": model})


# ---------------------------------------------------------------- from files


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


@pytest.fixture
def english(tmp_path: Path) -> Path:
    """MultiNLI and SQuAD in English, a few rows each, in the hub's layouts."""
    root = tmp_path / "data"
    labels = ("entailment", "neutral", "contradiction")
    rows = [
        {"premise": f"Premise {n}.", "hypothesis": f"Hypothesis {n}.", "label": labels[n % 3], "idx": n}
        for n in range(6)
    ]
    questions = [
        {
            "id": f"q{n}", "title": "t", "context": "The cat saw the dog.", "question": "Who?",
            "answers": {"text": ["cat"], "answer_start": [4]},
        }
        for n in range(6)
    ]  # fmt: skip
    for hub, config, split, found in (
        ("nyu-mll/glue", "mnli", "train", rows),
        ("nyu-mll/glue", "mnli", "validation_matched", rows),
        ("rajpurkar/squad", "plain_text", "train", questions),
        ("rajpurkar/squad", "plain_text", "validation", questions),
    ):
        write(root / hub / config / f"{split}.jsonl", "".join(json.dumps(row) + "\n" for row in found))
    return root


def trained(run: Run, root: Path, task: str, **changes: Any) -> tuple[commands.RunResult, commands.RunResult]:
    text = f"translated-stilts[intermediate={task},via=mt,languages=de]"
    options: dict[str, Any] = {
        "target": ("mini-tatoeba",), "language": ("de",), "data_root": root, "store": root.parent / "store",
        "limit": {"test": 8}, "suite": "mini",
    }  # fmt: skip
    return run(text, **{**options, **changes}), run(f"english-stilts[intermediate={task}]", **options)


def rows_of(planned: Planned, root: Path, task: str) -> list[Any]:
    prepared = planned("none", data_root=root, limit={})
    return load_examples(prepared.run, prepared.run.toolkit.tasks.get(task), "train", "de", "mt")


def test_xnli_mt(run: Run, planned: Planned, english: Path) -> None:
    table = 'premise\thypo\tlabel\nVordersatz "eins".\tHypothese.\tcontradictory\nZwei.\tDrei.\tentailment\n'
    write(english / "XNLI-MT-1.0/multinli/multinli.train.de.tsv", table)
    found = rows_of(planned, english, "mnli")
    assert [(one.text, one.text_pair, one.label) for one in found] == [
        ('Vordersatz "eins".', "Hypothese.", "contradiction"),
        ("Zwei.", "Drei.", "entailment"),
    ]
    result, plain = trained(run, english, "mnli")
    assert not result.failed
    assert {row.sees for row in result.results} == {("de (mt)",)}
    phase = next(one for one in result.plan.phases if one.phase.does == "translate")
    (about,) = Store(english.parent / "store").phase_info(phase.id)["translations"]
    assert about == {"task": "mnli", "language": "de", "from": "files"}
    assert {row.phase for row in result.results}.isdisjoint(row.phase for row in plain.results)


def test_xtreme_side_by_side(planned: Planned, english: Path) -> None:
    table = "A.\tB.\tEins.\tZwei.\tcontradictory\nbroken\tline\nC.\tD.\tDrei.\tVier.\tneutral\n"
    write(english / "xtreme_translations/XNLI/translate-train/en-de-translated.tsv", table)
    found = rows_of(planned, english, "mnli")
    assert [(one.text, one.text_pair, one.label) for one in found] == [
        ("Eins.", "Zwei.", "contradiction"),
        ("Drei.", "Vier.", "neutral"),
    ]
    table = "A.\tB.\tEins.\tZwei.\t1\nC.\tD.\tDrei.\tVier.\tlabel\nE.\tF.\tFünf.\tSechs.\t0\n"
    write(english / "xtreme_translations/PAWSX/translate-train/en-de-translated.tsv", table)
    assert [(one.text, one.label) for one in rows_of(planned, english, "pawsx")] == [("Eins.", "1"), ("Fünf.", "0")]


def test_xtreme_squad(run: Run, planned: Planned, english: Path) -> None:
    paragraph = {
        "context": "Die Katze sah den Hund.",
        "qas": [
            {"id": "q1", "question": "Wer?", "answers": [{"text": "Katze", "answer_start": 5}]},
            {"id": "q2", "question": "Wen?", "answers": [{"text": "Maus", "answer_start": 3}]},
        ],
    }
    document = {"data": [{"title": "t", "paragraphs": [paragraph]}]}
    path = "xtreme_translations/SQuAD/translate-train/squad.translate.train.en-de.json"
    write(english / path, json.dumps(document))
    (only,) = rows_of(planned, english, "squad-v1")
    assert only.answers == (Answer("Katze", 4),), "a misplaced answer is realigned, a lost one dropped"
    result, _ = trained(run, english, "squad-v1")
    assert not result.failed
    assert any("no answer found in its context" in problem.message for problem in result.problems)


def test_files_that_change_change_the_phase(planned: Planned, english: Path) -> None:
    path = english / "XNLI-MT-1.0/multinli/multinli.train.de.tsv"
    ids = []
    for word in ("eins", "zwei"):
        write(path, f"premise\thypo\tlabel\n{word}\tx\tneutral\n")
        text = "translated-stilts[intermediate=mnli,via=mt,languages=de]"
        ids.append([one.id for one in planned(text, data_root=english).plan.phases])
    assert ids[0] != ids[1]


@pytest.mark.parametrize("via", ["gold", "noisy"])
def test_the_bundled_translations(planned: Planned, via: str) -> None:
    run = planned("none").run
    gold, made = (
        load_examples(run, run.toolkit.tasks.get("mini-mnli"), "train", "de", kind) for kind in ("gold", via)
    )
    original = load_examples(run, run.toolkit.tasks.get("mini-mnli"), "train", "de")
    assert gold == original
    assert [(one.id, one.label) for one in made] == [(one.id, one.label) for one in gold]
    assert (made == gold) == (via == "gold")
    for name in ("mini-squad-v1", "mini-udpos", "mini-hellaswag", "mini-xnli"):
        for code in ("de", "zh"):
            rows = load_examples(run, run.toolkit.tasks.get(name), "train", code, via)
            assert len(rows) == 16, (name, code)
    words = sum(len(one.text.split()) for one in made) / sum(len(one.text.split()) for one in gold)
    assert words == 1 if via == "gold" else 0.8 < words < 0.99
