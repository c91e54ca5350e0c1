"""What a setting takes, told to whoever gave something else."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

_BOUNDS = {
    "greater_than": "a number above {gt}",
    "greater_than_equal": "{ge} or a larger number",
    "less_than": "a number below {lt}",
    "less_than_equal": "{le} or a smaller number",
    "finite_number": "an ordinary number",
    "literal_error": "one of {expected}",
    "too_short": "name at least one, or leave it out",
}
"""By pydantic's names of faults."""
_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "text in quotes",
    "path": "a path in quotes",
    "tuple": "a list in square brackets",
}
"""By how these names begin."""
_TABLES = {
    "limit": "a table: limit = {train = 1000, dev = 200}, on the command line --limit train=1000,dev=200",
    "set": 'a table: lines such as "target.xnli.epochs" = 2 below [set]',
}
LIST = "`xfer config schema` lists what every setting takes"


def mend(fault: Mapping[str, Any], record: type[BaseModel]) -> str:
    """How to mend what pydantic found wrong with a field of `record`: what it takes, and its default."""
    name = str(fault["loc"][0]) if fault["loc"] else ""
    kind = fault["type"]
    text = _BOUNDS.get(kind, "").format(**fault.get("ctx", {})) or _KINDS.get(kind.partition("_")[0], "")
    if name in _TABLES and len(fault["loc"]) == 1:
        text = _TABLES[name]
    field = record.model_fields.get(name)
    default = field.get_default(call_default_factory=True, validated_data={}) if field else None
    if text and isinstance(default, str | int | float) and default != "" and not isinstance(default, bool):
        text += f", such as {default}"
    return text or LIST
