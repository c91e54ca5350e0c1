"""Training rows that others translated, in the layouts in which they are published. Obtained by the user."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from xfer.api import DataError, Source
from xfer.plugins.shared.originals import read_squad

XNLI_LANGUAGES = ("ar", "bg", "de", "el", "es", "fr", "hi", "ru", "sw", "th", "tr", "ur", "vi", "zh")
TRAIN = {"train": ("train",)}
_WHERE = "copy the bucket's folder (storage.googleapis.com/xtreme_translations) to DATA_ROOT/xtreme_translations"


def _bucket(path: str, languages: Sequence[str], **fields: Any) -> Source:
    """A part of XTREME's translations, which have a file a language."""
    configs = {code: code for code in languages}
    return Source(
        hub="xtreme_translations", configs=configs, splits=TRAIN, patterns=(path,), obtain=_WHERE, **fields
    )


def xnli_mt() -> Source:
    """MultiNLI in XNLI's languages: XNLI-MT 1.0 (Conneau et al. 2018), else XTREME's translations."""
    return Source(
        hub="XNLI-MT-1.0",
        configs={code: code for code in XNLI_LANGUAGES},
        splits=TRAIN,
        patterns=("multinli/multinli.train.{config}.tsv",),
        reader=read_xnli_mt,
        counts={f"train/{code}": 392702 for code in XNLI_LANGUAGES},
        obtain="unpack XNLI-MT-1.0.zip (dl.fbaipublicfiles.com/XNLI) into DATA_ROOT",
        otherwise=_bucket("XNLI/translate-train/en-{config}-translated.tsv", XNLI_LANGUAGES, reader=read_nli_pairs),
    )


def squad_mt() -> Source:
    """SQuAD v1.1 by XTREME, in XQuAD's languages."""
    codes = ("ar", "de", "el", "es", "hi", "ru", "th", "tr", "vi", "zh")
    path = "SQuAD/translate-train/squad.translate.train.en-{config}.json"
    return _bucket(path, codes, reader=read_squad)


def tydiqa_mt() -> Source:
    """TyDiQA-GoldP by XTREME."""
    codes = ("ar", "bn", "fi", "id", "ko", "ru", "sw", "te")
    path = "TyDiQA-GoldP/translate-train/tydiqa.translate.train.en-{config}.json"
    return _bucket(path, codes, reader=read_squad)


def pawsx_mt() -> Source:
    """PAWS by XTREME, in PAWS-X's languages."""
    codes = ("de", "es", "fr", "ja", "ko", "zh")
    return _bucket("PAWSX/translate-train/en-{config}-translated.tsv", codes, reader=read_paws_pairs)


def read_xnli_mt(path: Path, split: str) -> Iterator[Mapping[str, Any]]:
    """Columns premise, hypo and label of XNLI-MT as MultiNLI's; its "contradictory" is a contradiction."""
    for number, cells in _table(path):
        if number == 1 and cells == ["premise", "hypo", "label"]:
            continue
        if len(cells) != 3:
            raise DataError(f"{len(cells)} cells", f"{path}, line {number}", "premise, hypo and label are wanted")
        yield {"premise": cells[0], "hypothesis": cells[1], "label": _nli(cells[2])}


def read_nli_pairs(path: Path, split: str) -> Iterator[Mapping[str, Any]]:
    """XTREME's side-by-side files: two English texts, their translations, the label."""
    for first, second, label in _side_by_side(path):
        yield {"premise": first, "hypothesis": second, "label": _nli(label) if label else None}


def read_paws_pairs(path: Path, split: str) -> Iterator[Mapping[str, Any]]:
    """The same for PAWS-X, whose labels are 0 and 1."""
    for first, second, label in _side_by_side(path):
        yield {"sentence1": first, "sentence2": second, "label": int(label) if label in ("0", "1") else None}


def _side_by_side(path: Path) -> Iterator[tuple[str, str, str]]:
    """Translated texts and label. Lines of another number of cells, which these files have, get no label."""
    for _, cells in _table(path):
        yield (cells[2], cells[3], cells[4].strip()) if len(cells) == 5 else ("", "", "")


def _nli(label: str) -> str:
    label = label.strip()
    return "contradiction" if label == "contradictory" else label


def _table(path: Path) -> Iterator[tuple[int, list[str]]]:
    with path.open(encoding="utf-8-sig", newline="\n") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield number, line.rstrip("\r\n").split("\t")
