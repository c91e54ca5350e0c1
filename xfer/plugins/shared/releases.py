"""Where the original release files of the tasks are, how they are laid out, and their checksums.

Each function takes the hub's copy and gives the original, which is looked for first. Checksums are those of
the hub's former loading scripts (huggingface/datasets, datasets/xtreme/dataset_infos.json).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from xfer.api import LANGUAGES, Source
from xfer.plugins.shared.bucc import read_bucc
from xfer.plugins.shared.originals import read_commonsenseqa, read_laser, read_squad, read_wikiann
from xfer.plugins.shared.treebanks import read_treebank

THREE = {split: (split,) for split in ("train", "dev", "test")}
HUB_SPLITS = {"train": ("train",), "dev": ("validation",), "test": ("test",)}
"""What most data sets of the hub call the three."""
TWO = {split: (split,) for split in ("dev", "test")}
RAW = "https://raw.githubusercontent.com"


def treebanks(copy: Source, counts: Mapping[str, int]) -> Source:
    """Universal Dependencies 2.5: treebanks grouped by the prefix of their files."""
    url = "https://lindat.mff.cuni.cz/repository/xmlui/bitstream/handle/11234/1-3105/ud-treebanks-v2.5.tgz"
    return _before(
        copy,
        hub="ud-treebanks-v2.5",
        splits=THREE,
        patterns=("*/{config}_*-ud-{split}.conllu",),
        reader=read_treebank,
        counts=counts,
        downloads={url: "5ff973e44345a5f69b94cc1427158e14e851c967d58773cc2ac5a1d3adaca409"},
    )


def wikiann(copy: Source) -> Source:
    """PAN-X: an archive a language, each with train, dev and test (Rahimi et al. 2019)."""
    url = "https://s3.amazonaws.com/datasets.huggingface.co/wikiann/1.1.0/panx_dataset.zip"
    return _before(
        copy,
        hub="panx_dataset",
        splits=THREE,
        patterns=("{config}.tar.gz",),
        reader=read_wikiann,
        downloads={url: "164814b64f749ad000988b5ab45050b5116913b3db466ab173008955ddf649a4"},
    )


def pawsx(copy: Source) -> Source:
    """PAWS-X: tab-separated, quotation marks are characters."""
    return _before(
        copy,
        hub="x-final",
        splits={"train": ("train",), "dev": ("dev_2k",), "test": ("test_2k",)},
        patterns=("{config}/{split}.tsv",),
        quoting=False,
        downloads={"https://storage.googleapis.com/paws/pawsx/x-final.tar.gz": ""},
    )


def xnli(copy: Source) -> Source:
    """XNLI 1.0: all languages in one file a split, tab-separated, and once more as JSON lines."""
    url = "https://dl.fbaipublicfiles.com/XNLI/XNLI-1.0.zip"
    checksum = "4ba1d5e1afdb7161f0f23c66dc787802ccfa8a25a3ddd3b165a35e50df346ab1"
    place: dict[str, Any] = {"hub": "XNLI-1.0", "configs": {"": "all"}, "splits": TWO, "downloads": {url: checksum}}
    lines = _before(copy, patterns=("xnli.{split}.jsonl",), **place)
    return _before(lines, patterns=("xnli.{split}.tsv",), quoting=False, **place)


def squad(copy: Source, version: str, train: str = "", dev: str = "") -> Source:
    """SQuAD's own JSON; `version` is 1.1 or 2.0, `train` and `dev` are checksums."""
    url = "https://rajpurkar.github.io/SQuAD-explorer/dataset"
    return _before(
        copy,
        hub="squad",
        splits={split: (split,) for split in ("train", "dev")},
        patterns=("{split}-v" + version + ".json",),
        reader=read_squad,
        downloads={f"{url}/train-v{version}.json": train, f"{url}/dev-v{version}.json": dev},
    )


def xquad(copy: Source) -> Source:
    """XQuAD: a file a language, in SQuAD's JSON."""
    return _before(
        copy,
        hub="xquad",
        splits={"test": ("test",)},
        patterns=("xquad.{config}.json",),
        reader=read_squad,
        downloads={RAW + "/google-deepmind/xquad/master/xquad.{config}.json": ""},
    )


