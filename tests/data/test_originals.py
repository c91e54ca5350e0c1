"""The original release files: layouts, order, XTREME's rules for treebanks, what is looked for first."""

import json
from pathlib import Path
from typing import Any

import pytest

from xfer.core.data.load import Loaded, MissingData, fingerprint, load_examples, load_rows
from xfer.core.data.sources import locate
from xfer.core.records import TaskSpec
from xfer.plugins.shared.treebanks import PRECEDENCE
from xfer.plugins.tasks import (
    commonsenseqa,
    cosmosqa,
    hellaswag,
    mlqa,
    panx,
    pawsx,
    squad_v1,
    squad_v2,
    tatoeba,
    tydiqa,
    udpos,
    xnli,
    xquad,
)

from .folders import question, write_bytes, write_jsonl, write_parquet
from .originals import archive, conllu, squad_json, treebank, xnli_table


def loaded(task: TaskSpec, split: str, root: Path, language: str = "en") -> Loaded:
    return load_examples(task, split, language, load_rows(task, split, language, data_root=root))


def tagged(task: TaskSpec, split: str, root: Path, language: str) -> list[tuple[str, str]]:
    """Words and tags of every sentence, joined by spaces."""
    return [
        (" ".join(example.tokens), " ".join(example.tags or ()))  # type: ignore[union-attr]
        for example in loaded(task, split, root, language).examples
    ]


GEHEN = [
    "# text = Wir gehen zum See .",
    ("1", "Wir", "PRON", "2"),
    ("2", "gehen", "VERB", "0"),
    ("3-4", "zum", "_", "_"),
    ("3", "zu", "ADP", "5"),
    ("4", "dem", "DET", "5"),
    ("5", "See", "NOUN", "2"),
    ("5.1", "[leer]", "X", "_"),
    ("6", ".", "PUNCT", "2"),
]


def test_a_fused_form_stands_for_its_words(tmp_path: Path) -> None:
    treebank(tmp_path, "UD_German-Tiny/de_tiny-ud-test", conllu(GEHEN))
    # "zu" and "dem" are as deep; ADP comes before DET.
    assert tagged(udpos.TASK, "test", tmp_path, "de") == [("Wir gehen zum See .", "PRON VERB ADP NOUN PUNCT")]


def span(*words: tuple[str, str], language: str = "de") -> list[Any]:
    """A sentence of one fused form over words of (tag, head)."""
    lines = [(str(number), f"w{number}", tag, head) for number, (tag, head) in enumerate(words, 1)]
    return [(f"1-{len(words)}", "form", "_", "_"), *lines]


@pytest.mark.parametrize(
    ("language", "words", "tag"),
    [
        ("de", [("DET", "2"), ("ADP", "0")], "ADP"),  # the nearest to the root, whatever its tag
        ("de", [("DET", "0"), ("VERB", "1")], "DET"),
        ("de", [("DET", "0"), ("PRON", "0")], "PRON"),  # equally near: by precedence
        ("de", [("PUNCT", "0"), ("SYM", "0")], "PUNCT"),  # a tag without a rank comes last
        ("de", [("PRON", "0"), ("AUX", "0")], "PRON"),
        ("fr", [("PRON", "0"), ("AUX", "0")], "AUX"),  # French has a list of its own
        ("it", [("PRON", "0"), ("ADV", "0")], "ADV"),
        ("es", [("PRON", "0"), ("ADV", "0")], "PRON"),
        ("de", [("ADV", "3"), ("ADP", "3"), ("NOUN", "0")], "NOUN"),
        ("de", [("VERB", "2"), ("NOUN", "1")], "VERB"),  # a circle: equally deep
    ],
)
def test_the_tag_of_a_fused_form(tmp_path: Path, language: str, words: list[tuple[str, str]], tag: str) -> None:
    treebank(tmp_path, f"UD_Tiny/{language}_tiny-ud-test", conllu(span(*words)))
    assert tagged(udpos.TASK, "test", tmp_path, language) == [("form", tag)]


