"""Classification: labels by name, loss, round trip, baselines."""

import numpy as np
import pytest
import torch  # noqa: TID253
from torch import nn  # noqa: TID253

from xfer.core.errors import DataError, UserError
from xfer.core.examples import TextExample
from xfer.core.formats import ClassificationOptions
from xfer.core.formats.classification import Classification

LABELS = ("entailment", "neutral", "contradiction")
TEXTS = [
    ("The river runs past the mill.", "河水流过老磨坊", "neutral"),
    ("Der Fluss fließt", "แม่น้ำไหลผ่านโรงสีเก่า", "contradiction"),
    ("", "", "entailment"),
    ("👍🏽 🙂", "Cafe\u0301", "contradiction"),
    ("She bought 12 apples", None, "entailment"),
    ("long " * 80, "longer " * 90, "neutral"),
]
EXAMPLES = [TextExample(str(i), "en", a, b, label) for i, (a, b, label) in enumerate(TEXTS)]


class Picked(nn.Module):
    """A head that passes the first token's hidden state through."""

    def forward(self, hidden, starts):
        return hidden[starts]


@pytest.fixture
def code(task):
    return Classification(task("classification", LABELS), LABELS, ClassificationOptions())


def test_sequences_are_those_of_the_tokeniser(code, tokeniser):
    features = code.featurise(EXAMPLES, tokeniser, 64, training=True)
    texts = [(a, b) if b is not None else a for a, b, _ in TEXTS]
    expected = [tokeniser.fast([text])["input_ids"][0] for text in texts]
    for number in range(5):
        got = features.tokens[features.offsets[number] : features.offsets[number + 1]]
        assert got.tolist() == expected[number]
    assert features.sequence_lengths[5] == 64
    assert features.columns["labels"].values.tolist() == [1, 2, 0, 2, 0, 1]


def test_gold_logits_decode_to_gold(code, small, evaluated):
    features = code.featurise(EXAMPLES, small, 40, training=False)

    def hidden(batch):
        logits = torch.zeros(len(batch.input_ids), 3)
        logits[batch.starts] = nn.functional.one_hot(batch.columns["labels"], 3).float()
        return logits

    outputs = evaluated(code, features, Picked(), hidden, budget=60)
    assert outputs["logits"].dtype == np.float32
    assert code.decode(EXAMPLES, features, outputs) == [label for _, _, label in TEXTS]


def test_loss_is_the_cross_entropy_of_first_tokens(code, small, shape, batch_of, padded):
    unlabelled = TextExample("u", "en", "no label here")
    features = code.featurise([*EXAMPLES, unlabelled], small, 40, training=False)
    batch = batch_of(features)
    torch.manual_seed(0)
    head = code.head(shape).eval()
    hidden = torch.randn(len(batch.input_ids), shape.hidden_size)
    loss, count = code.loss(head, hidden, batch)
    first = padded(batch, hidden)[:, 0]
    logits = head.out(torch.tanh(head.dense(first)))
    labels = torch.tensor([-100 if i == 6 else LABELS.index(TEXTS[i][2]) for i in batch.items])
    torch.testing.assert_close(loss, nn.functional.cross_entropy(logits, labels, reduction="sum"))
    assert count.item() == 6
    assert loss.dtype == count.dtype == torch.float32


def test_head_starts_as_roberta(code, shape):
    torch.manual_seed(1)
    wide = Classification(code.task, tuple(f"l{i}" for i in range(400)), ClassificationOptions()).head(shape)
    assert wide.out.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert not wide.out.bias.any()
    assert not wide.dense.bias.any()


def test_training_drops_what_has_no_label(code, small):
    examples = [TextExample("u", "en", "no label"), *EXAMPLES]
    features = code.featurise(examples, small, 40, training=True)
    assert features.example.tolist() == [1, 2, 3, 4, 5, 6]
    assert features.dropped == {"no label": 1}
    assert code.featurise(examples, small, 40, training=False).item_count == 7


@pytest.mark.parametrize("training", [True, False])
def test_a_label_that_the_task_does_not_have(code, small, training):
    with pytest.raises(DataError, match="contradictory") as error:
        code.featurise([TextExample("7", "sw", "a", "b", "contradictory")], small, 40, training)
    assert "example 7 (sw)" in str(error.value)
    assert "contradiction" in error.value.fix


def test_no_labels_at_all(task, shape):
    with pytest.raises(UserError, match="no labels"):
        Classification(task("classification"), (), ClassificationOptions()).head(shape)


def test_labels_are_gathered_in_sorted_order():
    assert Classification.gather_labels([*EXAMPLES, TextExample("u", "en", "x")]) == tuple(sorted(LABELS))


def test_chance_is_seeded_and_uniform(code):
    many = EXAMPLES * 500
    values = code.chance(many, np.random.default_rng(3))
    assert values == code.chance(many, np.random.default_rng(3))
    shares = [values.count(label) / len(values) for label in LABELS]
    assert shares == pytest.approx([1 / 3] * 3, abs=0.03)


def test_heuristic_learns_what_overlap_means(code):
    training = [
        TextExample("1", "en", "the cat sat on the mat", "the cat sat", "entailment"),
        TextExample("2", "en", "a dog ran", "a dog ran", "entailment"),
        TextExample("3", "en", "a dog ran", "nobody came home", "contradiction"),
        TextExample("4", "en", "the sun is up", "it rained", "contradiction"),
        TextExample("5", "en", "x", "y", "contradiction"),
    ]
    tests = [
        TextExample("a", "zh", "河水流过老磨坊", "河水流过", None),
        TextExample("b", "de", "Der Fluss fließt", "Nichts geschah", None),
        TextExample("c", "de", "Der Fluss fließt", "Der Hund schläft heute", None),
    ]
    # A range of overlaps that training never met falls back to the commonest label.
    assert code.heuristic(training, tests) == ["entailment", "contradiction", "contradiction"]
    assert code.heuristic([], tests) == ["entailment"] * 3
    single = [TextExample("1", "en", "good", None, "neutral")]
    assert code.heuristic(single, single) == ["neutral"]
