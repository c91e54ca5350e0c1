"""A data root with a few rows of all nine targets and what they are trained on; every text is invented.

Languages: German and Chinese, Swahili for TyDiQA-GoldP. Original layouts, the hub's for GLUE.
"""

from pathlib import Path

from xfer.bootstrap import load
from xfer.core.data.sources import copies

from .folders import nli, question, write_bytes, write_jsonl
from .originals import archive, conllu, squad_json, treebank, xnli_table

LANGUAGES = ("de", "zh")
SENTENCES = (
    "the red cat sleeps on the old chair",
    "a small dog runs to the green house",
    "who has seen the bird that sang in the morning",
    "in 1998 she moved to the town",
    "he stayed (for a while)",
    "the mill burned down, they say",
)
NLI = ("contradiction", "entailment", "neutral")


def write(root: Path) -> Path:
    """Fill the folder and give it back."""
    for split, count in (("train", 9), ("validation_matched", 3)):
        rows = [nli(number % 3, SENTENCES[number % 6], SENTENCES[number % 5]) for number in range(count)]
        write_jsonl(root / f"nyu-mll/glue/mnli/{split}.jsonl", rows)
    cells = [
        (code, NLI[number % 3], SENTENCES[number], SENTENCES[-number]) for code in LANGUAGES for number in range(6)
    ]
    for split in ("dev", "test"):
        write_bytes(root / f"XNLI-1.0/xnli.{split}.tsv", xnli_table(*cells))
    for code in ("en", *LANGUAGES):
        _language(root, code)
    _questions(root)
    return root


def _language(root: Path, code: str) -> None:
    header = "id\tsentence1\tsentence2\tlabel"
    lines = [f"{n}\t{SENTENCES[n]}\t{SENTENCES[-n]}\t{n % 2}" for n in range(6)]
    for split in ("train",) * (code == "en") + ("dev_2k", "test_2k"):
        write_bytes(root / f"x-final/{code}/{split}.tsv", "\n".join([header, *lines, ""]).encode())
    # Lone tags, runs of equal tags, a long word.
    tags = ("DET", "NOUN", "NOUN", "VERB", "SCONJ", "X", "PUNCT")
    trees = [
        [(str(n), word, tags[(n + k) % 7], "0" if n == 1 else "1") for n, word in enumerate(text.split(), 1)]
        for k, text in enumerate((*SENTENCES, "x" * 40))
    ]
    for split in ("train", "dev", "test"):
        treebank(root, f"UD_Tiny-{code}/{code}_tiny-ud-{split}", conllu(*trees))
    names = ("B-PER", "I-PER", "O", "B-LOC", "O", "I-ORG")
    entities = "\n".join(
        "".join(f"{code}:{word}\t{names[(n + k) % 6]}\n" for n, word in enumerate(text.split()))
        for k, text in enumerate(SENTENCES)
    ).encode()
    archive(root, code, train=entities, dev=entities, test=entities)
    if code != "en":
        _pairs(root, code)


def _pairs(root: Path, code: str) -> None:
    iso = {"de": "deu", "zh": "cmn"}[code]
    folder = root / "LASER/data/tatoeba/v1"
    write_bytes(folder / f"tatoeba.{iso}-eng.{iso}", "".join(f"{text} {code}\n" for text in SENTENCES).encode())
    write_bytes(folder / f"tatoeba.{iso}-eng.eng", "".join(f"{text}\n" for text in SENTENCES).encode())
    for split, count in (("sample", 5), ("training", 6)):
        stem = f"{code}-en/{code}-en.{split}"
        texts = [
            f"{code}-{n}\t{text} {code}\n" for n, text in enumerate((*SENTENCES, "nobody asked", "twice", "twice"))
        ]
        english = [f"en-{n}\t{text}\n" for n, text in enumerate((*SENTENCES, "the end", "nobody knows"))]
        gold = [f"{code}-{n}\ten-{n}\n" for n in range(count)]
        for end, lines in ((code, texts), ("en", english), ("gold", gold)):
            write_bytes(root / f"bucc2018/{stem}.{end}", "".join(lines).encode())


def _questions(root: Path) -> None:
    context = 'The mill on the "Ade" burned in 1998; the\u2028town kept its wheel. '
    rows = [
        question(start=(context * n).rindex(text), text=text, id=f"{{}}-{n}", context=context * n)
        for n, text in ((1, "mill"), (2, "1998"), (9, "its wheel"))
    ]

    def named(*names: str) -> bytes:
        return squad_json(*({**row, "id": row["id"].format(name)} for name in names for row in rows))

    for split in ("train", "dev"):
        write_bytes(root / f"squad/{split}-v1.1.json", named("squad"))
    for code in LANGUAGES:
        write_bytes(root / f"xquad/xquad.{code}.json", named(code))
        for split in ("dev", "test"):
            write_bytes(root / f"MLQA_V1/{split}/{split}-context-{code}-question-{code}.json", named(code))
    write_bytes(root / "tydiqa/tydiqa-goldp-v1.1-train.json", named("english"))
    write_bytes(root / "tydiqa/tydiqa-goldp-v1.1-dev.json", named("english", "swahili"))


def write_intermediates(root: Path) -> Path:
    """The nine English intermediate tasks, from the rows that the tasks themselves show; CCG in two columns."""
    toolkit = load()
    for name in toolkit.suites.get("xtreme").intermediates:
        task = toolkit.tasks.get(name)
        if name == "ccg":
            for split in ("train", "dev", "test"):
                lines = "".join(f"{' '.join(row['tokens'])}\t{' '.join(row['tags'])}\n" for row in task.fixture)
                write_bytes(root / f"ccgbank/ccg.{split}", lines.encode())
            continue
        for source in (one for first in task.sources for one in copies(first) if "/" in one.hub):
            for files in source.splits.values():
                for file in files:
                    write_jsonl(root / source.hub / source.configs["en"] / f"{file}.jsonl", task.fixture)
    return root
