"""About thirty word forms and noun phrases per language."""

import pytest

from xfer.plugins.mini import chinese, english, german, russian, spanish, turkish
from xfer.plugins.mini.meaning import CommonNoun, Organisation, Person, Place
from xfer.plugins.mini.tokens import detokenise


def common(determiner, noun, adjective=None):
    return CommonNoun(determiner, adjective, noun)


def words(tokens):
    return " ".join(token.word for token in tokens)


INDEFINITE, DEFINITE, EVERY, NO = "indefinite", "definite", "every", "no"


@pytest.mark.parametrize(
    ("determiner", "noun", "adjective", "expected"),
    [
        (INDEFINITE, "dog", None, "a dog"),
        (INDEFINITE, "apple", None, "an apple"),
        (INDEFINITE, "apple", "red", "a red apple"),
        (INDEFINITE, "teacher", "elderly", "an elderly teacher"),
        (INDEFINITE, "wine", None, "wine"),
        (INDEFINITE, "wine", "cheap", "cheap wine"),
        (DEFINITE, "wine", "cheap", "the cheap wine"),
        (EVERY, "egg", None, "every egg"),
        (NO, "egg", None, "no egg"),
        (INDEFINITE, "piece_of_furniture", None, "a piece of furniture"),
        (INDEFINITE, "piece_of_furniture", "old", "an old piece of furniture"),
    ],
)
def test_english_noun_phrases(determiner, noun, adjective, expected):
    assert words(english.noun_phrase(common(determiner, noun, adjective), "object")) == expected


@pytest.mark.parametrize(
    ("determiner", "noun", "adjective", "case", "denied", "expected"),
    [
        (DEFINITE, "dog", "big", "nom", False, "der große Hund"),
        (DEFINITE, "dog", "big", "acc", False, "den großen Hund"),
        (INDEFINITE, "dog", "big", "nom", False, "ein großer Hund"),
        (INDEFINITE, "dog", "big", "acc", False, "einen großen Hund"),
        (DEFINITE, "cat", "small", "nom", False, "die kleine Katze"),
        (DEFINITE, "cat", "small", "acc", False, "die kleine Katze"),
        (INDEFINITE, "cat", "small", "acc", False, "eine kleine Katze"),
        (INDEFINITE, "car", "new", "acc", False, "ein neues Auto"),
        (DEFINITE, "car", "new", "acc", False, "das neue Auto"),
        (EVERY, "car", "new", "acc", False, "jedes neue Auto"),
        (EVERY, "dog", None, "acc", False, "jeden Hund"),
        (EVERY, "cat", None, "nom", False, "jede Katze"),
        (NO, "dog", "young", "nom", False, "kein junger Hund"),
        (INDEFINITE, "car", "red", "acc", True, "kein rotes Auto"),
        (INDEFINITE, "hat", None, "acc", True, "keinen Hut"),
        (INDEFINITE, "wine", None, "acc", False, "Wein"),
        (INDEFINITE, "wine", "cheap", "acc", False, "billigen Wein"),
        (INDEFINITE, "beer", "expensive", "acc", False, "teures Bier"),
        (INDEFINITE, "milk", "cheap", "nom", False, "billige Milch"),
        (INDEFINITE, "wine", "cheap", "acc", True, "keinen billigen Wein"),
        (DEFINITE, "teacher", "sad", "dat", False, "dem traurigen Lehrer"),
        (INDEFINITE, "nurse", "sad", "dat", False, "einer traurigen Krankenschwester"),
        (INDEFINITE, "girl", "young", "dat", False, "einem jungen Mädchen"),
        (DEFINITE, "bear", None, "acc", False, "den Bären"),
        (DEFINITE, "student", None, "dat", False, "dem Studenten"),
        (DEFINITE, "boy", None, "nom", False, "der Junge"),
        (INDEFINITE, "boy", None, "acc", False, "einen Jungen"),
        (DEFINITE, "neighbour", None, "dat", False, "dem Nachbarn"),
        (DEFINITE, "queen", None, "dat", False, "der Königin"),
    ],
)
def test_german_noun_phrases(determiner, noun, adjective, case, denied, expected):
    assert words(german.noun_phrase(common(determiner, noun, adjective), case, "object", denied)) == expected


