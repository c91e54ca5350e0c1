"""The built-in real tasks: the kit's checks, published languages and numbers, their own rules."""

import pkgutil
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import xfer.plugins.tasks
from xfer.bootstrap import load
from xfer.core.data.sources import copies, is_local
from xfer.core.examples import PairExample
from xfer.core.records import TaskSpec
from xfer.testing.checks import check_task

TARGETS = ("xnli", "pawsx", "udpos", "panx", "xquad", "mlqa", "tydiqa", "bucc", "tatoeba")
INTERMEDIATES = (
    "anli-plus",
    "mnli",
    "qqp",
    "squad-v1",
    "squad-v2",
    "hellaswag",
    "ccg",
    "cosmosqa",
    "commonsenseqa",
)
NAMES = (*TARGETS, *INTERMEDIATES, "snli", "mlm-text", "wikipedia")
FOLDER = Path(xfer.plugins.tasks.__path__[0])
PANX = "af ar bg bn de el en es et eu fa fi fr he hi hu id it ja jv ka kk ko ml mr ms my nl pt ru sw ta te th tl tr"
UD = "af ar bg de el en es et eu fa fi fr he hi hu id it ja kk ko mr nl pt ru ta te th tl tr ur vi yo zh"
TATOEBA = (
    "af ar bg bn de el es et eu fa fi fr he hi hu id it ja jv ka kk ko ml mr nl pt ru sw ta te th tl tr ur vi zh"
)
# Hu et al. (2020), XTREME: the languages of each task; Tatoeba as in the benchmark's code.
LANGUAGES = {
    "xnli": (15, "ar bg de el en es fr hi ru sw th tr ur vi zh"),
    "pawsx": (7, "de en es fr ja ko zh"),
    "udpos": (33, UD),
    "panx": (40, PANX + " ur vi yo zh"),
    "xquad": (11, "ar de el en es hi ru th tr vi zh"),
    "mlqa": (7, "ar de en es hi vi zh"),
    "tydiqa": (9, "ar bn en fi id ko ru sw te"),
    "bucc": (4, "de fr ru zh"),
    "tatoeba": (36, TATOEBA),
}
PUBLISHED = {
    "xnli": {"dev/sw": 2490, "test/zh": 5010},
    "pawsx": {"train/en": 49401, "dev/ja": 2000, "test/ko": 2000},
    "udpos": {"train/en": 21253, "dev/en": 3974, "test/en": 5440, "test/el": 456, "test/th": 1000, "test/yo": 100},
    "panx": {
        "train/en": 20000,
        "dev/et": 10000,
        "train/et": 15000,
        "test/ms": 1000,
        "train/ta": 15000,
        "test/my": 100,
    },
    "xquad": {"test/en": 1190, "test/th": 1190},
    "mlqa": {"test/en": 11590, "test/de": 4517, "test/es": 5253, "test/ar": 5335, "test/hi": 4918, "test/vi": 5495},
    "tydiqa": {"train/en": 3696, "train/sw": 2755, "test/en": 440, "test/ar": 921, "test/fi": 782},
    "tatoeba": {"test/de": 1000, "test/jv": 205, "test/ka": 746, "test/kk": 575, "test/ml": 687, "test/sw": 390},
    "mnli": {"train/en": 392702, "dev/en": 9815, "mismatched/en": 9832},
    "snli": {"train/en": 550152, "dev/en": 10000, "test/en": 10000},
    "qqp": {"train/en": 363846, "dev/en": 40430},
    "squad-v1": {"train/en": 87599, "dev/en": 10570},
    "squad-v2": {"train/en": 130319, "dev/en": 11873},
    "hellaswag": {"train/en": 39905, "dev/en": 10042},
    "cosmosqa": {"train/en": 25262, "dev/en": 2985},
    "commonsenseqa": {"train/en": 9741, "dev/en": 1221},
}


def task(name: str) -> TaskSpec:
    return load().tasks.get(name)


