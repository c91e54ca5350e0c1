"""What the paper's whole experiment costs, and how long it takes on 8, 64 or 512 cards under several schedulers.

    python benchmarks/capacity.py [--seeds 5] [--cards 1,8,64,512] [--split all=8]
    python benchmarks/capacity.py --store runs --run NAME --cards 1,2 [--start 6]

The first form plans the experiment with the engine's own planner (eleven start points, nine targets, preset
`paper`), takes the published numbers of rows, and turns steps into seconds by two measured rates. The second takes
phases and what each took from a run that ended, so that the simulation can be held against the clock.

The simulation is list scheduling: whenever a card is free, the ready phase that the policy puts first is started.
"""

import argparse
import heapq
import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from xfer import bootstrap
from xfer.core.encoders.models import Model
from xfer.core.plans.forecast import steps_of
from xfer.core.plans.planning import build_plan
from xfer.core.records import PlannedPhase, TaskSpec
from xfer.core.settings import load_settings

STEP, TOKEN = 9.1e-3, 5.1e-6
"""Seconds a training step takes by itself, and for each token: XLM-R Large on one H100, through 15.5 ms for
32 × 39.5 tokens and 40.0 ms for 32 × 190 (a prototype of the recorded step: transformers' modules, CUDA graph, flat
AdamW)."""
READ = {"retrieval": 1.06e6, "": 6.4e5}
"""Tokens a second without training: embeddings at layer 14, and heads at the last layer; the same prototype."""
START = 30.0
"""Seconds a job needs before its first step: Python, imports, 2.2 GB of weights from a shared disk. Assumed."""
WEIGHTS = 2.24e9
"""Bytes of XLM-R Large in float32."""
TOKENS = {
    "anli-plus": 50, "mnli": 47, "qqp": 24, "squad-v1": 205, "squad-v2": 205, "hellaswag": 4 * 87, "ccg": 34,
    "cosmosqa": 4 * 118, "commonsenseqa": 5 * 23, "xnli": 42, "pawsx": 27, "udpos": 34, "panx": 14, "xquad": 225,
    "mlqa": 225, "tydiqa": 205, "bucc": 60, "tatoeba": 32,
}  # fmt: skip
"""Mean tokens an example, XLM-R's vocabulary, cut at the protocol's length; measured on real rows where these were
at hand, `anli-plus`, `ccg`, `mlqa` and `tydiqa` taken from their like."""
TRAIN = {"anli-plus": 1_104_934, "ccg": 38_000}
"""Usable training rows, where the record's published number is another or none."""
TEST = {"bucc": 1_300_000, "udpos": 60_000, "mlqa": 45_000, "tatoeba": 32_000}
"""Test rows of all languages together where the record has not all of them, rounded; for `bucc` pairs of
sentences."""


@dataclass(frozen=True)
class Job:
    """One phase: what it takes, on how many cards at once, and what must be done before it."""

    id: str
    name: str
    seconds: float
    after: tuple[str, ...]
    cards: int = 1


@dataclass(frozen=True)
class Place:
    """Where a job stands in its graph."""

    number: int
    path: float
    """Seconds from its start to the end of the longest chain that begins with it."""
    dependants: int
    """Jobs that cannot begin before it has ended."""


POLICIES: dict[str, Callable[[Job, Place], float]] = {
    "as planned": lambda job, place: place.number,
    "most dependants first": lambda job, place: -place.dependants,
    "longest path first": lambda job, place: -place.path,
    "longest first": lambda job, place: -job.seconds,
    "shortest first": lambda job, place: job.seconds,
    "at random": lambda job, place: random.Random(f"0 {job.id}").random(),
}
"""What a scheduler starts first among the phases that are ready: the smallest key."""


# ---------------------------------------------------------------- the experiment


