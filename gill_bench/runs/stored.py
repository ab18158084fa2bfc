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
from gill_bench.files import digest, list_now
from gill_bench.reading import from_json, from_sealed_json
from gill_bench.rows import Results, Row, not_a_run, read_results
from gill_bench.runs.units import COMMIT, SAMPLES, lines_of

Place = tuple[str, str, str]
"""(task, model, context)."""


@dataclass(frozen=True, slots=True)
class StoredSample:
    """One output.

    Attributes:
        folder: Of its unit.
        record: Its line in samples.jsonl: example, seed, image or output, cluster, target, prompt.
    """

    folder: Path
    record: Mapping[str, Any]

    @property
    def key(self) -> tuple[str, int]:
        """(example, seed)."""
        return self.record["example"], self.record["seed"]


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
class StoredRun:
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
    def open(cls, folder: Path) -> StoredRun:
        """Read results.json and spec.json.

        Raises:
            InputError: It is not the folder of a run that was scored, or a file is damaged.
        """
        results = read_results(folder / "results.json")
        try:
            spec = from_json((folder / "spec.json").read_text(encoding="utf-8"))
            _ = [(cell["task"], cell["model"], cell["context"], cell["recipe"]) for cell in spec["cells"]]
        except FileNotFoundError as error:
            raise not_a_run(folder) from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{folder / 'spec.json'}: damaged ({error!r}); run the same command again") from error
        return cls(folder, results, spec)

    @cached_property
    def rows(self) -> dict[tuple[Place, str], list[Row]]:
        """Rows by place and metric, by seed."""
        found: dict[tuple[Place, str], list[Row]] = {}
        for row in self.results.rows:
            found.setdefault(((row.task, row.model, row.context), row.metric), []).append(row)
        return found

    def samples(self, place: Place) -> Iterator[StoredSample]:
        """The outputs of a cell, each once."""
        seen: set[tuple[str, int]] = set()
        for folder in self._units(place):
            for line in lines_of(folder / SAMPLES):
                sample = StoredSample(folder, from_json(line))
                if sample.key not in seen:
                    seen.add(sample.key)
                    yield sample

    def clusters(self, place: Place) -> dict[str, str]:
        """The cluster of each example; itself where nothing is known. Read once."""
        key = ("clusters", place)
        if key not in self._kept:
            self._kept[key] = {
                sample.key[0]: sample.record.get("cluster", sample.key[0]) for sample in self.samples(place)
            }
        found: dict[str, str] = self._kept[key]
        return found

    def values(self, place: Place, metric: str) -> Values | None:
        """Values of single examples; None where the metric has none, or nothing was scored. Read once."""
        key = ("values", place, metric)
        if key not in self._kept:
            self._kept[key] = self._read_values(place, metric)
        found: Values | None = self._kept[key]
        return found

    def _read_values(self, place: Place, metric: str) -> Values | None:
        rows = self.rows.get((place, metric), [])
        if not rows:
            return None
        by_seed: dict[int, dict[str, float]] = {}
        signature, seeds = rows[0].signature, {row.seed for row in rows}
        for folder in self._units(place):
            for raw in _scores(folder, metric.partition("[")[0], signature):
                for example, seed, value in raw.get("values", ()) if raw.get("metric") == metric else ():
                    if seed in seeds:
                        by_seed.setdefault(seed, {}).setdefault(example, float(value))
        for file in sorted(self._cell(place).glob("score-*.json")):
            seed = int(file.stem.rsplit("-", 1)[1])
            raw = self._numbers(file) if seed in seeds else {}
            if signature.endswith(raw.get("signature", "?")):
                for score in raw["scores"]:
                    if score["metric"] == metric.partition("[")[0] and score["each"]:
                        by_seed[seed] = {name: float(value) for name, value in score["each"].items()}
        return Values(dict(sorted(by_seed.items())), rows[0].higher_is_better, signature) if by_seed else None

    def _cell(self, place: Place) -> Path:
        return self.folder.joinpath("units", *place)

    @cached_property
    def _kept(self) -> dict[object, Any]:
        return {}

    def _numbers(self, file: Path) -> dict[str, Any]:
        """A cell's numbers of all outputs together: one file of many metrics, read once."""
        if file not in self._kept:
            self._kept[file] = _read(file)
        found: dict[str, Any] = self._kept[file]
        return found

    def _units(self, place: Place) -> list[Path]:
        """Committed units of the cell's recipe; looked up once."""
        cell = self._cell(place)
        if cell not in self._kept:
            self._kept[cell] = self._find_units(place)
        found: list[Path] = self._kept[cell]
        return found

    def _find_units(self, place: Place) -> list[Path]:
        list_now(self._cell(place))
        entry = next((e for e in self.spec["cells"] if (e["task"], e["model"], e["context"]) == place), None)
        if entry is None or not self._cell(place).is_dir():
            return []
        wanted = digest(entry["recipe"])
        units = [folder for folder in sorted(self._cell(place).iterdir()) if (folder / COMMIT).is_file()]
        return [folder for folder in units if _read(folder / COMMIT).get("recipe") == wanted]


def _scores(folder: Path, name: str, signature: str) -> Iterator[dict[str, Any]]:
    for file in sorted(folder.glob(f"score-{name}-*.json")):
        raw = _read(file)
        if signature.endswith(raw.get("signature", "?")):
            yield raw


def _read(file: Path) -> dict[str, Any]:
    try:
        found = from_sealed_json(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        run = next((folder for folder in file.parents if (folder / "spec.json").is_file()), file.parent)
        raise InputError(f"{file}: damaged ({error}); mend it with: {command('score', run)}") from error
    return found
