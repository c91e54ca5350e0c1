"""One plugin loaded and asked in a process of its own: `python -m xfer.probe NAME DESCRIPTOR`.

A line break goes to the open file DESCRIPTOR before the plugin is touched, and as JSON what is found after that; a
plugin that ends or hangs the process leaves none.
"""

import json
import os
import random
import signal
import sys

_MOST, _LONGEST = 20, 500


def main(name: str, descriptor: int) -> None:
    """Load the plugin, ask it for its records and commands, and report problems and side effects."""
    import typer

    from xfer import bootstrap

    os.write(descriptor, b"\n")
    folder, state, handler = os.getcwd(), random.getstate(), signal.getsignal(signal.SIGINT)
    toolkit = bootstrap.load()
    toolkit.manager.configure("xfer_commands", app=typer.Typer(), settings=None)
    effects = []
    if os.getcwd() != folder:
        effects.append("it changes the working folder")
    if random.getstate() != state:
        effects.append("it changes the state of Python's random numbers")
    if signal.getsignal(signal.SIGINT) is not handler:
        effects.append("it takes over Ctrl-C")
    given = {
        kind: sum(registry.owner(record) == name for _, record in registry.items())
        for kind in ("tasks", "strategies", "suites", "models", "formats", "transforms")
        for registry in (getattr(toolkit, kind),)
    }
    problems = [problem.message[:_LONGEST] for problem in toolkit.problems][:_MOST]
    report = {"problems": problems, "effects": effects, "gives": {kind: n for kind, n in given.items() if n}}
    os.write(descriptor, json.dumps(report).encode())


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