def experiment(seeds: int) -> list[Job]:
    """The phases of eleven start points, nine targets and so many seeds."""
    names = ("anli-plus", "mnli", "qqp", "squad-v1", "squad-v2", "hellaswag", "ccg", "cosmosqa", "commonsenseqa")
    settings, _ = load_settings(
        {
            "strategy": ("none", "english-stilts"),
            "suite": "xtreme",
            "intermediate": (*names, "all"),
            "seeds": tuple(range(seeds)),
        }
    )
    toolkit = bootstrap.load(settings, ())
    model = Model("xlm-r-large", Path("xlm-r-large"), "0" * 16)
    plan = build_plan(settings, toolkit, toolkit.suites.get("xtreme"), model, "bfloat16", lambda *rows: "published")
    by_name = {name: toolkit.tasks.get(name) for name in toolkit.tasks.names()}
    return [
        Job(one.id, title(one), START + seconds(one, by_name), (*one.parents, *one.needs)) for one in plan.phases
    ]


def title(planned: PlannedPhase) -> str:
    """What a phase does, in a few words."""
    uses = "+".join(use.task for use in planned.phase.uses)
    return f"{planned.phase.role or planned.phase.does} {uses}"


def rows(task: TaskSpec, split: str) -> int:
    """Published number of rows of all languages (English alone for training)."""
    known = TRAIN if split == "train" else TEST
    if task.name in known:
        return known[task.name]
    wanted = f"{split}/en" if split == "train" else f"{split}/"
    return sum(n for source in task.sources for key, n in source.counts.items() if key.startswith(wanted))


def seconds(planned: PlannedPhase, tasks: Mapping[str, TaskSpec]) -> float:
    """What a phase's work takes on one card."""
    uses = planned.phase.uses
    if planned.phase.does == "evaluate":
        return sum(
            rows(tasks[use.task], "test") * TOKENS[use.task] / READ.get(tasks[use.task].format, READ[""])
            for use in uses
        )
    steps = steps_of(planned, [rows(tasks[use.task], "train") for use in uses])
    return sum(
        count * (STEP + TOKEN * planned.settings[use.task].batch_size * TOKENS[use.task])
        for count, use in zip(steps, uses, strict=True)
    )


