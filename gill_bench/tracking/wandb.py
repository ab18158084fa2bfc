"""Weights & Biases: a run of a project. Seeds are steps. WANDB_MODE=offline writes it to a folder instead."""

from __future__ import annotations

import os
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from gill_bench.tracking import library

PROJECT = "gill-bench"


class WeightsAndBiases:
    """Writes to the service through its own library, with the account that the library is logged in with.

    Args:
        project: The project of the run.
    """

    def __init__(self, project: str) -> None:
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # wandb would send crash reports to its makers
        self._library = library("wandb", "wandb")
        self._project = project

    def start(self, name: str, config: Mapping[str, str]) -> None:
        """Begin a run; of this machine, only what gill-bench records is sent."""
        settings = self._library.Settings(
            console="off", disable_git=True, x_disable_stats=True, x_disable_meta=True, save_code=False, silent=True
        )
        self._run: Any = self._library.init(
            project=self._project, name=name, config=dict(config), job_type="evaluation", settings=settings
        )

    def log(self, values: Mapping[str, float], seed: int) -> None:
        """Add the numbers to the history, with the seed as step."""
        self._run.log({"seed": seed, **values}, step=seed)

    def summary(self, values: Mapping[str, float]) -> None:
        """Add the numbers to the run's summary."""
        self._run.summary.update(dict(values))

    def table(self, name: str, markdown: str) -> None:
        """Add the table to the summary as text, since a table of W&B has no headings over several columns."""
        self._run.summary[f"tables/{name}"] = self._library.Html(
            f"<pre>{escape(markdown, quote=False)}</pre>", inject=False
        )

    def file(self, file: Path) -> None:
        """Keep a copy of the file in the run; without the copy, the library would make a link to the original."""
        copy = Path(self._run.dir) / file.name
        copy.write_bytes(file.read_bytes())
        self._run.save(str(copy), base_path=self._run.dir, policy="end")

    def picture(self, name: str, file: Path, caption: str) -> None:
        """Add the picture to the summary."""
        self._run.summary[f"pictures/{name}"] = self._library.Image(str(file), caption=caption)

    def finish(self) -> str:
        """End the run; returns its address, or its folder if it is offline."""
        where = self._run.url or self._run.dir
        self._run.finish()
        return str(where)


def open(where: str) -> WeightsAndBiases:
    """Open a tracker for a project; "" for `gill-bench`."""
    return WeightsAndBiases(where or PROJECT)
