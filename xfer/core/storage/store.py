"""The store: what was computed, by content, in a folder that several processes share.

phases/<id>/            phase.json  model.safetensors  heads.safetensors  results.jsonl  …  DONE
phases/<id>.partial/    checkpoints of a phase that is being trained
phases/<id>.damaged-1/  a phase that did not verify, moved aside
runs/<name>/            run.toml  plan.json  progress.json  results.jsonl  problems.jsonl  DONE
cache/features/<hash>/  tokenised data
cache/translations/     by translator and text
locks/                  who works on which phase
launches/               what the processes of a launcher tell it, while they run
"""

import os
import re
import shutil
import time
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xfer.core import toml
from xfer.core.errors import Damaged, UnknownName, UserError
from xfer.core.records import Plan, Problem, ResultRow
from xfer.core.storage import files, manifest

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_RUN = ("run.toml", "plan.json", "results.jsonl", "problems.jsonl")
"""What `DONE` of a run lists; others, such as notes and progress, may lie beside."""
_DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))}


@dataclass(frozen=True)
class StoredRun:
    """A run as it was written last."""

    name: str
    settings: dict[str, Any]
    plan: Plan
    results: tuple[ResultRow, ...]
    problems: tuple[Problem, ...]


def checked_name(name: str, kind: str = "name") -> str:
    """`name`, if it can name a file or folder on every system; UserError otherwise."""
    if not _NAME.fullmatch(name) or name.endswith(".") or name.partition(".")[0] in _DEVICES:
        raise UserError(
            f"{name!r} cannot be a {kind}",
            fix="use lower-case letters, digits, '.', '_' and '-', at most 64, a letter or digit first, "
            "and no name that an operating system keeps for itself",
        )
    return name


def check_run(folder: Path) -> None:
    """Raise Damaged where a run's files are not those that were written; one without `DONE` is still at work."""

    def wrong() -> list[str]:
        there = os.path.lexists(folder / manifest.DONE)
        return (
            [problem for problem in files.verify(folder) if not problem.endswith("is not listed")] if there else []
        )

    # Twice, for another process may write the run between the reading of DONE and of the files.
    if found := wrong() and wrong():
        raise Damaged(
            f"run {folder.name!r} is damaged: {'; '.join(found[:3])}",
            where=str(folder),
            fix="issue its command again with the same --name: sound phases are used, the rows written anew",
        )


