"""The table of languages."""

from xfer.core.languages import LANGUAGES


def test_there_are_the_forty_languages_of_xtreme() -> None:
    assert len(LANGUAGES) == 40
    assert all(code == language.code and len(code) == 2 for code, language in LANGUAGES.items())
    assert all(len(language.iso3) == 3 for language in LANGUAGES.values())
    for field in ("name", "iso3"):
        assert len({getattr(language, field) for language in LANGUAGES.values()}) == 40


def test_codes_that_are_easily_confused() -> None:
    names = {code: LANGUAGES[code].name for code in ("et", "eu", "ka", "kk", "jv", "my", "ms", "sw", "tl")}
    assert " ".join(names.values()) == "Estonian Basque Georgian Kazakh Javanese Burmese Malay Swahili Tagalog"
    iso3 = {code: LANGUAGES[code].iso3 for code in ("zh", "fa", "sw", "de", "nl", "eu", "ms")}
    assert " ".join(iso3.values()) == "cmn pes swh deu nld eus zsm"


def test_scripts_and_families_are_various() -> None:
    assert len({language.family for language in LANGUAGES.values()}) == 14
    assert sum(language.script == "Latin" for language in LANGUAGES.values()) == 20
    assert {code for code, language in LANGUAGES.items() if language.script == "Cyrillic"} == {"bg", "kk", "ru"}
    assert {code for code, language in LANGUAGES.items() if language.family == "Dravidian"} == {"ml", "ta", "te"}
