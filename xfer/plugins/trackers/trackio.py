"""trackio: a local data base below TRACKIO_DIR; nothing leaves the machine unless its own settings name a Space."""

import sys
from collections.abc import Mapping
from contextlib import redirect_stdout

from xfer.plugins.shared.tracking import PROJECT, Tracked


class PhaseWriter:
    """One phase's run, which is trackio's current one."""

    def log(self, values: Mapping[str, float], step: int) -> None:
        """All numbers of a step."""
        import trackio

        trackio.log(dict(values), step=step)

    def close(self, failed: bool) -> None:
        """Finish the run. What trackio prints goes to stderr, for stdout is for results."""
        import trackio

        with redirect_stdout(sys.stderr):
            trackio.finish()


def open_phase(phase: Tracked) -> PhaseWriter:
    """Begin a run of project "xfer", in the group of the xfer run."""
    import trackio

    with redirect_stdout(sys.stderr):
        trackio.init(
            project=PROJECT, name=f"{phase.run}/{phase.name}", group=phase.run, config=dict(phase.config),
            resume="allow", embed=False, auto_log_gpu=False, auto_log_cpu=False,
        )  # fmt: skip
    return PhaseWriter()
