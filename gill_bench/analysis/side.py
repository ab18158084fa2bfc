"""One side of a comparison, as `gill-bench compare` names it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gill_bench.rundir.reader import RunReader
from gill_bench.storage.files import folder_of


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a comparison: a run, or one model of a run.

    Attributes:
        run: The run directory.
        model: The model's name in the run; "" stands for all models of the run.
        name: Another name for the model, with which it is shown; "" for its own.
    """

    run: Path
    model: str = ""
    name: str = ""

    def open(self) -> tuple[RunReader, Side]:
        """Open the run; in it the model has the name with which it is shown, and so it has in the side returned."""
        reader = RunReader.open(self.run)
        if not self.name:
            return reader, self
        return reader.named({self.model: self.name}, only=True), Side(self.run, self.name)

    @classmethod
    def parse(cls, text: str) -> Side:
        """Parse `RUN` or `RUN:MODEL`; the name of an existing folder may itself contain a colon."""
        folder, colon, model = text.rpartition(":")
        names_model = colon and not model.startswith("/") and not folder_of(text).is_dir()
        return cls(folder_of(folder), model) if names_model else cls(folder_of(text))
