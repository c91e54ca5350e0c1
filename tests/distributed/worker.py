"""One process of several: makes the calls that a JSON file lists, and writes what came of each.

The file holds lists [name, function of `xfer.commands`, arguments by name, environment]; the answers lie beside it,
in a file for each rank.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

from xfer import commands
from xfer.core.engine.place import place
from xfer.core.errors import XferError
from xfer.together import leave


def called(function: str, arguments: dict[str, Any]) -> dict[str, Any]:
    try:
        result = getattr(commands, function)(**arguments)
    except XferError as error:
        return {"status": int(error.status), "error": str(error)}
    rows = [{**row.model_dump(mode="json"), "seconds": 0, "run": ""} for row in result.results]
    return {"status": int(result.status), "rows": rows}


def main() -> None:
    path = Path(sys.argv[1])
    answers = {}
    for name, function, arguments, environment in json.loads(path.read_text()):
        os.environ.update(environment)
        answers[name] = called(function, arguments)
        for key in environment:
            del os.environ[key]
    path.with_name(f"rank-{place().rank}.json").write_text(json.dumps(answers))
    leave(0)


main()
