"""Names of records: short while they are unique, `owner/name` always. Nothing shadows anything."""

from collections.abc import Iterator, Sequence
from typing import Any, Generic, TypeVar

from xfer.core.errors import UnknownName, UserError

R = TypeVar("R")
BUILTIN = "xfer"
"""The owner of what ships with xfer."""


class Registry(Generic[R]):
    """Records of one kind. `missing` tells of plugins that did not load; it may grow later."""

    def __init__(self, kind: str, missing: Sequence[str] = ()) -> None:
        self.kind = kind
        self._missing = missing
        self._records: dict[str, R] = {}
        self._owners: dict[str, list[str]] = {}

    def add(self, owner: str, record: Any) -> bool:
        """Take a record in; False, and no change, if its owner already gave one of this name."""
        full = f"{owner}/{record.name}"
        if full in self._records:
            return False
        self._records[full] = record
        self._owners.setdefault(record.name, []).append(owner)
        return True

    def full_name(self, name: str, within: str = "") -> str:
        """`owner/name` of a short or full name.

        A name that stands inside a record of the owner `within` means that owner's own record first, so that
        a third-party task cannot make a built-in suite ambiguous. Raises UserError for an ambiguous name,
        UnknownName for one that nothing answers to.
        """
        if name in self._records:
            return name
        owners = self._owners.get(name, [])
        if within in owners:
            return f"{within}/{name}"
        if len(owners) == 1:
            return f"{owners[0]}/{name}"
        if owners:
            full = sorted(f"{owner}/{name}" for owner in owners)
            raise UserError(f"{self.kind} {name!r} is ambiguous", fix=f"write {' or '.join(full)}")
        known = self._records if "/" in name else self.names()
        extra = f"(not loaded: {'; '.join(self._missing)}; see `xfer plugins`)" if self._missing else ""
        raise UnknownName(self.kind, name, known, extra)

    def get(self, name: str, within: str = "") -> R:
        """The record of a short or full name; errors as for `full_name`."""
        return self._records[self.full_name(name, within)]

    def names(self) -> list[str]:
        """All usable names, sorted: short where unique, full where not."""
        return [name for name, _ in self.items()]

    def items(self) -> list[tuple[str, R]]:
        """Usable names with their records, sorted by name."""
        pairs = ((full, record, full.partition("/")[2]) for full, record in self._records.items())
        return sorted(
            ((short if len(self._owners[short]) == 1 else full, record) for full, record, short in pairs),
            key=lambda pair: pair[0],
        )

    def owner(self, record: R) -> str:
        """Who gave this very record. Raises KeyError if nobody here did."""
        for full, known in self._records.items():
            if known is record:
                return full.partition("/")[0]
        raise KeyError(f"not a {self.kind} of this registry")

    def __contains__(self, name: object) -> bool:
        return name in self._records or name in self._owners

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[R]:
        return (record for _, record in self.items())
