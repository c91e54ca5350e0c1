"""`span`: an answer span in a context, or none."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import torch  # noqa: TID253
from torch import nn  # noqa: TID253

from xfer.core.batches.features import Axis, Batch, Column, Features
from xfer.core.encoders.heads import SpanHead, segment_logsumexp
from xfer.core.encoders.tokeniser import Tokeniser
from xfer.core.examples import SpanExample
from xfer.core.formats.base import EncoderShape, FormatCode
from xfer.core.formats.sequences import LONE_PIECE, Ragged, encode, layout, ragged, single_items
from xfer.core.formats.span_rules import answer_in_best_sentence, random_words
from xfer.core.formats.span_windows import Context, cut_text, deciding_window, encode_contexts, highest, windows

Answered = tuple[int, int] | None
"""First and last context token of an answer; None: no answer."""


class Span(FormatCode):
    """SQuAD-style extraction over windows of the context; answers are cut by character offsets of the context.

    Windows are laid as XTREME's `run_squad.py` lays them: the question is cut to `max_question` tokens, and each
    window begins `step` tokens after the one before, until one reaches the end of the context. In training all
    windows are kept; one that does not hold the whole answer points to the first token, as in that script (for
    SQuAD 1.1 and 2.0 alike).
    """

    output_axes: Mapping[str, Axis] = {"logits": "token"}

    def featurise(
        self, examples: Sequence[SpanExample], tokeniser: Tokeniser, max_length: int, training: bool
    ) -> Features:
        """The column "targets" (item, 2: places of first and last token in the sequence, -1: not known).

        For evaluation also "characters" (token, 2: range in the context, 0 outside of it), "end" (token: may end
        an answer) and "start" (token: may begin one, which only the window with most context around it decides).
        Training uses the first answer, and drops examples whose answer is not found at its offset and, unless
        `unanswerable`, those without one.
        """
        frame = layout(tokeniser, pair=True)
        questions = encode(tokeniser, [example.question for example in examples], special=False)
        contexts = encode_contexts(tokeniser, (example.context for example in examples))
        # A long question must leave the context at least half of the sequence.
        question_room = min(self.options.max_question, (max_length - frame.length) // 2)
        rows, targets, cuts = [], [], []
        dropped: Counter[str] = Counter()
        for number, example in enumerate(examples):
            context = contexts[example.context]
            answer, fault = self._answer(example, context)
            if training and fault:
                dropped[fault] += 1
                continue
            before = np.concatenate([frame.before, questions[number][:question_room], frame.between])
            room = max_length - len(before) - len(frame.after)
            for begin, end in windows(len(context.ids), room, self.options.step).tolist():
                rows.append(np.concatenate([before, context.ids[begin:end], frame.after]))
                targets.append((-1, -1) if fault else _target(answer, begin, end, len(before)))
                cuts.append((number, begin, end, len(before)))
        tokens, plan = ragged(rows), np.array(cuts, np.int64).reshape(-1, 4)
        columns = {"targets": Column("item", np.array(targets, np.int64).reshape(-1, 2))}
        if not training:
            found = [contexts[example.context] for example in examples]
            columns |= _decoding_columns(found, plan, tokens, tokeniser.backend.token_to_id(LONE_PIECE))
        return single_items(tokens, plan[:, 0], columns, dropped)

    def head(self, shape: EncoderShape) -> nn.Module:
        """A fresh `SpanHead`."""
        return SpanHead(shape)

    def loss(self, head: nn.Module | None, hidden: torch.Tensor, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean of the cross-entropies of start and end, over each sequence's own tokens; summed, and the items.

        Items whose answer is not known do not count.
        """
        logits, targets = _run(head, hidden), batch.columns["targets"]
        known = (targets[:, 0] >= 0).float()
        picked = logits.gather(0, batch.starts[:, None] + targets.clamp(min=0))
        every = segment_logsumexp(logits, batch.segments, batch.sequence_count)
        return ((every - picked).mean(dim=1) * known).sum(), known.sum()

    def outputs(self, head: nn.Module | None, hidden: torch.Tensor, batch: Batch) -> dict[str, torch.Tensor]:
        """`logits` float32 [T, 2]: start and end."""
        return {"logits": _run(head, hidden)}

    def decode(
        self, examples: Sequence[SpanExample], features: Features, outputs: Mapping[str, np.ndarray]
    ) -> list[str]:
        """Answer texts, cut from the contexts; "" for none.

        In each window the `best` starts and ends are paired where they make a span of 1 to `max_answer` tokens;
        the pair with the highest sum over all windows wins. With `unanswerable`, "" wins when the lowest sum at
        the windows' first tokens exceeds it by more than `null_threshold` (XTREME's and SQuAD 2.0's rule).
        """
        best, null = np.full(len(examples), -np.inf), np.full(len(examples), np.inf)
        spans = np.zeros((len(examples), 2), np.int64)
        may_start, may_end = features.columns["start"].values, features.columns["end"].values
        for item, example in enumerate(features.example.tolist()):
            window = slice(features.offsets[item], features.offsets[item + 1])
            logits = outputs["logits"][window]
            null[example] = min(null[example], float(logits[0].sum()))
            score, start, end = self._best_pair(logits, may_start[window], may_end[window])
            if score > best[example]:
                best[example] = score
                characters = features.columns["characters"].values[window]
                spans[example] = characters[start, 0], characters[end, 1]
        if self.options.unanswerable:
            spans[null - best > self.options.null_threshold] = 0
        return [
            cut_text(example.context, start, end)
            for example, (start, end) in zip(examples, spans.tolist(), strict=True)
        ]

    def chance(self, examples: Sequence[SpanExample], rng: np.random.Generator) -> list[str]:
        """One to five words in a row, drawn uniformly from the context."""
        return [random_words(example.context, rng) for example in examples]

    def heuristic(self, training: Sequence[SpanExample], examples: Sequence[SpanExample]) -> list[str]:
        """The longest run of words not in the question, in the sentence that shares most words with it."""
        return [answer_in_best_sentence(example.question, example.context) for example in examples]

    def _answer(self, example: SpanExample, context: Context) -> tuple[Answered, str]:
        """The first answer in tokens, and why it cannot be used ("" if it can)."""
        if not example.answers:
            return None, "" if self.options.unanswerable else "no answer"
        answer = example.answers[0]
        text = answer.text.strip()
        start = answer.start + answer.text.find(text)
        if not text or start < 0 or not example.context.startswith(text, start):
            return None, "answer is not at its offset"
        tokens = context.tokens_of(start, start + len(text))
        return tokens, "" if tokens else "answer has no token"

    def _best_pair(self, logits: np.ndarray, may_start: np.ndarray, may_end: np.ndarray) -> tuple[float, int, int]:
        """Score, start and end of a window's best span; the score is -inf where no pair is allowed."""
        starts = highest(logits[:, 0], may_start, self.options.best)
        ends = highest(logits[:, 1], may_end, self.options.best)
        length = ends - starts[:, None] + 1
        sums = logits[starts, 0][:, None] + logits[ends, 1]
        sums = np.where((length >= 1) & (length <= self.options.max_answer), sums, -np.inf)
        if not sums.size:
            return -np.inf, 0, 0
        row, column = np.unravel_index(sums.argmax(), sums.shape)
        return float(sums[row, column]), int(starts[row]), int(ends[column])


