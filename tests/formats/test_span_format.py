"""Span: windows, targets by character offsets, loss without padding, decoding in any script."""

import numpy as np
import pytest
import torch  # noqa: TID253
from hypothesis import example as explicit_example
from hypothesis import given
from hypothesis import strategies as st
from torch import nn  # noqa: TID253

from xfer.core.examples import Answer, SpanExample
from xfer.core.formats import SpanOptions
from xfer.core.formats.span import Span
from xfer.core.formats.span_rules import answer_in_best_sentence
from xfer.core.formats.span_windows import cut_text, deciding_window, windows

LONG = " ".join(f"In the year {n} the mill was sold to house {n + 100}." for n in range(1800, 1830))
CASES = [
    ("Who bought apples?", "She bought 12 apples, 3 pears and a loaf of bread.", "3 pears"),
    ("谁买了苹果?", "河水流过老磨坊和市场。她买了十二个苹果。", "十二个苹果"),
    ("北京是什么?", "北京是中国的首都,上海是最大的城市。", "北京"),
    ("อะไร", "แม่น้ำไหลผ่านโรงสีเก่าและตลาด", "โรงสีเก่า"),
    ("What?", "He said 👍🏽 and 🙂 to all.", "🙂"),
    ("Wo?", "Nai\u0308ve Cafe\u0301 ole\u0301, re\u0301sume\u0301", "Cafe\u0301 ole\u0301"),
    ("Где?", "  \n  the   mill  ", "mill"),
    ("Which house in 1826?", LONG, "1926"),
    ("Which house in 1800?", LONG, "1900"),
    ("q " * 300, LONG, "1915"),
    ("कौन?", "कमला ने बाज़ार से बारह सेब खरीदे।", "बारह सेब"),
]
EXAMPLES = [
    SpanExample(str(i), "en", question, context, (Answer(answer, context.index(answer)),))
    for i, (question, context, answer) in enumerate(CASES)
]


def build(task, **options):
    return Span(task("span"), (), SpanOptions(**options))


def gold_hidden(batch):
    """Logits that point to the targets; windows without the answer point to their first token."""
    logits = torch.randn(len(batch.input_ids), 2, generator=torch.Generator().manual_seed(0)) * 0.1
    places = batch.starts[:, None] + batch.columns["targets"].clamp(min=0)
    return logits.scatter_add(0, places, torch.full(places.shape, 20.0))


@pytest.mark.parametrize(("max_length", "step"), [(384, 128), (64, 20), (48, 500)])
def test_gold_spans_decode_to_the_answer_texts(task, tokeniser, evaluated, max_length, step):
    code = build(task, step=step)
    features = code.featurise(EXAMPLES, tokeniser, max_length, training=False)
    assert features.sequence_lengths.max() <= max_length
    outputs = evaluated(code, features, nn.Identity(), gold_hidden, budget=500)
    gold = [answer for _, _, answer in CASES]
    if step == 500:
        # Windows that do not overlap may cut an answer; those that hold one whole must give it.
        whole = set(features.example[features.columns["targets"].values[:, 0] > 0].tolist())
        assert len(whole) > 6
        decoded = code.decode(EXAMPLES, features, outputs)
        assert [decoded[i] for i in sorted(whole)] == [gold[i] for i in sorted(whole)]
    else:
        assert code.decode(EXAMPLES, features, outputs) == gold


def slow_windows(total, room, step):
    """XTREME's loop over overflowing tokens, as a plain simulation."""
    step, found, start = min(step, room), [], 0
    while True:
        found.append([start, min(start + room, total)])
        if start + room >= total:
            return found
        start += step


@given(total=st.integers(0, 400), room=st.integers(1, 120), step=st.integers(1, 150))
def test_windows_cover_everything(total, room, step):
    assert windows(total, room, step).tolist() == slow_windows(total, room, step)


# Where windows are long, a long one wins against one more token of context in a short one.
@explicit_example(total=400, room=300, step=200)
@given(total=st.integers(1, 120), room=st.integers(1, 40), step=st.integers(1, 40))
def test_every_token_is_decided_by_the_window_with_most_context(total, room, step):
    cuts = windows(total, room, step)
    decides = deciding_window(cuts[:, 0], cuts[:, 1])
    for token in range(total):
        best, chosen = None, None
        for number, (begin, end) in enumerate(cuts.tolist()):
            if begin <= token < end:
                score = min(token - begin, end - 1 - token) + 0.01 * (end - begin)
                if best is None or score > best:
                    best, chosen = score, number
        assert decides[token] == chosen


def test_windows_are_counted_as_xtreme_does(task, tokeniser):
    code = build(task, step=32, max_question=10)
    features = code.featurise(EXAMPLES, tokeniser, 96, training=True)
    expected = []
    for number, example in enumerate(EXAMPLES):
        question = tokeniser.encode([example.question], special=False)[0].ids[:10]
        context = tokeniser.encode([example.context], special=False)[0].ids
        cuts = slow_windows(len(context), 96 - 4 - len(question), 32)
        for begin, end in cuts:
            bos, eos = tokeniser.fast.bos_token_id, tokeniser.fast.eos_token_id
            expected.append((number, [bos, *question, eos, eos, *context[begin:end], eos]))
    assert len(expected) > len(EXAMPLES) + 6
    sequences = np.split(features.tokens, features.offsets[1:-1])
    assert [(n, s.tolist()) for n, s in zip(features.example.tolist(), sequences, strict=True)] == expected


