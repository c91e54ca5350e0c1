"""Formats: what turns examples into features, losses and predictions. Records here; code in the modules beside.

The options are part of a result's signature; `--set <format>.<option>=<value>` changes them.
"""

from typing import Literal

from pydantic import Field

from xfer.core.records import Format, Record


class ClassificationOptions(Record):
    """Options of `classification`."""

    max_length: int = Field(128, ge=8)
    """Tokens in an evaluated sequence; training has its own setting."""


class ChoiceOptions(Record):
    """Options of `multiple-choice`."""

    max_length: int = Field(256, ge=8)


class SpanOptions(Record):
    """Options of `span`: SQuAD-style windows, as XTREME's run_squad.py counts them."""

    max_length: int = Field(384, ge=16)
    step: int = Field(128, ge=1)
    """Tokens that a window advances (not the overlap)."""
    max_question: int = Field(64, ge=1)
    max_answer: int = Field(30, ge=1)
    """Tokens in an answer."""
    best: int = Field(20, ge=1)
    """Candidate starts and ends looked at in a window."""
    unanswerable: bool = False
    """Whether "no answer" may be predicted (SQuAD v2.0)."""
    null_threshold: float = 0.0
    """No answer when its score exceeds the best span's by more than this."""


class TaggingOptions(Record):
    """Options of `tagging`."""

    max_length: int = Field(128, ge=8)
    label_piece: Literal["first", "first-content"] = "first"
    """Which piece of a word carries its tag: the first (XTREME), or the first that is not a lone "▁"."""


class RetrievalOptions(Record):
    """Options of `retrieval`."""

    max_length: int = Field(512, ge=8)
    layer: int | None = Field(None, ge=0)
    """Hidden layer (0 = embeddings); None: the model's own default, or 7/12 of its depth."""
    pooling: Literal["mean", "cls"] = "mean"
    special_tokens: bool = True
    """Whether the mean includes special tokens (it does in XTREME's and jiant's code)."""
    prefix: str = ""
    """Text put before every sentence (some encoders were trained with one)."""
    direction: Literal["english-to-other", "other-to-english"] = "english-to-other"
    """Tatoeba: which side queries."""
    neighbours: int = Field(4, ge=1)
    """BUCC: k of the ratio margin."""


class MaskedLmOptions(Record):
    """Options of `masked-lm`."""

    max_length: int = Field(256, ge=8)
    masking: float = Field(0.15, gt=0, lt=1)
    """Share of the tokens that are predicted; of these 80 % are masked, 10 % random, 10 % kept (BERT)."""
    pair_one_sided: float = Field(0.8, ge=0, le=1)
    """Share of translation pairs masked heavily on one side, drawn at random, and lightly on the other."""
    pair_heavy: float = Field(0.5, ge=0, le=1)
    """`masking` of the heavy side."""
    pair_light: float = Field(0.08, ge=0, le=1)
    """`masking` of the light side."""
    pair_symmetric: float = Field(0.35, gt=0, lt=1)
    """`masking` of both sides of the other pairs."""
    pair_restart: float = Field(0.0, ge=0, le=1)
    """Share of pairs in training whose positions restart in the second text."""


BUILTIN_FORMATS = (
    Format(
        name="classification",
        summary="one label for a text or a pair of texts",
        options=ClassificationOptions,
        implementation="xfer.core.formats.classification:Classification",
    ),
    Format(
        name="multiple-choice",
        summary="the right continuation of a prompt among several",
        options=ChoiceOptions,
        implementation="xfer.core.formats.multiple_choice:MultipleChoice",
    ),
    Format(
        name="span",
        summary="an answer span in a context, or none",
        options=SpanOptions,
        implementation="xfer.core.formats.span:Span",
    ),
    Format(
        name="tagging",
        summary="a tag for every word",
        options=TaggingOptions,
        implementation="xfer.core.formats.tagging:Tagging",
    ),
    Format(
        name="retrieval",
        summary="the translation of a sentence among many, by cosine of pooled hidden states",
        options=RetrievalOptions,
        implementation="xfer.core.formats.retrieval:Retrieval",
    ),
    Format(
        name="masked-lm",
        summary="hidden tokens of running text, or of a text and its translation",
        options=MaskedLmOptions,
        implementation="xfer.core.formats.masked_lm:MaskedLm",
    ),
)
