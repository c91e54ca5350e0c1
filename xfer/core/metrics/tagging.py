"""Chunk F1 and token accuracy of tag sequences.

XTREME's "F1" of POS is the chunk F1 of seqeval 0.0.12 over bare UPOS tags, not a token F1: its first letter
is taken for the prefix of a tag and neighbouring equal tags merge into one chunk. seqeval 1.x scores such
tags otherwise, so the rules of 0.0.12 are fixed here.
"""

from collections.abc import Sequence

from xfer.core.metrics.aggregate import precision_recall_f1, require_pairs

# A chunk that a tag with this prefix belongs to ends before a tag with one of these prefixes.
_ENDS_BEFORE = {"B": "BSO", "I": "BSO"}
_ALWAYS_ENDS_AFTER = "ES"
# A tag with this prefix starts a chunk after a tag with one of these prefixes.
_STARTS_AFTER = {"E": "ESO", "I": "ESO"}
_ALWAYS_STARTS = "BS"
# Between two tags of different type a chunk ends, and starts, unless the tag is outside.
_OUTSIDE = "O."


def chunks(tags: Sequence[str]) -> list[tuple[str, int, int]]:
    """Chunks of one tag sequence as (type, first, last), both positions inclusive.

    The prefix of a tag is its first character, the type its text after the last "-" (all of it if there is
    none). A bare tag such as NOUN therefore merges with equal neighbours, while one that begins with S, E
    or B (SCONJ, SYM) stands for itself. `I-X` without a beginning starts a chunk.
    Raises `ValueError` for an empty tag.
    Source: `get_entities` of seqeval 0.0.12 without suffix (behaviour only, written anew).
    """
    found = []
    before, type_before, first = "O", "", 0
    for position, tag in enumerate((*tags, "O")):
        if not tag:
            raise ValueError(f"the tag at position {position} is empty")
        prefix, type_ = tag[0], tag.rpartition("-")[2]
        if _ends(before, prefix, type_before != type_):
            found.append((type_before, first, position - 1))
        if _starts(before, prefix, type_before != type_):
            first = position
        before, type_before = prefix, type_
    return found


def chunk_f1(predictions: Sequence[Sequence[str]], gold: Sequence[Sequence[str]]) -> dict[str, float]:
    """Micro `precision`, `recall` and `f1` of exactly matching chunks over all sentences, in points.

    Shapes: n >= 1 sentences, each with as many predicted tags as gold ones; blank sentences are allowed.
    Without a single right chunk F1 is 0, so text that is all "O" scores 0 even when predicted perfectly.
    Raises `ValueError` for unequal numbers of sentences or tags, no sentences, or an empty tag.
    Source: `f1` of XTREME's `evaluate.py` with seqeval 0.0.12, used for PAN-X (NER) and UD POS.
    """
    _require_aligned(predictions, gold)
    predicted, wanted = set(chunks(_joined(predictions))), set(chunks(_joined(gold)))
    return precision_recall_f1(len(predicted & wanted), len(predicted), len(wanted))


def token_accuracy(predictions: Sequence[Sequence[str]], gold: Sequence[Sequence[str]]) -> float:
    """Share of tokens with the right tag over all sentences, in points.

    Shapes and errors as in `chunk_f1`; no tokens at all is a `ValueError` too.
    Source: the usual definition; XTREME does not report it.
    """
    _require_aligned(predictions, gold)
    total = sum(map(len, gold))
    if not total:
        raise ValueError("there are no tokens to score")
    right = sum(
        guess == tag
        for guessed, tags in zip(predictions, gold, strict=True)
        for guess, tag in zip(guessed, tags, strict=True)
    )
    return 100 * right / total


def _ends(before: str, prefix: str, new_type: bool) -> bool:
    return (
        before in _ALWAYS_ENDS_AFTER
        or prefix in _ENDS_BEFORE.get(before, "")
        or (before not in _OUTSIDE and new_type)
    )


def _starts(before: str, prefix: str, new_type: bool) -> bool:
    return (
        prefix in _ALWAYS_STARTS or before in _STARTS_AFTER.get(prefix, "") or (prefix not in _OUTSIDE and new_type)
    )


def _joined(sentences: Sequence[Sequence[str]]) -> list[str]:
    """All sentences in one sequence, an "O" after each, so that no chunk crosses a boundary."""
    return [tag for sentence in sentences for tag in (*sentence, "O")]


def _require_aligned(predictions: Sequence[Sequence[str]], gold: Sequence[Sequence[str]]) -> None:
    require_pairs(predictions, gold)
    for number, (guessed, tags) in enumerate(zip(predictions, gold, strict=True)):
        if len(guessed) != len(tags):
            raise ValueError(f"sentence {number} has {len(guessed)} predicted tags for {len(tags)} gold tags")
