"""`--executor slurm`: the script that submitit hands to sbatch, and real jobs by submitit's local executor."""

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.engine.conftest import Kit
from tests.grid.conftest import parent_of_job, plain
from xfer import commands
from xfer.core.errors import UserError
from xfer.core.grid.jobs import Job, make_job
from xfer.plugins.executors import slurm

pytest.importorskip("submitit")
GOLDEN = Path(__file__).parent / "golden"
SBATCH = """#!/bin/bash
cp "$1" "{folder}/script-$(ls {folder} | grep -c script).sh"
echo Submitted batch job 77
"""


def options(**given: Any) -> slurm.Options:
    return slurm.Options(**given)


def job(folder: Path, name: str) -> Job:
    return Job(name, name, ("true",), str(folder), folder / "jobs" / f"{name}.log")


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the commands of SLURM, which only write down what they are asked."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "sbatch").write_text(SBATCH.format(folder=tmp_path))
    (folder / "srun").write_text("#!/bin/bash\n")
    (folder / "scancel").write_text(f'#!/bin/bash\necho "$@" >> {tmp_path}/scancel.txt\n')
    for path in folder.iterdir():
        path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return tmp_path


def test_the_scripts_for_sbatch_are_held(cluster: Path) -> None:
    asked = options(partition="gpu", gpus=1, cpus=4, mem="32GB", time=240, qos="normal", setup="module load python")
    executor = slurm.OnSlurm(asked, 8)
    assert executor.jobs == 8
    (one,) = executor.submit([job(cluster, "a")])
    array = executor.submit([job(cluster, name) for name in "bcd"])
    assert [handle.job_id for handle in (one, *array)] == ["77", "77_0", "77_1", "77_2"]
    scripts = [path.read_text() for path in sorted(cluster.glob("script-*.sh"))]
    text = "\n".join(scripts).replace(str(cluster), "/STORE").replace(sys.executable, "PYTHON")
    path = GOLDEN / "submitit.txt"
    if os.environ.get("XFER_UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")
    executor.close()
    assert (cluster / "scancel.txt").read_text().split() == ["77", "77_0", "77_1", "77_2"]


def test_without_a_cluster_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="srun"):
        slurm.OnSlurm(options(), None).submit([job(tmp_path, "a")])


@pytest.mark.slow
def test_a_job_that_is_pre_empted_is_queued_again_and_finishes(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    work = {"set": {"train.max_steps": 200, "engine.checkpoint_seconds": 0.2}}
    prepared = kit.prepare(**work)
    commands.start(prepared)
    store, train = prepared.run.store, prepared.plan.phases[0]
    executor = slurm.OnSlurm(options(cluster="local"), 1)
    (handle,) = executor.submit([make_job(train, store.run_folder("run"))])
    while not list(store.partial_folder(train.id).glob("step-*")):
        assert not handle.done()
        time.sleep(0.05)
    os.kill(parent_of_job(store.run_folder("run"), train.id), signal.SIGUSR1)  # as SLURM would
    found = []
    while not found:
        found = executor.wait([handle], 1.0)
    assert (found[0].status, store.has_phase(train.id)) == (0, True)
    assert kit.diary() == 2 * ["target toy-class"]  # begun, and gone on with
    executor.close()
    finished = kit.run(**work, executor="slurm[cluster=local]")
    assert finished.problems == []
    assert kit.diary() == ["evaluate toy-class"]
    assert plain(finished.results) == plain(kit.run(**work, store=kit.store.with_name("alone")).results)
