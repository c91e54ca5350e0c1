"""The original files of BUCC 2018: two texts of "id<TAB>sentence" and the gold pairs of their ids."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from xfer.api import DataError

COLUMNS = ("source_sentence", "target_sentence", "source_lang", "target_lang")
"""As in the hub's copy, where the columns called "lang" hold the identifiers."""


def read_bucc(path: Path, split: str) -> Iterator[Mapping[str, Any]]:
    """Gold pairs, then the sentences of either side that have no partner, from `path` and its two texts.

    Only the file of gold pairs gives rows. Raises `DataError` for a line without a tab and for a gold pair
    whose sentence is not there.
    """
    if path.suffix != ".gold":
        return
    stem, code = path.with_suffix(""), path.name.partition("-")[0]
    sources, targets = (_sentences(Path(f"{stem}.{side}")) for side in (code, "en"))
    gold = list(_pairs(path))
    for number, pair in enumerate(gold, 1):
        for text, side in zip(pair, (sources, targets), strict=True):
            if text not in side:
                raise DataError(f"unpaired line: no sentence is called {text!r}", f"{path}, line {number}")
        yield _row(pair, (sources[pair[0]], targets[pair[1]]))
    paired = {name for pair in gold for name in pair}
    for name, text in sources.items():
        if name not in paired:
            yield _row((name, ""), (text, None))
    for name, text in targets.items():
        if name not in paired:
            yield _row(("", name), (None, text))


def _row(names: tuple[str, str], texts: tuple[str | None, str | None]) -> Mapping[str, Any]:
    return dict(zip(COLUMNS, (*texts, *names), strict=True))


def _sentences(path: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for number, (name, text) in enumerate(_pairs(path), 1):
        if name in found:
            raise DataError(f"identifier {name!r} occurs twice", f"{path}, line {number}")
        found[name] = text
    return found


def _pairs(path: Path) -> Iterator[tuple[str, str]]:
    if not path.is_file():
        raise DataError("a file of the pair is missing", str(path), "the two texts and the gold file go together")
    with path.open(encoding="utf-8-sig", newline="\n") as file:
        for number, line in enumerate(file, 1):
            left, tab, right = line.rstrip("\r\n").partition("\t")
            if not tab:
                raise DataError("no tab in the line", f"{path}, line {number}", "lines hold two fields")
            yield left, right
