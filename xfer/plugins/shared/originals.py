"""Small readers of original release files: PAN-X archives, SQuAD's JSON, LASER's Tatoeba, CommonsenseQA."""

import io
import json
import tarfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from xfer.api import DataError


def read_wikiann(path: Path, split: str) -> Iterator[Mapping[str, Any]]:
    """Sentences of the member `split` (train, dev, test) of an archive of one language, as `tokens`, `ner_tags`.

    Lines are "language:word<TAB>tag", sentences are parted by blank lines; the word begins after the first
    colon. Raises `DataError` for an archive without the member and for other lines.
    """
    try:
        with tarfile.open(path) as archive:
            member = next((found for found in archive if Path(found.name).name == split and found.isfile()), None)
            raw = archive.extractfile(member) if member is not None else None
            if raw is None:
                raise DataError(f"the archive holds no file {split!r}", str(path), "it holds train, dev and test")
            yield from _tagged_lines(f"{path}: {split}", io.TextIOWrapper(raw, encoding="utf-8-sig", newline="\n"))
    except UnicodeDecodeError as error:
        raise DataError(f"not UTF-8: {error.reason}", f"{path}: {split}", "convert the file to UTF-8") from None
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise DataError(f"not a readable archive: {error}", str(path), "fetch it again") from error


def _tagged_lines(where: str, lines: Iterable[str]) -> Iterator[Mapping[str, Any]]:
    tokens: list[str] = []
    tags: list[str] = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            left, tab, tag = line.rstrip("\r\n").rpartition("\t")
            _, colon, word = left.partition(":")
            if not tab or not colon:
                raise DataError("not a word with its tag", f"{where}, line {number}", "language:word<TAB>tag")
            tokens.append(word.strip())
            tags.append(tag.strip())
        elif tokens:
            yield {"tokens": tokens, "ner_tags": tags}
            tokens, tags = [], []
    if tokens:
        yield {"tokens": tokens, "ner_tags": tags}


def read_squad(path: Path, split: str) -> Iterator[Mapping[str, Any]]:
    """Questions of a file in SQuAD's JSON (v1.1, v2.0, XQuAD, MLQA, TyDiQA-GoldP), in the hub's columns.

    Raises `DataError` for a file that is not JSON or lacks a field, naming article and paragraph.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except json.JSONDecodeError as error:
        raise DataError(f"not JSON: {error}", str(path), "fetch it again") from None
    where = str(path)
    try:
        for article, entry in enumerate(document["data"], 1):
            for number, paragraph in enumerate(entry["paragraphs"], 1):
                where = f"{path}, article {article}, paragraph {number}"
                for question in paragraph["qas"]:
                    answers = question.get("answers", ())
                    yield {
                        "id": question["id"],
                        "title": entry.get("title", ""),
                        "context": paragraph["context"],
                        "question": question["question"],
                        "answers": {
                            "text": [answer["text"] for answer in answers],
                            "answer_start": [answer["answer_start"] for answer in answers],
                        },
                    }
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(f"not SQuAD's layout: {error!r}", where, "data, paragraphs, qas, answers") from None


def read_laser(path: Path, split: str) -> Iterator[Mapping[str, Any]]:
    """Sentence pairs of "tatoeba.xxx-eng.xxx" and the file beside it that ends in ".eng".

    Only the former gives rows. Raises `DataError` when the second is missing or they differ in length.
    """
    if path.suffix == ".eng":
        return
    other = path.with_suffix(".eng")
    if not other.is_file():
        raise DataError("a file of the pair is missing", str(other), "the two texts go together")
    sources, targets = (_sentences(file) for file in (path, other))
    if len(sources) != len(targets):
        lines = f"{len(sources)} lines here, {len(targets)} in {other.name}"
        raise DataError(f"unpaired lines: {lines}", str(path), "line i of one translates line i of the other")
    for source, target in zip(sources, targets, strict=True):
        yield {"source_sentence": source, "target_sentence": target}


def _sentences(path: Path) -> list[str]:
    with path.open(encoding="utf-8-sig", newline="\n") as file:
        return [line.rstrip("\r\n") for line in file]


def read_commonsenseqa(path: Path, split: str) -> Iterator[Mapping[str, Any]]:
    """Questions of CommonsenseQA's own JSON lines, in the hub's columns."""
    with path.open(encoding="utf-8-sig", newline="\n") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                entry = json.loads(line)
                question = entry["question"]
                choices = question["choices"]
                yield {
                    "id": entry["id"],
                    "question": question["stem"],
                    "choices": {key: [choice[key] for choice in choices] for key in ("label", "text")},
                    "answerKey": entry.get("answerKey", ""),
                }
            except (ValueError, KeyError, TypeError) as error:
                where = f"{path}, line {number}"
                raise DataError(f"not a question of CommonsenseQA: {error!r}", where) from None