def test_enhanced_dependencies_count_as_ancestors(tmp_path: Path) -> None:
    """XTREME's converter puts both kinds into one graph."""
    line = "\t".join(("1", "a", "_", "VERB", "_", "_", "0", "_", "0:root|3:conj|3.1:x", "_"))
    words = ["1-2\tform" + "\t_" * 8, line, ("2", "b", "DET", "0"), ("3", "c", "NOUN", "0")]
    treebank(tmp_path, "UD_Tiny/de_tiny-ud-test", conllu(words))
    assert tagged(udpos.TASK, "test", tmp_path, "de") == [("form c", "DET NOUN")]


def test_precedence_is_given_for_four_groups_of_languages() -> None:
    assert sorted(PRECEDENCE) == ["", "es", "fr", "it"]
    assert len(PRECEDENCE[""].split()) == 16


def test_treebanks_of_a_language_are_grouped_by_the_prefix_of_their_files(tmp_path: Path) -> None:
    """Ancient Greek (grc) and Swiss German (gsw) stay out; files come in the order of their names."""
    for name in ("Greek-B/el_b", "Greek-A/el_c", "Ancient_Greek-P/grc_p", "Greek-C/el_a"):
        word = name.rpartition("/")[2]
        treebank(tmp_path, f"UD_{name}-ud-test", conllu([("1", word, "NOUN", "0"), ("2", ".", "PUNCT", "1")]))
    assert [words for words, _ in tagged(udpos.TASK, "test", tmp_path, "el")] == ["el_a .", "el_b .", "el_c ."]
    with pytest.raises(MissingData):
        load_rows(udpos.TASK, "train", "el", data_root=tmp_path)


def test_sentences_without_words_are_dropped(tmp_path: Path) -> None:
    def words(*forms: str) -> list[Any]:
        return [(str(number), form, "NOUN", "0") for number, form in enumerate(forms, 1)]

    content = conllu(words("_", "_"), words("_", "b"), words("_", "b", "c"), words("_"), words("a"))
    treebank(tmp_path, "UD_English-ESL/en_esl-ud-train", content)
    assert [sentence for sentence, _ in tagged(udpos.TASK, "train", tmp_path, "en")] == ["_ b c", "a"]


def test_spaces_and_joiners_go_from_words(tmp_path: Path) -> None:
    words = [("1", "mi\u200crav", "VERB", "0"), ("2", "20 000", "NUM", "1"), ("3", "a\u00a0b", "X", "1")]
    treebank(tmp_path, "UD_Persian-T/fa_t-ud-test", conllu(words))
    assert tagged(udpos.TASK, "test", tmp_path, "fa") == [("mirav 20000 a\u00a0b", "VERB NUM X")]


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_treebanks_of_other_systems(tmp_path: Path, mark: bytes, end: str) -> None:
    content = mark + conllu(GEHEN[1:], GEHEN, end=end).removesuffix(end.encode() * 2) + end.encode() * 3
    treebank(tmp_path, "UD_German-Tiny/de_tiny-ud-test", content)
    assert tagged(udpos.TASK, "test", tmp_path, "de") == [("Wir gehen zum See .", "PRON VERB ADP NOUN PUNCT")] * 2


def test_originals_are_read_before_the_hubs_copy(tmp_path: Path) -> None:
    row = {"tokens": ["hub"], "pos_tags": [7]}
    write_parquet(tmp_path / "google/xtreme/udpos.German/test-0.parquet", [row])
    assert tagged(udpos.TASK, "test", tmp_path, "de") == [("hub", "NOUN")]
    assert any(
        "mixes treebanks" in problem.message for problem in loaded(udpos.TASK, "test", tmp_path, "de").problems
    )
    before = fingerprint(udpos.TASK, "test", ("de",), tmp_path)
    treebank(tmp_path, "UD_German-Tiny/de_tiny-ud-test", conllu(GEHEN))
    assert tagged(udpos.TASK, "test", tmp_path, "de")[0][0] == "Wir gehen zum See ."
    assert loaded(udpos.TASK, "test", tmp_path, "de").problems == []
    assert fingerprint(udpos.TASK, "test", ("de",), tmp_path) != before


