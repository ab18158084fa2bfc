"""Checks the files of a run that can be computed again: scores, features, records of failures, results and spec."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gill_bench.errors import InputError, command
from gill_bench.rundir.folders import (
    ScoreFile,
    cell_folder,
    cell_folders,
    failure_files,
    feature_files,
    no_spec,
    score_files,
    unit_folders,
)
from gill_bench.rundir.load import (
    read_cell_scores,
    read_failure,
    read_features,
    read_picture_scores,
    read_results,
    read_sessions,
    read_spec,
)
from gill_bench.rundir.load_units import DamagedUnitError, recipe_of, unit_content
from gill_bench.rundir.records import ENVIRONMENT, RESULTS, SPEC, CellKey, CellScores, PictureScores
from gill_bench.rundir.rows import Row
from gill_bench.rundir.signatures import with_fields
from gill_bench.storage.digests import digest
from gill_bench.storage.sealed import DamagedFileError, reason_of

Stored = dict[tuple[str, str, str, str], Counter[int]]
"""The number of stored examples by seed, for each (task, model, context, digest of the recipe)."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A file with a problem, relative to the run directory; the reason says what is wrong, and how to mend it."""

    file: str
    reason: str


def problems_of_scores(folder: Path, run: Path, samples: int | None) -> Iterator[Problem]:
    """The problems with the scores and features in a folder.

    Args:
        folder: The folder of a unit or of a cell.
        run: The run directory.
        samples: How many outputs the unit has; None for the folder of a cell.
    """
    mend = f"remove it, then: {command('score', run)}"
    held = "" if samples is None else unit_content(folder)
    for file in score_files(folder):
        name = file.path.relative_to(run).as_posix()
        try:
            content = _read_scores(file, mend).content
        except DamagedFileError as error:
            yield Problem(name, f"damaged: {error.reason}; {mend}")
        else:
            if held and content and content != held:
                yield Problem(name, f"of other outputs than the unit has now; {mend}")
    for path in feature_files(folder):
        name = path.relative_to(run).as_posix()
        try:
            features, content = read_features(path)
        except (OSError, ValueError, EOFError, TypeError) as error:
            yield Problem(name, f"damaged: {reason_of(error)}; {mend}")
        else:
            if samples is not None and len(features) != samples:
                yield Problem(name, f"{len(features)} rows for {samples} samples; {mend}")
            elif held and content and content != held:
                yield Problem(name, f"of other pictures than the unit has now; {mend}")


def _read_scores(file: ScoreFile, mend: str) -> PictureScores | CellScores:
    return read_picture_scores(file.path, mend) if file.seed is None else read_cell_scores(file.path, mend)


def problems_of_failures(cell: Path, run: Path) -> Iterator[Problem]:
    """The problems with the records of failures in a cell's folder."""
    for file in failure_files(cell):
        try:
            read_failure(file)
        except (OSError, ValueError) as error:
            mend = "remove it: it is written again when the example fails again"
            yield Problem(file.relative_to(run).as_posix(), f"damaged: {reason_of(error)}; {mend}")


def problems_of_run(run: Path, stored: Stored | None) -> Iterator[Problem]:
    """The problems with spec.json, env.json and results.json, each by itself and compared with the units.

    Args:
        run: The run directory.
        stored: How many examples are stored; None where numbers cannot agree with units, since some are damaged.
    """
    try:
        read_sessions(run)
    except DamagedFileError as error:
        yield Problem(ENVIRONMENT, _without_name(error, run / ENVIRONMENT))
    try:
        spec = read_spec(run)
    except InputError as error:
        yield Problem(SPEC, _without_name(error, run / SPEC))
        return
    recipes = {cell.cell_key: cell.recipe for cell in spec.cells}
    if not recipes:
        yield Problem(SPEC, _without_name(no_spec(run), run))
        return
    file = run / RESULTS
    try:
        file.lstat() if isinstance(file, Path) else file.read_bytes()
    except FileNotFoundError:
        if any(score_files(folder) for cell in cell_folders(run) for folder in (cell, *unit_folders(cell))):
            yield Problem(
                RESULTS, f"not there, though outputs were scored; write it again with: {command('score', run)}"
            )
        return  # the run was never scored, and nothing is damaged
    try:
        rows = read_results(file).rows
    except InputError as error:
        yield Problem(RESULTS, _without_name(error, file))
        return
    scores: dict[CellKey, _CellScoreFiles] = {}
    absent: dict[Problem, None] = {}
    for row in rows:
        key = row.cell_key
        where = f"{key}, {row.metric}, seed {row.seed}"
        wrong = _wrong_counts(row, recipes, stored)
        if wrong:
            yield Problem(RESULTS, f"{where}: {wrong}; write it again with: {command('score', run)}")
        elif stored is not None:
            if key not in scores:
                scores[key] = _CellScoreFiles.read(run, key, digest(recipes[key]))
            absent |= dict.fromkeys(scores[key].absent(row, run))
    yield from absent