@dataclass
class Store:
    """The store in a folder, which is made when something is written."""

    root: Path
    problems: list[Problem] = field(default_factory=list)
    """Phases that were moved aside because they were damaged."""
    _verified: dict[str, bytes] = field(default_factory=dict, repr=False)

    # ------------------------------------------------------------ phases

    def phase_folder(self, id: str) -> Path:
        """Where a phase lies, or will lie; UserError for an id that cannot be one."""
        if "." in id:
            raise UserError(f"{id!r} cannot be a phase id", fix="use letters, digits, '_' and '-'")
        return self.root / "phases" / checked_name(id, "phase id")

    def partial_folder(self, id: str) -> Path:
        """Where the checkpoints of an unfinished phase lie."""
        return self.phase_folder(id).with_name(f"{id}.partial")

    def has_phase(self, id: str) -> bool:
        """Whether a phase is stored and sound. All of it is hashed once a process, and again when it changed.

        A damaged phase is moved aside, told in `problems`, and counts as absent.
        """
        folder = self.phase_folder(id)
        if not os.path.lexists(folder):
            files.restore(folder)
        if not os.path.lexists(folder):
            return False
        stamp = manifest.stamp(folder)
        if self._verified.get(id) == stamp:
            return True
        # Twice, for another process may drop weights between the reading of DONE and of the files.
        found = files.verify(folder) and files.verify(folder)
        if found:
            self._move_aside(folder, found)
            return False
        self._verified[id] = stamp
        return True

    @contextmanager
    def commit_phase(self, id: str) -> Iterator[Path]:
        """A temporary folder that becomes the phase when the block ends well, in place of an older one."""
        folder = self.phase_folder(id)
        files.sweep(folder.parent)
        with files.committed_folder(folder, replace=True) as temporary:
            yield temporary
        self._verified[id] = manifest.stamp(folder)

    def phase_info(self, id: str) -> dict[str, Any]:
        """The phase.json of a stored phase; Damaged if there is none."""
        info: dict[str, Any] = files.read_json(self.phase_folder(id) / "phase.json")
        return info

    def results(self, id: str) -> list[dict[str, Any]]:
        """The result lines of a stored phase that evaluates; none for others."""
        return files.read_json_lines(self.phase_folder(id) / "results.jsonl")

    def has_weights(self, id: str) -> bool:
        """Whether a phase is stored with weights that were not dropped."""
        entries = self._weights(id)
        return bool(entries) and not any(entry.dropped for entry in entries.values())

    def dropped_weights(self, id: str) -> bool:
        """Whether a stored phase had weights that were dropped."""
        return any(entry.dropped for entry in self._weights(id).values())

    def drop_weights(self, id: str) -> None:
        """Remove the weights of a stored phase. `DONE` keeps their checksums and says that they were dropped."""
        weights = self._weights(id)
        if not weights:
            return
        folder = self.phase_folder(id)
        dropped = {name: entry._replace(dropped=True) for name, entry in weights.items()}
        if dropped != weights:
            files.write_manifest(folder, manifest.read_manifest(folder) | dropped)
        for name in weights:
            files.remove(folder / name, beside=folder.parent)

    def _weights(self, id: str) -> dict[str, manifest.Entry]:
        try:
            entries = manifest.read_manifest(self.phase_folder(id))
        except (OSError, ValueError):
            return {}
        return {name: entry for name, entry in entries.items() if re.fullmatch(r"[^/]+\.safetensors", name)}

    def _move_aside(self, folder: Path, found: list[str]) -> None:
        number = 1
        while os.path.lexists(aside := folder.with_name(f"{folder.name}.damaged-{number}")):
            number += 1
        files.move(folder, aside)
        self._verified.pop(folder.name, None)
        message = f"stored phase {folder.name} is damaged and was moved to {aside.name}: {'; '.join(found[:3])}"
        self.problems.append(Problem(stage="store", message=message, where=str(aside)))

    # ------------------------------------------------------------ runs

    def run_folder(self, name: str) -> Path:
        """Where a run lies, or will lie; UserError for a name that cannot be one."""
        return self.root / "runs" / checked_name(name, "run name")

    def new_run_name(self) -> str:
        """A name that no run has, from date and time; its folder is made, so that no other process takes it."""
        stem = time.strftime("%Y%m%d-%H%M%S")
        files.ensure_folder(self.root / "runs")
        number = 1
        while True:
            name = stem if number == 1 else f"{stem}-{number}"
            try:
                files.claim_folder(self.run_folder(name))
            except FileExistsError:
                number += 1
            else:
                return name

    def runs(self) -> list[str]:
        """Names of the runs that were written, in order."""
        folder = self.root / "runs"
        found = folder.iterdir() if folder.is_dir() else ()
        return sorted(path.name for path in found if _NAME.fullmatch(path.name) and (path / "plan.json").is_file())

    def start_run(self, name: str, settings: Mapping[str, Any], plan: Plan) -> None:
        """Write down what a run is about to do, so that nobody takes its phases for unneeded ones.

        Rows that are there stay until the run ends; who reads them leaves out those that the plan does not name.
        """
        folder = self.run_folder(name)
        for place in (folder.parent, folder):
            files.sweep(place)
        files.remove(folder / manifest.DONE)
        files.write_text(folder / "run.toml", toml.dumps(settings))
        files.write_json(folder / "plan.json", plan.model_dump(mode="json"))
        files.write_manifest(folder, manifest.listed(folder, _RUN))

    def write_run(
        self,
        name: str,
        settings: Mapping[str, Any],
        plan: Plan,
        results: Iterable[ResultRow],
        problems: Iterable[Problem],
    ) -> None:
        """Write a run's files, each atomically: run.toml, plan.json, results.jsonl, problems.jsonl; `DONE` last."""
        folder = self.run_folder(name)
        self.start_run(name, settings, plan)
        files.remove(folder / manifest.DONE)
        files.write_json_lines(folder / "results.jsonl", (row.model_dump(mode="json") for row in results))
        files.write_json_lines(folder / "problems.jsonl", (problem.model_dump(mode="json") for problem in problems))
        files.write_manifest(folder, manifest.listed(folder, _RUN))

    def load_run(self, name: str) -> StoredRun:
        """A stored run.

        Raises:
            UnknownName: no run has this name.
            Damaged: one of its files cannot be read.
        """
        folder = self.run_folder(name)
        if name not in self.runs():
            raise UnknownName("run", name, self.runs(), extra=f"(in {self.root})")
        check_run(folder)
        try:
            return StoredRun(
                name,
                tomllib.loads((folder / "run.toml").read_text(encoding="utf-8")),
                Plan.model_validate(files.read_json(folder / "plan.json")),
                tuple(map(ResultRow.model_validate, files.read_json_lines(folder / "results.jsonl"))),
                tuple(map(Problem.model_validate, files.read_json_lines(folder / "problems.jsonl"))),
            )
        except (OSError, ValueError) as error:
            raise Damaged(f"run {name!r} cannot be read: {error}", where=str(folder)) from error

    # ------------------------------------------------------------ the rest

    def feature_folder(self, key: str) -> Path:
        """Where tokenised data lies, by hash."""
        return self.root / "cache" / "features" / checked_name(key, "feature key")

    def sweep(self) -> list[str]:
        """Clear up after crashes: temporary names, and checkpoints of phases that are stored. Removed names."""
        phases = self.root / "phases"
        cleared = (
            files.sweep(phases) + files.sweep(self.root / "cache" / "features") + files.sweep(self.root / "locks")
        )
        for partial in sorted(phases.glob("*.partial")):
            if files.is_committed(phases / partial.stem) and self.has_weights(partial.stem):
                files.remove(partial)
                cleared.append(partial.name)
        return cleared

    def disk_usage(self) -> dict[str, int]:
        """Bytes in `phases`, `runs` and `cache`, and `free` ones on the disk."""
        used = {part: manifest.tree_size(self.root / part) for part in ("phases", "runs", "cache")}
        there = next(folder for folder in (self.root, *self.root.absolute().parents) if folder.exists())
        return used | {"free": shutil.disk_usage(there).free}
