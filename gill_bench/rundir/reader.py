"""The reader of a finished run, for comparisons, pages and trackers; it needs no data, no weights and nothing heavy.

Scoring has decided what counts: rows are those of `results.json`, and values of single examples are those of score
files with the rows' signatures, in units of the cell's recipe.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from gill_bench.errors import InputError, command
from gill_bench.rundir.folders import cell_folder, no_spec, score_files, unit_folders
from gill_bench.rundir.load import read_cell_scores, read_picture_scores, read_results, read_spec
from gill_bench.rundir.load_units import MEND, DamagedUnitError, read_commit, read_picture, read_samples
from gill_bench.rundir.records import ENVIRONMENT, RESULTS, SPEC, CellKey, CellScores, Sample, Spec
from gill_bench.rundir.rows import Results, Row
from gill_bench.rundir.signatures import with_fields
from gill_bench.rundir.unit_memory import UnitMemory
from gill_bench.storage.files import list_now
from gill_bench.storage.sealed import read_file


@dataclass(frozen=True, slots=True)
class Values:
    """Values of single examples in one metric.

    Attributes:
        by_seed: The values by seed and example.
        higher_is_better: Whether a higher value is better.
        signature: The signature of the rows that hold the means of these values.
    """

    by_seed: dict[int, dict[str, float]]
    higher_is_better: bool
    signature: str

    def means(self) -> dict[str, float]:
        """The mean over seeds by example, for the examples that have a value with every seed."""
        seeds = list(self.by_seed.values())
        common = [name for name in seeds[0] if all(name in each for each in seeds[1:])] if seeds else []
        return {name: sum(each[name] for each in seeds) / len(seeds) for name in common}


@dataclass(frozen=True)
class RunReader:
    """Reads the files of one run.

    Attributes:
        folder: The run directory.
        results: The content of `results.json`.
        spec: The content of `spec.json`.
        memory: Units that were read before; None for a run that is read once.
        unscored: Whether the cells with stored outputs and no rows are among those to be shown.
        own_names: The names that models have in the files of the run, by those that they are shown with.
    """

    folder: Path
    results: Results
    spec: Spec = field(repr=False)
    memory: UnitMemory | None = field(default=None, repr=False)
    unscored: bool = False
    own_names: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def open(cls, folder: Path) -> RunReader:
        """Read results.json and spec.json.

        Raises:
            InputError: The folder is not that of a run, the run is not scored yet, or a file is damaged.
        """
        results = read_results(folder / RESULTS)
        spec = read_spec(folder)
        if not spec.cells:
            raise no_spec(folder)
        return cls(folder, results, spec)

    def named(self, names: Mapping[str, str], *, only: bool = False) -> RunReader:
        """The same run, in which some models have other names.

        Args:
            names: The other names, by the models' names in the run.
            only: Whether the run has only these models.
        """

        def renamed(items: Iterable[Any]) -> tuple[Any, ...]:
            chosen = (item for item in items if not only or item.model in names)
            return tuple(replace(item, model=names.get(item.model, item.model)) for item in chosen)

        results, spec = self.results, self.spec
        return replace(
            self,
            results=replace(
                results,
                rows=renamed(results.rows),
                unmade=renamed(results.unmade),
                probes=renamed(results.probes),
            ),
            spec=replace(spec, cells=renamed(spec.cells)),
            own_names={**self.own_names, **{shown: self.own_names.get(own, own) for own, shown in names.items()}},
        )

    @cached_property
    def rows(self) -> dict[tuple[CellKey, str], list[Row]]:
        """The rows of each cell and metric, one per seed."""
        rows: dict[tuple[CellKey, str], list[Row]] = {}
        for row in self.results.rows:
            rows.setdefault((row.cell_key, row.metric), []).append(row)
        return rows

    @property
    def cell_keys(self) -> list[CellKey]:
        """The cells to be shown: those with rows; with `unscored`, then the others of which outputs are stored."""
        scored = dict.fromkeys(key for key, _ in self.rows)
        others = [cell.cell_key for cell in self.spec.cells if cell.cell_key not in scored] if self.unscored else []
        return [*scored, *(key for key in others if self._units(key))]

    def documents(self) -> Iterator[tuple[str, bytes]]:
        """The name and content of each JSON file at the top of the run directory."""
        for name in (RESULTS, SPEC, ENVIRONMENT):
            try:
                yield name, read_file(self.folder / name)
            except FileNotFoundError:
                continue

    def picture(self, sample: Sample) -> bytes:
        """The content of a sample's picture.

        Raises:
            DamagedUnitError: The file is not there, or is not as it was written.
        """
        return read_picture(sample.folder / sample.image, sample.sha256)

    def samples(self, cell_key: CellKey) -> Iterator[Sample]:
        """The samples of a cell, each once."""
        seen: set[tuple[str, int]] = set()
        for folder in self._units(cell_key):
            try:
                samples = self.memory.samples(folder) if self.memory else read_samples(folder)
            except DamagedUnitError as error:
                raise self._damaged(error) from error
            for sample in samples:
                if sample.key not in seen:
                    seen.add(sample.key)
                    yield sample

    def clusters(self, cell_key: CellKey) -> dict[str, str]:
        """The cluster of each example; the example itself if its samples name none. It is read once."""
        key = ("clusters", cell_key)
        if key not in self._cache:
            self._cache[key] = {sample.example: sample.cluster for sample in self.samples(cell_key)}
        cached: dict[str, str] = self._cache[key]
        return cached

    def values(self, cell_key: CellKey, metric: str) -> Values | None:
        """The values of single examples; None if the metric has none, or nothing was scored. They are read once."""
        key = ("values", cell_key, metric)
        if key not in self._cache:
            self._cache[key] = self._read_values(cell_key, metric)
        cached: Values | None = self._cache[key]
        return cached

    def _read_values(self, cell_key: CellKey, metric: str) -> Values | None:
        rows = self.rows.get((cell_key, metric), [])
        if not rows:
            return None
        by_seed: dict[int, dict[str, float]] = {}
        signature, seeds = rows[0].signature, {row.seed for row in rows}
        name = metric.partition("[")[0]
        for folder in self._units(cell_key):
            for file in score_files(folder):
                if file.metric != name or file.seed is not None:
                    continue
                scores = read_picture_scores(file.path, self._mend)
                if scores.metric == metric and signature.endswith(scores.signature):
                    for example, seed, value in scores.values:
                        if seed in seeds:
                            by_seed.setdefault(seed, {}).setdefault(example, value)
        for file in score_files(self._cell(cell_key)):
            if file.seed is None or file.seed not in seeds:
                continue
            numbers = self._numbers(file.path)
            for score in numbers.scores:
                own = with_fields(numbers.signature, score.signature or {})
                if signature.endswith(own) and score.metric == name and score.each:
                    by_seed[file.seed] = {example: float(value) for example, value in score.each.items()}
        return Values(dict(sorted(by_seed.items())), rows[0].higher_is_better, signature) if by_seed else None

    def _cell(self, cell_key: CellKey) -> Path:
        return cell_folder(self.folder, cell_key._replace(model=self.own_names.get(cell_key.model, cell_key.model)))

    @cached_property
    def _cache(self) -> dict[object, Any]:
        return {}

    def _numbers(self, file: Path) -> CellScores:
        """The scores of a cell over all its outputs together; a file with several numbers is read once."""
        if file not in self._cache:
            self._cache[file] = read_cell_scores(file, self._mend)
        scores: CellScores = self._cache[file]
        return scores

    def _units(self, cell_key: CellKey) -> list[Path]:
        """The folders of the committed units that have the cell's recipe; they are looked up once."""
        cell = self._cell(cell_key)
        if cell not in self._cache:
            self._cache[cell] = self._find_units(cell_key)
        cached: list[Path] = self._cache[cell]
        return cached

    def _find_units(self, cell_key: CellKey) -> list[Path]:
        list_now(self._cell(cell_key))
        cell = self.spec.cell(cell_key)
        if cell is None:
            return []
        recipe = cell.recipe_digest
        try:
            read = self.memory.commit if self.memory else read_commit
            return [folder for folder in unit_folders(self._cell(cell_key)) if read(folder).unit.recipe == recipe]
        except DamagedUnitError as error:
            raise self._damaged(error) from error

    @property
    def _mend(self) -> str:
        return f"mend it with: {command('score', self.folder)}"

    def _damaged(self, error: DamagedUnitError) -> InputError:
        """The error for a damaged unit, and how its outputs are made again."""
        reason = str(error).removesuffix(f"; {MEND}")
        return InputError(
            f"{reason}; {command('verify', self.folder)} withdraws its unit, and the command that made the run makes it"
            " again"
        )