PANX_TEST = "de:Ada\tB-PER\nde:wohnt\tO\r\nde:in\tO\n\n\nde:New\tB-LOC\nde:York:Mitte\tI-LOC"


def test_panx_archives_hold_three_splits(tmp_path: Path) -> None:
    archive(tmp_path, "de", train=b"de:a\tO\n\n", dev=b"\xef\xbb\xbfde:b\tB-ORG\n", test=PANX_TEST.encode())
    assert tagged(panx.TASK, "train", tmp_path, "de") == [("a", "O")]
    assert tagged(panx.TASK, "dev", tmp_path, "de") == [("b", "B-ORG")]
    assert tagged(panx.TASK, "test", tmp_path, "de") == [
        ("Ada wohnt in", "B-PER O O"),
        ("New York:Mitte", "B-LOC I-LOC"),
    ]
    prints = {fingerprint(panx.TASK, split, ("de",), tmp_path) for split in ("train", "dev", "test")}
    assert len(prints) == 3


def test_pawsx_keeps_quotation_marks_and_placeholders(tmp_path: Path) -> None:
    table = 'id\tsentence1\tsentence2\tlabel\n1\t"Ja", sagte er.\tEr sagte "ja".\t1\n2\tNS\tNS\t0\n'
    write_bytes(tmp_path / "x-final/de/test_2k.tsv", table.encode())
    found: Any = loaded(pawsx.TASK, "test", tmp_path, "de").examples
    assert [(pair.text, pair.text_pair, pair.label) for pair in found] == [
        ('"Ja", sagte er.', 'Er sagte "ja".', "1"),
        ("NS", "NS", "0"),
    ]


ROWS = (
    ("de", "contradictory", 'Er "geht".', "Er steht."),
    ("sw", "neutral", "a", "b"),
    ("de", "entailment", "c", "d"),
)


def nli(root: Path, split: str = "dev") -> list[tuple[str, str | None, str | None]]:
    found: Any = loaded(xnli.TASK, split, root, "de").examples
    return [(pair.text, pair.text_pair, pair.label) for pair in found]


def test_xnli_holds_all_languages_in_one_table(tmp_path: Path) -> None:
    want = [('Er "geht".', "Er steht.", "contradiction"), ("c", "d", "entailment")]
    lines = [dict(zip(("language", "gold_label", "sentence1", "sentence2"), row, strict=True)) for row in ROWS]
    write_jsonl(tmp_path / "XNLI-1.0/xnli.dev.jsonl", lines)
    assert nli(tmp_path) == want
    for end in ("\n", "\r\n"):
        write_bytes(tmp_path / "XNLI-1.0/xnli.dev.tsv", xnli_table(*ROWS, end=end))
        (part,) = locate(xnli.TASK, "dev", "de", tmp_path)
        assert [file.name for file in part.files] == ["xnli.dev.tsv"]
        assert nli(tmp_path) == want
    with pytest.raises(MissingData):
        load_rows(xnli.TASK, "test", "de", data_root=tmp_path)


QUESTIONS = {
    "xquad": (xquad.TASK, "test", "de", "xquad/xquad.de.json"),
    "mlqa dev": (mlqa.TASK, "dev", "de", "MLQA_V1/dev/dev-context-de-question-de.json"),
    "mlqa test": (mlqa.TASK, "test", "zh", "MLQA_V1/test/test-context-zh-question-zh.json"),
    "squad v1": (squad_v1.TASK, "train", "en", "squad/train-v1.1.json"),
    "squad v1 dev": (squad_v1.TASK, "dev", "en", "squad/dev-v1.1.json"),
    "squad v2": (squad_v2.TASK, "dev", "en", "squad/dev-v2.0.json"),
    "tydiqa": (tydiqa.TASK, "train", "sw", "tydiqa/tydiqa-goldp-v1.1-train.json"),
    "tydiqa dev": (tydiqa.TASK, "test", "sw", "tydiqa/tydiqa-goldp-v1.1-dev.json"),
    "tydiqa dev of a language": (
        tydiqa.TASK,
        "test",
        "sw",
        "tydiqa/tydiqa-goldp-v1.1-dev/tydiqa-goldp-dev-swahili.json",
    ),
}


