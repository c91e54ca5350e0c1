"""A small real tokeniser in several scripts, and a runner that sends features through real batches."""

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch  # noqa: TID253
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers  # noqa: TID253
from transformers import PreTrainedTokenizerFast  # noqa: TID253

from xfer.core.batches.batching import Collator, token_budget_batches
from xfer.core.batches.features import Batch, Features
from xfer.core.encoders.tokeniser import Tokeniser
from xfer.core.formats.base import EncoderShape, FormatCode
from xfer.core.records import TaskSpec

LINES = [
    "The river runs past the old mill and the market square.",
    "She bought 12 apples, 3 pears and a loaf of bread.",
    "Der Fluss fließt an der alten Mühle vorbei, nicht am Bahnhof.",
    "El mercado abre a las nueve de la mañana, señora.",
    "河水流过老磨坊和市场。她买了十二个苹果。",
    "北京是中国的首都,上海是最大的城市。",
    "แม่น้ำไหลผ่านโรงสีเก่าและตลาด",
    "कमला ने बाज़ार से बारह सेब खरीदे।",
    "Mto unapita karibu na kinu cha zamani 🙂 👍🏽",
    "0 1 2 3 4 5 6 7 8 9",
    "Cafe\u0301 ole\u0301, nai\u0308ve re\u0301sume\u0301 — done!",
]
SPECIALS = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
POSITION_OFFSET = 2


def finished(backend: Tokenizer, trainer: Any) -> Tokeniser:
    """Trained on the lines, with XLM-R's special tokens and templates."""
    backend.train_from_iterator(LINES * 4, trainer)
    ids = [(token, backend.token_to_id(token)) for token in ("<s>", "</s>")]
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=ids
    )
    names = dict(zip(("bos_token", "pad_token", "eos_token", "unk_token", "mask_token"), SPECIALS, strict=True))
    return Tokeniser(PreTrainedTokenizerFast(tokenizer_object=backend, **names))


@pytest.fixture(scope="session")
def small() -> Tokeniser:
    """XLM-R's construction: Unigram, and a word-start mark before every word."""
    backend = Tokenizer(models.Unigram())
    backend.normalizer = normalizers.Sequence([normalizers.Replace(Regex("[\u200b\ufeff]"), ""), normalizers.NFC()])
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=260, special_tokens=SPECIALS, unk_token="<unk>", show_progress=False
    )
    return finished(backend, trainer)


@pytest.fixture(scope="session")
def isolating() -> Tokeniser:
    """BPE with few merges that marks the first word only and keeps punctuation and Chinese characters apart."""
    backend = Tokenizer(models.BPE(unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Metaspace(prepend_scheme="first"),
            pre_tokenizers.Punctuation(),
            pre_tokenizers.Split(Regex("[\u4e00-\u9fff]"), "isolated"),
        ]
    )
    trainer = trainers.BpeTrainer(vocab_size=200, special_tokens=SPECIALS, show_progress=False)
    return finished(backend, trainer)


@pytest.fixture(scope="session", params=["small", "isolating", "XFER_TEST_ENCODER"])
def tokeniser(request: pytest.FixtureRequest, small: Tokeniser, isolating: Tokeniser) -> Tokeniser:
    """Two trained tokenisers, and the real one in the folder that XFER_TEST_ENCODER names, if any."""
    if request.param != "XFER_TEST_ENCODER":
        return small if request.param == "small" else isolating
    folder = os.environ.get(request.param)
    if not folder:
        pytest.skip("XFER_TEST_ENCODER names no folder")
    return Tokeniser.load(folder)


@pytest.fixture(scope="session")
def shape() -> EncoderShape:
    return EncoderShape(hidden_size=16, layers=2, vocabulary=300, dropout=0.1, initializer_range=0.02)


@pytest.fixture(scope="session")
def task() -> Callable[..., TaskSpec]:
    def make(format_name: str, labels: tuple[str, ...] = ()) -> TaskSpec:
        return TaskSpec(
            name=f"test-{format_name}",
            summary="",
            citation="",
            licence="",
            format=format_name,
            languages=("en",),
            labels=labels,
            example=lambda row, language: None,
            score=lambda values, examples, language: {"accuracy": 0.0},
            main_score="accuracy",
        )

    return make


@pytest.fixture(scope="session")
def batch_of() -> Callable[..., Batch]:
    """All items of features in one batch, shuffled, sorted by length, with filler."""

    def make(features: Features, filler: int | None = 32, items: Any = None) -> Batch:
        if items is None:
            items = np.random.default_rng(5).permutation(features.item_count)
        return Collator(features, 1, POSITION_OFFSET, "cpu", sort=True, filler_multiple=filler).batch(items)

    return make


@pytest.fixture(scope="session")
def evaluated() -> Callable[..., dict[str, np.ndarray]]:
    """Outputs in feature order; `hidden(batch)` stands for the encoder."""

    def run(
        code: FormatCode,
        features: Features,
        head: torch.nn.Module | None,
        hidden: Callable[[Batch], torch.Tensor],
        budget: int = 200,
    ) -> dict[str, np.ndarray]:
        collator = Collator(features, 1, POSITION_OFFSET, "cpu", sort=True, filler_multiple=16)
        sizes = {"item": features.item_count, "sequence": len(features.offsets) - 1, "token": len(features.tokens)}
        results: dict[str, np.ndarray] = {}
        batches = token_budget_batches(features, budget)
        assert sum(len(items) for items in batches) == features.item_count
        for items in batches:
            batch = collator.batch(items)
            for name, tensor in code.outputs(head, hidden(batch), batch).items():
                axis, values = code.output_axes[name], tensor.detach().numpy()
                where = {"item": batch.items, "token": batch.token_index}.get(axis)
                if where is None:
                    where = np.concatenate(
                        [np.arange(features.items[i], features.items[i + 1]) for i in batch.items]
                    )
                assert len(values) >= len(where)
                results.setdefault(name, np.full((sizes[axis], *values.shape[1:]), -7, values.dtype))
                results[name][where] = values[: len(where)]
        return results

    return run


@pytest.fixture(scope="session")
def padded() -> Callable[[Batch, torch.Tensor], torch.Tensor]:
    """A stream tensor as a padded one [n, longest, …] in item order, NaN beyond each sequence."""

    def pad(batch: Batch, values: torch.Tensor) -> torch.Tensor:
        rows = [values[batch.segments == number] for number in range(batch.sequence_count)]
        assert sum(len(row) for row in rows) == batch.real_tokens
        return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=float("nan"))

    return pad
