"""Jobs of SLURM by submitit: `--executor 'slurm[partition=gpu,gpus=1,time=240]'`. Needs the extra `slurm`.

Phases that are ready together become one job array. A job that is pre-empted or runs out of time gets SIGUSR1,
saves its state and is queued again by submitit. `cluster=local` runs the same jobs as processes of this machine.
"""

import os
import signal
import time
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pydantic import Field

from xfer.api import Ended, Executor, Job, JobProcess, Record, UserError, executor_options, hookimpl

SIGNAL = "USR1"
"""What submitit has SLURM send: a job of xfer saves its state on it, and SLURM may signal the job itself too."""
SAVING = 600.0
"""Seconds that a job may take to save its state, where SLURM leaves it so many."""
POLL = 0.2


class Options(Record):
    """What each job asks for, by sbatch's names."""

    cluster: str = "slurm"
    """"local" for processes of this machine."""
    time: int = Field(60, ge=1)
    """Minutes; a phase that takes longer goes on in the next job."""
    partition: str | None = None
    gpus: int | None = None
    cpus: int | None = None
    mem: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    setup: str | None = None
    """A line of shell before the job, such as "module load python"."""
    grace: int = Field(90, ge=1)
    """Seconds between the signal and the end of a job."""


@hookimpl
def xfer_executor(name: str, options: Mapping[str, Any], run: Any) -> Executor | None:
    """`--executor slurm`."""
    if name != "slurm":
        return None
    chosen = executor_options(Options, options, name)
    if find_spec("submitit") is None:
        raise UserError("executor slurm needs the package submitit, which is not installed", "--executor slurm",
                        "pip install 'xfer-stilts[slurm]'")  # fmt: skip
    return OnSlurm(chosen, run.settings.jobs)


class OnSlurm:
    """Jobs that wait in SLURM's queue; `--jobs` bounds how many are there at once."""

    def __init__(self, options: Options, jobs: int | None) -> None:
        self._options = options
        self.jobs = jobs or (1 if options.cluster == "local" else 256)
        self._left: list[Any] = []

    def submit(self, jobs: Sequence[Job]) -> list[Any]:
        """One job, or one array of several."""
        executor = self._executor(jobs[0].log.parent / "submitit")
        with executor.batch():
            handles = [executor.submit(Work(job)) for job in jobs]
        self._left += handles
        return handles

    def _executor(self, folder: Path) -> Any:
        import submitit
        from submitit.core.job_environment import JobEnvironment

        # The jobs' processes read the variable; here submitit may have been imported before.
        JobEnvironment.USR_SIG = os.environ.setdefault("SUBMITIT_PREEMPT_SIGNAL", SIGNAL)
        asked = self._options
        try:
            executor = submitit.AutoExecutor(folder, cluster=asked.cluster, slurm_max_num_timeout=1000)
        except (RuntimeError, ValueError) as error:
            raise UserError(
                str(error), "--executor slurm", "run it where sbatch is, or give cluster=local"
            ) from None
        more = {"qos": asked.qos, "constraint": asked.constraint, "account": asked.account, "mem": asked.mem}
        executor.update_parameters(
            name="xfer", timeout_min=asked.time, slurm_signal_delay_s=asked.grace,
            slurm_array_parallelism=self.jobs, slurm_additional_parameters={"requeue": True},
            **{f"slurm_{name}": value for name, value in more.items() if value is not None},
            **({"slurm_partition": asked.partition} if asked.partition else {}),
            **({"gpus_per_node": asked.gpus} if asked.gpus else {}),
            **({"cpus_per_task": asked.cpus} if asked.cpus else {}),
            **({"slurm_setup": [asked.setup]} if asked.setup else {}),
        )  # fmt: skip
        return executor

    def wait(self, handles: Sequence[Any], timeout: float) -> list[Ended]:
        """Jobs that left a result, or that SLURM says are over."""
        until = time.monotonic() + timeout
        while True:
            found = [_ended(handle) for handle in handles if handle.done()]
            if found or time.monotonic() >= until:
                self._left = [one for one in self._left if one not in [ended.handle for ended in found]]
                return found
            time.sleep(POLL)

    def cancel(self, handles: Sequence[Any]) -> None:
        """`scancel`: SIGTERM to the job."""
        for handle in handles:
            handle.cancel(check=False)

    def close(self) -> None:
        """Nothing of this run stays in the queue."""
        self.cancel(self._left)


def _ended(handle: Any) -> Ended:
    try:
        status, tail = handle.result()
        return Ended(handle, status, tail)
    except Exception as error:  # of submitit: it was killed or cancelled, and left no result
        return Ended(handle, 1, str(error).strip())


class Work:
    """What submitit calls on the node."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._process: JobProcess | None = None

    def __call__(self) -> tuple[int, str]:
        """The job as a child, which is told to stop when this process ends; its exit status and last words."""
        self._process = JobProcess(self._job, dies_with_parent=True)
        while (ended := self._process.poll(0.5)) is None:
            pass
        return ended.status, ended.tail

    def checkpoint(self) -> Any:
        """The state is saved by the job itself; the same work is queued again."""
        from submitit.helpers import DelayedSubmission

        if self._process is not None:
            self._process.stop(signal.SIGUSR1)
            self._process.poll(SAVING)
        return DelayedSubmission(Work(self._job))
