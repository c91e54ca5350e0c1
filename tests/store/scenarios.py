"""Changes of a store that are killed, or fail, at every file operation. Run as a script, it does so.

`python scenarios.py ROOT NAME` makes one store per kind of fault and file operation of the change below ROOT, in
forked processes, and prints how each process ended.
"""

import importlib
import json
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from xfer.core.errors import XferError
from xfer.core.records import Plan, Problem
from xfer.core.storage import faults, files, manifest
from xfer.core.storage.locks import phase_lock
from xfer.core.storage.store import Store


class Scenario(NamedTuple):
    before: Callable[[Store], None]
    change: Callable[[Store], None]
    state: Callable[[Store], dict[str, Any]]
    """What a later process sees, in parts of which each is old or new."""


def committed(final: Path) -> Path:
    """A folder with four files, one of them empty, one below."""
    with files.committed_folder(final) as folder:
        files.write_json(folder / "phase.json", {"b": 1, "a": [1.5, None, "ü"]})
        (folder / "model.safetensors").write_bytes(bytes(range(256)) * 3)
        (folder / "empty").write_bytes(b"")
        (folder / "predictions").mkdir()
        (folder / "predictions" / "en.parquet").write_text("rows")
    return final


def commit(store: Store, id: str, text: str) -> None:
    with store.commit_phase(id) as folder:
        files.write_json(folder / "phase.json", {"text": text})
        (folder / "model.safetensors").write_bytes(b"weights of " + text.encode())
        (folder / "predictions").mkdir()
        (folder / "predictions" / "en.parquet").write_text(text)


def phases(store: Store) -> dict[str, Any]:
    def seen(id: str) -> Any:
        if not store.has_phase(id):
            return None
        entries = manifest.read_manifest(store.phase_folder(id))
        return [store.phase_info(id), store.has_weights(id), sorted(entries)]

    return {id: seen(id) for id in ("a1", "b2")} | {"problems": len(store.problems)}


def commit_and_drop(store: Store) -> None:
    commit(store, "a1", "first")
    store.drop_weights("a1")


def write_run(store: Store, text: str) -> None:
    problem = Problem(stage="plan", message=text)
    store.write_run("run", {"text": text}, Plan(phases=(), cells=(), problems=(problem,)), [], [problem])


def read_run(store: Store) -> dict[str, Any]:
    if "run" not in store.runs():
        return {"settings": None, "plan": None, "problems": None}
    run = store.load_run("run")
    told = run.problems[0].message if run.problems else None
    return {"settings": run.settings, "plan": run.plan.problems[0].message, "problems": told}


def append(store: Store, text: str) -> None:
    files.append_line(store.root / "log.jsonl", json.dumps({"text": text}))


def lock(store: Store) -> None:
    with phase_lock(store, "a1"):
        pass


def lockable(store: Store) -> dict[str, Any]:
    lock(store)
    return {"lockable": True}


def checkpoint(store: Store, step: int) -> None:
    import torch

    from xfer.core.storage import checkpoints

    tensors = {"weights": {"w": torch.full((3,), float(step))}, "optimizer": {"m": torch.zeros(2)}}
    checkpoints.save(store.partial_folder("a1"), step, tensors, {"position": step})


def read_checkpoint(store: Store) -> dict[str, Any]:
    from xfer.core.storage import checkpoints

    folder = store.partial_folder("a1")
    found = checkpoints.latest(folder)
    assert found is not None
    assert found.tensors("weights")["w"].tolist() == [found.step] * 3
    sound = sum(not files.verify(path) for path in folder.glob("step-*"))
    return {"step": found.step, "state": found.state, "two are sound": sound >= 2}


SCENARIOS = {
    "commit": Scenario(lambda s: commit(s, "a1", "first"), lambda s: commit(s, "b2", "second"), phases),
    "first": Scenario(lambda s: None, lambda s: commit(s, "a1", "first"), phases),
    "replace": Scenario(commit_and_drop, lambda s: commit(s, "a1", "second"), phases),
    "drop": Scenario(lambda s: commit(s, "a1", "first"), lambda s: s.drop_weights("a1"), phases),
    "run": Scenario(lambda s: write_run(s, "old"), lambda s: write_run(s, "new"), read_run),
    "first-run": Scenario(lambda s: None, lambda s: write_run(s, "new"), read_run),
    "append": Scenario(
        lambda s: append(s, "one"),
        lambda s: append(s, "a longer line than the first"),
        lambda s: {"rows": files.read_json_lines(s.root / "log.jsonl")},
    ),
    "lock": Scenario(lambda s: None, lock, lockable),
    "checkpoint": Scenario(
        lambda s: [checkpoint(s, step) for step in (10, 20)] and None, lambda s: checkpoint(s, 30), read_checkpoint
    ),
    "same-checkpoint": Scenario(
        lambda s: [checkpoint(s, step) for step in (10, 20)] and None, lambda s: checkpoint(s, 20), read_checkpoint
    ),
}


def in_child(work: Callable[[], int]) -> int:
    """Exit status of a forked process, or minus the signal that ended it."""
    child = os.fork()
    if child == 0:
        try:
            os._exit(work())
        except XferError as error:
            os._exit(int(error.status))
        except BaseException as error:
            print(repr(error), file=sys.stderr)
            os._exit(100)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main(root: Path, name: str) -> None:
    scenario = SCENARIOS[name]
    if name.endswith("checkpoint"):
        importlib.import_module("safetensors.torch")  # once, and not in every child

    def run(folder: Path, fault: int = 0, action: str = "") -> int:
        store = Store(folder)
        scenario.before(store)
        begun = faults.operations()
        if fault:
            os.environ[faults.VARIABLE] = f"write:{begun + fault}:{action}"
        scenario.change(store)
        return faults.operations() - begun

    in_child(lambda: scenario.before(Store(root / "old")) or 0)
    count = in_child(lambda: run(root / "new"))
    ends = {
        action: [in_child(partial(run, root / action / str(n), n, action)) for n in range(1, count + 1)]
        for action in ("kill", "enospc")
    }
    print(json.dumps(ends))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
