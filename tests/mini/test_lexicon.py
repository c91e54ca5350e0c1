from xfer.plugins.mini.lexicon import HYPERNYM_OF, LANGUAGES, THINGS, adjectives_for, lexicon


def test_the_lexicon_has_272_concepts():
    found = lexicon()
    sizes = {name: len(getattr(found, name)) for name in found._fields if name != "by_category"}
    assert sizes == {
        "nouns": 119,
        "adjectives": 22,
        "verbs": 48,
        "first_names": 24,
        "last_names": 16,
        "cities": 20,
        "organisations": 12,
        "times": 11,
    }
    assert sum(sizes.values()) == 272


def test_every_reference_between_concepts_resolves():
    found = lexicon()
    for verb in found.verbs.values():
        assert verb.antonym is None or found.verbs[verb.antonym].antonym == verb.key
        for category in (*verb.subjects, *verb.objects):
            assert category == "organisation" or category in found.by_category
    for adjective in found.adjectives.values():
        assert adjective.antonym is None or found.adjectives[adjective.antonym].antonym == adjective.key
    for category in HYPERNYM_OF:
        assert found.nouns[found.by_category[category][0]].hypernym in found.nouns
    assert set(THINGS) <= set(found.by_category)


def test_every_noun_has_a_gender_and_a_word_in_each_language():
    for noun in lexicon().nouns.values():
        assert noun.german_gender in "mfn"
        assert noun.spanish_gender in "mf"
        assert noun.russian_gender in "mfn"
        words = (noun.german, noun.spanish, noun.russian, noun.turkish, noun.chinese, noun.classifier)
        assert all(words)


def test_words_of_a_language_are_written_in_its_script():
    found = lexicon()
    for noun in found.nouns.values():
        assert all("а" <= letter <= "ё" for letter in noun.russian), noun
        assert all("一" <= letter <= "鿿" for letter in noun.chinese + noun.classifier), noun
    for table in (found.first_names, found.last_names, found.cities, found.organisations):
        for name in table.values():
            assert tuple(name.forms) == LANGUAGES
            assert all(letter == " " or "А" <= letter <= "ё" for letter in name.forms["ru"]), name


def test_no_two_nouns_share_a_word_in_any_language():
    found = lexicon().nouns.values()
    for field in ("german", "spanish", "russian", "turkish", "chinese"):
        words = [getattr(noun, field) for noun in found]
        assert len(set(words)) == len(words), field


def test_adjectives_fit_their_nouns():
    assert set(adjectives_for("wine")) == {"cheap", "expensive"}
    assert "elderly" in adjectives_for("teacher")
    assert "big" not in adjectives_for("student")  # 大学生 would be a university student
    assert "old" in adjectives_for("car")
    assert "old" not in adjectives_for("apple")
    assert all(adjectives_for(noun) for noun in lexicon().nouns)
