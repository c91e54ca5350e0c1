"""A run of several processes: each is started by the same command, and they join here.

The leading one does what a single process would. The others are silent: they work on what they are told, and end
as it does.
"""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xfer.core.engine import group as groups
from xfer.core.engine.failures import described, rebuilt
from xfer.core.engine.place import place
from xfer.core.errors import ExitStatus, UserError, XferError
from xfer.core.run import Reporter
from xfer.core.storage import files

if TYPE_CHECKING:
    from xfer.commands import Prepared, RunResult

LAUNCH = "XFER_LAUNCH"
"""Environment variable: the folder in which the leading process tells a launcher its number and its status."""
LEADER, RESULT, STATUS = "leader.json", "result.json", "status.json"


def prepared(prepare: "Callable[[], Prepared]") -> "Prepared":
    """What `prepare` gives, on all processes that were started together, with the group that they are.

    Raises the first failure of any of them on all, and UserError where they are not as many as was asked for, plan
    different work, or cannot share a device.
    """
    group = groups.start()
    if group.leads and os.environ.get(LAUNCH):
        files.write_json(Path(os.environ[LAUNCH]) / LEADER, {"pid": os.getpid()})
    with _telling(), group.together():
        ready = prepare()
        settings = ready.run.settings
        if group.world > 1 and any(getattr(settings, name, None) for name in ("executor", "jobs")):
            raise UserError(
                f"an executor gives phases to processes of its own, and {group.world} share each phase here",
                "--executor, --jobs",
                "leave them out, or start one process",
            )
        if settings.nproc is not None and (group.world > 1 or not settings.launcher):
            groups.require_size(settings.nproc, group.world, f"--nproc {settings.nproc}")
        if group.world > 1 and ready.run.device.kind == "mps":
            raise UserError(f"{group.world} processes cannot share mps", "--device", "use --device cpu")
    plan = [planned.id for planned in ready.plan.phases]
    agreed = group.broadcast(plan) == plan
    with _telling(), group.together():
        if not agreed:
            raise UserError(
                "this process plans other phases than the leading one",
                fix="all need the same options, data, plugins and versions, on every machine",
            )
    ready.run.group = group
    if not group.leads:
        ready.run.reporter = Reporter()
    return ready


def by_all(execute: "Callable[[Prepared], RunResult]") -> "Callable[[Prepared], RunResult]":
    """`execute` for the leading process; what goes with it for the others."""

    @wraps(execute)
    def by_this(ready: "Prepared") -> "RunResult":
        group = ready.run.group
        if not group.leads:
            return _follow(ready)
        try:
            with _telling():
                result = execute(ready)
        except Exception as error:
            group.dismiss(error=described(error))
            raise
        about = {"run": result.run, "status": int(result.status), "failed": dict(result.failed)}
        _tell(about | {"store": str(result.store)})
        group.dismiss(**about)
        return result

    return by_this


def _tell(about: Mapping[str, Any]) -> None:
    """Say to the launcher, where there is one, what became of the run."""
    if os.environ.get(LAUNCH) and place().rank == 0:
        files.write_json(Path(os.environ[LAUNCH]) / RESULT, about)


@contextmanager
def _telling() -> Iterator[None]:
    try:
        yield
    except XferError as error:
        _tell({"error": described(error)})
        raise


def _follow(ready: "Prepared") -> "RunResult":
    from xfer.commands import RunResult
    from xfer.core.engine.execute import run_shared_phase
    from xfer.core.engine.signals import StopFlag

    run, plan = ready.run, ready.plan
    phases = {planned.id: planned for planned in plan.phases}
    with StopFlag() as flag:
        run.stop_requested = lambda: flag.requested
        end = run.group.follow(lambda id: run_shared_phase(phases[id], run), run.stop_requested)
    if "error" in end:
        run.group.agreed = True
        raise rebuilt(end["error"])
    stored = run.store.load_run(end["run"])
    rows, problems, status = list(stored.results), list(stored.problems), ExitStatus(end["status"])
    return RunResult(stored.name, run.store.root, rows, problems, end["failed"], plan, status)


def device_name(asked: str) -> str | None:
    """The device of this process: as asked, but a CUDA device of its own by its rank on the machine."""
    here = place()
    if here.world > 1 and asked in ("", "cuda"):
        import torch

        if torch.cuda.is_available():
            return f"cuda:{here.local_rank}"
    return asked or None


def silent() -> bool:
    """Whether the leading process tells the failure that this one has, too."""
    group = groups.current()
    return place().rank > 0 and (group is None or group.agreed)


def leave(status: int) -> None:
    """End a process of a group with its status; returns where it is none.

    At once, for processes with gloo may abort while Python ends, after all is done (pytorch issue 179291). Under
    `--launcher`, which reads the status from a file, one on which all agree is no failure to torchrun.
    """
    group, folder = groups.current(), os.environ.get(LAUNCH)
    if place().world == 1:
        return
    if folder and place().rank == 0:
        files.write_json(Path(folder) / STATUS, {"status": int(status)})
    told = folder is not None and group is not None and group.broken is None
    sys.stdout.flush()
    sys.stderr.flush()
    if group is not None:
        group.farewell()
    groups.stop()
    os._exit(0 if told else status)