@pytest.mark.parametrize("name", QUESTIONS)
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_files_in_squads_json(tmp_path: Path, name: str, mark: bytes) -> None:
    task, split, language, path = QUESTIONS[name]
    write_bytes(tmp_path / path, squad_json(question(id="swahili-1"), question(id="swahili-2"), mark=mark))
    found = loaded(task, split, tmp_path, language)
    assert [example.id for example in found.examples] == ["swahili-1", "swahili-2"]
    assert [answer.start for answer in found.examples[0].answers] == [4]  # type: ignore[union-attr]


def test_questions_of_other_languages_are_left_out(tmp_path: Path) -> None:
    content = squad_json(question(id="english-1"), question(id="swahili-1"))
    write_bytes(tmp_path / "tydiqa/tydiqa-goldp-v1.1-train.json", content)
    assert [example.id for example in loaded(tydiqa.TASK, "train", tmp_path).examples] == ["english-1"]
    with pytest.raises(MissingData, match="tydiqa has no train rows in 'te'"):
        loaded(tydiqa.TASK, "train", tmp_path, "te")


def test_unanswerable_questions_keep_their_place(tmp_path: Path) -> None:
    empty = {**question(id="none"), "answers": {"text": [], "answer_start": []}}
    write_bytes(tmp_path / "squad/dev-v2.0.json", squad_json(question(id="some"), empty))
    found: Any = loaded(squad_v2.TASK, "dev", tmp_path).examples
    assert [(example.id, len(example.answers)) for example in found] == [("some", 1), ("none", 0)]


def test_lasers_texts_are_read_side_by_side(tmp_path: Path) -> None:
    folder = tmp_path / "LASER/data/tatoeba/v1"
    write_bytes(folder / "tatoeba.swh-eng.swh", "\ufeffmoja\r\nmbili \u2028 tatu\r\n".encode())
    write_bytes(folder / "tatoeba.swh-eng.eng", b"one\ntwo three\n")
    found: Any = loaded(tatoeba.TASK, "test", tmp_path, "sw")
    assert [(pair.id, pair.source, pair.target) for pair in found.examples] == [
        ("sw-1", "moja", "one"),
        ("sw-2", "mbili \u2028 tatu", "two three"),
    ]
    assert [problem.message for problem in found.problems] == [
        "tatoeba test (sw): 2 rows where the published number is 390"
    ]


def test_multiple_choice_in_the_authors_files(tmp_path: Path) -> None:
    story = {"ctx_a": "A.", "ctx_b": "he", "endings": ["runs", "sits"], "label": 1}
    write_jsonl(tmp_path / "hellaswag/hellaswag_val.jsonl", [story])
    header = "id,context,question,answer0,answer1,answer2,answer3,label"
    write_bytes(tmp_path / "cosmosqa/valid.csv", f'{header}\nx,"We said ""no"", late.",Why?,a,b,c,d,2\n'.encode())
    choices = [{"label": letter, "text": letter.lower()} for letter in "ABCDE"]
    entry = {
        "id": "q",
        "answerKey": "D",
        "question": {"stem": "Which?", "question_concept": "x", "choices": choices},
    }
    write_jsonl(tmp_path / "commonsenseqa/train_rand_split.jsonl", [entry])
    (told,) = loaded(hellaswag.TASK, "dev", tmp_path).examples
    assert (told.choices, told.label) == (("he runs", "he sits"), 1)  # type: ignore[union-attr]
    (blog,) = loaded(cosmosqa.TASK, "dev", tmp_path).examples
    assert (blog.prompt, blog.label) == ('We said "no", late. Why?', 2)  # type: ignore[union-attr]
    (known,) = loaded(commonsenseqa.TASK, "train", tmp_path).examples
    assert (known.prompt, known.choices, known.label) == ("Which?", tuple("abcde"), 3)  # type: ignore[union-attr]


