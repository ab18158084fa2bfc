"""The files of a run directory as typed records; the rows of `results.json` are in `rows.py`.

`load.py` and `load_units.py` open the files and return these records, and `writer.py` writes them.
`docs/run-directory.md` is made from this module and `rows.py` (`tests/rundir/test_documents.py`).

Paths in files are relative, and no file holds a credential: a run can be passed on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Literal, NamedTuple

from gill_bench.interfaces import Score
from gill_bench.storage.digests import digest

SPEC, ENVIRONMENT, RESULTS = "spec.json", "env.json", "results.json"
EXPERIMENT = "experiment.toml"
UNITS, COMMIT, SAMPLES, VECTORS = "units", "unit.json", "samples.jsonl", "vectors.npy"
SCHEMA_VERSION = 1
"""The `schema_version` of every JSON file of a run; a file with another one is not read."""
SPEC_FORMAT = 2
"""The `format` of `spec.json`. A file without `format` is older and has no seal."""

LossReason = Literal["failed", "refused", "not made"]
"""The reason why an example has no output: the model raised, the model declined by policy, or was not asked yet."""


class CellKey(NamedTuple):
    """The name of a cell.

    Attributes:
        task: Name of the task card.
        model: Name of the model card.
        context: Canonical name of the context, such as `5-captions-4-images`; `candidates` for the pictures among
            which a model searches.
    """

    task: str
    model: str
    context: str

    @property
    def path(self) -> PurePosixPath:
        """The cell's folder, relative to the run directory; names are checked by `folders.cell_folder`."""
        return PurePosixPath(UNITS, *self)

    def __str__(self) -> str:
        """The name as messages have it, such as `vist/gill/5-captions-4-images`."""
        return "/".join(self)


@dataclass(frozen=True, slots=True)
class SpecTask:
    """A task as a run was asked for, under `tasks` in `spec.json`.

    Attributes:
        card: The task card after all overrides (mini world, split, `--set`).
        data: "mini", or the data folder as seen from the run directory.
        limit: The `--limit`; 0 for all examples.
        metric_weights: "mini", or the folder of the metrics' weights as seen from the run directory.
    """

    card: Mapping[str, Any]
    data: str
    limit: int
    metric_weights: str


@dataclass(frozen=True, slots=True)
class SpecCell:
    """A cell as a run was asked for, under `cells` in `spec.json`.

    Attributes:
        task: Name of the task card.
        task_as: The key of the cell's task under `tasks`; one run can hold a task with several settings.
        model: Name of the model card.
        context: Canonical name of the context.
        seeds: The seeds asked for.
        recipe: Everything that changes the outputs (`planning/recipe.py`). Its digest is in each unit.
        notes: Sentences that every table with this cell shows.
        row_seeds: The seeds that have rows in `results.json`; None in files of older versions, which did not say.
        usable: The number of examples that the model can be asked about: none of their pictures is missing; None in
            files of older versions.
    """

    task: str
    task_as: str
    model: str
    context: str
    seeds: tuple[int, ...]
    recipe: Mapping[str, Any]
    notes: tuple[str, ...]
    row_seeds: tuple[int, ...] | None = None
    usable: int | None = None

    @property
    def cell_key(self) -> CellKey:
        """The cell's name."""
        return CellKey(self.task, self.model, self.context)

    @property
    def recipe_digest(self) -> str:
        """SHA-256 of the recipe, which the cell's units hold."""
        return digest(self.recipe)


@dataclass(frozen=True, slots=True)
class Spec:
    """The content of `spec.json`: what the run was asked for.

    Attributes:
        tasks: The tasks by name and digest, such as `vist@1a2b3c4d`.
        cells: The cells, sorted by task, model and context.
    """

    tasks: Mapping[str, SpecTask] = field(default_factory=dict)
    cells: tuple[SpecCell, ...] = ()

    def cell(self, cell_key: CellKey) -> SpecCell | None:
        """The cell of a name; None if the run was not asked for it."""
        return next((cell for cell in self.cells if cell.cell_key == cell_key), None)


@dataclass(frozen=True, slots=True)
class Session:
    """One command that worked on the run, under `sessions` in `env.json`. It decides nothing: it is there to be read.

    A field that the command's version did not record is None.

    Attributes:
        gill_bench: Version of gill-bench.
        commit: Commit of the checkout, with "+dirty" if files differ from it; None outside a checkout.
        python: Version of Python.
        platform: Operating system and machine type, such as `Linux x86_64`.
        packages: Versions of the libraries that change numbers; None for one that is not installed.
        device: The torch device.
        batch_size: The `--batch-size`; 0 for the default.
        cpus: Processors of the machine.
        threads: CPU threads of torch.
        argv: The command's arguments, without credentials and without folders of absolute paths.
    """

    gill_bench: str | None = None
    commit: str | None = None
    python: str | None = None
    platform: str | None = None
    packages: Mapping[str, str | None] | None = None
    device: str | None = None
    batch_size: int | None = None
    cpus: int | None = None
    threads: int | None = None
    argv: list[str] | None = None


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit of work: a block of a cell's examples with all their seeds, stored and resumed together.

    Attributes:
        task: Name of the task card.
        model: Name of the model card.
        context: Canonical name of the context.
        recipe: Digest of the cell's recipe.
        examples: (example id, digest of what the model is given for it), in the order of the data.
        seeds: The seeds of each example.
    """

    task: str
    model: str
    context: str
    recipe: str
    examples: tuple[tuple[str, str], ...]
    seeds: tuple[int, ...]

    @property
    def cell_key(self) -> CellKey:
        """The cell that the unit belongs to."""
        return CellKey(self.task, self.model, self.context)

    @property
    def size(self) -> int:
        """The number of samples of the unit: one per example and seed."""
        return len(self.examples) * len(self.seeds)

    @property
    def key(self) -> str:
        """Hash over recipe, examples and seeds, 16 hexadecimal digits: the name of the unit's folder."""
        return digest([SCHEMA_VERSION, self.recipe, self.examples, self.seeds])[:16]

    def folder(self, cell: Path) -> Path:
        """The unit's folder in the folder of its cell."""
        return cell / self.key