@pytest.mark.parametrize(
    ("phrase", "role", "expected"),
    [
        (common(INDEFINITE, "car", "red"), "object", "un coche rojo"),
        (common(DEFINITE, "table", "white"), "object", "la mesa blanca"),
        (common(DEFINITE, "shirt", "blue"), "object", "la camisa azul"),
        (common(DEFINITE, "lamp", "green"), "object", "la lámpara verde"),
        (common(INDEFINITE, "box", "big"), "object", "una caja grande"),
        (common(INDEFINITE, "map", "old"), "object", "un mapa viejo"),
        (common(INDEFINITE, "flower", "yellow"), "object", "una flor amarilla"),
        (common(DEFINITE, "teacher", "sad"), "subject", "el maestro triste"),
        (common(DEFINITE, "teacher", "sad"), "object", "al maestro triste"),
        (common(INDEFINITE, "teacher"), "object", "a un maestro"),
        (common(DEFINITE, "queen", "young"), "object", "a la reina joven"),
        (common(INDEFINITE, "singer", "happy"), "object", "a una cantante feliz"),
        (common(DEFINITE, "dog", "small"), "object", "al perro pequeño"),
        (common(INDEFINITE, "cow"), "object", "a una vaca"),
        (common(EVERY, "girl"), "object", "a cada niña"),
        (common(EVERY, "book"), "object", "cada libro"),
        (common(NO, "dog"), "subject", "ningún perro"),
        (common(NO, "nurse", "strong"), "subject", "ninguna enfermera fuerte"),
        (common(DEFINITE, "king"), "recipient", "al rey"),
        (common(INDEFINITE, "wine"), "object", "vino"),
        (common(INDEFINITE, "wine", "cheap"), "object", "vino barato"),
        (common(DEFINITE, "soup", "expensive"), "object", "la sopa cara"),
        (Person("Anna", "Rossi"), "object", "a Anna Rossi"),
        (Person("Max", None), "subject", "Max"),
        (Organisation("Delta Bank"), "subject", "Delta Bank"),
        (common(DEFINITE, "person"), "object", "a la persona"),
    ],
)
def test_spanish_noun_phrases(phrase, role, expected):
    assert words(spanish.noun_phrase(phrase, role)) == expected


@pytest.mark.parametrize(
    ("phrase", "case", "expected"),
    [
        (common(INDEFINITE, "car", "red"), "nom", "красная машина"),
        (common(INDEFINITE, "car", "red"), "acc", "красную машину"),
        (common(INDEFINITE, "car", "blue"), "acc", "синюю машину"),
        (common(INDEFINITE, "hat", "blue"), "nom", "синяя шляпа"),
        (common(INDEFINITE, "window", "blue"), "acc", "синее окно"),
        (common(INDEFINITE, "coat", "new"), "acc", "новое пальто"),
        (common(INDEFINITE, "coffee", "expensive"), "acc", "дорогой кофе"),
        (common(INDEFINITE, "table", "big"), "acc", "большой стол"),
        (common(INDEFINITE, "dog", "big"), "acc", "большую собаку"),
        (common(INDEFINITE, "bear", "big"), "acc", "большого медведя"),
        (common(INDEFINITE, "horse", "young"), "acc", "молодую лошадь"),
        (common(INDEFINITE, "mouse", "small"), "nom", "маленькая мышь"),
        (common(INDEFINITE, "wolf", "small"), "acc", "маленького волка"),
        (common(INDEFINITE, "teacher", "sad"), "dat", "грустному учителю"),
        (common(INDEFINITE, "king"), "dat", "королю"),
        (common(INDEFINITE, "doctor"), "acc", "врача"),
        (common(INDEFINITE, "queen", "happy"), "dat", "счастливой королеве"),
        (common(INDEFINITE, "singer", "weak"), "acc", "слабую певицу"),
        (common(INDEFINITE, "baker"), "acc", "пекаря"),
        (common(EVERY, "boy"), "acc", "каждого мальчика"),
        (common(EVERY, "book"), "acc", "каждую книгу"),
        (common(EVERY, "letter"), "nom", "каждое письмо"),
        (common(NO, "dog"), "nom", "ни одна собака"),
        (common(NO, "cook"), "nom", "ни один повар"),
        (common(INDEFINITE, "animal", "sad"), "acc", "грустное животное"),
        (Person("Maria", "Rossi"), "acc", "Марию Росси"),
        (Person("Maria", None), "dat", "Марии"),
        (Person("Anna", None), "dat", "Анне"),
        (Person("Daniel", None), "acc", "Даниэля"),
        (Person("Victor", "Sato"), "dat", "Виктору Сато"),
        (Organisation("Terra Nova"), "nom", "Терра Нова"),
    ],
)
def test_russian_noun_phrases(phrase, case, expected):
    assert words(russian.noun_phrase(phrase, case, "object")) == expected


