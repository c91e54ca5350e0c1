"""Installed plugins tried in processes of their own with a time limit, before their first import and by doctor."""

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from typing import Any, NamedTuple

from xfer import verdicts
from xfer.core.discovery import Plugin, Switches, installed

SECONDS = 10.0
"""Time that a plugin has to be imported and to answer."""


class Probe(NamedTuple):
    """What trying one plugin has shown."""

    name: str
    ok: bool
    detail: str


class _Trial(NamedTuple):
    """What came back from a plugin's process."""

    fate: str
    report: dict[str, Any]
    out: bytes


def refused(plugin: Plugin, switches: Switches) -> str:
    """Why a plugin must not be imported: it ended or hung a process of its own. "" where it may be.

    A version that was never seen is tried now. One that cannot be tried may be imported.
    """
    seconds = switches.seconds and switches.seconds + SECONDS
    verdict = verdicts.read(plugin)
    # With more time than it had, what hung may come to an end.
    if verdict is None or (verdict.fate and 0 < verdict.seconds < (seconds or float("inf"))):
        try:
            verdict = verdicts.Verdict(_try(plugin.owner, seconds).fate, seconds)
        except OSError:
            return ""
        verdicts.keep(plugin, verdict)
    if not verdict.fate:
        return ""
    return (
        f"{verdict.fate}, when tried in a process of its own; it stays out until another version is installed, or "
        "`xfer doctor` finds it well"
    )


def probes(seconds: float = SECONDS) -> list[Probe]:
    """A probe of every installed plugin; what it does to its process, it does not do to this one."""
    switches = Switches.read()
    found: dict[str, list[Plugin]] = {}
    for plugin, _ in installed():
        found.setdefault(plugin.owner, []).append(plugin)
    return [
        Probe(f"plugin {' and '.join(map(str, same))}", *_probe(name, same, switches, seconds))
        for name, same in sorted(found.items())
    ]


def _probe(name: str, same: list[Plugin], switches: Switches, seconds: float) -> tuple[bool, str]:
    if not switches.let_in(name):
        return True, "switched off"
    without = f"; to run without it: XFER_DISABLE_PLUGINS={name}"
    try:
        trial = _try(name, seconds)
    except OSError as error:
        return False, str(error)
    for plugin in same:
        verdicts.keep(plugin, verdicts.Verdict(trial.fate, seconds))
    return (False, trial.fate + without) if trial.fate else _read(trial.report, trial.out, without)


def _try(name: str, seconds: float) -> _Trial:
    """Load and ask one plugin in a new process. No limit where `seconds` is 0.

    Raises OSError where that process did not come to the plugin at all.
    """
    reader, writer = os.pipe()
    try:
        environment = {key: value for key, value in os.environ.items() if key not in _SWITCHES}
        environment |= {"XFER_ALLOW_PLUGINS": name, "XFER_NO_TRIAL": "1", "XFER_PLUGIN_SECONDS": "0"}
        environment["XFER_CACHE"] = os.devnull  # it leaves no note behind: its end is seen from here
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "xfer.probe", name, str(writer)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment,
            pass_fds=(writer,), start_new_session=True,
        )  # fmt: skip
        ended, out, err = _wait(process, seconds)
        os.set_blocking(reader, False)
        try:
            report = os.read(reader, 1 << 16).strip()
        except BlockingIOError:
            raise ChildProcessError(f"it could not be tried: {_last(err) or 'no start in time'}") from None
    finally:
        os.close(reader)
        os.close(writer)
    if report:
        return _Trial("", json.loads(report), out)
    if not ended:
        return _Trial(f"it hangs: no answer in {seconds:g} s", {}, out)
    if process.returncode < 0:
        return _Trial(f"it crashes: {signal.Signals(-process.returncode).name}", {}, out)
    said = f" ({last})" if (last := _last(err)) else ""
    return _Trial(f"it ends the process with status {process.returncode}{said}", {}, out)


def _last(err: bytes) -> str:
    return (err.decode("utf-8", "replace").strip().splitlines() or [""])[-1]


def _wait(process: "subprocess.Popen[bytes]", seconds: float) -> tuple[bool, bytes, bytes]:
    """Whether it ended by itself in time, and what it printed; whatever it started ends with it."""
    try:
        return True, *process.communicate(timeout=seconds or None)
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