def traffic(jobs: Sequence[Job]) -> tuple[float, float]:
    """Bytes read and written on the shared disk: weights in and out, and every five minutes a checkpoint: the
    weights, both moments and the best so far."""
    trains = [job for job in jobs if not job.name.startswith("evaluate")]
    saved = sum(job.seconds // 300 for job in trains)
    return len(jobs) * WEIGHTS, len(trains) * WEIGHTS + saved * 4 * WEIGHTS


# ---------------------------------------------------------------- a run that ended


def recorded(store: Path, run: str) -> list[Job]:
    """The phases that a stored run computed, with the seconds that each took, as its progress file has them."""
    folder = store / "runs" / run
    plan = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
    took = durations(folder)
    return [
        Job(one["id"], one["phase"]["does"], took[one["id"]], (*one["parents"], *one.get("needs", ())))
        for one in plan["phases"]
        if one["id"] in took
    ]


def durations(folder: Path) -> dict[str, float]:
    """Seconds by phase id, from the run's progress file."""
    told = json.loads((folder / "progress.json").read_text(encoding="utf-8"))["phases"]
    return {id: one["seconds"] for id, one in told.items() if one.get("seconds")}


# ---------------------------------------------------------------- the simulation


def children(jobs: Sequence[Job]) -> dict[str, list[str]]:
    """By job, the jobs that wait for it."""
    found: dict[str, list[str]] = {job.id: [] for job in jobs}
    for job in jobs:
        for parent in set(job.after) & set(found):
            found[parent].append(job.id)
    return found


def places(jobs: Sequence[Job]) -> dict[str, Place]:
    """Where every job stands. Plans name parents before children."""
    waiting = children(jobs)
    paths: dict[str, float] = {}
    below: dict[str, set[str]] = {}
    for job in reversed(jobs):
        paths[job.id] = job.seconds + max((paths[child] for child in waiting[job.id]), default=0.0)
        below[job.id] = set(waiting[job.id]).union(*(below[child] for child in waiting[job.id]))
    return {job.id: Place(number, paths[job.id], len(below[job.id])) for number, job in enumerate(jobs)}


def makespan(jobs: Sequence[Job], cards: int, policy: Callable[[Job, Place], float]) -> float:
    """Seconds until the last job has ended."""
    by_id, where, waiting = {job.id: job for job in jobs}, places(jobs), children(jobs)
    missing = {job.id: len(set(job.after) & set(by_id)) for job in jobs}
    ready: list[tuple[float, int, str]] = []
    running: list[tuple[float, str]] = []
    now = 0.0

    def free(ids: Sequence[str]) -> None:
        for id in ids:
            heapq.heappush(ready, (policy(by_id[id], where[id]), where[id].number, id))

    free([id for id, count in missing.items() if not count])
    unused = cards
    while ready or running:
        too_wide = []
        while ready and unused:
            first = heapq.heappop(ready)
            job = by_id[first[2]]
            if job.cards > unused:
                too_wide.append(first)  # a narrower one goes before it
                continue
            unused -= job.cards
            heapq.heappush(running, (now + job.seconds, job.id))
        for entry in too_wide:
            heapq.heappush(ready, entry)
        now, ended = heapq.heappop(running)
        unused += by_id[ended].cards
        for child in waiting[ended]:
            missing[child] -= 1
        free([child for child in waiting[ended] if not missing[child]])
    return now


def split_up(jobs: Sequence[Job], parts: int, name: str, loss: float = 0.15) -> list[Job]:
    """The jobs, those that `name` occurs in on `parts` cards each (data parallel), less a share of their speed."""
    speed = parts * (1 - loss)
    return [
        replace(job, seconds=START + (job.seconds - START) / speed, cards=parts) if name in job.name else job
        for job in jobs
    ]


# ---------------------------------------------------------------- the table


def show(jobs: Sequence[Job], cards: Sequence[int], unit: float, word: str) -> None:
    """Makespan by number of cards and policy, beside what no scheduler can beat."""
    total, chain = sum(job.seconds * job.cards for job in jobs), max(place.path for place in places(jobs).values())
    print(f"{len(jobs)} phases, {total / unit:.1f} {word} of work, longest chain {chain / unit:.2f} {word}\n")
    print(f"| cards | {' | '.join(POLICIES)} | bound |")
    print("|---" * (len(POLICIES) + 2) + "|")
    for number in (number for number in cards if number >= max(job.cards for job in jobs)):
        spans = [makespan(jobs, number, policy) / unit for policy in POLICIES.values()]
        bound = max(total / number, chain) / unit
        print(f"| {number} | {' | '.join(f'{span:.2f}' for span in spans)} | {bound:.2f} |")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--cards", default="1,8,64,512")
    parser.add_argument("--split", default="", help="NAME=N: phases whose name holds NAME on N cards each")
    parser.add_argument("--store", type=Path)
    parser.add_argument("--run", default="")
    parser.add_argument("--start", type=float, default=0.0, help="seconds a job of the stored run needs to begin")
    given = parser.parse_args()
    cards = [int(number) for number in given.cards.split(",")]
    if given.store:
        jobs = [replace(job, seconds=job.seconds + given.start) for job in recorded(given.store, given.run)]
        show(jobs, cards, 1.0, "s")
        return
    jobs = experiment(given.seeds)
    kinds: dict[str, list[float]] = {}
    for job in jobs:
        kinds.setdefault(job.name, []).append(job.seconds)
    print("| phase | number | minutes each | card hours |\n|---|---|---|---|")
    for name, taken in sorted(kinds.items(), key=lambda item: -sum(item[1])):
        print(f"| {name} | {len(taken)} | {sum(taken) / len(taken) / 60:.1f} | {sum(taken) / 3600:.1f} |")
    read, written = traffic(jobs)
    print(f"\nshared disk: {read / 1e12:.1f} TB read, {written / 1e12:.1f} TB written\n")
    if given.split:
        name, _, parts = given.split.partition("=")
        jobs = split_up(jobs, int(parts), name)
    show(jobs, cards, 3600.0, "h")


if __name__ == "__main__":
    main()