def test_what_is_missing_names_the_command_that_fetches_it(tmp_path: Path) -> None:
    with pytest.raises(MissingData) as caught:
        load_rows(udpos.TASK, "test", "de", data_root=tmp_path)
    told = str(caught.value)
    assert f"xfer data fetch --target udpos --data-root {tmp_path}" in told
    assert "ud-treebanks-v2.5/*/de_*-ud-test.conllu" in told
    assert "hf download google/xtreme" in told


BROKEN = {
    "nine columns": (udpos.TASK, "UD_T/de_t-ud-test", b"1\ta\tb\n", ("3 columns where 10", "test.conllu, line 1")),
    "a word left out": (
        udpos.TASK,
        "UD_T/de_t-ud-test",
        conllu([("1", "a", "NOUN", "0"), ("3", "b", "NOUN", "1")]),
        ("word '3' follows word 1", "line 2"),
    ),
    "a form without words": (
        udpos.TASK,
        "UD_T/de_t-ud-test",
        conllu([("1-2", "ab", "_", "_"), ("1", "a", "NOUN", "0")]),
        ("the form of words 1-2 has no such words", "line 1"),
    ),
    "an unknown tag": (
        udpos.TASK,
        "UD_T/de_t-ud-test",
        conllu([("1", "a", "NN", "0")]),
        ("unknown label 'NN'", "row 1", "ADJ, ADP"),
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_treebanks_at_fault(tmp_path: Path, name: str) -> None:
    task, file, content, says = BROKEN[name]
    treebank(tmp_path, file, content)
    with pytest.raises(Exception) as caught:  # noqa: PT011
        loaded(task, "test", tmp_path, "de")
    assert all(text in str(caught.value) for text in says), str(caught.value)


def test_other_files_at_fault(tmp_path: Path) -> None:
    def told(task: TaskSpec, split: str, language: str) -> str:
        with pytest.raises(Exception) as caught:  # noqa: PT011
            loaded(task, split, tmp_path, language)
        assert getattr(caught.value, "status", None) == 2
        return str(caught.value)

    archive(tmp_path, "de", train=b"de:a\tO\nde:b O\n", dev=b"de:\xff\tO\n")
    assert "de.tar.gz: train, line 2" in told(panx.TASK, "train", "de")
    assert "not UTF-8" in told(panx.TASK, "dev", "de")
    assert "the archive holds no file 'test'" in told(panx.TASK, "test", "de")
    whole = (tmp_path / "panx_dataset/de.tar.gz").read_bytes()
    write_bytes(tmp_path / "panx_dataset/de.tar.gz", whole[: len(whole) // 2])
    assert "not a readable archive" in told(panx.TASK, "train", "de")
    write_bytes(tmp_path / "xquad/xquad.de.json", b'{"data": [')
    assert "not JSON" in told(xquad.TASK, "test", "de")
    paragraph = {"context": "c", "qas": [{"id": "1", "answers": []}]}
    write_bytes(tmp_path / "xquad/xquad.de.json", json.dumps({"data": [{"paragraphs": [paragraph]}]}).encode())
    assert "article 1, paragraph 1" in told(xquad.TASK, "test", "de")
    folder = tmp_path / "LASER/data/tatoeba/v1"
    write_bytes(folder / "tatoeba.deu-eng.deu", b"eins\nzwei\n")
    assert "looked for" in told(tatoeba.TASK, "test", "zh")
    assert "a file of the pair is missing" in told(tatoeba.TASK, "test", "de")
    write_bytes(folder / "tatoeba.deu-eng.eng", b"one\n")
    assert "2 lines here, 1 in tatoeba.deu-eng.eng" in told(tatoeba.TASK, "test", "de")
    write_jsonl(tmp_path / "commonsenseqa/dev_rand_split.jsonl", [{"id": "x", "question": "q"}])
    assert "dev_rand_split.jsonl, line 1" in told(commonsenseqa.TASK, "dev", "en")
    write_bytes(tmp_path / "x-final/de/test_2k.tsv", b"id\tsentence1\tsentence2\tlabel\n1\ta\tb\n")
    assert "3 cells where the header has 4" in told(pawsx.TASK, "test", "de")
