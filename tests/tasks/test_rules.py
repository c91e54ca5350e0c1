"""What single tasks do with their rows and predictions."""

from pathlib import Path
from typing import Any

import pytest

from xfer.core.data.load import load_examples, load_rows
from xfer.core.examples import Answer, PairExample, SpanExample, TaggedExample
from xfer.plugins.shared.retrieval import score_found, score_mined, tune_threshold
from xfer.plugins.shared.text import score_text
from xfer.plugins.tasks import (
    bucc,
    ccg,
    commonsenseqa,
    cosmosqa,
    hellaswag,
    mlqa,
    panx,
    pawsx,
    squad_v2,
    tydiqa,
    xnli,
)
from xfer.plugins.tasks import udpos as pos


def test_nli_labels_have_names_not_numbers() -> None:
    row = {"language": "en", "sentence1": "a", "sentence2": "b"}
    found = [
        xnli.TASK.example({**row, "gold_label": label}, "en").label  # type: ignore[union-attr]
        for label in ("contradictory", "contradiction", "entailment", 0, 1, 2)
    ]
    assert found == ["contradiction", "contradiction", "entailment", "entailment", "neutral", "contradiction"]


@pytest.mark.parametrize(("label", "name"), [(0, "0"), (1, "1"), ("0", "0"), ("1", "1"), (-1, None)])
def test_paws_labels_of_both_copies(label: Any, name: str | None) -> None:
    example: Any = pawsx.TASK.example({"sentence1": "NS", "sentence2": "NS", "label": label}, "ko")
    assert (example.text, example.text_pair, example.label) == ("NS", "NS", name)


def test_hellaswag_joins_the_second_context_with_every_ending() -> None:
    row = {"ctx_a": "A.", "ctx_b": "he", "endings": ["runs", "sits"], "label": "1"}
    example: Any = hellaswag.TASK.example(row, "en")
    assert (example.prompt, example.choices, example.label) == ("A.", ("he runs", "he sits"), 1)
    plain: Any = hellaswag.TASK.example({**row, "ctx_b": "", "label": ""}, "en")
    assert (plain.choices, plain.label) == (("runs", "sits"), None)


def test_cosmos_prompts_hold_context_and_question() -> None:
    example: Any = cosmosqa.TASK.example(cosmosqa.TASK.fixture[1], "en")
    assert example.prompt == "We missed the boat. Which boat was it?"
    assert (example.choices[example.label], len(example.choices)) == ("We own it.", 4)


def test_commonsense_letters_become_numbers_by_their_place() -> None:
    row = {"id": "x", "question": "q", "choices": {"label": ["C", "A"], "text": ["c", "a"]}, "answerKey": "A"}
    assert commonsenseqa.TASK.example(row, "en").label == 1  # type: ignore[union-attr]
    assert commonsenseqa.TASK.example({**row, "answerKey": ""}, "en").label is None  # type: ignore[union-attr]


def test_tydiqa_tells_languages_by_the_identifier() -> None:
    belongs = tydiqa.TASK.sources[0].belongs
    assert belongs is not None
    assert belongs({"id": "swahili--12-3"}, "sw")
    assert not belongs({"id": "swahili--12-3"}, "en")
    assert not belongs({"id": "englishman-1"}, "en")


def test_pos_f1_is_xtremes_chunk_f1_and_not_accuracy() -> None:
    gold = ("NOUN", "NOUN", "VERB", "ADJ", "NOUN", "PUNCT", "ADV", "DET")
    guess = ("NOUN", "VERB", *gold[2:])
    scores = pos.TASK.score([guess], [TaggedExample("1", "en", tuple("abcdefgh"), gold)], "en")
    assert scores["accuracy"] == pytest.approx(87.5)
    assert scores["f1"] == pytest.approx(100 * 10 / 14)


def test_entities_may_begin_with_an_inside_tag() -> None:
    gold = TaggedExample("1", "en", ("a", "b", "c"), ("B-PER", "I-PER", "O"))
    scores = panx.TASK.score([("I-PER", "I-PER", "O")], [gold], "en")
    assert scores == {"precision": 100.0, "recall": 100.0, "f1": 100.0}
    assert panx.TASK.score_one is not None
    assert panx.TASK.score_one(("O", "I-PER", "O"), gold, "en") == pytest.approx(200 / 3)


def test_mlqa_normalises_by_language() -> None:
    example = SpanExample("1", "de", "q", "das Haus", (Answer("das Haus", 0),))
    assert mlqa.TASK.score(["Haus"], [example], "de") == {"exact_match": 100, "f1": 100, "mean_f1_em": 100}
    english = mlqa.TASK.score(["Haus"], [example], "en")
    assert english["exact_match"] == 0
    assert english["f1"] == pytest.approx(200 / 3)
    assert english["mean_f1_em"] == pytest.approx(100 / 3)


def test_squad_v2_scores_both_kinds_of_questions() -> None:
    examples = [SpanExample("1", "en", "q", "the mill", (Answer("mill", 4),)), SpanExample("2", "en", "q", "c")]
    scores = squad_v2.TASK.score(["", ""], examples, "en")
    assert (scores["has_answer_f1"], scores["no_answer_f1"], scores["mean_f1_em"]) == (0, 100, 50)
    assert squad_v2.TASK.options == {"unanswerable": True}


