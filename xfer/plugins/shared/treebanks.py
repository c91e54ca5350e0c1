"""Universal Dependencies' own files (CoNLL-U), turned into XTREME's tagged words.

XTREME (google-research/xtreme) keeps the words of the text: a multi-word form such as "zum" stands for its
syntactic words "zu" and "dem" and has the tag of the one nearest to the root.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from xfer.api import DataError

PRECEDENCE = {
    "": "VERB NOUN PROPN PRON ADJ NUM ADV INTJ AUX ADP DET PART CCONJ SCONJ X PUNCT",
    "es": "VERB AUX PRON ADP DET",
    "fr": "VERB AUX PRON NOUN ADJ ADV ADP DET PART SCONJ CONJ",
    "it": "VERB AUX ADV PRON ADP DET INTJ",
}
"""Which tag a fused form has when several of its words are equally near to the root; "": all other languages."""

COLUMNS = 10
Line = tuple[int, list[str]]


def read_treebank(path: Path, split: str) -> Iterator[Mapping[str, Any]]:
    """Sentences of one file as `tokens` and `pos_tags` by name, by XTREME's rules.

    Empty nodes and comments are left out; zero-width non-joiners and inner spaces go from the words; sentences
    of which at most one word is known (treebanks released without words have "_") are dropped. The language is
    the file's prefix. Raises `DataError` for lines that are not CoNLL-U.
    """
    order = PRECEDENCE.get(path.name.partition("_")[0], PRECEDENCE[""]).split()
    for lines in _sentences(path):
        words, spans = _tokens(path, lines)
        pairs = list(_fused(words, spans, order))
        blank = sum(form == "_" for form, _ in pairs)
        if pairs and (blank == 0 or blank < len(pairs) - 1):
            tokens = [form.replace("\u200c", "").replace(" ", "") for form, _ in pairs]
            yield {"tokens": tokens, "pos_tags": [tag for _, tag in pairs]}


def _sentences(path: Path) -> Iterator[list[Line]]:
    lines: list[Line] = []
    with path.open(encoding="utf-8-sig", newline="\n") as file:
        for number, line in enumerate(file, 1):
            text = line.rstrip("\r\n")
            if text.strip() and not text.startswith("#"):
                lines.append((number, _fields(path, number, text)))
            elif not text.strip() and lines:
                yield lines
                lines = []
    if lines:
        yield lines


def _fields(path: Path, number: int, text: str) -> list[str]:
    fields = text.split("\t")
    if len(fields) != COLUMNS:
        fix = "CoNLL-U parts ten columns by tabs"
        raise DataError(f"{len(fields)} columns where {COLUMNS} are due", f"{path}, line {number}", fix)
    return fields


def _tokens(path: Path, lines: Sequence[Line]) -> tuple[list[list[str]], dict[int, tuple[int, str]]]:
    """The words in order, and by the number of a fused form's first word its last one and its text."""
    words: list[list[str]] = []
    spans: dict[int, tuple[int, str]] = {}
    for number, fields in lines:
        first, dash, last = fields[0].partition("-")
        if dash and first.isdecimal() and last.isdecimal():
            spans[int(first)] = (int(last), fields[1].strip())
        elif fields[0] == str(len(words) + 1):
            words.append(fields)
        elif "." not in fields[0]:
            raise DataError(f"word {fields[0]!r} follows word {len(words)}", f"{path}, line {number}")
    for start, (end, _) in spans.items():
        if not 1 <= start < end <= len(words):
            where = f"{path}, line {lines[0][0]}"
            raise DataError(f"the form of words {start}-{end} has no such words", where)
    return words, spans


def _fused(
    words: Sequence[Sequence[str]], spans: Mapping[int, tuple[int, str]], order: Sequence[str]
) -> Iterator[tuple[str, str]]:
    number = 1
    while number <= len(words):
        if number in spans:
            last, form = spans[number]
            yield form, _tag_of_span(words, range(number, last + 1), order)
            number = last + 1
        else:
            yield words[number - 1][1].strip(), words[number - 1][3]
            number += 1


def _tag_of_span(words: Sequence[Sequence[str]], span: Sequence[int], order: Sequence[str]) -> str:
    """Tag of the word with the fewest ancestors; of several the best by `order`, of equals the first.

    XTREME's script stops at a tag that its list lacks; here such tags come last.
    """
    above = {number: len(_ancestors(words, number)) for number in span}
    highest = [words[number - 1][3] for number in span if above[number] == min(above.values())]
    return min(highest, key=lambda tag: order.index(tag) if tag in order else len(order))


def _ancestors(words: Sequence[Sequence[str]], number: int) -> set[int]:
    """Everything on a path from the root, by heads and by enhanced dependencies, as XTREME's script counts."""
    found: set[int] = set()
    waiting = [number]
    while waiting:
        at = waiting.pop()
        fields = words[at - 1] if 1 <= at <= len(words) else None
        if fields is None:
            continue
        heads = [fields[6], *(part.partition(":")[0] for part in fields[8].split("|"))]
        fresh = {int(head) for head in heads if head.isdecimal()} - found - {number}
        found |= fresh
        waiting += fresh
    return found