@dataclass(frozen=True, slots=True)
class Commit:
    """The content of `unit.json`: the unit's description, and the hash of each of its files.

    Attributes:
        unit: The unit; its fields stand beside `files` in the JSON, with its `key`.
        files: SHA-256 by file name.
        made: How the unit was made: `device`, `device_name` (the model of an accelerator), `batch_size` (the most
            prompts in one call), `seconds`; `after`, what a call with more prompts raised; `answered_by`, what the
            server of a served model said of itself. Of outputs that were made elsewhere `imported`: the name of the
            folder, and "list" or "names" for how they were told.
    """

    unit: Unit
    files: Mapping[str, str]
    made: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Sample:
    """One stored output: a line of `samples.jsonl`.

    The key `image` or `output` is absent where it would be empty. A new fact with each sample is added in
    `gill_bench/generation/generate.py`: a fact about the example in `details_of`, and one that a model returns with a
    picture (a new field of `gill_bench.interfaces.GeneratedImage`) in `_images`, as `values` of its `Output`, which
    become `output`. Nothing else has to know of it.

    Attributes:
        folder: The unit's folder; not in the file.
        row: The sample's number in its unit, which is the row of its vector in `vectors.npy`; not in the file.
        example: The example's id.
        seed: The seed.
        image: The picture's file in the unit's folder; "" if the output is no picture.
        output: The output as JSON, such as {"text": "two dogs"}; empty for a vector, and for a picture without facts.
        flagged: Whether the model's safety checker blackened the picture.
        truncated: Whether the prompt was longer than the model reads.
        details: Facts about the example, which stand beside the other keys in the JSON: `cluster`, `target` (id of the
            target picture or null) and `prompt` (texts, and {"picture": id}, with "blank" where a grey picture was
            shown instead). Empty for candidates.
        sha256: SHA-256 of the picture from `unit.json`, or ""; not in the file.
    """

    folder: Path
    row: int
    example: str
    seed: int
    image: str
    output: Mapping[str, Any]
    flagged: bool
    truncated: bool
    details: Mapping[str, Any]
    sha256: str = ""

    @property
    def key(self) -> tuple[str, int]:
        """(example, seed)."""
        return self.example, self.seed

    @property
    def picture(self) -> Path | None:
        """The picture's file; None if the output is no picture."""
        return self.folder / self.image if self.image else None

    @property
    def cluster(self) -> str:
        """The example's cluster; the example itself if the file names none."""
        return str(self.details.get("cluster", self.example))


@dataclass(frozen=True, slots=True)
class PictureScores:
    """The content of a unit's `score-<metric>-<key>.json`: one value per picture.

    Attributes:
        metric: The metric's name in rows, such as `lpips[mini]`.
        signature: The metric's signature.
        content: Digest of the unit's files when it was scored; "" in files of older versions, which are not used.
        values: (example, seed, value).
        references: SHA-256 of the target picture by example.
        others: By example, the value of another example's target picture; empty in files of older versions.
    """

    metric: str
    signature: str
    content: str
    values: tuple[tuple[str, int, float], ...]
    references: Mapping[str, str]
    others: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CellScores:
    """The content of a cell's `score-<metric>-<key>-<seed>.json`: numbers over all outputs together.

    Attributes:
        signature: The metric's signature.
        content: Digest of outputs, answers, facts, candidates and reference pictures that the numbers were made of.
        scores: The numbers, as the metric returned them (`gill_bench.metrics.Score`).
    """

    signature: str
    content: str
    scores: tuple[Score, ...]


@dataclass(frozen=True, slots=True)
class Reason:
    """The reason why a model has no output for an example.

    Attributes:
        outcome: "failed" or "refused".
        type: Class of the exception; "" if the model raised none: a worker died, or a value cannot be used.
        message: First line of the exception's message.
        where: File and line of the innermost frame in the model's own code, such as "my_model.py:12", or "".
        traceback: Text of the traceback, without paths of the machine and without credentials.
    """

    outcome: LossReason
    type: str
    message: str
    where: str = ""
    traceback: str = ""

    def __str__(self) -> str:
        """The exception as a message has it, such as `KeyError: 'unk'`."""
        return ": ".join(part for part in (self.type, self.message) if part)


@dataclass(frozen=True, slots=True)
class FailureRecord:
    """The content of a cell's `failed-<key>.json`: an example that has no output.

    The record counts while recipe and content are those of the cell and the sample is not stored.

    Attributes:
        file: Name of the file in the cell's folder; not in the file.
        example: The example's id.
        content: Digest of what the model was given for the example.
        recipe: Digest of the cell's recipe.
        seeds: The seeds that the model was asked for.
        reason: Why there is no output; its fields stand beside the other keys in the JSON.
    """

    file: str
    example: str
    content: str
    recipe: str
    seeds: tuple[int, ...]
    reason: Reason
