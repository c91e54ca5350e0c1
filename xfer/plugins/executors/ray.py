"""Jobs as tasks of Ray, on a cluster or on this machine: `--executor 'ray[cpus=2,gpus=1]'`. Needs the extra `ray`.

A task begins the job's command as a child and waits for it. All machines see the store's folder under the same
path, and have xfer installed where this machine has it.
"""

import os
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from xfer.api import Ended, Executor, Job, JobProcess, Record, UserError, executor_options, hookimpl, job_threads

LOCAL = "local"


class Options(Record):
    """What each job asks of the cluster."""

    address: str = LOCAL
    """"local": a cluster on this machine, which ends with the run; "auto", "HOST:PORT": one that is there."""
    cpus: float = 1
    gpus: float = 0
    resources: Mapping[str, float] = {}
    """Of the cluster's own kinds, as JSON: {"a100": 1}."""


@hookimpl
def xfer_executor(name: str, options: Mapping[str, Any], run: Any) -> Executor | None:
    """`--executor ray`."""
    if name != "ray":
        return None
    chosen = executor_options(Options, options, name)
    if find_spec("ray") is None:
        raise UserError("executor ray needs the package ray, which is not installed", "--executor ray",
                        "pip install 'xfer-stilts[ray]'")  # fmt: skip
    return OnRay(chosen, run.settings.jobs)


class OnRay:
    """Tasks that may wait in Ray's queue; on this machine's own cluster, `jobs` of them work at once."""

    def __init__(self, options: Options, jobs: int | None) -> None:
        self._options = options
        self.jobs = jobs or (1 if options.address == LOCAL else 256)
        self._task: Any = None
        self._threads: Mapping[str, str] = {}

    def submit(self, jobs: Sequence[Job]) -> list[Any]:
        """A task each; the first begins the cluster, or joins it."""
        if self._task is None:
            self._task = self._connect()
        return [self._task.options(name=job.name).remote(job, self._threads) for job in jobs]

    def _connect(self) -> Any:
        asked, handler = self._options, signal.getsignal(signal.SIGTERM)
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent anywhere
        import ray

        if asked.address == LOCAL:
            ray.init(
                address=LOCAL, num_cpus=max(1, round(self.jobs * asked.cpus)), include_dashboard=False,
                resources={name: number * self.jobs for name, number in asked.resources.items()} or None,
                object_store_memory=100_000_000, log_to_driver=False, configure_logging=False,
            )  # fmt: skip
            self._threads = job_threads(self.jobs)
        else:
            ray.init(address=asked.address, log_to_driver=False, configure_logging=False)
            self._threads = {}  # Ray gives a task as many as it asks CPUs
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)  # which ray took for itself
        share: dict[str, Any] = {"num_cpus": asked.cpus, "num_gpus": asked.gpus, "resources": dict(asked.resources)}
        return ray.remote(max_retries=0, **share)(perform)

    def wait(self, handles: Sequence[Any], timeout: float) -> list[Ended]:
        """Tasks that are over; one whose worker died ends with status 1."""
        import ray

        ready, _ = ray.wait(list(handles), num_returns=1, timeout=timeout)
        found = []
        for handle in ready:
            try:
                status, tail = ray.get(handle)
            except ray.exceptions.RayError as error:
                status, tail = 1, str(error).strip()
            found.append(Ended(handle, status, tail))
        return found

    def cancel(self, handles: Sequence[Any]) -> None:
        """An interrupt in the task, which tells its child to save its state."""
        import ray

        for handle in handles:
            ray.cancel(handle)

    def close(self) -> None:
        """Leave the cluster; one of this machine's own ends."""
        if "ray" in sys.modules and self._task is not None:
            import ray

            ray.shutdown()


def perform(job: Job, threads: Mapping[str, str]) -> tuple[int, str]:
    """What a worker does: a child that is told to stop when the worker dies or is interrupted."""
    process = JobProcess(job, threads, dies_with_parent=True)
    try:
        while (ended := process.poll(0.5)) is None:
            pass
    except KeyboardInterrupt:
        process.stop()
        while (ended := process.poll(0.5)) is None:
            pass
    return ended.status, ended.tail
