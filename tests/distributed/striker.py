"""A plugin that strikes a rank while it trains: `XFER_TEST_STRIKE=1:KILL` kills rank 1 after the third checkpoint.

`USR2` stands for memory that runs out on that rank alone.
"""

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any


def memory_ran_out(number: int, frame: Any) -> None:
    raise MemoryError("no more of it")


def strike(store: Path, name: str) -> None:
    for _ in range(10_000):
        if any(int(path.name[5:]) >= 3 for path in store.glob("phases/*.partial/step-*")):
            os.kill(os.getpid(), signal.Signals[f"SIG{name}"])
            return
        time.sleep(0.005)


rank, _, rest = os.environ.get("XFER_TEST_STRIKE", "").partition(":")
if rest and rank == os.environ.get("RANK"):
    name, _, store = rest.partition(":")
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGUSR2, memory_ran_out)
    threading.Thread(target=strike, args=(Path(store), name), daemon=True).start()
