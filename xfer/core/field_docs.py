"""What the text under each field of a record says, read from its source: for schemas and documentation."""

import ast
import inspect
import textwrap

from xfer.core.record import Record


def field_docs(record: type[Record]) -> dict[str, str]:
    """Field names to the docstrings beneath them, in one line; "" where there is none.

    Parents' fields are read too. Reading the source costs time, so nothing does it before it is asked for.
    """
    found = dict.fromkeys(record.model_fields, "")
    for kind in reversed(record.__mro__):
        if issubclass(kind, Record) and kind is not Record:
            found |= {name: text for name, text in _own(kind).items() if name in found}
    return found


def _own(kind: type[Record]) -> dict[str, str]:
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(definition, ast.ClassDef)
    docs = {}
    for field, below in zip(definition.body, definition.body[1:], strict=False):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                docs[name] = " ".join(text.split())
    return docs
