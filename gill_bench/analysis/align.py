"""Aligning two cells: values of the examples and seeds that both have, and notes on everything that is left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from gill_bench.errors import InputError, command
from gill_bench.rundir.reader import RunReader, Values
from gill_bench.rundir.records import CellKey
from gill_bench.rundir.signatures import describe_differences, signature_differences

if TYPE_CHECKING:
    from numpy.typing import NDArray

# The largest difference, relative to the largest value, that counts as rounding. float32 networks round differently in
# other batches or on another machine; differences of up to 2e-6 were seen.
ROUNDING = 1e-5
_SELECTING_FIELDS = {"examples"}  # fields of a signature that select the scored examples and do not affect their values


@dataclass(frozen=True)
class ComparedCell:
    """One side of a comparison; each file is read when it is first needed, once for all metrics.

    Attributes:
        run: The run that holds the cell.
        key: The cell's key in the run.
    """

    run: RunReader
    key: CellKey

    @property
    def clusters(self) -> Mapping[str, str]:
        """The cluster of each example."""
        return self.run.clusters(self.key)

    @property
    def files(self) -> Mapping[tuple[str, int], str]:
        """By (example, seed): the file of the picture, or the unit's folder for other outputs."""
        return self._outputs[0]

    @property
    def prompts(self) -> Mapping[str, object]:
        """By example: the prompt that the model was given; a picture is represented by its id."""
        return self._outputs[1]

    @cached_property
    def _outputs(self) -> tuple[dict[tuple[str, int], str], dict[str, object]]:
        files: dict[tuple[str, int], str] = {}
        prompts: dict[str, object] = {}
        for sample in self.run.samples(self.key):
            files[sample.key] = str(sample.picture or f"{sample.folder}/")
            prompts[sample.key[0]] = sample.details.get("prompt")
        return files, prompts


@dataclass(frozen=True, slots=True)
class AlignedValues:
    """The values of two cells in one metric, example by example.

    Attributes:
        examples: Ids of the N compared examples, in the order of the first side.
        seeds: Seeds of the first side and of the second side; the same seeds if the sides share any.
        first: Values of the first side, (N, seeds).
        second: Values of the second side, (N, seeds).
        only_first: Examples that only the first side has a value for.
        only_second: Examples that only the second side has a value for.
        incomplete: Examples that are not compared because one side lacks some of their seeds.
        notes: Sentences that say which values are not compared, and why.
    """

    examples: tuple[str, ...]
    seeds: tuple[tuple[int, ...], tuple[int, ...]]
    first: NDArray[np.float64]
    second: NDArray[np.float64]
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]
    incomplete: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def paired_seeds(self) -> bool:
        """Whether both sides have the same seeds, so that the two outputs of each pair come from the same noise."""
        return self.seeds[0] == self.seeds[1]


def align_examples(
    cells: tuple[ComparedCell, ComparedCell], values: tuple[Values, Values], metric: str
) -> AlignedValues:
    """Align two cells by example, over the seeds that both have; if they share no seed, over all seeds of each side.

    Raises:
        InputError: The metric was computed in two ways, or a value is not finite.
    """
    same_examples = _scored_same_examples(cells, values, metric)
    by_seed = [side.by_seed for side in values]
    shared = tuple(seed for seed in by_seed[0] if seed in by_seed[1])
    seeds = (shared, shared) if shared else (tuple(by_seed[0]), tuple(by_seed[1]))
    # For each side: `tables` has a dictionary of values by example for each seed, `scored` the examples that have a
    # value with some seed, `complete` those that have one with every seed.
    tables = [[side[seed] for seed in chosen] for side, chosen in zip(by_seed, seeds, strict=True)]
    scored = [dict.fromkeys(name for column in table for name in column) for table in tables]
    complete = [
        {name for name in names if all(name in column for column in table)}
        for names, table in zip(scored, tables, strict=True)
    ]
    common = [name for name in scored[0] if name in scored[1]]
    examples = tuple(name for name in common if name in complete[0] and name in complete[1])
    arrays = [
        np.array([column[name] for name in examples for column in table], dtype=np.float64).reshape(-1, len(table))
        for table in tables
    ]
    for cell, array in zip(cells, arrays, strict=True):
        if not np.isfinite(array).all():
            row = int(np.argwhere(~np.isfinite(array))[0, 0])
            raise InputError(
                f"{cell.run.folder}: {'/'.join(cell.key)} {metric}: the value of example {examples[row]} is not a"
                f" finite number; score it again with: {command('score', cell.run.folder)}"
            )
    return AlignedValues(
        examples,
        seeds,
        arrays[0],
        arrays[1],
        tuple(name for name in scored[0] if name not in scored[1]),
        tuple(name for name in scored[1] if name not in scored[0]),
        tuple(name for name in common if name not in complete[0] or name not in complete[1]),
        (
            *([] if same_examples else _notes_on_examples(cells, examples)),
            *_notes_on_seeds(by_seed, shared),
            *_notes_on_lost_outputs(cells, metric),
        ),
    )