def test_training_windows_without_the_answer_point_to_the_first_token(task, small):
    features = build(task, step=20).featurise([EXAMPLES[7]], small, 64, training=True)
    targets = features.columns["targets"].values
    holds = targets[:, 0] > 0
    assert 0 < holds.sum() < len(targets)
    assert (targets[~holds] == 0).all()
    for item in np.flatnonzero(holds):
        start, end = features.offsets[item] + targets[item]
        assert small.fast.decode(features.tokens[start : end + 1]).strip() == "1926"
    assert set(features.columns) == {"targets"}


def test_an_answer_up_to_the_edge_of_a_window_is_held(task, small):
    context = " ".join("abc"[n % 3] for n in range(30))
    encoding = small.encode([context], special=False, offsets=True)[0]
    code, room = build(task, step=5), 20
    for start, end in ((0, room), (0, room + 1), (5, 25), (4, 25)):
        text = context[encoding.offsets[start][0] : encoding.offsets[end - 1][1]]
        asked = SpanExample("0", "en", "", context, (Answer(text, encoding.offsets[start][0]),))
        targets = code.featurise([asked], small, room + 4, training=True).columns["targets"].values
        cuts = windows(len(encoding.ids), room, 5)
        held = [[3 + start - b, 3 + end - 1 - b] if b <= start and end <= e else [0, 0] for b, e in cuts]
        assert targets.tolist() == held


def test_each_token_may_begin_an_answer_in_one_window_only(task, tokeniser):
    features = build(task, step=12).featurise([EXAMPLES[7]], tokeniser, 60, training=False)
    encoding = tokeniser.encode([LONG], special=False, offsets=True)[0]
    question = len(tokeniser.encode([EXAMPLES[7].question], special=False)[0].ids)
    cuts = windows(len(encoding.ids), 60 - 4 - question, 12)
    decides = deciding_window(cuts[:, 0], cuts[:, 1])
    lone = tokeniser.backend.token_to_id("▁")
    assert features.item_count == len(cuts) > 10
    for window, (begin, end) in enumerate(cuts):
        place = features.offsets[window] + question + 3
        here = slice(place, place + end - begin)
        content = np.array(encoding.ids[begin:end]) != lone
        starts, ends = (features.columns[name].values for name in ("start", "end"))
        assert starts[here].tolist() == (content & (decides[begin:end] == window)).tolist()
        assert ends[here].tolist() == content.tolist()
        assert features.columns["characters"].values[here].tolist() == [
            list(o) for o in encoding.offsets[begin:end]
        ]
        assert not ends[features.offsets[window] : place].any()
        assert not ends[place + end - begin : features.offsets[window + 1]].any()


def test_what_training_drops(task, small):
    context = "The mill \u200b is old."
    examples = [
        EXAMPLES[0],
        SpanExample("shifted", "en", "q", context, (Answer("mill", 3),)),
        SpanExample("outside", "en", "q", context, (Answer("mill", 400),)),
        SpanExample("negative", "en", "q", context, (Answer("mill", -2),)),
        SpanExample("blank", "en", "q", context, (Answer(" ", 3),)),
        SpanExample("invisible", "en", "q", context, (Answer("\u200b", 9),)),
        SpanExample("none", "en", "q", context),
        SpanExample("spaced", "en", "q", context, (Answer(" mill ", 3),)),
    ]
    features = build(task).featurise(examples, small, 64, training=True)
    assert features.dropped == {"answer is not at its offset": 4, "answer has no token": 1, "no answer": 1}
    assert features.example.tolist() == [0, 7]
    kept = build(task, unanswerable=True).featurise(examples, small, 64, training=True)
    assert kept.example.tolist() == [0, 6, 7]
    assert kept.columns["targets"].values[1].tolist() == [0, 0]
    everything = build(task).featurise(examples, small, 64, training=False)
    assert everything.example.tolist() == list(range(8))
    assert (everything.columns["targets"].values[:, 0] < 0).tolist() == [False, *[True] * 6, False]
    assert everything.dropped == {}


def test_loss_is_the_padded_cross_entropy(task, small, shape, batch_of, padded):
    code = build(task, step=20)
    unknown = SpanExample("x", "en", "q", "The mill is old.")
    features = code.featurise([*EXAMPLES, unknown], small, 64, training=False)
    batch = batch_of(features)
    torch.manual_seed(0)
    head, hidden = code.head(shape), torch.randn(len(batch.input_ids), shape.hidden_size)
    hidden.requires_grad_()
    loss, count = code.loss(head, hidden, batch)
    logits = head(padded(batch, hidden)).nan_to_num(-1e30)
    targets = torch.from_numpy(features.columns["targets"].values[batch.items])
    ends = [
        nn.functional.cross_entropy(logits[:, :, end], targets[:, end], ignore_index=-1, reduction="sum")
        for end in (0, 1)
    ]
    torch.testing.assert_close(loss, (ends[0] + ends[1]) / 2)
    assert count.item() == features.item_count - 1
    (gradient,) = torch.autograd.grad(loss, hidden, retain_graph=True)
    (expected,) = torch.autograd.grad((ends[0] + ends[1]) / 2, hidden)
    torch.testing.assert_close(gradient, expected)
    assert not gradient[batch.segments == batch.sequence_count].any()


