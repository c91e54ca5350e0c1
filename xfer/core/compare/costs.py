"""What the labels cost, and how their phases learned, from what the phases stored."""

from collections.abc import Iterable, Mapping
from typing import Any

from xfer.core.compare.evidence import Evidence
from xfer.core.records import Record


class Cost(Record):
    """One label's work over all targets and seeds; a phase that several targets share counts once."""

    label: str
    train_steps: int
    train_examples: int
    """Steps times batch size, the intermediate phases included."""
    train_seconds: float | None
    """None where a phase did not store its time."""
    evaluate_seconds: float
    devices: tuple[str, ...]
    phases: int
    runs: int
    """Seeds; costs are totals over them."""
    delta: float | None
    """The average's gain over the baseline."""


class Curve(Record):
    """One training phase's loss, and score on English dev where it was looked at, by step."""

    label: str
    tasks: str
    seed: int | None
    loss: tuple[tuple[float, float], ...]
    dev: tuple[tuple[float, float], ...]
    phase: str


def costs(cells: Any, deltas: Mapping[str, float | None], evidence: Evidence | None) -> tuple[Cost, ...]:
    """Every label's cost; none without the phases."""
    if evidence is None:
        return ()
    found = []
    for label, held in cells.items():
        rows = [row for languages in held.values() for runs in languages.values() for row in runs.values()]
        scored = {(row.phase, row.task, row.language): row.seconds for row in rows}
        chain = dict.fromkeys(phase for row in rows for phase in evidence.chain(row.phase))
        infos = [evidence.info(phase) for phase in chain]
        trained = [info for info in infos if info.get("does") == "train"]
        seconds = [info.get("seconds") for info in trained]
        if not any(infos):
            continue
        found.append(
            Cost(
                label=label,
                train_steps=sum(int(info.get("steps", 0)) for info in trained),
                train_examples=sum(_examples(info) for info in trained),
                train_seconds=None if None in seconds else sum(float(s or 0) for s in seconds),
                evaluate_seconds=sum(scored.values()),
                devices=tuple(sorted({str(info["device"]) for info in infos if info.get("device")})),
                phases=len(infos),
                runs=len({row.seed for row in rows}),
                delta=deltas.get(label),
            )
        )
    return tuple(found)


def _examples(info: Mapping[str, Any]) -> int:
    """Examples drawn: each use's share of the steps, times its batch size."""
    settings = info.get("identity", {}).get("settings", {})
    sizes = [own.get("batch_size", 0) for name, own in settings.items() if name] or [
        settings.get("", {}).get("batch_size", 0)
    ]
    shares = info.get("shares") or [1 / len(sizes)] * len(sizes)
    if len(shares) != len(sizes):
        shares = [1 / len(sizes)] * len(sizes)
    steps = int(info.get("steps", 0))
    return round(sum(float(share) * int(size) for share, size in zip(shares, sizes, strict=True)) * steps)


def curves(cells: Any, evidence: Evidence | None) -> tuple[Curve, ...]:
    """The learning curves of all training phases, each once, under the first label that uses it."""
    if evidence is None:
        return ()
    found: dict[str, Curve] = {}
    for label, held in cells.items():
        rows = [row for languages in held.values() for runs in languages.values() for row in runs.values()]
        for phase in dict.fromkeys(name for row in rows for name in evidence.chain(row.phase)):
            info = evidence.info(phase)
            if phase in found or info.get("does") != "train":
                continue
            log = evidence.log(phase)
            identity = info.get("identity", {})
            found[phase] = Curve(
                label=label,
                tasks=", ".join(str(use.get("task")) for use in identity.get("uses", ())),
                seed=identity.get("seed"),
                loss=_series(log, "loss"),
                dev=_series(log, "dev"),
                phase=phase,
            )
    return tuple(curve for curve in found.values() if curve.loss or curve.dev)


def _series(log: Iterable[Mapping[str, float]], name: str) -> tuple[tuple[float, float], ...]:
    return tuple((float(entry["step"]), float(entry[name])) for entry in log if name in entry and "step" in entry)
