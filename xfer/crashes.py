"""Processes that ended without a word in a plugin's code: told once, by the next command that runs or checks."""

import time

from xfer.core.records import Problem
from xfer.core.storage.last_calls import forget, last_calls


def told() -> list[Problem]:
    """A problem for each; their notes are removed."""
    problems = []
    for call in last_calls():
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(call.when))
        problems.append(
            Problem(
                stage="crash",
                message=f"process {call.pid} ended without a word at {when}, in code of plugin {call.plugin} "
                f"({call.distribution} {call.version}): {call.doing}. If nobody killed it, this plugin did: leave "
                "it out, or tell its authors",
                plugin=call.plugin,
                distribution=call.distribution,
                version=call.version,
            )
        )
        forget(call.path)
    return problems
