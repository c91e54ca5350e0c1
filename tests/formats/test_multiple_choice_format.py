"""Multiple choice: choices of unequal number, truncation from the prompt's front, loss, baselines."""

import numpy as np
import pytest
import torch  # noqa: TID253
from torch import nn  # noqa: TID253

from xfer.core.errors import DataError
from xfer.core.examples import ChoiceExample
from xfer.core.formats import ChoiceOptions
from xfer.core.formats.multiple_choice import MultipleChoice

EXAMPLES = [
    ChoiceExample("0", "en", "She bought twelve", ("apples", "rivers and mills", "", "9"), 2),
    ChoiceExample("1", "zh", "她买了十二个", ("苹果", "河水"), 0),
    ChoiceExample("2", "th", "แม่น้ำไหลผ่าน", ("โรงสีเก่า", "👍🏽", "ตลาด"), 2),
    ChoiceExample("3", "en", "The river runs past the mill. " * 20, ("the old market", "x " * 90), 1),
    ChoiceExample("4", "de", "", ("e\u0301",), 0),
]


class Picked(nn.Module):
    """A head that passes the first token's hidden state through."""

    def forward(self, hidden, starts):
        return hidden[starts]


@pytest.fixture
def code(task):
    return MultipleChoice(task("multiple-choice"), (), ChoiceOptions())


def rows(features):
    return [r.tolist() for r in np.split(features.tokens, features.offsets[1:-1])]


def test_gold_logits_decode_to_gold(code, small, evaluated):
    features = code.featurise(EXAMPLES, small, 48, training=False)
    assert np.diff(features.items).tolist() == [4, 2, 3, 2, 1]

    def hidden(batch):
        logits = torch.zeros(len(batch.input_ids), 1)
        logits[batch.starts, 0] = batch.columns["right"]
        return logits

    outputs = evaluated(code, features, Picked(), hidden, budget=70)
    assert outputs["logits"].dtype == np.float32
    assert code.decode(EXAMPLES, features, outputs) == [2, 0, 2, 1, 0]


def test_pairs_are_laid_out_as_the_tokeniser_does(code, tokeniser):
    chosen = [EXAMPLES[i] for i in (0, 1, 2, 4)]
    features = code.featurise(chosen, tokeniser, 64, training=True)
    pairs = [(example.prompt, choice) for example in chosen for choice in example.choices]
    assert rows(features) == tokeniser.fast(pairs)["input_ids"]


def test_a_long_prompt_loses_its_beginning(code, tokeniser):
    features = code.featurise([EXAMPLES[3]], tokeniser, 48, training=True)
    assert features.sequence_lengths.tolist() == [48, 48]
    prompt, short, long = (
        e.ids for e in tokeniser.encode([EXAMPLES[3].prompt, *EXAMPLES[3].choices], special=False)
    )
    bos, eos = tokeniser.fast.bos_token_id, tokeniser.fast.eos_token_id
    assert rows(features)[0] == [bos, *prompt[len(prompt) + len(short) - 44 :], eos, eos, *short, eos]
    assert rows(features)[1] == [bos, eos, eos, *long[:44], eos]


def test_loss_is_the_padded_cross_entropy(code, small, shape, batch_of):
    unlabelled = ChoiceExample("u", "en", "which", ("a", "b", "c"))
    features = code.featurise([*EXAMPLES, unlabelled], small, 48, training=False)
    batch = batch_of(features)
    torch.manual_seed(0)
    head, hidden = code.head(shape).eval(), torch.randn(len(batch.input_ids), shape.hidden_size)
    loss, count = code.loss(head, hidden, batch)
    expected = torch.tensor(0.0)
    logits = head(hidden, batch.starts)[:, 0]
    for position, item in enumerate(batch.items.tolist()):
        if item < 5:
            own = logits[batch.sequence_items == position]
            assert len(own) == len(EXAMPLES[item].choices)
            expected += nn.functional.cross_entropy(own[None], torch.tensor([EXAMPLES[item].label]))
    torch.testing.assert_close(loss, expected)
    assert count.item() == 5


def test_unusable_examples(code, small):
    features = code.featurise([ChoiceExample("u", "en", "q", ("a", "b")), *EXAMPLES], small, 48, training=True)
    assert features.dropped == {"no label": 1}
    assert features.example.tolist() == [1, 2, 3, 4, 5]
    with pytest.raises(DataError, match="label 2 of 2 choices") as error:
        code.featurise([ChoiceExample("7", "it", "q", ("a", "b"), 2)], small, 48, training=True)
    assert "example 7 (it)" in str(error.value)
    with pytest.raises(DataError, match="no choices"):
        code.featurise([ChoiceExample("7", "it", "q", (), None)], small, 48, training=False)


def test_baselines(code):
    values = code.chance(EXAMPLES * 300, np.random.default_rng(0))
    for number, example in enumerate(EXAMPLES):
        share = np.bincount(values[number::5], minlength=len(example.choices)) / 300
        assert share.tolist() == pytest.approx([1 / len(example.choices)] * len(example.choices), abs=0.1)
    examples = [
        ChoiceExample("0", "en", "The river runs past the mill", ("A dog", "The mill stands", "the the the")),
        ChoiceExample("1", "zh", "河水流过老磨坊", ("苹果", "磨坊老了")),
        ChoiceExample("2", "en", "", ("a", "b")),
    ]
    assert code.heuristic([], examples) == [1, 1, 0]
