"""A finished run as it lies on disk, for comparisons and pages: no data, no weights and nothing heavy is needed.

What counts was decided when it was scored: rows are those of results.json, values those of the score files that carry
the rows' signatures, in units of the cell's recipe.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from gill_bench.errors import InputError, command
from gill_bench.rundir.kept_files import kept_scores
from gill_bench.rundir.load import read_results
from gill_bench.rundir.records import CellKey, Sample
from gill_bench.rundir.rows import Results, Row
from gill_bench.rundir.signatures import with_fields
from gill_bench.rundir.spec import no_spec, read_spec
from gill_bench.rundir.units import (
    MEND,
    DamagedUnitError,
    cell_folder,
    read_samples,
    recipe_of,
    unit_folders,
)
from gill_bench.storage.digests import digest
from gill_bench.storage.files import list_now
from gill_bench.storage.sealed import read_sealed


@dataclass(frozen=True, slots=True)
class Values:
    """Values of single examples in one metric.

    Attributes:
        by_seed: Value by seed and example.
        higher_is_better: Which way the metric points.
        signature: Of the rows that are the means of these.
    """

    by_seed: dict[int, dict[str, float]]
    higher_is_better: bool
    signature: str

    def means(self) -> dict[str, float]:
        """Mean over seeds by example, of those examples that every seed has."""
        seeds = list(self.by_seed.values())
        common = [name for name in seeds[0] if all(name in each for each in seeds[1:])] if seeds else []
        return {name: sum(each[name] for each in seeds) / len(seeds) for name in common}


@dataclass(frozen=True)
class RunReader:
    """The folder of a run.

    Attributes:
        folder: Where it is.
        results: Its rows.
        spec: The content of spec.json.
    """

    folder: Path
    results: Results
    spec: Mapping[str, Any] = field(repr=False)

    @classmethod
    def open(cls, folder: Path) -> RunReader:
        """Read results.json and spec.json.

        Raises:
            InputError: It is not the folder of a run that was scored, or a file is damaged.
        """
        results = read_results(folder / "results.json")
        spec = read_spec(folder)
        if not spec["cells"]:
            raise no_spec(folder)
        return cls(folder, results, spec)

    @cached_property
    def rows(self) -> dict[tuple[CellKey, str], list[Row]]:
        """Rows by place and metric, by seed."""
        found: dict[tuple[CellKey, str], list[Row]] = {}
        for row in self.results.rows:
            found.setdefault((row.cell_key, row.metric), []).append(row)
        return found

    def samples(self, place: CellKey) -> Iterator[Sample]:
        """The outputs of a cell, each once."""
        seen: set[tuple[str, int]] = set()
        for folder in self._units(place):
            try:
                samples = read_samples(folder)
            except DamagedUnitError as error:
                raise self._damaged(error) from error
            for sample in samples:
                if sample.key not in seen:
                    seen.add(sample.key)
                    yield sample

    def clusters(self, place: CellKey) -> dict[str, str]:
        """The cluster of each example; itself where nothing is known. Read once."""
        key = ("clusters", place)
        if key not in self._kept:
            self._kept[key] = {sample.example: sample.cluster for sample in self.samples(place)}
        found: dict[str, str] = self._kept[key]
        return found

    def values(self, place: CellKey, metric: str) -> Values | None:
        """Values of single examples; None where the metric has none, or nothing was scored. Read once."""
        key = ("values", place, metric)
        if key not in self._kept:
            self._kept[key] = self._read_values(place, metric)
        found: Values | None = self._kept[key]
        return found

    def _read_values(self, place: CellKey, metric: str) -> Values | None:
        rows = self.rows.get((place, metric), [])
        if not rows:
            return None
        by_seed: dict[int, dict[str, float]] = {}
        signature, seeds = rows[0].signature, {row.seed for row in rows}
        name = metric.partition("[")[0]
        for folder in self._units(place):
            for file in kept_scores(folder):
                raw = self._read(file.path) if file.metric == name and file.seed is None else {}
                if raw.get("metric") == metric and signature.endswith(raw.get("signature", "?")):
                    for example, seed, value in raw.get("values", ()):
                        if seed in seeds:
                            by_seed.setdefault(seed, {}).setdefault(example, float(value))
        for file in kept_scores(self._cell(place)):
            raw = self._numbers(file.path) if file.seed in seeds else {}
            for score in raw.get("scores", ()):
                own = with_fields(raw["signature"], score.get("signature") or {})
                if file.seed is not None and signature.endswith(own) and score["metric"] == name and score["each"]:
                    by_seed[file.seed] = {example: float(value) for example, value in score["each"].items()}
        return Values(dict(sorted(by_seed.items())), rows[0].higher_is_better, signature) if by_seed else None

    def _cell(self, place: CellKey) -> Path:
        return cell_folder(self.folder, place)

    @cached_property
    def _kept(self) -> dict[object, Any]:
        return {}

    def _numbers(self, file: Path) -> dict[str, Any]:
        """A cell's numbers of all outputs together: one file of many metrics, read once."""
        if file not in self._kept:
            self._kept[file] = self._read(file)
        found: dict[str, Any] = self._kept[file]
        return found

    def _units(self, place: CellKey) -> list[Path]:
        """Committed units of the cell's recipe; looked up once."""
        cell = self._cell(place)
        if cell not in self._kept:
            self._kept[cell] = self._find_units(place)
        found: list[Path] = self._kept[cell]
        return found

    def _find_units(self, place: CellKey) -> list[Path]:
        list_now(self._cell(place))
        entry = next((e for e in self.spec["cells"] if (e["task"], e["model"], e["context"]) == place), None)
        if entry is None:
            return []
        wanted = digest(entry["recipe"])
        try:
            return [folder for folder in unit_folders(self._cell(place)) if recipe_of(folder) == wanted]
        except DamagedUnitError as error:
            raise self._damaged(error) from error

    def _read(self, file: Path) -> dict[str, Any]:
        return read_sealed(file, f"mend it with: {command('score', self.folder)}")

    def _damaged(self, error: DamagedUnitError) -> InputError:
        """The error for a damaged unit, and how its outputs are made again."""
        reason = str(error).removesuffix(f"; {MEND}")
        return InputError(
            f"{reason}; {command('verify', self.folder)} withdraws its unit, and the command that made the run makes it"
            " again"
        )
