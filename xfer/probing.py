"""Every installed plugin tried in a process of its own, with a time limit, for `xfer doctor`."""

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from typing import Any, NamedTuple

from xfer.core.discovery import Plugin, Switches, installed

SECONDS = 10.0
"""Time that a plugin has to be imported and to answer."""


class Probe(NamedTuple):
    """What trying one plugin has shown."""

    name: str
    ok: bool
    detail: str


def probes(seconds: float = SECONDS) -> list[Probe]:
    """A probe of every installed plugin; what it does to its process, it does not do to this one."""
    switches = Switches.read()
    found: dict[str, list[Plugin]] = {}
    for plugin, _ in installed():
        found.setdefault(plugin.owner, []).append(plugin)
    return [
        Probe(f"plugin {' and '.join(map(str, same))}", *_probe(name, switches, seconds))
        for name, same in sorted(found.items())
    ]


def _probe(name: str, switches: Switches, seconds: float) -> tuple[bool, str]:
    if not switches.let_in(name):
        return True, "switched off"
    without = f"; to run without it: XFER_DISABLE_PLUGINS={name}"
    reader, writer = os.pipe()
    try:
        environment = {key: value for key, value in os.environ.items() if key not in _SWITCHES}
        environment |= {"XFER_ALLOW_PLUGINS": name, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "xfer.probe", name, str(writer)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment,
            pass_fds=(writer,), start_new_session=True,
        )  # fmt: skip
        ended, out, err = _wait(process, seconds)
        os.set_blocking(reader, False)
        with suppress(BlockingIOError):
            if report := os.read(reader, 1 << 16):
                return _read(json.loads(report), out, without)
    finally:
        os.close(reader)
        os.close(writer)
    if not ended:
        return False, f"it hangs: no answer in {seconds:g} s{without}"
    if process.returncode < 0:
        return False, f"it crashes: {signal.Signals(-process.returncode).name}{without}"
    last = err.decode("utf-8", "replace").strip().splitlines()[-1:]
    return False, f"it ends the process with status {process.returncode}{without}" + (
        f" ({last[0]})" if last else ""
    )


def _wait(process: "subprocess.Popen[bytes]", seconds: float) -> tuple[bool, bytes, bytes]:
    """Whether it ended by itself in time, and what it printed; whatever it started ends with it."""
    try:
        return True, *process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        return False, b"", b""
    finally:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


def _read(report: dict[str, Any], out: bytes, without: str) -> tuple[bool, str]:
    effects = [*report["effects"], *(["it writes to standard output, where data go"] if out else [])]
    if report["problems"] or effects:
        return False, "; ".join([*report["problems"], *effects]) + without
    gives = [f"{count} {kind}" for kind, count in report["gives"].items()]
    return True, ", ".join(gives) or "answers hooks"


_SWITCHES = ("XFER_NO_PLUGINS", "XFER_DISABLE_PLUGINS", "XFER_ALLOW_PLUGINS", "XFER_STRICT_PLUGINS")
