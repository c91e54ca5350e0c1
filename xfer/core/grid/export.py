"""A grid for other schedulers: what must run, as a Makefile, a script for SLURM, tasks of SkyPilot, or JSON.

Every phase is the command `xfer grid job RUN PHASE`; the last one is `xfer grid finish RUN`.
"""

import json
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from xfer.core.errors import UserError
from xfer.core.grid.graph import by_dependants, waits
from xfer.core.grid.jobs import FOLDER, Job, make_job
from xfer.core.records import Plan
from xfer.core.storage.store import Store

VERSION = 1
"""Of the JSON document: it grows, and what it holds keeps its meaning within a version."""


@dataclass(frozen=True)
class Grid:
    """A run's phases that must run, in an order in which they can."""

    run: Path
    folder: str
    """Where commands are issued."""
    jobs: Mapping[str, Job]
    waits: Mapping[str, tuple[str, ...]]
    done: Mapping[str, Path]
    """The file that says that a phase is stored."""
    anew: frozenset[str]
    """Phases that are stored without weights and needed with them."""


def grid_of(plan: Plan, needed: set[str], store: Store, run_folder: Path) -> Grid:
    """The grid of a run whose phases `needed` must run."""
    graph = by_dependants(waits(plan, needed))
    phases = {planned.id: planned for planned in plan.phases}
    jobs = {id: make_job(phases[id], run_folder, ("xfer",)) for id in graph}
    run = run_folder.absolute()
    done = {id: store.phase_folder(id).absolute() / "DONE" for id in graph}
    folder = next((job.folder for job in jobs.values()), str(Path.cwd()))
    return Grid(run, folder, jobs, graph, done, frozenset(id for id in graph if store.has_phase(id)))


def export(grid: Grid, to: str) -> str:
    """The grid in one of `FORMATS`. Raises UserError for paths that the format cannot hold."""
    return FORMATS[to](grid)


# ---------------------------------------------------------------- make


def _make(grid: Grid) -> str:
    odd = [path for path in (str(grid.run), grid.folder) if re.search(r"[^\w./+@,~-]", path)]
    if odd:
        raise UserError("a Makefile cannot hold this path", where=odd[0], fix="give store and folder plain names")
    lines = [
        f"# Run {grid.run.name}: {len(grid.jobs)} phases. make -f THIS -j2; make -k goes on after a failure.",
        "XFER ?= xfer",
        f"RUN := {grid.run}",
        ".PHONY: rows" + "".join(f" {grid.done[id]}" for id in sorted(grid.anew)),
        "rows:" + "".join(f" {path}" for path in grid.done.values()),
        f"\tcd {grid.folder} && $(XFER) grid finish $(RUN)",
    ]
    for id, job in grid.jobs.items():
        after = "".join(f" {grid.done[other]}" for other in grid.waits[id])
        lines += [
            f"# {job.name}",
            f"{grid.done[id]}:{' |' if after else ''}{after}",
            f"\tcd {grid.folder} && $(XFER) grid job $(RUN) {id}",
        ]
    return "\n".join(lines) + "\n"


# ---------------------------------------------------------------- slurm

_SLURM = r"""#!/bin/bash
# Run {name}: {count} phases as jobs of SLURM, begun by `bash THIS`. What sbatch is to know besides:
#   SBATCH_OPTIONS="--partition=gpu --gpus=1 --time=240" bash THIS
set -euo pipefail
cd {folder}
XFER=${{XFER:-xfer}}
RUN={run}
mkdir -p "$RUN/{jobs}"
declare -A number

# submit NAME PHASE [PHASE…]: a job for the first phase, after those of the others.
submit() {{
    local name=$1 phase=$2 after=""
    shift 2
    for one in "$@"; do after+=":${{number[$one]}}"; done
    number[$phase]=$(sbatch --parsable --job-name="$name" --requeue --open-mode=append --signal=B:USR1@120 \
        --output="$RUN/{jobs}/$phase.out" ${{after:+--dependency=afterok$after --kill-on-invalid-dep=yes}} \
        ${{SBATCH_OPTIONS:-}} <<JOB
#!/bin/bash
# A signal is passed on; the job saves its state and leaves with 75, which puts it into the queue again.
$XFER grid job $(printf %q "$RUN") $phase --quiet &
pid=\$!
trap 'kill -USR1 \$pid' USR1 TERM
wait \$pid
while kill -0 \$pid 2>/dev/null; do wait \$pid; done
wait \$pid
status=\$?
[ \$status -eq 75 ] && scontrol requeue \$SLURM_JOB_ID
exit \$status
JOB
    )
}}

{submissions}

# The rows, when all is over, well or not.
all=$(IFS=:; echo "${{number[*]}}")
sbatch --parsable --job-name=xfer-rows --output="$RUN/{jobs}/rows.out" \
    ${{all:+--dependency=afterany:$all}} ${{SBATCH_OPTIONS:-}} <<JOB
#!/bin/bash
$XFER grid finish $(printf %q "$RUN")
JOB
"""


def _slurm(grid: Grid) -> str:
    submissions = [" ".join(["submit", job.name, id, *grid.waits[id]]) for id, job in grid.jobs.items()]
    return _SLURM.format(
        name=grid.run.name,
        count=len(grid.jobs),
        folder=shlex.quote(grid.folder),
        run=shlex.quote(str(grid.run)),
        jobs=FOLDER,
        submissions="\n".join(submissions),
    )


# ---------------------------------------------------------------- skypilot


def _skypilot(grid: Grid) -> str:
    """A pipeline of managed jobs, one after the other; JSON strings are YAML strings."""

    def task(name: str, command: str) -> str:
        return (
            f"---\nname: {json.dumps(name)}\nresources:\n  job_recovery:\n    max_restarts_on_errors: 1\n"
            f"    recover_on_exit_codes: [75]\nrun: {json.dumps(f'cd {shlex.quote(grid.folder)} && {command}')}\n"
        )

    head = (
        f"# Run {grid.run.name}: {len(grid.jobs)} phases, one after the other: sky jobs launch THIS\n"
        "# Every task needs its accelerators under resources, and this folder under the same path (file_mounts or\n"
        f"# volumes): {grid.run.parent.parent}\n"
        f"name: {json.dumps(f'xfer-{grid.run.name}')}\n"
    )
    tasks = [task(job.name, shlex.join(job.command)) for job in grid.jobs.values()]
    return head + "".join(tasks) + task("rows", shlex.join(("xfer", "grid", "finish", str(grid.run))))


# ---------------------------------------------------------------- json


def _json(grid: Grid) -> str:
    document = {
        "version": VERSION,
        "run": str(grid.run),
        "folder": grid.folder,
        "requeue": [75],
        "phases": [
            {
                "id": id,
                "name": job.name,
                "after": list(grid.waits[id]),
                "command": list(job.command),
                "done": str(grid.done[id]),
            }
            for id, job in grid.jobs.items()
        ],
        "finish": ["xfer", "grid", "finish", str(grid.run)],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


FORMATS: Mapping[str, Callable[[Grid], str]] = {
    "make": _make, "slurm": _slurm, "skypilot": _skypilot, "json": _json,
}  # fmt: skip
