"""Run tracking: a finished run handed to a service that people look at their experiments in.

A tracker is one module with `open(where) -> Tracker`; it is imported when it is asked for, and so is the library it
needs. Other packages add theirs by an entry point in the group `gill_bench.trackers`. Numbers are those of
`results.json` and files are copies: nothing is tracked that the run directory does not hold.
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
    """What a service must be able to keep; called in this order: `start`, then any of the others, then `finish`."""

    def start(self, name: str, config: Mapping[str, str]) -> None:
        """Begin a run.

        Args:
            name: What the service calls it.
            config: How the numbers came about: versions, commit, device, signatures.
        """

    def log(self, values: Mapping[str, float], seed: int) -> None:
        """Keep the numbers of one seed, by `task/model/context/metric`; seeds come in increasing order."""

    def summary(self, values: Mapping[str, float]) -> None:
        """Keep numbers over all seeds, by `mean/task/model/context/metric` and `std/...`."""

    def table(self, name: str, markdown: str) -> None:
        """Keep a table of the report."""

    def file(self, file: Path) -> None:
        """Keep a file of the run directory."""

    def picture(self, name: str, file: Path, caption: str) -> None:
        """Keep a picture that a model made, by `task/model/context/example`."""

    def finish(self) -> str:
        """End the run; says where to look at it."""


class TrackerModule(Protocol):
    """A module of this folder, or what an entry point names."""

    def open(self, where: str) -> Tracker:
        """A tracker.

        Args:
            where: What was given behind the name: a folder, an address, a project; "" for the service's own default.

        Raises:
            InputError: The library is not installed, or there is no such place.
        """


def open_tracker(text: str) -> Tracker:
    """The tracker that `NAME` or `NAME=WHERE` names.

    Raises:
        InputError: There is none of this name, its library is not installed, or there is no such place.
    """
    name, _, where = text.partition("=")
    return cast(TrackerModule, registered("tracker", name, BUILTIN, GROUP)).open(where)


def library(module: str, extra: str) -> ModuleType:
    """Import a tracker's library.

    Raises:
        InputError: It is not installed; names the extra that has it.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise InputError(
            f"--to {extra}: {error}; install what it needs with: pip install 'gill-bench[{extra}]'"
        ) from error