def _without_name(error: InputError, file: Path) -> str:
    return str(error).removeprefix(f"{file}: ")


def _wrong_counts(row: Row, recipes: Mapping[CellKey, Any], stored: Stored | None) -> str:
    """The fault in a row's counts, or ""."""
    counts = (row.n_scored, row.n_missing, row.n_failed, row.n_refused, row.n_not_made)
    if sum(counts) != row.n_expected:
        sums = " + ".join(map(str, counts))
        return f"{row.n_expected} expected, but {sums} scored, missing, failed, refused and not made"
    recipe = recipes.get(row.cell_key)
    if recipe is None:
        return f"{SPEC} has no such task, model and context"
    if stored is None or recipe.get("asks") == "nothing":  # the labels alone give the result, and no outputs are stored
        return ""
    seeds = stored.get((*row.cell_key, digest(recipe)), Counter())
    count = seeds[row.seed] if row.seed in seeds else max(seeds.values(), default=0)
    return f"{row.n_scored} scored, but {count} stored" if row.n_scored > count else ""


@dataclass
class _CellScoreFiles:
    """The score files of a cell and its units, to be compared with the rows of the results.

    Attributes:
        cell: The cell's folder.
        units: The folders of the units that have the cell's recipe.
        numbers: (seed, metric, signature) of each number over all outputs together.
        values: The examples that have a value, by (metric, signature) and seed, for metrics of single pictures.
        files: The name of the score file by (metric, signature), for metrics of single pictures.
        existing: Every score file, also a damaged one.
        damaged: Whether a score file is damaged; `problems_of_scores` reports which.
    """

    cell: Path
    units: list[Path]
    numbers: set[tuple[int, str, str]] = field(default_factory=set)
    values: dict[tuple[str, str], dict[int, set[str]]] = field(default_factory=dict)
    files: dict[tuple[str, str], str] = field(default_factory=dict)
    existing: set[Path] = field(default_factory=set)
    damaged: bool = False

    @classmethod
    def read(cls, run: Path, cell_key: CellKey, recipe: str) -> _CellScoreFiles:
        cell = cell_folder(run, cell_key)
        scores = cls(cell, [folder for folder in unit_folders(cell) if _recipe(folder) == recipe])
        for folder in (cell, *scores.units):
            for file in score_files(folder):
                scores.existing.add(file.path)
                try:
                    scores._add(file)
                except DamagedFileError:
                    scores.damaged = True
        return scores

    def _add(self, file: ScoreFile) -> None:
        scores = _read_scores(file, "")
        if isinstance(scores, CellScores):
            self.numbers |= {
                (file.seed or 0, score.metric, with_fields(scores.signature, score.signature or {}))
                for score in scores.scores
            }
            return
        key = scores.metric, scores.signature
        for example, seed, _ in scores.values:
            self.values.setdefault(key, {}).setdefault(seed, set()).add(example)
        self.files[key] = file.path.name

    def absent(self, row: Row, run: Path) -> Iterator[Problem]:
        """A problem for each score file that a row needs and that is not there."""
        base = row.metric.partition("[")[0]
        if row.value is None or any(
            seed == row.seed and metric == base and row.signature.endswith(signature)
            for seed, metric, signature in self.numbers
        ):
            return
        mend = f"make it again with: {command('score', run)}"
        key = next(
            ((metric, own) for metric, own in self.values if metric == row.metric and row.signature.endswith(own)), None
        )
        if key is None and not self.damaged:
            name = self.cell.relative_to(run).as_posix()
            yield Problem(name, f"no score file for {row.metric}, seed {row.seed}, which {RESULTS} has; {mend}")
        elif key is not None and len(self.values[key].get(row.seed, ())) < row.n_scored:
            for file in (folder / self.files[key] for folder in self.units):
                if file not in self.existing:
                    name = file.relative_to(run).as_posix()
                    yield Problem(name, f"not there, though {RESULTS} counts its values; {mend}")


def _recipe(folder: Path) -> str:
    try:
        return recipe_of(folder)
    except DamagedUnitError:
        return ""
