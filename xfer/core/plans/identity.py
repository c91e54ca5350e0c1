"""A phase's id: a hash of everything that its numbers depend on.

That is what it does, the versions and data of its tasks, its hyperparameters and options, its parents' ids (or the
model's fingerprint), the seed, the precision and `SCHEMA`. Names, roles, paths, devices and logging stay out, so
that the same work has the same id.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from xfer.core.records import Record

SCHEMA = 1
"""Raised when the code computes other numbers from the same record, so that stored phases are not reused."""

ADDED_TO_USE = ("total", "disjoint", "exponent", "steps_ratio", "counts_only", "loss_weight")
"""Fields of a use that came later: left out of the hash at their defaults."""
NEVER_HASHED = ("options", "where_present")
"""Fields of a use whose effect is hashed elsewhere."""


def lean(record: Record, added: Iterable[str], never: Iterable[str] = ()) -> dict[str, Any]:
    """A record as data, without fields that came later and are at their defaults: ids of old work stay."""
    fields = type(record).model_fields
    left_out = {name for name in added if getattr(record, name) == fields[name].default} | set(never)
    return record.model_dump(mode="json", exclude=left_out)


def digest(identity: Mapping[str, Any]) -> str:
    """A phase's id, 20 hex digits."""
    text = json.dumps(identity, sort_keys=True, ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:20]
