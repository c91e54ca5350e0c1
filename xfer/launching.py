"""`--launcher torchrun --nproc N`: start the same command in N processes of this machine, and answer for them.

What counts is what the leading process says, in a file, and what it has committed to the store: torchrun itself
knows no status but 1, and a process may abort after all of its work is done.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from xfer import verbosity
from xfer.core.encoders.device import available_cores
from xfer.core.engine.failures import Lost, rebuilt
from xfer.core.engine.place import NPROC, place
from xfer.core.errors import ExitStatus, UserError
from xfer.core.settings import Limits, RunSettings, load_settings
from xfer.core.storage import files
from xfer.together import LAUNCH, LEADER, RESULT, STATUS

if TYPE_CHECKING:
    from xfer.commands import RunResult

OWN = ("launcher", "nproc")
"""Settings that are for this process and not for those that it starts."""


def words(settings: RunSettings, origin: Mapping[str, str], config: Path | None = None) -> list[str]:
    """Options of `xfer run` that say what was given on this command line, or as arguments of `xfer.run`."""
    found = [] if config is None else ["--config", str(config)]
    for name in (name for name, source in origin.items() if source == "command line" and name not in OWN):
        option, value = f"--{name.replace('_', '-')}", getattr(settings, name)
        if name == "set":
            found += [word for key, one in value.items() for word in (option, f"{key}={json.dumps(one)}")]
        elif isinstance(value, Limits):
            found += [option, ",".join(f"{key}={one}" for key, one in value.model_dump(exclude_none=True).items())]
        elif name == "seeds":
            found += [option, ",".join(map(str, value))]
        elif isinstance(value, tuple):
            found += [word for one in value for word in (option, str(one))]
        elif isinstance(value, bool):
            found.append(option if value else option.replace("--", "--no-", 1))
        else:
            found += [option, str(value)]
    return found


def launched(
    flags: Mapping[str, Any], config: Path | None, arguments: Sequence[str], *, shown: bool = True
) -> dict[str, Any] | None:
    """What a launcher's processes told of `xfer run` with these settings; None where none is asked for.

    `arguments` go to the command besides; its standard output is `shown` or dropped.
    """
    settings, origin = load_settings(flags, config)
    if not settings.launcher or place().world > 1 or NPROC in os.environ:  # or started so itself
        return None
    return launch(settings, [*words(settings, origin, config), *arguments], shown=shown)


def result(told: Mapping[str, Any]) -> "RunResult":
    """The result of a run that `launched` told of. Raises what the leading process failed with."""
    from xfer.commands import RunResult
    from xfer.core.storage.store import Store

    if "run" not in told:
        silent = {"kind": "", "what": "the run failed, as told on stderr", "where": "", "fix": "", **told}
        raise rebuilt(told.get("error", silent))
    stored = Store(Path(told["store"])).load_run(told["run"])
    rows, problems, status = list(stored.results), list(stored.problems), ExitStatus(told["status"])
    return RunResult(stored.name, Path(told["store"]), rows, problems, told["failed"], stored.plan, status)


def launch(settings: RunSettings, arguments: Sequence[str], *, shown: bool = True) -> dict[str, Any]:
    """Run `xfer run` with these arguments in `settings.nproc` processes; `status`, and what became of the run.

    Raises UserError without a number of processes, and Lost where the leading one ended without a word.
    """
    if settings.nproc is None:
        raise UserError("how many processes?", where=f"--launcher {settings.launcher}", fix="add --nproc N")
    folder = settings.store / "launches" / f"{os.getpid()}-{time.time_ns()}"
    files.ensure_folder(folder)
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(settings.nproc),
        "-m", "xfer", *(["-q"] if verbosity.asked.quiet else []), *(["-v"] if verbosity.asked.verbose else []),
        "run", *arguments,
    ]  # fmt: skip
    threads = str(max(1, available_cores() // settings.nproc))
    environment = {
        "OMP_NUM_THREADS": threads,
        **os.environ,
        NPROC: str(settings.nproc),
        LAUNCH: str(folder.absolute()),
    }
    out = None if shown else subprocess.DEVNULL
    try:
        # In a session of its own, so that Ctrl-C comes to this process alone, which passes it on once.
        process = subprocess.Popen(command, env=environment, stdout=out, start_new_session=True)
        with process, _passing_on(process, folder):
            code = process.wait()
        if not (folder / STATUS).is_file():
            raise Lost(
                f"the leading process ended without a word (torchrun says {code})",
                fix="it was killed, or failed as shown above; the same command goes on from the newest checkpoint",
            )
        about: dict[str, Any] = files.read_json(folder / RESULT) if (folder / RESULT).is_file() else {}
        return {**about, **files.read_json(folder / STATUS)}
    finally:
        files.remove(folder)


@contextmanager
def _passing_on(process: "subprocess.Popen[bytes]", folder: Path) -> Iterator[None]:
    """Signals go to the leading process, with which others leave; before it is there, and the second, to all."""
    seen: list[int] = []

    def pass_on(number: int, frame: FrameType | None) -> None:
        seen.append(number)
        try:
            leader = int(files.read_json(folder / LEADER)["pid"])
        except Exception:
            leader = 0
        with suppress(ProcessLookupError):
            if leader and len(seen) == 1:
                os.kill(leader, number)
            else:
                process.send_signal(signal.SIGTERM)

    if threading.current_thread() is not threading.main_thread():  # where Python allows no handlers
        yield
        return
    before = {number: signal.signal(number, pass_on) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
