"""TensorBoard: an event file in a folder. Seeds are steps; tables and settings are texts."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path

from gill_bench.errors import InputError
from gill_bench.tracking import library

FOLDER = "tensorboard"


class TensorBoard:
    """Writes with torch's `SummaryWriter`.

    Args:
        folder: The folder of all runs, in which this run gets a folder of its own name.
    """

    def __init__(self, folder: Path) -> None:
        library("tensorboard", "tensorboard")
        self._folder = folder

    def start(self, name: str, config: Mapping[str, str]) -> None:
        """Create the run's folder; a name that is taken is refused, since it would mix two runs."""
        from torch.utils.tensorboard import SummaryWriter

        self._run_folder = self._folder / re.sub(r"[^\w.-]+", "-", name)
        if self._run_folder.is_dir() and any(self._run_folder.iterdir()):
            raise InputError(f"{self._run_folder}: is there already; give another --name, or delete it")
        try:
            self._writer = SummaryWriter(str(self._run_folder))
        except OSError as error:
            raise InputError(
                f"{self._run_folder}: cannot be written ({error.strerror}); name another folder"
            ) from error
        lines = [f"| {key} | {value.replace('|', '&#124;')} |" for key, value in config.items()]
        self._writer.add_text("config", "\n".join(["| name | value |", "|---|---|", *lines]))

    def log(self, values: Mapping[str, float], seed: int) -> None:
        """Write the numbers as scalars, with the seed as step."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, seed)

    def summary(self, values: Mapping[str, float]) -> None:
        """Write the numbers as scalars at step 0."""
        self.log(values, 0)

    def table(self, name: str, markdown: str) -> None:
        """Write the table as a text, which TensorBoard shows as Markdown."""
        self._writer.add_text(f"tables/{name}", markdown)

    def file(self, file: Path) -> None:
        """Put a copy beside the event file, since TensorBoard itself keeps no files."""
        (self._run_folder / file.name).write_bytes(file.read_bytes())

    def picture(self, name: str, file: Path, caption: str) -> None:
        """Write the picture, and its caption as a text."""
        import numpy as np

        from gill_bench.storage.images import load_image

        self._writer.add_image(name, np.asarray(load_image(file)), dataformats="HWC")
        self._writer.add_text(f"{name}/caption", caption)

    def finish(self) -> str:
        """Close the event file; returns the command that shows it."""
        self._writer.close()
        return f"tensorboard --logdir {shlex.quote(str(self._folder))}"


def open(where: str) -> TensorBoard:
    """Open a tracker that writes into a folder; "" for `tensorboard`."""
    return TensorBoard(Path(where or FOLDER))
