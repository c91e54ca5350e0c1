"""What the formats share: layouts of special tokens, and words in several scripts."""

import numpy as np
import pytest

from xfer.core.formats.sequences import Layout, Ragged, encode, framed, layout, ragged, word_spans, words


def test_layouts_are_the_tokenisers_own(tokeniser):
    bos, eos = tokeniser.fast.bos_token_id, tokeniser.fast.eos_token_id
    single, pair = layout(tokeniser, pair=False), layout(tokeniser, pair=True)
    assert [part.tolist() for part in (single.before, single.between, single.after)] == [[bos], [], [eos]]
    assert [part.tolist() for part in (pair.before, pair.between, pair.after)] == [[bos], [eos, eos], [eos]]
    for frame, paired in ((single, False), (pair, True)):
        assert frame.length == tokeniser.backend.num_special_tokens_to_add(paired)


def test_framed_rows():
    frame = Layout(np.array([7, 8], np.int32), np.array([], np.int32), np.array([9, 6], np.int32))
    rows = ragged([[1, 2, 3], [], [4]])
    tokens, place = framed(rows, frame)
    assert [tokens[i].tolist() for i in range(3)] == [[7, 8, 1, 2, 3, 9, 6], [7, 8, 9, 6], [7, 8, 4, 9, 6]]
    assert tokens.values[place].tolist() == rows.values.tolist()
    assert tokens.values.dtype == np.int32


def test_no_rows(small):
    empty = encode(small, [])
    assert len(empty) == 0
    tokens, place = framed(Ragged(empty.values, empty.offsets), layout(small, pair=False))
    assert len(tokens) == len(tokens.values) == len(place) == 0


def test_many_texts_are_encoded_in_order(small):
    texts = [f"mill {n}" for n in range(2500)]
    rows = encode(small, texts, special=False)
    assert len(rows) == 2500
    for number in (0, 1023, 1024, 2499):
        assert rows[number].tolist() == small.encode([texts[number]], special=False)[0].ids


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The mill, (old) isn't far!", ["the", "mill", "old", "isn", "t", "far"]),
        ("河水流 past", ["河", "水", "流", "past"]),
        ("คน 2", ["ค", "น", "2"]),
        ("कमला ने।", ["कमला", "ने"]),
        ("هل هذا؟ نعم، هنا", ["هل", "هذا", "نعم", "هنا"]),
        ("„Mühle“ — cafe\u0301 🙂。", ["mühle", "cafe\u0301", "🙂"]),
        ("", []),
    ],
)
def test_words(text, expected):
    assert words(text) == expected
    assert [text[start:end].lower() for start, end in word_spans(text)] == expected
