"""Processes that want a phase. `python lock_worker.py ROOT MODE`:

`hold`  takes phase a1, says "held", lets go when its standard input ends.
`fork`  the same, with a forked child that outlives it and prints its number.
`race`  forks eight processes, ten times; all want the phase at once; prints how many won, by round.
"""

import json
import os
import sys
import time
from pathlib import Path

from xfer.core.errors import Locked
from xfer.core.storage.locks import phase_lock
from xfer.core.storage.store import Store


def hold(store: Store, fork: bool) -> None:
    with phase_lock(store, "a1", wait="wait" in sys.argv):
        if fork and not (child := os.fork()):
            time.sleep(60)
            os._exit(0)
        print(f"held {child if fork else ''}", flush=True)
        sys.stdin.read()


def race(store: Store, processes: int = 8, rounds: int = 10) -> None:
    winners = []
    for _ in range(rounds):
        (start, gate), (stay, leave), (told, tell) = os.pipe(), os.pipe(), os.pipe()
        children = []
        for _ in range(processes):
            if not (child := os.fork()):
                for end in (gate, leave, told):
                    os.close(end)
                os.read(start, 1)  # returns when the parent closes the gate
                try:
                    with phase_lock(store, "a1"):
                        os.write(tell, b"1")
                        os.read(stay, 1)  # until everybody has tried
                except Locked:
                    os.write(tell, b"0")
                os._exit(0)
            children.append(child)
        os.close(gate)
        answers = b""
        while len(answers) < processes:
            answers += os.read(told, processes)
        os.close(leave)
        for child in children:
            os.waitpid(child, 0)
        for end in (start, stay, told, tell):
            os.close(end)
        winners.append(answers.count(b"1"))
    print(json.dumps(winners))


if __name__ == "__main__":
    try:
        if sys.argv[2] == "race":
            race(Store(Path(sys.argv[1])))
        else:
            hold(Store(Path(sys.argv[1])), sys.argv[2] == "fork")
    except Locked as error:
        print(error)
        sys.exit(error.status)
