import pytest
from hypothesis import given
from hypothesis import strategies as st

from xfer.core.metrics import (
    mlqa_exact_match,
    mlqa_f1,
    mlqa_scores,
    normalise_mlqa,
    normalise_squad,
    squad_exact_match,
    squad_f1,
    squad_scores,
    squad_v2_scores,
)

MLQA_LANGUAGES = ("ar", "de", "en", "es", "hi", "vi", "zh")
WORDS = [
    "the",
    "a",
    "an",
    "Band.",
    "U.S.",
    "北京",
    "大学，",
    "القاهرة",
    "ال",
    "กรุงเทพ",
    "der",
    "una",
    "của",
    "—",
    "“x”",
    "12",
    "x-y",
]
TEXT = st.one_of(st.text(max_size=12), st.lists(st.sampled_from(WORDS), max_size=5).map(" ".join))
QUESTIONS = st.lists(st.tuples(TEXT, st.lists(TEXT, min_size=1, max_size=3)), min_size=1, max_size=6)


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("  The  Band,\tplayed\n", "band played"),
        ("an a-b", "ab"),  # punctuation goes first, so that "a-b" is one word and not an article
        ("the_a", "thea"),
        ("$5 ^ `x`", "5 x"),
        ("U.S.–based “Band”", "us–based “band”"),  # only ASCII punctuation
        ("Die Größe, einem Haus", "die größe einem haus"),  # only English articles
        ("北京大学（1898年），西安", "北京大学（1898年），西安"),
        ("กรุงเทพมหานคร", "กรุงเทพมหานคร"),
        ("القاهرة، عاصمة المال", "القاهرة، عاصمة المال"),
        ("The", ""),
        ("", ""),
    ],
)
def test_squad_normalisation(text, normal):
    assert normalise_squad(text) == normal


@pytest.mark.parametrize(
    ("language", "text", "normal"),
    [
        ("en", "The U.S.–based “Band” (an a-b)", "usbased band ab"),
        ("de", "Die Größe des Mönchs, einem Haus", "größe mönchs haus"),
        ("es", "¿El río de los Andes?", "río de andes"),
        ("ar", "القاهرة، عاصمة المال", "قاهرة عاصمة م"),  # alif-lam goes inside a word, too
        ("hi", "नई दिल्ली। भारत", "नई दिल्ली भारत"),
        ("vi", "Thành phố của Hồ Chí Minh là", "thành phố hồ chí minh"),
        ("zh", "北京大学（1898年）ABC 12，西安", "北 京 大 学 1898 年 abc 12 西 安"),
        ("zh", "㐀龦", "㐀龦"),  # outside U+4E00-U+9FA5 nothing is split
        ("en", "$5 ^ `x` the_a", "5 x thea"),
        ("en", "the", ""),
    ],
)
def test_mlqa_normalisation(language, text, normal):
    assert normalise_mlqa(text, language) == normal


@pytest.mark.parametrize("language", ["th", "fr", "", "EN"])
def test_mlqa_has_seven_languages(language):
    with pytest.raises(ValueError, match="ar de en es hi vi zh"):
        normalise_mlqa("x", language)
    with pytest.raises(ValueError, match="ar de en es hi vi zh"):
        mlqa_scores(["x"], [["x"]], language)


@pytest.mark.parametrize(
    ("prediction", "answers", "exact", "f1"),
    [
        ("the red house", ["Red House!"], 100, 100),
        ("a red house on the hill", ["red house", "the hill"], 0, 200 / 3),
        ("red red", ["red"], 0, 200 / 3),  # words are counted, not only seen
        ("blue", ["red", "Blue."], 100, 100),
        ("北京", ["北京大学"], 0, 0),
        ("ในกรุงเทพ", ["กรุงเทพ"], 0, 0),
        ("", ["red"], 0, 0),
        ("", ["the"], 100, 0),  # both are empty after normalisation: equal, but without a common word
    ],
)
def test_squad_of_one_question(prediction, answers, exact, f1):
    assert squad_exact_match(prediction, answers) == exact
    assert squad_f1(prediction, answers) == pytest.approx(f1)


def test_squad_scores_golden():
    predictions = ["Marie Curie", "in 1898", "", "Warschau"]
    answers = [["marie curie", "Curie"], ["1898"], ["polonium"], ["Paris"]]
    assert squad_scores(predictions, answers) == pytest.approx(
        {"exact_match": 25.0, "f1": (100 + 200 / 3 + 0 + 0) / 4}
    )


