"""`--executor ray` on a real cluster of this machine, begun and ended by the run."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.engine.conftest import Kit
from tests.grid.conftest import TWO, parent_of_job, plain
from tests.grid.test_local import command, environment
from xfer import commands
from xfer.core.storage.store import Store

pytest.importorskip("ray")
FIVE = ("none", "english-stilts", "mlm-stilts", "translated-stilts", "multilingual-stilts")


@pytest.mark.slow
def test_five_strategies_on_two_workers_give_the_rows_of_one_process(
    tmp_path: Path, tiny_encoder: Callable[[str], Path]
) -> None:
    model, store = tiny_encoder("xlm-roberta"), tmp_path / "store"
    small = ["--limit", "train=16,test=6", "--set", "train.max_steps=2", "--language", "de", "--model", str(model)]
    targets = ["--target", "mini-xnli", "--target", "mini-tatoeba"]
    start = [word for name in FIVE for word in ("--strategy", name)]
    line = [
        *command(Kit(store, model, model))[:4],
        *start,
        *targets,
        *small,
        "--store",
        str(store),
        "--name",
        "run",
    ]
    done = subprocess.run(
        [*line, "--executor", "ray", "--jobs", "2", "--json"], env=environment(), capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["problems"] == []
    alone = commands.run(
        FIVE, model=str(model), store=tmp_path / "alone", target=("mini-xnli", "mini-tatoeba"), language="de",
        limit={"train": 16, "test": 6}, set={"train.max_steps": 2},
    )  # fmt: skip
    assert len({row.label for row in alone.results}) == 5
    assert plain(Store(store).load_run("run").results) == plain(alone.results)
    begun = [line for line in done.stderr.splitlines() if line.startswith("[") and line.endswith(")")]
    assert len(begun) == len(set(begun))


def checkpoint(kit: Kit, id: str, process: "subprocess.Popen[bytes]") -> None:
    """Wait until a phase has one."""
    while not list(kit.store.glob(f"phases/{id}.partial/step-*")):
        assert process.poll() is None
        time.sleep(0.05)


@pytest.mark.slow
def test_a_killed_worker_and_a_killed_driver_cost_no_row(kit: Kit) -> None:
    slow: dict[str, Any] = {"train.max_steps": 300, "engine.checkpoint_seconds": 0.2}
    line = [*command(kit, **slow), "--executor", "ray"]
    train = kit.prepare(**{**TWO, "set": slow}).plan.phases
    first = next(planned.id for planned in train if planned.phase.role == "intermediate")
    driver = subprocess.Popen(line, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    checkpoint(kit, first, driver)
    os.kill(parent_of_job(kit.store / "runs" / "run", first), signal.SIGKILL)  # Ray's worker
    while kit.store.joinpath("diary.txt").read_text().count("intermediate toy-more") < 2:
        assert driver.poll() is None
        time.sleep(0.05)
    driver.kill()
    driver.wait()
    done = subprocess.run(line, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    alone = kit.run(**{**TWO, "set": slow}, store=kit.store.with_name("alone"))
    assert plain(Store(kit.store).load_run("run").results) == plain(alone.results)
