"""`xfer grid export`: golden texts, and what make and a scheduler make of them."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.engine.conftest import TOY, Kit
from tests.grid.conftest import TWO, plain
from xfer.core.storage.store import Store
from xfer.testing.pytest_plugin import Outcome

GOLDEN = Path(__file__).parent / "golden"
Export = Callable[..., Outcome]


@pytest.fixture
def export(kit: Kit, run_xfer: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch) -> Export:
    """`export("make")` plans the two start points of the kit and writes their graph."""
    kit.store.mkdir()
    monkeypatch.chdir(kit.store)
    options = ["--suite", "toy", "--plugin", TOY, "--model", kit.model, "--store", kit.store, "--name", "run"]
    options += ["--strategy", "none", "--strategy", "english-stilts", "--target", "toy-class"]
    return lambda to, *more: run_xfer("grid", "export", "--to", to, *options, "--set", "train.max_steps=2", *more)


def neutral(text: str, kit: Kit) -> str:
    """A text without the machine's folders, and with ids that count."""
    ids = list(dict.fromkeys(re.findall(r"\b[0-9a-f]{20}\b", text)))
    for number, id in enumerate(ids, start=1):
        text = text.replace(id, f"PHASE{number}").replace(id[:6], f"PHASE{number}")
    return text.replace(str(kit.store), "/STORE")


@pytest.mark.parametrize("to", ["make", "slurm", "skypilot", "json"])
def test_the_text_for_a_scheduler_is_held(to: str, export: Export, kit: Kit) -> None:
    done = export(to)
    assert done.status == 0, done.err
    path, text = GOLDEN / f"{to}.txt", neutral(done.out, kit)
    if os.environ.get("XFER_UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def test_by_the_folder_of_a_run_what_is_stored_is_left_out(
    export: Export, kit: Kit, run_xfer: Callable[..., Outcome], tmp_path: Path
) -> None:
    assert export("json", "--output", tmp_path / "all.json").err.startswith(
        f"written to {tmp_path / 'all.json'}; run "
    )
    phases = json.loads((tmp_path / "all.json").read_text())["phases"]
    assert [len(phase["after"]) for phase in phases] == [0, 0, 1, 1, 1]
    run = kit.store / "runs" / "run"
    assert run_xfer("grid", "job", run, phases[0]["id"], "-q").status == 0
    left = json.loads(run_xfer("grid", "export", "--to", "json", run).out)["phases"]
    assert [phase["id"] for phase in left] == [phase["id"] for phase in phases[1:]]
    assert [phase["after"] for phase in left if phase["name"].startswith("train")] == [[], []]


def test_what_cannot_be_exported_is_said(export: Export, kit: Kit, run_xfer: Callable[..., Outcome]) -> None:
    assert "did you mean make?" in export("mak").err
    assert "no run here" in run_xfer("grid", "export", "--to", "make", kit.store).err
    assert "did you mean --strategy or" in run_xfer("grid", "export", "--to", "make", "--strategi", "none").err
    with_space = export("make", "--store", kit.store / "a store")
    assert (with_space.status, "cannot hold this path" in with_space.err) == (2, True)


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "XFER": f"{sys.executable} -m xfer", **more}


def rows(kit: Kit) -> list[dict[str, Any]]:
    return plain(Store(kit.store).load_run("run").results)


@pytest.mark.slow
def test_make_gives_the_rows_of_one_process(export: Export, kit: Kit) -> None:
    if not shutil.which("make"):
        pytest.skip("no make here")
    Path("Makefile").write_text(export("make").out)
    done = subprocess.run(["make", "-j2"], env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(kit.diary()) == 5
    assert rows(kit) == plain(kit.run(**TWO, store=kit.store.with_name("alone")).results)
    again = subprocess.run(["make"], env=environment(), capture_output=True, text=True, check=False)
    assert again.stdout.count(" grid job ") == 0


SBATCH = r"""#!/bin/bash
# A scheduler with one machine and no patience: it runs a job at once, and again when it is to be queued again.
echo "$@" >> sbatch.txt
cat > job-$$.sh
SLURM_JOB_ID=$$ bash job-$$.sh >&2
echo $$
"""


@pytest.mark.slow
def test_the_script_for_slurm_submits_every_phase_after_those_it_waits_for(export: Export, kit: Kit) -> None:
    Path("bin").mkdir()
    Path("bin/sbatch").write_text(SBATCH)
    Path("bin/sbatch").chmod(0o755)
    Path("grid.sh").write_text(export("slurm").out)
    path = f"{Path('bin').absolute()}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "grid.sh"], env=environment(PATH=path, SBATCH_OPTIONS="--partition=gpu --gpus=1"),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(kit.diary()) == 5
    assert rows(kit) == plain(kit.run(**TWO, store=kit.store.with_name("alone")).results)
    told = Path("sbatch.txt").read_text().splitlines()
    assert len(told) == 6
    assert all(line.endswith("--partition=gpu --gpus=1") for line in told)
    assert [len(re.findall(r"afterok:\d+ --kill-on-invalid-dep=yes", line)) for line in told] == [0, 0, 1, 1, 1, 0]
    assert len(re.findall(r":\d+", told[-1].partition("afterany")[2])) == 5


def test_the_job_of_the_script_passes_a_signal_on_and_is_queued_again(export: Export, kit: Kit) -> None:
    Path("bin").mkdir()
    text = export("slurm").out
    Path("bin/sbatch").write_text("#!/bin/bash\ncat > job.sh\nexit 1\n")  # the first job is enough
    Path("bin/scontrol").write_text('#!/bin/bash\necho "$@" > scontrol.txt\n')
    Path("bin/xfer").write_text(
        "#!/bin/bash\ntrap 'sleep 0.3; exit 75' USR1\ntouch begun\nwhile true; do sleep 0.05; done\n"
    )
    for path in Path("bin").iterdir():
        path.chmod(0o755)
    paths = environment(PATH=f"{Path('bin').absolute()}:{os.environ['PATH']}", XFER="xfer", SLURM_JOB_ID="7")
    subprocess.run(["bash", "-s"], input=text, env=paths, text=True, capture_output=True, check=False)
    script = "bash job.sh & while [ ! -e begun ]; do sleep 0.02; done; kill -USR1 $!; wait $!"
    done = subprocess.run(["bash", "-c", script], env=paths, check=False, timeout=30)
    assert done.returncode == 75
    assert Path("scontrol.txt").read_text() == "requeue 7\n"
