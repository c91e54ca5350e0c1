"""From `--executor` to an executor."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from xfer.core.errors import UnknownName, UserError, raise_all
from xfer.core.grid.jobs import Executor
from xfer.core.plans.start_points import strategy_text
from xfer.core.records import Record
from xfer.core.run import Run

R = TypeVar("R", bound=Record)
BUILTIN = ("local", "ray", "slurm")


def open_executor(run: Run) -> Executor:
    """The executor of a run's settings. Raises UnknownName where no plugin answers."""
    name, options = strategy_text(run.settings.executor or "local", "executor")
    found = run.toolkit.manager.first("xfer_executor", name=name, options=options, run=run)
    if found is None:
        raise UnknownName("executor", name, BUILTIN, extra="(or a plugin's, which answers xfer_executor)")
    executor: Executor = found[0]
    return executor


def executor_options(record: type[R], options: Mapping[str, Any], name: str) -> R:
    """An executor's options as a record. Raises UserError with all faults."""
    try:
        return record.model_validate(dict(options))
    except ValidationError as error:
        known = ", ".join(record.model_fields) or "none"
        raise_all(
            [
                UserError(
                    f"executor {name}: {'.'.join(map(str, fault['loc']))}: {fault['msg']}",
                    where="--executor",
                    fix=f"options: {known}",
                )
                for fault in error.errors()
            ]
        )
        raise AssertionError("unreachable") from error