def _scored_same_examples(cells: tuple[ComparedCell, ComparedCell], values: tuple[Values, Values], metric: str) -> bool:
    """Whether both cells were scored over the same selection of examples; raises if they were scored in two ways."""
    first, second = (side.signature for side in values)
    if first == second:
        return True
    differences = signature_differences(first, second)
    if all(
        field in _SELECTING_FIELDS or (field == "data" and _differ_in_split(first_value, second_value))
        for field, first_value, second_value in differences
    ):
        return False
    raise InputError(
        f"{'/'.join(cells[0].key)} and {'/'.join(cells[1].key)}, {metric}: computed in two ways, so that no"
        f" difference means anything: {describe_differences(first, second)}"
    )


def _notes_on_examples(cells: tuple[ComparedCell, ComparedCell], examples: Sequence[str]) -> list[str]:
    """Notes on sides that were given different selections of examples, as with another --limit."""
    notes = ["the sides were given different examples: only the shared examples are compared"]
    changed = sum(cells[0].prompts.get(name) != cells[1].prompts.get(name) for name in examples)
    return [*notes, f"{changed} of the shared examples had different prompts on the two sides"] if changed else notes


def _differ_in_split(first: str, second: str) -> bool:
    """Whether two names of data, such as vist/val and vist/test, differ in the split alone."""
    return first.rpartition("/")[0] == second.rpartition("/")[0] != ""


def _notes_on_seeds(by_seed: Sequence[Mapping[int, object]], shared: tuple[int, ...]) -> list[str]:
    if not shared:
        return ["the sides share no seed, so that their noise differs: means over the seeds of each are compared"]
    unmatched = [[seed for seed in side if seed not in shared] for side in by_seed]
    return [
        f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))} of {name} left out: {lacking} does not have"
        f" {'them' if len(seeds) > 1 else 'it'}"
        for name, lacking, seeds in zip("AB", "BA", unmatched, strict=True)
        if seeds
    ]


def _notes_on_lost_outputs(cells: tuple[ComparedCell, ComparedCell], metric: str) -> list[str]:
    notes = []
    for name, cell in zip("AB", cells, strict=True):
        rows = cell.run.rows[cell.key, metric]
        for outcome, most in (
            ("failed", max(row.n_failed for row in rows)),
            ("were refused", max(row.n_refused for row in rows)),
            ("are not made yet", max(row.n_not_made for row in rows)),
            ("could not be asked (data missing)", max(row.n_missing for row in rows)),
        ):
            if most:
                notes.append(f"{most} of {rows[0].n_expected} examples {outcome} in {name}")
    return notes


def differences_of(aligned: AlignedValues) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Second side minus first side of each example (N,), means over seeds; 0 where only rounding differs."""
    first, second = aligned.first.mean(axis=1), aligned.second.mean(axis=1)
    differences: np.ndarray[tuple[int], np.dtype[np.float64]] = second - first
    differences[np.abs(differences) <= ROUNDING * max(np.abs(first).max(), np.abs(second).max())] = 0.0
    return differences


def largest_changes(aligned: AlignedValues, count: int) -> list[int]:
    """Row numbers of at most `count` examples whose means differ, largest difference first."""
    change = np.abs(differences_of(aligned))
    order = np.argsort(-change, kind="stable")[:count]
    return [int(row) for row in order if change[row] > 0]
