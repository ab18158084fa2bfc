"""MLflow: a run in the experiment "gill-bench" of a tracking server. Seeds are steps."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from gill_bench.errors import GillBenchError
from gill_bench.tracking import library

EXPERIMENT = "gill-bench"
_AT_ONCE = 100  # parameters that a server takes in one call
_LONGEST = 6000  # characters of a parameter's value


class MLflow:
    """Writes to a tracking server through MLflow's client, which changes no state of this process.

    Args:
        address: The address of the tracking server; "" for MLFLOW_TRACKING_URI.
    """

    def __init__(self, address: str) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # MLflow would send usage data to its makers
        self._library = library("mlflow", "mlflow")
        self._address = address

    def start(self, name: str, config: Mapping[str, str]) -> None:
        """Create a run with the settings as its parameters."""
        entities = self._library.entities
        try:
            self._client: Any = self._library.MlflowClient(tracking_uri=self._address or None)
            known = self._client.get_experiment_by_name(EXPERIMENT)
            experiment = known.experiment_id if known else self._client.create_experiment(EXPERIMENT)
            self._run = self._client.create_run(experiment, run_name=name).info.run_id
        except self._library.MlflowException as error:
            where = self._address or "the tracking server"
            raise GillBenchError(f"--to mlflow: {where}: {str(error).splitlines()[0]}") from error
        parameters = iter([entities.Param(_key(key), value[:_LONGEST]) for key, value in config.items()])
        while some := list(islice(parameters, _AT_ONCE)):
            self._client.log_batch(self._run, params=some)

    def log(self, values: Mapping[str, float], seed: int) -> None:
        """Log the numbers as metrics, with the seed as step."""
        now = int(1000 * time.time())
        metrics = iter([self._library.entities.Metric(_key(name), v, now, seed) for name, v in values.items()])
        while some := list(islice(metrics, _AT_ONCE)):
            self._client.log_batch(self._run, metrics=some)

    def summary(self, values: Mapping[str, float]) -> None:
        """Log the numbers as metrics at step 0."""
        self.log(values, 0)

    def table(self, name: str, markdown: str) -> None:
        """Keep the table as an artifact."""
        self._client.log_text(self._run, markdown, f"tables/{name}.md")

    def file(self, file: Path) -> None:
        """Keep the file as an artifact."""
        self._client.log_artifact(self._run, str(file))

    def picture(self, name: str, file: Path, caption: str) -> None:
        """Keep the picture as an artifact, with its caption in a file beside it."""
        folder = f"pictures/{name}"
        self._client.log_artifact(self._run, str(file), folder)
        self._client.log_text(self._run, caption, f"{folder}/{file.stem}.txt")

    def finish(self) -> str:
        """End the run; returns its id and experiment."""
        self._client.set_terminated(self._run)
        return f"mlflow run {self._run} in experiment {EXPERIMENT}"


def _key(name: str) -> str:
    """A name made of the characters that MLflow allows (letters, digits, _ - . : / and spaces): `lpips.mini`."""
    return re.sub(r"[^\w\-./: ]", "_", name.replace("[", ".").replace("]", ""))


def open(where: str) -> MLflow:
    """Open a tracker for the server at an address; "" for MLFLOW_TRACKING_URI."""
    return MLflow(where)
