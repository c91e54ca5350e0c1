"""MLflow: a run a phase in experiment "xfer", on the tracking server that MLFLOW_TRACKING_URI names."""

import time
from collections.abc import Mapping
from typing import Any

from xfer.plugins.shared.tracking import PROJECT, Tracked


class PhaseWriter:
    """One phase's run."""

    def __init__(self, client: Any, run: str) -> None:
        self._client, self._run = client, run

    def log(self, values: Mapping[str, float], step: int) -> None:
        """All numbers of a step in one request."""
        from mlflow.entities import Metric

        now = int(1000 * time.time())
        metrics = [Metric(name, value, now, step) for name, value in values.items()]
        self._client.log_batch(self._run, metrics=metrics)

    def close(self, failed: bool) -> None:
        """End the run."""
        self._client.set_terminated(self._run, "FAILED" if failed else "FINISHED")


def open_phase(phase: Tracked) -> PhaseWriter:
    """Begin a run, tagged with the xfer run; the phase's settings are its parameters."""
    from mlflow import MlflowClient

    client = MlflowClient()
    known = client.get_experiment_by_name(PROJECT)
    experiment = known.experiment_id if known is not None else client.create_experiment(PROJECT)
    run = client.create_run(experiment, run_name=phase.name, tags={"xfer.run": phase.run}).info.run_id
    for name, value in phase.config.items():
        client.log_param(run, name, value)
    return PhaseWriter(client, run)
