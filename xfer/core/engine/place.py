"""Where the environment puts a process among those that torchrun, accelerate or srun started. No torch."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from xfer.core.errors import UserError

NPROC = "XFER_NPROC"
"""Environment variable: how many processes a launcher was asked for."""


@dataclass(frozen=True)
class Place:
    """Where the environment puts this process."""

    rank: int = 0
    world: int = 1
    local_rank: int = 0


def place(environment: Mapping[str, str] | None = None) -> Place:
    """This process's rank by RANK, WORLD_SIZE and LOCAL_RANK, or those of a step of srun; one process without.

    Raises UserError for numbers that make no sense.
    """
    given = os.environ if environment is None else environment
    if "RANK" in given and "WORLD_SIZE" in given:
        names = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
    elif given.get("SLURM_STEP_NUM_TASKS", "1") != "1" and "SLURM_PROCID" in given:  # not in a batch script itself
        names = ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID")
    else:
        return Place()
    try:
        rank, world, local = (int(given.get(name, "0")) for name in names)
    except ValueError:
        rank, world, local = -1, 0, 0
    if not 0 <= rank < world:
        told = ", ".join(f"{name}={given.get(name, '')}" for name in names)
        raise UserError("the environment describes no group of processes", told, "start them with torchrun or srun")
    return Place(rank, world, local)


def slurm_address(environment: Mapping[str, str]) -> dict[str, str]:
    """MASTER_ADDR and MASTER_PORT of a step of srun that was given none: its first node, a port by its job."""
    nodes = environment.get("SLURM_STEP_NODELIST") or environment.get("SLURM_JOB_NODELIST") or "localhost"
    stem, bracket, rest = nodes.partition("[")
    first = stem + re.split(r"[-,\]]", rest)[0] if bracket and "," not in stem else nodes.split(",")[0]
    job, step = (int(environment.get(name, "0")) for name in ("SLURM_JOB_ID", "SLURM_STEP_ID"))
    return {"MASTER_ADDR": first, "MASTER_PORT": str(20000 + (job * 8 + step) % 20000)}
