"""A small run that is killed, damaged and repeated, in processes forked from one that has torch loaded already."""

import hashlib
import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from xfer import commands
from xfer.core.storage import faults, files
from xfer.core.storage.store import Store

TOY = Path(__file__).parents[1] / "engine" / "toy.py"
STEPS = 5


def options(model: Path, root: Path, **more: Any) -> dict[str, Any]:
    """A mixture as intermediate phase, one target; a checkpoint after every step; all weights kept."""
    return {
        "strategy": "english-stilts", "suite": "toy", "plugin": TOY, "model": str(model), "store": root,
        "intermediate": "toy-more,toy-tag", "target": "toy-class", "name": "run", "keep": "all",
        "limit": {"train": 24, "test": 6, "dev": 6},
        "set": {"train.max_steps": STEPS, "engine.checkpoint_seconds": 0, "engine.log_seconds": 1e-9},
        **more,
    }  # fmt: skip


def run(model: Path, root: Path, **more: Any) -> commands.RunResult:
    """The run, or what is left of it."""
    return commands.run(**options(model, root, **more))


def in_child(work: Callable[[], Any], quiet: bool = False) -> int:
    """Start `work` in a forked process; its number."""
    child = os.fork()
    if child == 0:
        try:
            if quiet:
                null = os.open(os.devnull, os.O_WRONLY)
                os.dup2(null, 1)
                os.dup2(null, 2)
            done = work()
            os._exit(int(getattr(done, "status", done) or 0))
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
            os._exit(int(getattr(error, "status", 100)))
    return child


def ended(child: int) -> int:
    """How it ended: its status, or minus the signal."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def digests(root: Path) -> dict[str, str]:
    """The content of all phases and the run's rows by name: weights, heads, logs, predictions, scores; no times."""
    found = {}
    for path in [*sorted(root.glob("phases/*/**/*")), root / "runs" / "run" / "results.jsonl"]:
        name = path.relative_to(root).as_posix()
        if not path.is_file() or ".damaged-" in name or path.name == "DONE":
            continue
        data = path.read_bytes()
        if path.suffix in (".json", ".jsonl"):
            with suppress(ValueError):  # a damaged one counts as it is
                rows = [json.loads(data)] if path.suffix == ".json" else list(map(json.loads, data.splitlines()))
                kept = [{key: value for key, value in row.items() if key != "seconds"} for row in rows]
                data = json.dumps(kept, sort_keys=True).encode()
        found[name] = hashlib.sha256(data).hexdigest()
    return found


def leftovers(root: Path) -> list[str]:
    """What only a crash leaves: temporary and old names, checkpoints of finished phases, damaged folders."""
    return [
        path.name for path in root.rglob("*") if path.name.startswith((".tmp-", ".old-")) or ".partial" in path.name
    ]


def operations(model: Path, root: Path) -> int:
    """How many file operations the run makes; it is done in this process, which warms it up."""
    before = faults.operations()
    run(model, root)
    return faults.operations() - before


def killed_at(model: Path, root: Path, number: int, action: str = "kill") -> int:
    """Run with a fault at that file operation; how it ended."""

    def work() -> int:
        os.environ[faults.VARIABLE] = f"write:{faults.operations() + number}:{action}"
        return int(run(model, root).status)

    return ended(in_child(work, quiet=True))


def killed_after(model: Path, root: Path, seconds: float) -> int:
    """Run the command, and kill it from outside after some time; how it ended."""
    from xfer.cli import run_command

    child = in_child(lambda: run_command(command(model, root)), quiet=True)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    return ended(child)


def command(model: Path, root: Path, name: str = "run") -> list[str]:
    """The same run as a command line."""
    return [
        "run", "--suite", "toy", "--plugin", str(TOY), "--model", str(model), "--strategy", "english-stilts",
        "--intermediate", "toy-more,toy-tag", "--target", "toy-class", "--keep", "all", "--name", name,
        "--limit", "train=24,test=6,dev=6", "--set", f"train.max_steps={STEPS}", "--set",
        "engine.checkpoint_seconds=0", "--set", "engine.log_seconds=1e-9", "--store", str(root), "--quiet",
    ]  # fmt: skip


# ---------------------------------------------------------------- damage


def flip(path: Path, draw: random.Random) -> None:
    """Turn one bit over, in place."""
    data = bytearray(path.read_bytes())
    bit = draw.randrange(len(data) * 8)
    data[bit // 8] ^= 1 << (bit % 8)
    path.write_bytes(data)


def cut(path: Path, draw: random.Random) -> None:
    """Lose the end."""
    os.truncate(path, draw.randrange(path.stat().st_size))


@contextmanager
def put_back(path: Path) -> Iterator[None]:
    """The file as it was, afterwards."""
    data = path.read_bytes()
    try:
        yield
    finally:
        path.write_bytes(data)


def detected(root: Path, path: Path) -> bool:
    """Whether xfer notices that something is wrong with this file of a store."""
    from xfer.core.errors import Damaged
    from xfer.core.storage import checkpoints

    parts = path.relative_to(root).parts
    if parts[0] == "runs":
        try:
            Store(root).load_run(parts[1])
        except Damaged:
            return True
        return False
    if parts[1].endswith(".partial"):
        newest = checkpoints.latest(root / parts[0] / parts[1])
        sound = [each for each in (root / parts[0] / parts[1]).glob("step-*") if not files.verify(each)]
        return (root / parts[0] / parts[1] / parts[2]) not in sound and newest is not None and newest.path in sound
    return bool(files.verify(root / parts[0] / parts[1]))