def test_logits_of_any_size_keep_the_loss_finite(task, small, shape, batch_of):
    code = build(task)
    batch = batch_of(code.featurise(EXAMPLES, small, 64, training=True))
    loss, count = code.loss(nn.Identity(), torch.randn(len(batch.input_ids), 2) * 1e4, batch)
    assert torch.isfinite(loss)
    assert count.item() == batch.item_count


def slow_decode(example, features, logits, options):
    """The rule of run_squad.py in plain loops, for one example."""
    best, text, null = -np.inf, "", np.inf
    columns = {name: column.values for name, column in features.columns.items()}
    for item in range(features.item_count):
        window = range(features.offsets[item], features.offsets[item + 1])
        null = min(null, logits[window[0]].sum())
        starts = sorted((t for t in window if columns["start"][t]), key=lambda t: -logits[t, 0])[: options.best]
        ends = sorted((t for t in window if columns["end"][t]), key=lambda t: -logits[t, 1])[: options.best]
        for start in starts:
            for end in ends:
                score = logits[start, 0] + logits[end, 1]
                if start <= end < start + options.max_answer and score > best:
                    best = score
                    text = example.context[columns["characters"][start, 0] : columns["characters"][end, 1]].strip()
    return "" if options.unanswerable and null - best > options.null_threshold else text


@pytest.mark.parametrize("unanswerable", [False, True])
def test_decoding_equals_the_plain_rule(task, small, unanswerable):
    code = build(task, step=24, best=5, max_answer=4, unanswerable=unanswerable, null_threshold=-2.0)
    example = EXAMPLES[7]
    features = code.featurise([example], small, 80, training=False)
    assert features.item_count > 4
    rng, answers = np.random.default_rng(0), []
    for _ in range(40):
        logits = rng.normal(size=(len(features.tokens), 2)).astype(np.float32)
        logits[features.offsets[:-1]] += 3.2
        answers += code.decode([example], features, {"logits": logits})
        assert answers[-1] == slow_decode(example, features, logits, code.options)
    assert ("" in answers) == unanswerable
    assert len(set(answers)) > 10


def test_no_answer_needs_more_than_the_threshold(task, small):
    example = SpanExample("0", "en", "q", "mill")
    for threshold, expected in ((2.9, ""), (3.1, "mill")):
        code = build(task, unanswerable=True, null_threshold=threshold)
        features = code.featurise([example], small, 64, training=False)
        logits = np.full((len(features.tokens), 2), -9.0, np.float32)
        content = np.flatnonzero(features.columns["end"].values)
        logits[content[0], 0], logits[content[-1], 1], logits[0] = 1.0, 1.0, 2.5
        assert code.decode([example], features, {"logits": logits}) == [expected]


def test_empty_texts(task, small, evaluated):
    examples = [SpanExample("0", "en", "", ""), SpanExample("1", "en", "", "mill")]
    code = build(task)
    features = code.featurise(examples, small, 64, training=False)
    outputs = evaluated(code, features, nn.Identity(), lambda batch: torch.zeros(len(batch.input_ids), 2))
    values = code.decode(examples, features, outputs)
    assert values[0] == ""
    assert values[1]
    assert values[1] in "mill"


def test_cut_text_keeps_combining_marks():
    assert cut_text("Cafe\u0301 x", 0, 4) == "Cafe\u0301"
    assert cut_text("कमला", 0, 1) == "क"
    assert cut_text("\u0301x", 0, 0) == ""
    assert cut_text(" a b ", 0, 5) == "a b"


def test_baselines(task):
    code = build(task)
    values = code.chance(EXAMPLES * 30, np.random.default_rng(0))
    assert values == code.chance(EXAMPLES * 30, np.random.default_rng(0))
    assert all(value and value in example.context for value, example in zip(values, EXAMPLES * 30, strict=True))
    assert {len(value.split()) for value, e in zip(values, EXAMPLES * 30, strict=True) if e.context == LONG} == set(
        range(1, 6)
    )
    assert code.chance([SpanExample("0", "en", "q", " ... ")], np.random.default_rng(0)) == [""]
    context = "The mill is old. In May Anna sold the red house. Nobody knew."
    example = SpanExample("0", "en", "Who sold the house?", context)
    assert code.heuristic([], [example]) == ["In May Anna"]
    assert answer_in_best_sentence("谁买了苹果?", "北京很大。她买了十二个苹果。") == "十二个"
    assert answer_in_best_sentence("old mill", "old mill") == ""
    assert answer_in_best_sentence("", "") == ""