def counts(name: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for source in task(name).sources:
        for key, number in source.counts.items():
            found[key] = found.get(key, 0) + number
    return found


def test_every_module_brings_the_task_of_its_name() -> None:
    modules = {info.name for info in pkgutil.iter_modules([str(FOLDER)]) if not info.name.startswith("mini_")}
    assert modules == {name.replace("-", "_") for name in NAMES}
    assert len(modules) == 21
    assert set(NAMES) <= set(load().tasks.names())


def test_task_files_are_short() -> None:
    """About sixty lines: what tasks share lies in xfer.plugins.shared."""
    lines = {path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in FOLDER.glob("*.py")}
    assert len(lines) >= 40
    assert {name: number for name, number in lines.items() if number > 61} == {}


def gold(examples: Sequence[PairExample]) -> list[Any]:
    return [example.id for example in examples]


def gold_mined(examples: Sequence[PairExample]) -> list[Any]:
    return [(example.id, 1.5) if example.source else None for example in examples]


def nothing(examples: Sequence[PairExample]) -> list[Any]:
    return [("", 1.0) for _ in examples]


RETRIEVAL: dict[str, dict[str, Any]] = {
    "tatoeba": {"gold": gold, "wrong": nothing},
    "bucc": {"gold": gold_mined, "wrong": nothing},
}


@pytest.mark.parametrize("name", NAMES)
def test_the_kit_finds_no_fault(name: str) -> None:
    check_task(task(name), **RETRIEVAL.get(name, {}))


@pytest.mark.parametrize("name", LANGUAGES)
def test_languages_are_the_published_ones(name: str) -> None:
    number, codes = LANGUAGES[name]
    assert " ".join(task(name).languages) == codes
    assert len(task(name).languages) == number


@pytest.mark.parametrize("name", [*INTERMEDIATES, "snli"])
def test_intermediate_tasks_are_english(name: str) -> None:
    assert task(name).languages == task(name).train_languages == ("en",)


@pytest.mark.parametrize("name", PUBLISHED)
def test_numbers_of_rows_are_the_published_ones(name: str) -> None:
    assert PUBLISHED[name].items() <= counts(name).items()


def test_sums_over_languages_are_the_published_ones() -> None:
    """The hub's configs that hold all languages: XNLI 37,350 and 75,150 rows, TyDiQA 49,881 and 5,077."""
    sums = {
        (name, split): sum(number for key, number in counts(name).items() if key.startswith(f"{split}/"))
        for name in ("xnli", "tydiqa")
        for split in ("train", "dev", "test")
    }
    assert (sums["xnli", "dev"], sums["xnli", "test"]) == (37350, 75150)
    assert (sums["tydiqa", "train"], sums["tydiqa", "dev"], sums["tydiqa", "test"]) == (49881, 5077, 5077)


def test_anli_plus_is_the_sum_of_its_parts() -> None:
    """Labelled training rows of the paper: 1,104,934, that is 785 fewer than all rows."""
    assert counts("anli-plus") == {"train/en": 1104934 + 785, "dev/en": 10000 + 9815 + 3200}
    hubs = [source.hub for source in task("anli-plus").sources]
    assert hubs == ["stanfordnlp/snli", "nyu-mll/glue", "facebook/anli"]


def test_gold_pairs_of_bucc_are_counted_on_the_copy_that_holds_nothing_else() -> None:
    (original,) = task("bucc").sources
    assert original.counts == {}
    assert original.otherwise is not None
    numbers = {"de": (1038, 9580), "fr": (929, 9086), "ru": (2374, 14435), "zh": (257, 1899)}
    assert original.otherwise.counts == {
        f"{split}/{code}": pair[place]
        for code, pair in numbers.items()
        for place, split in enumerate(("dev", "test"))
    }


def test_english_training_sets() -> None:
    training = {name: task(name).training_task for name in TARGETS}
    assert {name: teacher for name, teacher in training.items() if teacher} == {
        "xnli": "mnli",
        "xquad": "squad-v1",
        "mlqa": "squad-v1",
    }
    own = {name for name in TARGETS if "en" in task(name).train_languages}
    assert own == {"pawsx", "udpos", "panx", "tydiqa"}
    assert not set(task("udpos").train_languages) & {"th", "tl", "yo"}


def test_main_scores() -> None:
    scores = {name: task(name).main_score for name in NAMES}
    questions = ("xquad", "mlqa", "tydiqa", "squad-v1", "squad-v2")
    assert {name for name, score in scores.items() if score == "mean_f1_em"} == set(questions)
    assert {name for name, score in scores.items() if score == "f1"} == {"udpos", "panx", "bucc"}
    assert scores["mlm-text"] == scores["wikipedia"] == "bits_per_token"
    assert all(
        score == "accuracy"
        for name, score in scores.items()
        if name not in (*questions, "udpos", "panx", "bucc", "mlm-text", "wikipedia")
    )


def test_hub_identifiers_have_owners() -> None:
    seen = [copy for name in NAMES for source in task(name).sources for copy in copies(source)]
    for copy in seen:
        assert "/" in copy.hub or copy.obtain or copy.downloads, copy.hub
    assert len(seen) == 44


def test_copies_of_the_hub_are_pinned() -> None:
    """A commit for every data set but google/xtreme, for which none is known, and a user's own text."""
    seen = [copy for name in NAMES for source in task(name).sources for copy in copies(source)]
    found = {copy.hub: copy.revision for copy in seen if not is_local(copy)}
    assert {hub for hub, revision in found.items() if not re.fullmatch("[0-9a-f]{40}", revision)} == {
        "google/xtreme"
    }
    assert len(found) == 12
    assert len(set(found.values())) == 12


def test_originals_come_before_the_hubs_copies() -> None:
    """Nine targets and the intermediate tasks whose authors publish files; checksums are SHA-256."""
    with_originals = set()
    for name in NAMES:
        for source in task(name).sources:
            chain = list(copies(source))
            local = [bool(copy.downloads or copy.obtain) for copy in chain]
            assert local == sorted(local, reverse=True) or name == "ccg", name
            if chain[0].downloads:
                with_originals.add(name)
            for copy in chain:
                for url, checksum in copy.downloads.items():
                    assert url.startswith("https://")
                    assert re.fullmatch("([0-9a-f]{64})?", checksum), url
    assert with_originals == {*TARGETS, "squad-v1", "squad-v2", "hellaswag", "cosmosqa", "commonsenseqa"}


CONFIGS = {
    ("udpos", "el"): "udpos.Greek",
    ("udpos", "zh"): "udpos.Chinese",
    ("udpos", "fa"): "udpos.Persian",
    ("tatoeba", "zh"): "tatoeba.cmn",
    ("tatoeba", "sw"): "tatoeba.swh",
    ("tatoeba", "fa"): "tatoeba.pes",
    ("panx", "my"): "PAN-X.my",
    ("mlqa", "vi"): "MLQA.vi.vi",
    ("xquad", "th"): "xquad.th",
    ("pawsx", "ko"): "ko",
}


@pytest.mark.parametrize(("name", "language"), CONFIGS)
def test_configs(name: str, language: str) -> None:
    (source,) = task(name).sources
    copy = next(copy for copy in copies(source) if not copy.downloads and not copy.obtain)
    assert copy.configs[language] == CONFIGS[name, language]


ORIGINALS = {
    ("udpos", "zh"): "ud-treebanks-v2.5/*/zh_*-ud-test.conllu",
    ("panx", "my"): "panx_dataset/my.tar.gz",
    ("pawsx", "ko"): "x-final/ko/test_2k.tsv",
    ("xnli", "sw"): "XNLI-1.0/xnli.test.tsv",
    ("xquad", "th"): "xquad/xquad.th.json",
    ("mlqa", "vi"): "MLQA_V1/test/test-context-vi-question-vi.json",
    ("tydiqa", "ko"): "tydiqa/tydiqa-goldp-v1.1-dev.json",
    ("tatoeba", "zh"): "LASER/data/tatoeba/v1/tatoeba.cmn-eng.cmn",
    ("bucc", "ru"): "bucc2018/**/ru-en.training.*",
}


@pytest.mark.parametrize(("name", "language"), ORIGINALS)
def test_places_of_original_files(name: str, language: str) -> None:
    (source,) = task(name).sources
    config = source.configs.get(language, source.configs.get(""))
    pattern = source.patterns[0].format(config=config, split=source.splits["test"][0])
    assert f"{source.hub}/{pattern}" == ORIGINALS[name, language]


def test_numbers_of_a_language_cover_what_it_has() -> None:
    """PAN-X, MLQA, TyDiQA: every split of every language; the sums of the published totals."""
    assert len(counts("panx")) == 40 * 3
    assert sum(number for key, number in counts("panx").items() if key.startswith("test/")) == 262_300
    assert len(counts("mlqa")) == 7 * 2
    assert sum(number for key, number in counts("mlqa").items() if key.startswith("dev/")) == 4199
    assert len(counts("tydiqa")) == 9 * 3
