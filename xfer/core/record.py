"""What all records share: frozen, checked, free of torch; and the names that they go by."""

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


def _checked_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not a name: lower-case letters, digits, '.', '_' and '-', at most 64")
    return name


def _checked_reference(name: str) -> str:
    for part in name.split("/", 1):
        _checked_name(part)
    return name


Name = Annotated[str, AfterValidator(_checked_name)]
Reference = Annotated[str, AfterValidator(_checked_reference)]
"""The name of a record, or "owner/name" where several plugins use the same."""


LanguageCode = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$")]
"""A language as it stands in names of files and in reports: "de", "eng_Latn", "pt-BR"."""


class Record(BaseModel):
    """Base of all records: frozen; unknown fields, NaN and infinity are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, allow_inf_nan=False)