@pytest.mark.parametrize(
    ("verb", "gender", "expected"),
    [
        ("buy", "f", "купила"),
        ("find", "f", "нашла"),
        ("find", "n", "нашло"),
        ("laugh", "f", "смеялась"),
        ("laugh", "n", "смеялось"),
        ("bring", "m", "принёс"),
        ("bring", "n", "принесло"),
        ("steer", "f", "вела"),
        ("see", "n", "увидело"),
    ],
)
def test_russian_past(verb, gender, expected):
    assert russian.past_form(verb, gender) == expected


@pytest.mark.parametrize(
    ("phrase", "case", "expected"),
    [
        (common(DEFINITE, "book"), "acc", "kitabı"),
        (common(INDEFINITE, "book"), "acc", "bir kitap"),
        (common(INDEFINITE, "book", "red"), "acc", "kırmızı bir kitap"),
        (common(DEFINITE, "dog"), "acc", "köpeği"),
        (common(INDEFINITE, "dog"), "acc", "bir köpeği"),
        (common(DEFINITE, "tree"), "acc", "ağacı"),
        (common(DEFINITE, "wolf"), "acc", "kurdu"),
        (common(DEFINITE, "pear"), "acc", "armudu"),
        (common(DEFINITE, "horse"), "acc", "atı"),
        (common(DEFINITE, "milk"), "acc", "sütü"),
        (common(DEFINITE, "cake"), "acc", "keki"),
        (common(DEFINITE, "car"), "acc", "arabayı"),
        (common(DEFINITE, "mouse"), "acc", "fareyi"),
        (common(DEFINITE, "rose"), "acc", "gülü"),
        (common(DEFINITE, "sheep"), "acc", "koyunu"),
        (common(DEFINITE, "box"), "acc", "kutuyu"),
        (common(DEFINITE, "driver"), "dat", "şoföre"),
        (common(DEFINITE, "girl"), "dat", "kıza"),
        (common(DEFINITE, "neighbour"), "dat", "komşuya"),
        (common(INDEFINITE, "teacher", "sad"), "dat", "üzgün bir öğretmene"),
        (common(EVERY, "bed"), "acc", "her yatağı"),
        (common(NO, "cat"), "nom", "hiçbir kedi"),
        (common(INDEFINITE, "wine", "cheap"), "acc", "ucuz şarap"),
        (common(DEFINITE, "wine"), "acc", "şarabı"),
        (Person("Anna", None), "dat", "Anna'ya"),
        (Person("Anna", "Rossi"), "acc", "Anna Rossi'yi"),
        (Person("Victor", None), "acc", "Victor'u"),
        (Person("Thomas", "Sato"), "dat", "Thomas Sato'ya"),
        (Person("Robert", None), "dat", "Robert'e"),
    ],
)
def test_turkish_noun_phrases(phrase, case, expected):
    assert words(turkish.noun_phrase(phrase, case, "object")) == expected


