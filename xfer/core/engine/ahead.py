"""A second process that tokenises what later phases need, while the first are computed.

It is `xfer data tokenise RUN` of lower priority. A process, not a thread: whoever reads rows in Python would take
the interpreter's lock from the training loop at every operation. It works for the cache alone: a run without
it computes the same, and what it fails with is told and changes nothing.
"""

import os
import subprocess
import sys
from collections.abc import Iterator, Set
from contextlib import contextmanager

from xfer.core.encoders.device import available_cores
from xfer.core.grid.jobs import Job, JobProcess
from xfer.core.plans.start_points import strategy_text
from xfer.core.records import Plan, Problem
from xfer.core.run import Run
from xfer.core.storage import files
from xfer.core.storage.last_calls import forget, last_calls

NAME = "ahead"
GRACE = 1.0
"""Seconds that it has to clear up itself when the run ends before it; while it starts it hears nothing."""


@contextmanager
def tokenising_ahead(plan: Plan, run: Run, needed: Set[str]) -> Iterator[None]:
    """Within the block, where `engine.ahead` has it, the data of the phases that are `needed` are tokenised.

    "auto" begins with the first large data that a phase makes itself: those of others are large then, too, as a
    rule, and no row needs to be read to know it.
    """
    begun: list[JobProcess] = []

    def begin() -> None:
        run.large_data = _nothing
        try:
            begun.append(_begin(run))
        except OSError as error:
            run.tell(Problem(stage="data", message=f"nothing is tokenised ahead of the run: {error}"))

    if _wanted(plan, run, needed):
        if run.settings.engine.ahead == "on":
            begin()
        else:
            run.large_data = begin
    try:
        yield
        for process in begun:
            _tell(process, run)
    finally:
        run.large_data = _nothing
        for process in begun:
            _end(process, run)


def _nothing() -> None:
    pass


def _wanted(plan: Plan, run: Run, needed: Set[str]) -> bool:
    setting = run.settings.engine.ahead
    alone = run.group.world == 1 and not run.settings.launcher
    if setting == "off" or not alone or len(needed) < 2 or not _made_by_its_settings(plan, run):
        return False
    return setting == "on" or run.device.kind != "cpu" or _idle_cores(run) > 0


def _made_by_its_settings(plan: Plan, run: Run) -> bool:
    """Whether the run is written down and can be planned again from that: `xfer eval` makes its own strategy."""
    written = run.name and (run.store.run_folder(run.name) / "plan.json").is_file()
    asked = {strategy_text(text)[0].rpartition("/")[2] for text in run.settings.strategy}
    return bool(written) and {cell.strategy for cell in plan.cells} <= asked


def _idle_cores(run: Run) -> int:
    import torch

    return available_cores() - (torch.get_num_threads() if run.device.kind == "cpu" else 1)


def _begin(run: Run) -> JobProcess:
    folder = run.store.run_folder(run.name).absolute()
    command = (sys.executable, "-m", "xfer", "-q", "data", "tokenise", str(folder), "--ahead")
    job = Job(id=NAME, name=NAME, command=command, folder=os.getcwd(), log=folder / f"{NAME}.log")
    threads = str(max(1, _idle_cores(run)))
    environment = {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1", "RAYON_NUM_THREADS": threads}
    return JobProcess(job, environment, stdin=subprocess.PIPE)


def _tell(process: JobProcess, run: Run) -> None:
    """Tell of a process that failed."""
    ended = process.poll()
    if ended is None or ended.status == 0:
        return
    ending = f"signal {-ended.status}" if ended.status < 0 else f"exit status {ended.status}"
    message = f"tokenising ahead of the run ended with {ending}; the phases did the rest themselves"
    run.tell(Problem(stage="data", message=message, where=str(process.job.log), detail=ended.tail))


def _end(process: JobProcess, run: Run) -> None:
    """End it with what it reads, and clear up what it left: that it was ended is no plugin's fault."""
    own_end = process.poll()
    process.hang_up()
    if own_end is None and process.poll(GRACE) is None:
        process.kill()
        files.sweep(run.store.root / "cache" / "features")
        for call in last_calls():
            if call.pid == process.pid:
                forget(call.path)
    if own_end is None or own_end.status == 0:
        files.remove(process.job.log)
