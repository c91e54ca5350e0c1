"""Bilingual dictionaries in MUSE's format, and the replacement of words in examples.

MUSE (Conneau et al. 2018, arXiv 1710.04087) publishes files `en-de.txt`, `en-de.0-5000.txt` and so on: a word and
its translation a line, separated by a space or a tab, a word on several lines where it has several translations.
"""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from xfer.api import (
    Answer,
    ChoiceExample,
    DataError,
    Example,
    SpanExample,
    TaggedExample,
    TextExample,
    UserError,
)

Dictionaries = Mapping[str, Mapping[str, tuple[str, ...]]]
"""By language: English words in lower case to their translations."""
_FILE = re.compile(r"en-([a-z]{2,3})(\.[\w-]+)?\.txt")
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")


def dictionary_files(folder: str, languages: Sequence[str]) -> dict[str, list[Path]]:
    """MUSE's files by language, sorted. Raises UserError for a folder without them, or without a language named."""
    place = Path(folder)
    found: dict[str, list[Path]] = {}
    for path in sorted(place.iterdir()) if place.is_dir() else ():
        match = _FILE.fullmatch(path.name)
        if match and (not languages or match[1] in languages):
            found.setdefault(match[1], []).append(path)
    lacking = (
        [code for code in languages if code not in found] if languages else ([] if found else ["any language"])
    )
    if lacking:
        raise UserError(
            f"there is no dictionary for {', '.join(lacking)}",
            str(place.absolute()),
            "put MUSE's files there (en-de.txt, …; github.com/facebookresearch/MUSE), or name another folder",
        )
    return found


def files_fingerprint(folder: str, languages: Sequence[str]) -> str:
    """SHA-256 over the contents of the files, whatever folder they lie in."""
    digest = hashlib.sha256()
    for code, paths in sorted(dictionary_files(folder, languages).items()):
        for path in paths:
            digest.update(f"{code} {path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()[:16]


@lru_cache(maxsize=8)
def read_dictionaries(folder: str, languages: tuple[str, ...]) -> Dictionaries:
    """Dictionaries by language. Raises DataError, naming the line, for a line that is not two words."""
    read: dict[str, dict[str, tuple[str, ...]]] = {}
    for code, paths in dictionary_files(folder, languages).items():
        words = read.setdefault(code, {})
        for path in paths:
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                cells = line.split()
                if not cells:
                    continue
                if len(cells) != 2:
                    raise DataError(f"not a word and its translation: {line[:60]!r}", f"{path}, line {number}")
                english, translation = cells[0].lower(), cells[1]
                words[english] = (*words.get(english, ()), translation)
    return read


def switched(example: Example, rng: Any, dictionaries: Dictionaries, words: float) -> Example:
    """The example with a share of its words, those that a dictionary has, each in a language drawn for it.

    Answers stay as they are, and their places are kept up; tags stay with their words.
    """

    def one(word: str) -> str | None:
        options = [code for code in dictionaries if word.lower() in dictionaries[code]]
        if rng.random() >= words or not options:
            return None
        translations = dictionaries[options[int(rng.integers(len(options)))]][word.lower()]
        drawn = translations[int(rng.integers(len(translations)))]
        return drawn[:1].upper() + drawn[1:] if word[:1].isupper() else drawn

    def text(value: str) -> str:
        return replaced(value, (), one)[0]

    match example:
        case TextExample():
            pair = None if example.text_pair is None else text(example.text_pair)
            return replace(example, text=text(example.text), text_pair=pair)
        case ChoiceExample():
            return replace(example, prompt=text(example.prompt), choices=tuple(map(text, example.choices)))
        case TaggedExample():
            return replace(example, tokens=tuple(one(word) or word for word in example.tokens))
        case SpanExample():
            spans = [(answer.start, answer.start + len(answer.text)) for answer in example.answers]
            context, starts = replaced(example.context, spans, one)
            answers = tuple(
                Answer(answer.text, start) for answer, start in zip(example.answers, starts, strict=True)
            )
            return replace(example, question=text(example.question), context=context, answers=answers)
    return example


def replaced(text: str, kept: Sequence[tuple[int, int]], one: Callable[[str], str | None]) -> tuple[str, list[int]]:
    """The text with `one(word)` for its words where that is not None, outside of the spans that are kept.

    Also the new places of the spans' beginnings.
    """
    pieces: list[str] = []
    moves: list[tuple[int, int]] = []
    last = 0
    for match in _WORD.finditer(text):
        if any(match.start() < end and start < match.end() for start, end in kept):
            continue
        new = one(match[0])
        if new is None:
            continue
        pieces += [text[last : match.start()], new]
        moves.append((match.end(), len(new) - len(match[0])))
        last = match.end()
    starts = [start + sum(by for end, by in moves if end <= start) for start, _ in kept]
    return "".join([*pieces, text[last:]]), starts
