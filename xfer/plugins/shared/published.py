"""Published numbers of rows, by "split/language".

Sources: Hu et al. (2020), XTREME; the data sets' own papers and cards; the metadata of the hub's former loading
scripts (huggingface/datasets, datasets/xtreme/dataset_infos.json).
"""

from collections.abc import Mapping, Sequence

XNLI_LANGUAGES = ("ar", "bg", "de", "el", "en", "es", "fr", "hi", "ru", "sw", "th", "tr", "ur", "vi", "zh")
PAWSX_LANGUAGES = ("de", "en", "es", "fr", "ja", "ko", "zh")
TRAIN_DEV_TEST = ("train", "dev", "test")


def counts(split: str, numbers: Mapping[str, int]) -> dict[str, int]:
    """One split's numbers by language."""
    return {f"{split}/{code}": number for code, number in numbers.items()}


def _table(splits: Sequence[str], rows: Mapping[str, tuple[int, ...]]) -> dict[str, int]:
    return {
        f"{split}/{code}": number
        for codes, numbers in rows.items()
        for code in codes.split()
        for split, number in zip(splits, numbers, strict=True)
    }


XNLI = {f"{split}/{code}": number for split, number in (("dev", 2490), ("test", 5010)) for code in XNLI_LANGUAGES}
PAWSX = {f"{split}/{code}": 2000 for split in ("dev", "test") for code in PAWSX_LANGUAGES} | {"train/en": 49401}

PANX = _table(
    TRAIN_DEV_TEST,
    {
        "ar bg de el en es fa fi fr he hu id it ja ko nl pt ru th tr vi zh": (20000, 10000, 10000),
        "et": (15000, 10000, 10000),
        "eu ka": (10000, 10000, 10000),
        "ms ur": (20000, 1000, 1000),
        "ta": (15000, 1000, 1000),
        "bn ml tl": (10000, 1000, 1000),
        "af hi mr": (5000, 1000, 1000),
        "kk sw te": (1000, 1000, 1000),
        "jv my yo": (100, 100, 100),
    },
)
"""WikiAnn in the balanced splits of Rahimi et al. (2019)."""

UDPOS = _table(
    TRAIN_DEV_TEST,
    {"en": (21253, 3974, 5440), "te": (1051, 131, 146), "ur": (4043, 552, 535), "vi": (1400, 800, 800)},
)
UDPOS |= {"test/th": 1000, "test/yo": 100, "test/el": 456}
"""Sentences of UD 2.5, for the languages whose treebanks no other language's are mixed up with at the hub."""

MLQA = counts("dev", {"ar": 517, "de": 512, "en": 1148, "es": 500, "hi": 507, "vi": 511, "zh": 504})
MLQA |= counts("test", {"ar": 5335, "de": 4517, "en": 11590, "es": 5253, "hi": 4918, "vi": 5495, "zh": 5137})

TYDIQA = _table(
    TRAIN_DEV_TEST,
    {
        "ar": (14805, 921, 921),
        "bn": (2390, 113, 113),
        "en": (3696, 440, 440),
        "fi": (6855, 782, 782),
        "id": (5702, 565, 565),
        "ko": (1625, 276, 276),
        "ru": (6490, 812, 812),
        "sw": (2755, 499, 499),
        "te": (5563, 669, 669),
    },
)
"""The published dev set is dev and test."""
