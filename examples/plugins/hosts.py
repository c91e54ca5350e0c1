"""Jobs on machines that share the store's folder, over ssh: --executor 'hosts[names=ada,grace]'."""

import shlex
import subprocess
import time
from dataclasses import replace

from xfer.api import JobProcess, Record, executor_options, hookimpl


class Options(Record):
    """What stands in the brackets."""

    names: str


@hookimpl
def xfer_executor(name, options):
    """Only for a name that is ours."""
    if name != "hosts":
        return None
    return Hosts(executor_options(Options, options, name).names.split(","))


class Hosts:
    """One job a machine."""

    def __init__(self, names):
        self.jobs = len(names)
        self.free = names
        self.hosts = {}

    def submit(self, jobs):
        """A handle for each: the process of ssh."""
        return [self._begin(job) for job in jobs]

    def _begin(self, job):
        host = self.free.pop()
        line = f"cd {shlex.quote(job.folder)} && exec {shlex.join(job.command)}"
        process = JobProcess(replace(job, command=("ssh", host, line)))
        self.hosts[process] = host
        return process

    def wait(self, handles, timeout):
        """Those that are over; their machines are free."""
        until = time.monotonic() + timeout
        while True:
            ended = [end for handle in handles if (end := handle.poll())]
            self.free += [self.hosts.pop(end.handle) for end in ended]
            if ended or time.monotonic() > until:
                return ended
            time.sleep(0.1)

    def cancel(self, handles):
        """Tell the job itself, which its command's last word finds on its machine."""
        for handle in handles:
            subprocess.run(["ssh", self.hosts[handle], f"pkill -TERM -f {handle.job.id}"])

    def close(self):
        """Nothing of ours stays."""
        for process in self.hosts:
            process.kill()
