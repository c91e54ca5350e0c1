"""An example and a prediction as a reader sees them: short texts for drill-down."""

import json
from typing import Any

from xfer.core.examples import ChoiceExample, LineExample, PairExample, SpanExample, TaggedExample, TextExample

LENGTH = 300
"""Characters of a text that are kept."""


def cut(text: str) -> str:
    """The text on one line, at most 300 characters of it; an ellipsis is the last of them where it was longer."""
    line = " ".join(text.split())
    return line if len(line) <= LENGTH else f"{line[: LENGTH - 1]}…"


def shown(example: Any) -> tuple[str, str]:
    """What an example asks and what is right, both cut. Examples of unknown kinds show their `repr` and nothing."""
    text, gold = _parts(example)
    return cut(text), cut(gold)


def _parts(example: Any) -> tuple[str, str]:
    match example:
        case TextExample():
            return " ‖ ".join(filter(None, (example.text, example.text_pair))), example.label or ""
        case ChoiceExample():
            choices = " ".join(f"({number}) {choice}" for number, choice in enumerate(example.choices))
            return f"{example.prompt} {choices}", "" if example.label is None else str(example.label)
        case SpanExample():
            answers = dict.fromkeys(answer.text for answer in example.answers)
            return f"{example.question} ‖ {example.context}", " / ".join(answers)
        case TaggedExample():
            return " ".join(example.tokens), " ".join(example.tags or ())
        case PairExample():
            return example.source or "", f"{example.id}: {example.target}" if example.target else ""
        case LineExample():
            return example.text, ""
    return repr(example), ""


def prediction(stored: str) -> str:
    """A stored prediction (JSON) as text, cut: a name as it is, tags with blanks between them."""
    value = json.loads(stored)
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return cut(" ".join(value))
    return cut(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