PAIRS = [
    PairExample("de-1/en-1", "de", "a", "A"),
    PairExample("de-2/en-2", "de", "b", "B"),
    PairExample("de-3/", "de", "c", None),
    PairExample("/en-4", "de", None, "D"),
]
MINED = [("de-1/en-1", 1.4), ("/en-4", 1.1), ("de-2/en-2", 1.2), None]


def test_mined_pairs_are_scored_at_the_tuned_threshold() -> None:
    assert tune_threshold(MINED, PAIRS, "de") == pytest.approx(1.3)
    scores = score_mined(MINED, PAIRS, "de", tuned=1.15)
    assert scores["precision"] == pytest.approx(50)
    assert scores["recall"] == pytest.approx(50)
    assert scores["f1"] == pytest.approx(50)
    assert scores["oracle_f1"] == pytest.approx(200 / 3)
    assert score_mined(MINED, PAIRS, "de") == {"oracle_f1": scores["oracle_f1"]}


def test_a_distractor_paired_with_its_own_example_is_no_gold_pair() -> None:
    pairs = [*PAIRS[:2], PairExample("x", "de", "c", None)]
    assert score_mined([None, None, ("x", 2.0)], pairs, "de", tuned=0.0)["f1"] == 0


def test_only_queries_count_in_retrieval() -> None:
    assert score_found(["de-1/en-1", "de-1/en-1", None], PAIRS[:3], "de") == {"accuracy": 50}


def test_text_is_scored_in_bits() -> None:
    scores = score_text([(1.3862943611198906, 2), (0.0, 0)], [None, None], "en")
    assert scores == {"bits_per_token": pytest.approx(1), "perplexity": pytest.approx(2)}


def test_the_original_files_of_bucc(tmp_path: Path) -> None:
    folder = tmp_path / "bucc2018/de-en"
    folder.mkdir(parents=True)
    for end, content in {
        "de": "de-1\teins \r\nde-2\tzwei\tund drei\r\n",
        "en": "en-1\tone\nen-2\ttwo\nen-3\tfree\n",
        "gold": "de-2\ten-3\n",
    }.items():
        (folder / f"de-en.sample.{end}").write_bytes(content.encode())
    loaded = load_examples(bucc.TASK, "dev", "de", load_rows(bucc.TASK, "dev", "de", data_root=tmp_path))
    assert [(pair.id, pair.source, pair.target) for pair in loaded.examples] == [  # type: ignore[union-attr]
        ("de-2/en-3", "zwei\tund drei", "free"),
        ("de-1/", "eins ", None),
        ("/en-1", None, "one"),
        ("/en-2", None, "two"),
    ]
    assert loaded.problems == []


AUTO = """ID=wsj_0001.1 PARSER=GOLD NUMPARSE=1
(<T S[dcl] 0 2> (<L NP NNS NNS Rivers NP> ) (<L S[dcl]\\NP VBP VBP bend S[dcl]\\NP_1> ) )
ID=wsj_0001.2 PARSER=GOLD NUMPARSE=1
(<T NP 0 1> (<L N NN NN -LRB- N> ) )
"""
RIVERS = [(("Rivers", "bend"), ("NP", "S[dcl]\\NP")), (("-LRB-",), ("N",))]


def tagged(split: str, root: Path) -> list[tuple[tuple[str, ...], tuple[str, ...] | None]]:
    loaded = load_examples(ccg.TASK, split, "en", load_rows(ccg.TASK, split, "en", data_root=root))
    return [(example.tokens, example.tags) for example in loaded.examples]  # type: ignore[union-attr]


def test_ccgbank_as_it_is_distributed(tmp_path: Path) -> None:
    for section in range(25):
        path = tmp_path / f"ccgbank/data/AUTO/{section:02}/wsj_{section:02}01.auto"
        path.parent.mkdir(parents=True)
        path.write_text(AUTO, encoding="utf-8")
    assert tagged("dev", tmp_path) == RIVERS
    assert len(tagged("train", tmp_path)) == 2 * 20
    (tmp_path / "ccgbank/data/AUTO/11/wsj_1101.auto").unlink()
    with pytest.raises(Exception, match="ccg has no train rows") as caught:
        tagged("train", tmp_path)
    assert "ccgbank/**/AUTO/11/*.auto" in str(caught.value)


def test_ccg_in_two_columns(tmp_path: Path) -> None:
    (tmp_path / "ccgbank").mkdir()
    lines = "Rivers bend\tNP S[dcl]\\NP\r\n-LRB-\tN\r\n"
    (tmp_path / "ccgbank/ccg.dev").write_bytes(lines.encode())
    assert tagged("dev", tmp_path) == RIVERS
    (tmp_path / "ccgbank/tags_to_id.json").write_text('{"NP": 0, "N": 1, "S[dcl]\\\\NP": 2}', encoding="utf-8")
    (tmp_path / "ccgbank/ccg.test.tsv").write_text("Rivers bend\t0 2\n-LRB-\t1\n", encoding="utf-8")
    assert tagged("test", tmp_path) == RIVERS
