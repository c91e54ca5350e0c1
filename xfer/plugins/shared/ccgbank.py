"""Supertagged sentences: CCGbank's AUTO files, text with tags in two columns, or the hub's layout."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from xfer.api import DataError, Source
from xfer.plugins.shared.releases import HUB_SPLITS

_LEAF = re.compile(r"<L (\S+) \S+ \S+ (\S+) \S+>")


def read_auto(path: Path, split: str) -> Iterator[Mapping[str, Any]]:
    """Words and lexical categories of the derivations in an AUTO file, one a line after its "ID=" line.

    A leaf is "(<L category tag tag word category-with-indices>)". Raises `DataError` for a line without leaves.
    """
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if line.startswith("ID=") or not line.strip():
                continue
            leaves = _LEAF.findall(line)
            if not leaves:
                raise DataError(
                    "a derivation without leaves", f"{path}, line {number}", "AUTO files hold <L …> leaves"
                )
            yield {"tokens": [word for _, word in leaves], "tags": [category for category, _ in leaves]}


def read_two_columns(path: Path, split: str) -> Iterator[Mapping[str, Any]]:
    """Lines of "words<TAB>tags", both parted by spaces; tags are names, or ids of `tags_to_id.json` beside."""
    table = path.parent / "tags_to_id.json"
    ids = json.loads(table.read_text(encoding="utf-8")) if table.is_file() else {}
    names = {str(number): tag for tag, number in ids.items()}
    with path.open(encoding="utf-8-sig", newline="\n") as file:
        for number, line in enumerate(file, 1):
            words, tab, tags = line.rstrip("\r\n").partition("\t")
            if not tab:
                raise DataError("no tab in the line", f"{path}, line {number}", "words<TAB>tags")
            yield {"tokens": words.split(" "), "tags": [names.get(tag, tag) for tag in tags.split(" ")]}


ENGLISH = {"en": "default"}
OBTAIN = (
    "put your own CCGbank (LDC2005T13) under DATA_ROOT/ccgbank: its folder data/AUTO, or ccg.train, ccg.dev and "
    "ccg.test with words<TAB>tags, or parquet files with the columns tokens and tags"
)

SILVER = Source(
    hub="extra/ccg-silver",
    configs=ENGLISH,
    splits=HUB_SPLITS,
    obtain=OBTAIN,
    note="a substitute for CCGbank; scores compare with nothing else",
)
PARQUET = SILVER.model_copy(update={"hub": "ccgbank", "otherwise": SILVER, "note": ""})
TWO_COLUMNS = Source(
    hub="ccgbank",
    configs=ENGLISH,
    splits={"train": ("train",), "dev": ("dev",), "test": ("test",)},
    patterns=("ccg.{split}", "ccg.{split}.tsv"),
    reader=read_two_columns,
    obtain=OBTAIN,
    otherwise=PARQUET,
)
CCGBANK = Source(
    hub="ccgbank",
    configs=ENGLISH,
    splits={"train": tuple(f"{section:02}" for section in range(2, 22)), "dev": ("00",), "test": ("23",)},
    patterns=("**/AUTO/{split}/*.auto",),
    reader=read_auto,
    obtain=OBTAIN,
    otherwise=TWO_COLUMNS,
)
"""A user's own files, in the order in which they are looked for; last a free substitute."""
