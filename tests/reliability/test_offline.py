"""A run with a model that is at hand asks no network for anything, whatever HF_HUB_OFFLINE says."""

import json
import os
import subprocess
import sys
from pathlib import Path

import xfer

SCRIPT = """
import json, sys
calls = []
def heard(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "urllib.Request"):
        calls.append(event)
        raise OSError("no network here")
sys.addaudithook(heard)
from xfer.cli import run_command
statuses = [run_command(line) for line in json.loads(sys.argv[1])]
try:
    import socket
    socket.create_connection(("127.0.0.1", 9))
except OSError:
    pass
print(json.dumps({"statuses": statuses, "calls": calls}))
"""


def test_an_offline_run_makes_no_network_call(tmp_path: Path) -> None:
    common = ["--store", str(tmp_path / "store"), "--quiet"]
    lines = [
        ["run", "--strategy", "none", "--target", "mini-xnli", "--limit", "train=16,test=4,dev=4", "--set",
         "train.max_steps=1", "--name", "one", *common],
        ["compare", str(tmp_path / "store")],
        ["tasks"],
        ["cache", "ls", "--store", str(tmp_path / "store")],
        ["run", "--model", str(tmp_path / "absent"), *common],
    ]  # fmt: skip
    environment = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    environment |= {
        "PYTHONPATH": str(Path(xfer.__file__).parents[1]),
        "HF_HOME": str(tmp_path),
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(lines)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["statuses"] == [0, 0, 0, 0, 2], done.stderr
    # The one call is the test's own, which shows that the hook hears them.
    assert found["calls"] in (["socket.getaddrinfo"], ["socket.connect"])