def test_mlqa_scores_golden():
    # 2 of 4 characters found: precision 1, recall 1/2
    assert mlqa_f1("北京", ["北京大学"], "zh") == pytest.approx(200 / 3)
    assert mlqa_exact_match("«北京»", ["北京"], "zh") == 100
    assert mlqa_scores(["北京", "西安。"], [["北京大学"], ["西安"]], "zh") == pytest.approx(
        {"exact_match": 50.0, "f1": (200 / 3 + 100) / 2}
    )
    assert mlqa_scores(["المدينة"], [["مدينة"]], "ar") == {"exact_match": 100, "f1": 100}


def test_squad_v2_scores_golden():
    predictions = ["red", "", "blue house", "", "the"]
    answers = [["red"], ["red"], ["blue"], [], []]
    assert squad_v2_scores(predictions, answers) == pytest.approx(
        {
            "exact_match": 60.0,  # "the" is empty once normalised, hence also "no answer"
            "f1": (100 + 0 + 200 / 3 + 100 + 100) / 5,
            "has_answer_exact_match": 100 / 3,
            "has_answer_f1": (100 + 0 + 200 / 3) / 3,
            "no_answer_exact_match": 100.0,
            "no_answer_f1": 100.0,
        }
    )


def test_squad_v2_leaves_out_what_does_not_occur():
    assert set(squad_v2_scores(["x"], [["x"]])) == {
        "exact_match",
        "f1",
        "has_answer_exact_match",
        "has_answer_f1",
    }
    assert set(squad_v2_scores(["x"], [[]])) == {"exact_match", "f1", "no_answer_exact_match", "no_answer_f1"}


def test_squad_v2_ignores_gold_answers_without_words():
    assert squad_v2_scores([""], [["the", "red"]])["has_answer_exact_match"] == 0
    assert squad_v2_scores([""], [["the"]])["has_answer_exact_match"] == 100


def test_v1_needs_gold_answers_and_all_need_questions():
    for score in (squad_scores, lambda *pairs: mlqa_scores(*pairs, "en")):
        with pytest.raises(ValueError, match="no gold answer"):
            score(["x"], [[]])
        with pytest.raises(ValueError, match="nothing to score"):
            score([], [])
    with pytest.raises(ValueError, match="1 predictions for 2"):
        squad_v2_scores(["x"], [["x"], []])


def everything(predictions, answers):
    """All scores of the three schemes."""
    return [
        squad_scores(predictions, answers),
        squad_v2_scores(predictions, answers),
        *(mlqa_scores(predictions, answers, language) for language in MLQA_LANGUAGES),
    ]


@given(QUESTIONS, st.randoms())
def test_scores_do_not_depend_on_the_order(questions, random):
    shuffled = [
        (guess, random.sample(golds, len(golds))) for guess, golds in random.sample(questions, len(questions))
    ]
    assert everything(*zip(*questions, strict=True)) == everything(*zip(*shuffled, strict=True))


@given(QUESTIONS)
def test_scores_are_points_and_exact_match_implies_f1(questions):
    predictions, answers = zip(*questions, strict=True)
    for scores in everything(predictions, answers):
        assert all(0 <= score <= 100 for score in scores.values())
    scores = squad_v2_scores(predictions, answers)
    assert scores["exact_match"] <= scores["f1"] + 1e-9


@given(st.lists(st.lists(TEXT, min_size=1, max_size=3), min_size=1, max_size=6))
def test_a_gold_answer_is_an_exact_match(answers):
    predictions = [golds[-1] for golds in answers]
    for scores in everything(predictions, answers):
        assert scores["exact_match"] == 100 or any(not normalise_squad(gold) for gold in predictions)
    assert squad_scores(predictions, answers)["exact_match"] == 100


@given(TEXT, st.lists(TEXT, min_size=1, max_size=3), TEXT)
def test_another_gold_answer_never_lowers_a_score(prediction, golds, other):
    assert squad_f1(prediction, [*golds, other]) >= squad_f1(prediction, golds)
    for language in MLQA_LANGUAGES:
        assert mlqa_f1(prediction, [*golds, other], language) >= mlqa_f1(prediction, golds, language)


@given(TEXT, TEXT)
def test_f1_is_symmetric_in_prediction_and_gold(one, other):
    assert squad_f1(one, [other]) == pytest.approx(squad_f1(other, [one]))
    assert mlqa_f1(one, [other], "zh") == pytest.approx(mlqa_f1(other, [one], "zh"))


@given(TEXT, st.sampled_from([" ", ".", "!?", "the ", "\n"]))
def test_what_normalisation_drops_does_not_matter(gold, noise):
    assert squad_exact_match(gold + " " + noise, [gold]) == 100
    assert mlqa_exact_match(gold + " " + noise, [gold], "en") == 100


@given(TEXT)
def test_squad_normalisation_is_stable(text):
    once = normalise_squad(text)
    assert normalise_squad(once) == once
