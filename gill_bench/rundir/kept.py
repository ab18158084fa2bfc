"""Outputs that are kept before their unit is complete, so that no answer of a model is asked for twice.

Each lies in the cell's folder `kept`, in the form of a unit with one example and one seed. The next attempt at any unit
of the cell with this example and seed takes it from there; when that unit is stored, what was kept of it is removed.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from gill_bench.progress import say
from gill_bench.rundir.folders import is_done
from gill_bench.rundir.load_units import (
    DamagedUnitError,
    file_hashes,
    read_picture,
    read_samples,
    read_unit,
    read_vectors,
)
from gill_bench.rundir.records import VECTORS, Unit
from gill_bench.rundir.writer import Output, write_unit
from gill_bench.storage.files import remove_folder
from gill_bench.storage.paths import is_remote

KEPT = "kept"


class KeptOutputs:
    """The outputs of a unit that are there so far, by example id and seed.

    Args:
        cell: The folder of the cell; what an earlier attempt kept there is taken over. None stores nothing.
        unit: The unit; the caller holds its lock.

    Attributes:
        as_they_come: Whether each output is stored when it is added; else only `save` stores.
    """

    def __init__(self, cell: Path | None, unit: Unit) -> None:
        self.as_they_come = False
        self._folder = None if cell is None else cell / KEPT
        self._unit = unit
        self._outputs: dict[tuple[str, int], Output] = {}
        self._stored: set[tuple[str, int]] = set()
        if self._folder is not None and self._folder.is_dir():
            for key, single in self._singles():
                output = _read(single.folder(self._folder))
                if output is not None:
                    self._outputs[key] = output
                    self._stored.add(key)

    def __contains__(self, key: tuple[str, int]) -> bool:
        return key in self._outputs

    def __getitem__(self, key: tuple[str, int]) -> Output:
        return self._outputs[key]

    def add(self, example: str, seed: int, output: Output) -> None:
        """Keep an output, unless there is one of this example and seed."""
        if self._outputs.setdefault((example, seed), output) is output and self.as_they_come:
            self.save()

    def save(self) -> None:
        """Store the outputs that are not stored yet."""
        if self._folder is None:
            return
        for key, single in self._singles():
            if key in self._outputs and key not in self._stored:
                for _ in range(2):  # once more, if another process removes the empty folder in between
                    with suppress(FileNotFoundError):
                        write_unit(single.folder(self._folder), single, [[self._outputs[key]]], [{}], {})
                        break
                self._stored.add(key)

    def remove(self) -> None:
        """Remove what is stored, and what an attempt left there unfinished: the unit has it all now."""
        if self._folder is None or not self._folder.is_dir():
            return
        for _, single in self._singles():
            folder = single.folder(self._folder)
            if folder.is_dir():
                remove_folder(folder)
        self._stored.clear()
        if not is_remote(self._folder):
            with suppress(OSError):  # others are kept there
                self._folder.rmdir()

    def _singles(self) -> Iterator[tuple[tuple[str, int], Unit]]:
        for example in self._unit.examples:
            for seed in self._unit.seeds:
                yield (example[0], seed), replace(self._unit, examples=(example,), seeds=(seed,))


def _read(folder: Path) -> Output | None:
    """The output in the folder of a unit with one sample; None if it is not there, or damaged."""
    from PIL import Image

    if not is_done(folder):
        return None
    try:
        read_unit(folder)
        (sample,) = read_samples(folder)
        image = None
        if sample.picture is not None:
            image = Image.open(io.BytesIO(read_picture(sample.picture, sample.sha256)), formats=("PNG",))
            image.load()
        vector = read_vectors(folder)[0] if VECTORS in file_hashes(folder) else None
    except (DamagedUnitError, OSError, ValueError) as error:
        say(f"warning: {folder}: what was kept there is damaged ({error}); the model is asked again")
        return None
    return Output(image, vector, sample.output, sample.flagged, sample.truncated)
