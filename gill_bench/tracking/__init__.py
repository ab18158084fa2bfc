"""Run tracking: hands a finished run to a service in which people look at their experiments.

A tracker is a module with `open(where) -> Tracker`. The module and the library it needs are imported when a command
names the tracker. Other packages add trackers by an entry point in the group `gill_bench.trackers`. A tracker gets the
numbers of `results.json` and copies of files: everything comes from the run directory.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Protocol, cast

from gill_bench.cards.registry import registered
from gill_bench.errors import InputError

GROUP = "gill_bench.trackers"
BUILTIN = {
    "mlflow": "gill_bench.tracking.mlflow",
    "tensorboard": "gill_bench.tracking.tensorboard",
    "wandb": "gill_bench.tracking.wandb",
}


class Tracker(Protocol):
    """Writes one run to a service. `start` is called first, then any of the other methods, and `finish` last."""

    def start(self, name: str, config: Mapping[str, str]) -> None:
        """Begin a run.

        Args:
            name: The name of the run in the service.
            config: The settings behind the numbers: versions, commit, device, signatures.
        """

    def log(self, values: Mapping[str, float], seed: int) -> None:
        """Keep the numbers of one seed by their names, `task/model/context/metric`; seeds come in increasing order."""

    def summary(self, values: Mapping[str, float]) -> None:
        """Keep numbers over all seeds by their names, `mean/task/model/context/metric` and `std/...`."""

    def table(self, name: str, markdown: str) -> None:
        """Keep a table of the report."""

    def file(self, file: Path) -> None:
        """Keep a file of the run directory."""

    def picture(self, name: str, file: Path, caption: str) -> None:
        """Keep a picture that a model made; its name is `task/model/context/example`."""

    def finish(self) -> str:
        """End the run; returns the address or command with which people look at it."""


class TrackerModule(Protocol):
    """A tracker's module, built in or named by an entry point."""

    def open(self, where: str) -> Tracker:
        """Open a tracker.

        Args:
            where: The text behind `NAME=`: a folder, an address or a project; "" for the service's own default.

        Raises:
            InputError: The library is not installed, or `where` does not exist.
        """


def open_tracker(text: str) -> Tracker:
    """The tracker that `NAME` or `NAME=WHERE` names."""
    name, _, where = text.partition("=")
    return cast(TrackerModule, registered("tracker", name, BUILTIN, GROUP)).open(where)


def library(module: str, extra: str) -> ModuleType:
    """Import a tracker's library.

    Raises:
        InputError: The library is not installed; the message names the extra that has it.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise InputError(
            f"--to {extra}: {error}; install what it needs with: pip install 'gill-bench[{extra}]'"
        ) from error