@pytest.mark.parametrize(
    ("stem", "denied", "expected"),
    [
        ("al", False, "aldı"),
        ("sat", False, "sattı"),
        ("bul", False, "buldu"),
        ("gör", False, "gördü"),
        ("ye", True, "yemedi"),
        ("oku", True, "okumadı"),
        ("aç", False, "açtı"),
        ("sür", True, "sürmedi"),
        ("öp", False, "öptü"),
        ("çalış", True, "çalışmadı"),
    ],
)
def test_turkish_past(stem, denied, expected):
    assert turkish.past_form(stem, denied) == expected


@pytest.mark.parametrize(
    ("adjective", "expected"),
    [("büyük", "büyüktü"), ("mutlu", "mutluydu"), ("ağır", "ağırdı"), ("genç", "gençti"), ("eski", "eskiydi")],
)
def test_turkish_copula(adjective, expected):
    assert turkish.copula_past(adjective) == expected


@pytest.mark.parametrize(
    ("phrase", "expected"),
    [
        (common(INDEFINITE, "dog"), "一只狗"),
        (common(DEFINITE, "horse"), "那匹马"),
        (common(INDEFINITE, "dog", "big"), "一只大狗"),
        (common(INDEFINITE, "car", "red"), "一辆红色的汽车"),
        (common(INDEFINITE, "car", "expensive"), "一辆贵的汽车"),
        (common(INDEFINITE, "coat", "big"), "一件大的大衣"),
        (common(INDEFINITE, "violin", "small"), "一把小的小提琴"),
        (common(EVERY, "teacher"), "每位老师"),
        (common(NO, "bird"), "没有一只鸟"),
        (common(INDEFINITE, "tea"), "茶"),
        (common(DEFINITE, "tea"), "那杯茶"),
        (common(INDEFINITE, "book", "old"), "一本旧书"),
        (common(INDEFINITE, "letter"), "一封信"),
        (common(INDEFINITE, "student", "young"), "一位年轻的学生"),
        (Person("Anna", "Rossi"), "安娜·罗西"),
        (Organisation("Delta Bank"), "德尔塔银行"),
    ],
)
def test_chinese_noun_phrases(phrase, expected):
    assert detokenise("zh", chinese.noun_phrase(phrase, "object"))[0] == expected


@pytest.mark.parametrize(
    ("city", "key", "expected"),
    [
        (True, "Moscow", ["in Moscow", "in Moskau", "en Moscú", "в Москве", "Moskova'da", "在 莫斯科"]),
        (True, "Rome", ["in Rome", "in Rom", "en Roma", "в Риме", "Roma'da", "在 罗马"]),
        (True, "Tokyo", ["in Tokyo", "in Tokio", "en Tokio", "в Токио", "Tokyo'da", "在 东京"]),
        (True, "Paris", ["in Paris", "in Paris", "en París", "в Париже", "Paris'te", "在 巴黎"]),
        (True, "Geneva", ["in Geneva", "in Genf", "en Ginebra", "в Женеве", "Cenevre'de", "在 日内瓦"]),
        (
            False,
            "garden",
            ["in the garden", "im Garten", "en el jardín", "в саду", "bahçede", "在 花园 里"],
        ),
        (False, "forest", ["in the forest", "im Wald", "en el bosque", "в лесу", "ormanda", "在 森林 里"]),
        (
            False,
            "kitchen",
            ["in the kitchen", "in der Küche", "en la cocina", "на кухне", "mutfakta", "在 厨房 里"],
        ),
        (
            False,
            "church",
            ["in the church", "in der Kirche", "en la iglesia", "в церкви", "kilisede", "在 教堂 里"],
        ),
        (
            False,
            "museum",
            ["in the museum", "im Museum", "en el museo", "в музее", "müzede", "在 博物馆 里"],
        ),
        (False, "school", ["in the school", "in der Schule", "en la escuela", "в школе", "okulda", "在 学校"]),
        (False, "hotel", ["in the hotel", "im Hotel", "en el hotel", "в отеле", "otelde", "在 酒店 里"]),
    ],
)
def test_places_in_all_languages(city, key, expected):
    modules = (english, german, spanish, russian, turkish, chinese)
    assert [words(module.place_phrase(Place(city, key))) for module in modules] == expected
