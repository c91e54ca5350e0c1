"""Jobs as processes of this machine: one a CUDA device, or as many as `--jobs` says."""

import os
import time
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any

from xfer.api import Ended, Executor, Job, JobProcess, Record, executor_options, hookimpl, job_threads

POLL = 0.05
"""Seconds between two looks at the processes."""


class Options(Record):
    """None: `--jobs` says it all."""


@hookimpl
def xfer_executor(name: str, options: Mapping[str, Any], run: Any) -> Executor | None:
    """`--executor local`, and `--jobs` alone."""
    if name != "local":
        return None
    executor_options(Options, options, name)
    own = run.settings.device in ("", "cuda") and run.device.kind == "cuda"
    devices = cuda_devices() if own else ()
    return Local(run.settings.jobs or max(1, len(devices)), devices)


def cuda_devices() -> Sequence[str]:
    """The CUDA devices of this machine, as CUDA_VISIBLE_DEVICES names them."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    if visible:
        return tuple(visible.split(","))
    import torch

    return tuple(map(str, range(torch.cuda.device_count())))


class Local:
    """So many processes at once; each sees one of the devices, if there are any."""

    def __init__(self, jobs: int, devices: Sequence[str] = ()) -> None:
        self.jobs = jobs
        self._devices = devices
        self._threads = job_threads(jobs)
        self._used: dict[JobProcess, int] = {}
        """The place that each process under way has; jobs beyond the devices share them."""

    def submit(self, jobs: Sequence[Job]) -> list[JobProcess]:
        """Begin them."""
        return [self._begin(job) for job in jobs]

    def _begin(self, job: Job) -> JobProcess:
        place = next(place for place in count() if place not in self._used.values())
        environment = dict(self._threads)
        if self._devices:
            environment["CUDA_VISIBLE_DEVICES"] = self._devices[place % len(self._devices)]
        process = JobProcess(job, environment)
        self._used[process] = place
        return process

    def wait(self, handles: Sequence[Any], timeout: float) -> list[Ended]:
        """Look at the processes until one is over."""
        until = time.monotonic() + timeout
        while True:
            found = [ended for handle in handles if (ended := handle.poll())]
            for ended in found:
                self._used.pop(ended.handle, None)
            if found or time.monotonic() >= until:
                return found
            time.sleep(POLL)

    def cancel(self, handles: Sequence[Any]) -> None:
        """SIGTERM."""
        for handle in handles:
            handle.stop()

    def close(self) -> None:
        """SIGKILL for whatever is left."""
        for process in self._used:
            process.kill()