def _run(head: nn.Module | None, hidden: torch.Tensor) -> torch.Tensor:
    assert head is not None
    logits: torch.Tensor = head(hidden)
    return logits.float()


def _target(answer: Answered, begin: int, end: int, place: int) -> tuple[int, int]:
    """Places in a sequence that holds the context's tokens begin … end-1 from `place` on; 0 where there is none."""
    if answer is None or answer[0] < begin or answer[1] >= end:
        return 0, 0
    return place + answer[0] - begin, place + answer[1] - begin


def _decoding_columns(
    contexts: Sequence[Context], plan: np.ndarray, tokens: Ragged, lone: int | None
) -> dict[str, Column]:
    """The columns that decoding needs. `plan` holds example, begin, end and place of the context of each item."""
    size = len(tokens.values)
    characters, may_start, may_end = np.zeros((size, 2), np.int32), np.zeros(size, bool), np.zeros(size, bool)
    first = np.searchsorted(plan[:, 0], np.arange(len(contexts) + 1))
    for number, context in enumerate(contexts):
        content = context.ids != lone
        own = plan[first[number] : first[number + 1]]
        decides = deciding_window(own[:, 1], own[:, 2])
        for window, (_, begin, end, place) in enumerate(own.tolist()):
            start = tokens.offsets[first[number] + window] + place
            here = slice(start, start + end - begin)
            characters[here] = context.characters[begin:end]
            may_end[here] = content[begin:end]
            may_start[here] = content[begin:end] & (decides[begin:end] == window)
    return {
        "characters": Column("token", characters),
        "start": Column("token", may_start),
        "end": Column("token", may_end),
    }
