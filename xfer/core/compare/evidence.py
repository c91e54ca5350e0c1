"""What a store's phases hold besides result rows: predictions, how they were trained, what that took."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xfer.core.compare.shown import cut, prediction
from xfer.core.errors import UserError, XferError
from xfer.core.records import Record
from xfer.core.storage import files
from xfer.core.storage.store import Store, checked_name

if TYPE_CHECKING:
    import numpy as np


class Prediction(Record):
    """One example with a system's prediction; texts are cut. `text` and `gold` are empty in older stores."""

    text: str
    gold: str
    prediction: str


@dataclass
class Evidence:
    """The phases of one or several stores. Whatever is not there, or cannot be read, is None or empty."""

    roots: tuple[Path, ...]
    _infos: dict[str, dict[str, Any]] = field(default_factory=dict, repr=False)

    def folder(self, phase: str) -> Path | None:
        """The folder of a phase, in the first store that has it."""
        for root in self.roots:
            try:
                folder = Store(root).phase_folder(phase)
            except UserError:
                return None
            if folder.is_dir():
                return folder
        return None

    def info(self, phase: str) -> dict[str, Any]:
        """The phase.json of a phase; empty where there is none."""
        if phase not in self._infos:
            folder = self.folder(phase)
            try:
                self._infos[phase] = files.read_json(folder / "phase.json") if folder else {}
            except (OSError, ValueError, XferError):
                self._infos[phase] = {}
        return self._infos[phase]

    def parents(self, phase: str) -> list[str]:
        """The phases that one starts from or needs."""
        identity = self.info(phase).get("identity", {})
        named = [*identity.get("parents", ()), *identity.get("needs", ())]
        return [name for name in named if ":" not in name]

    def chain(self, phase: str) -> list[str]:
        """All phases that lead to one, each once, in an order in which they can run; the phase itself is last."""
        return list(dict.fromkeys(self._ancestors(phase)))

    def _ancestors(self, phase: str) -> Iterator[str]:
        for parent in self.parents(phase):
            yield from self._ancestors(parent)
        yield phase

    def log(self, phase: str) -> list[dict[str, float]]:
        """The logged steps of a training phase: step, loss and learning rate, or step and score on English dev."""
        folder = self.folder(phase)
        path = folder / "log.jsonl" if folder else None
        try:
            return list(files.read_json_lines(path)) if path and path.is_file() else []
        except (OSError, ValueError, XferError):
            return []

    def points(self, phase: str, task: str, language: str) -> "tuple[np.ndarray, np.ndarray] | None":
        """Ids and points of the scored examples of one language; None where single examples have no points."""
        import numpy as np

        table = self._table(phase, task, language, ("id", "points"))
        if table is None:
            return None
        ids = np.asarray(table.column("id").to_pylist(), dtype=str)
        points = table.column("points").to_numpy().astype(np.float64)
        asked = np.isfinite(points)
        return ids[asked], points[asked]

    def predictions(self, phase: str, task: str, language: str, ids: set[str]) -> dict[str, Prediction]:
        """Some examples of one language, by id."""
        table = self._table(phase, task, language, ("id", "prediction"), ("text", "gold"))
        rows = table.to_pylist() if table is not None else []
        return {
            row["id"]: Prediction(
                text=cut(row.get("text", "")),
                gold=cut(row.get("gold", "")),
                prediction=prediction(row["prediction"]),
            )
            for row in rows
            if row["id"] in ids
        }

    def _table(
        self, phase: str, task: str, language: str, needed: tuple[str, ...], wanted: tuple[str, ...] = ()
    ) -> Any:
        import pyarrow as pa
        import pyarrow.parquet as pq

        folder = self.folder(phase)
        try:
            name = f"{checked_name(task.rpartition('/')[2])}.{checked_name(language.lower()) and language}.parquet"
        except UserError:
            return None
        path = folder / "predictions" / name if folder else None
        if path is None or not path.is_file():
            return None
        try:
            with pq.ParquetFile(path) as file:
                names = set(file.schema_arrow.names)
                if not names.issuperset(needed):
                    return None
                return file.read([*needed, *(name for name in wanted if name in names)], use_threads=False)
        except (pa.ArrowException, OSError):
            return None