def mlqa(copy: Source) -> Source:
    """MLQA: a file a split and pair of languages; here context and question are in the same."""
    url = "https://dl.fbaipublicfiles.com/MLQA/MLQA_V1.zip"
    return _before(
        copy,
        hub="MLQA_V1",
        splits=TWO,
        patterns=("{split}/{split}-context-{config}-question-{config}.json",),
        reader=read_squad,
        downloads={url: "246e8089933d13007fe80684d5c5c0713d6834cf8b3b4a0ec7c66f0a0d2baac8"},
    )


def tydiqa(copy: Source, codes: Sequence[str]) -> Source:
    """TyDiQA-GoldP 1.1: one file a split, or for the dev set one a language."""
    url = "https://storage.googleapis.com/tydiqa/v1.1/tydiqa-goldp-v1.1"
    single = _before(
        copy,
        hub="tydiqa",
        configs={code: LANGUAGES[code].name.lower() for code in codes},
        splits=dict.fromkeys(("dev", "test"), ("dev",)),
        patterns=("tydiqa-goldp-v1.1-dev/tydiqa-goldp-dev-{config}.json",),
        reader=read_squad,
        obtain="unpack tydiqa-goldp-v1.1-dev.tgz in DATA_ROOT/tydiqa",
    )
    return _before(
        single,
        hub="tydiqa",
        configs={"": "all"},
        splits={"train": ("train",), "dev": ("dev",), "test": ("dev",)},
        patterns=("tydiqa-goldp-v1.1-{split}.json",),
        reader=read_squad,
        downloads={
            f"{url}-train.json": "cefc8e09ff2548d9b10a678d3a6bbbe5bc036be543f92418819ea676c97be23b",
            f"{url}-dev.json": "b286e0f34bc7f52259359989716f369b160565bd12ad8f3a3e311f9b0dbad1c0",
        },
    )


def tatoeba(copy: Source) -> Source:
    """LASER's Tatoeba: two texts a language; the folder is the one in LASER's repository."""
    url = "https://github.com/facebookresearch/LASER/raw/main/data/tatoeba/v1/tatoeba.{config}-eng."
    return _before(
        copy,
        hub="LASER/data/tatoeba/v1",
        configs={code: LANGUAGES[code].iso3 for code in copy.configs},
        splits={"test": ("test",)},
        patterns=("tatoeba.{config}-eng.{config}", "tatoeba.{config}-eng.eng"),
        reader=read_laser,
        downloads={url + "{config}": "", url + "eng": ""},
    )


def hellaswag(copy: Source) -> Source:
    """HellaSwag's JSON lines."""
    return _before(
        copy,
        hub="hellaswag",
        splits={"train": ("train",), "dev": ("val",)},
        patterns=("hellaswag_{split}.jsonl",),
        downloads={RAW + "/rowanz/hellaswag/master/data/hellaswag_{split}.jsonl": ""},
    )


def cosmosqa(copy: Source) -> Source:
    """Cosmos QA's table."""
    return _before(
        copy,
        hub="cosmosqa",
        splits={"train": ("train",), "dev": ("valid",)},
        patterns=("{split}.csv",),
        downloads={RAW + "/wilburOne/cosmosqa/master/data/{split}.csv": ""},
    )


def commonsenseqa(copy: Source) -> Source:
    """CommonsenseQA's JSON lines, the random split."""
    return _before(
        copy,
        hub="commonsenseqa",
        splits={"train": ("train",), "dev": ("dev",)},
        patterns=("{split}_rand_split.jsonl",),
        reader=read_commonsenseqa,
        downloads={"https://s3.amazonaws.com/commensenseqa/{split}_rand_split.jsonl": ""},
    )


def bucc(copy: Source) -> Source:
    """BUCC 2018: sample and training texts with their gold pairs."""
    url = "https://comparable.limsi.fr/bucc2018/bucc2018-{config}-en.{split}-gold.tar.bz2"
    return _before(
        copy,
        hub="bucc2018",
        splits={"dev": ("sample",), "test": ("training",)},
        patterns=("**/{config}-en.{split}.*",),
        downloads={url: ""},
        reader=read_bucc,
        counts={},
    )


def _before(copy: Source, **fields: Any) -> Source:
    """A source that is looked for before `copy`; languages as configs, rows and columns as there."""
    same: dict[str, Any] = {"columns": copy.columns, "belongs": copy.belongs, "counts": copy.counts}
    return Source(**{**same, "configs": {code: code for code in copy.configs}, "otherwise": copy, **fields})
