"""Tiny data sets in the layouts of the original releases; every text is invented."""

import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .folders import write_bytes

Word = tuple[str, str, str, str]
"""Number, form, tag, head."""


def conllu(*sentences: Sequence[Word | str], end: str = "\n") -> bytes:
    """CoNLL-U text; a bare string is a line of its own, such as a comment."""
    lines = []
    for sentence in sentences:
        for word in sentence:
            if isinstance(word, str):
                lines.append(word)
            else:
                number, form, tag, head = word
                lines.append("\t".join((number, form, "_", tag, "_", "_", head, "_", "_", "_")))
        lines.append("")
    return end.join((*lines, "")).encode()


def treebank(root: Path, name: str, content: bytes) -> Path:
    """A file of UD 2.5, e.g. "UD_German-Tiny/de_tiny-ud-test"."""
    return write_bytes(root / f"ud-treebanks-v2.5/{name}.conllu", content)


def archive(root: Path, language: str, **members: bytes) -> Path:
    """PAN-X: an archive with train, dev and test."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as file:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            file.addfile(entry, io.BytesIO(content))
    return write_bytes(root / f"panx_dataset/{language}.tar.gz", buffer.getvalue())


def squad_json(*questions: Mapping[str, Any], mark: bytes = b"") -> bytes:
    """SQuAD's JSON from rows in the hub's columns, a paragraph each."""
    paragraphs = []
    for row in questions:
        answers = [
            {"text": text, "answer_start": start}
            for text, start in zip(row["answers"]["text"], row["answers"]["answer_start"], strict=True)
        ]
        paragraphs.append(
            {
                "context": row["context"],
                "qas": [{"id": row["id"], "question": row["question"], "answers": answers}],
            }
        )
    document = {"version": "tiny", "data": [{"title": "Tiny", "paragraphs": paragraphs}]}
    return mark + json.dumps(document, ensure_ascii=False).encode()


XNLI_COLUMNS = ("language", "gold_label", "x1", "x2", "x3", "x4", "sentence1", "sentence2", "promptID", "pairID")


def xnli_table(*rows: tuple[str, str, str, str], end: str = "\n") -> bytes:
    """XNLI's table: language, label, premise and hypothesis among columns that nobody reads."""
    lines = ["\t".join(XNLI_COLUMNS)]
    for language, label, first, second in rows:
        lines.append("\t".join((language, label, "", "", "", "", first, second, "1", "2")))
    return end.join((*lines, "")).encode()
