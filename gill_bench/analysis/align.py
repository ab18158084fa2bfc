"""Which values of two cells are compared: those of examples and seeds that both have. What is not is listed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from gill_bench.errors import InputError, command
from gill_bench.rundir.reader import CellKey, RunReader, Values
from gill_bench.rundir.signatures import describe_differences, signature_differences

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROUNDING = 1e-5  # of the largest value: float32 networks in other batches or on another machine; 2e-6 was seen
_DRAWN = {"examples"}  # fields of a signature that say which examples were asked, not how


@dataclass(frozen=True)
class StoredCell:
    """One side's outputs, each file read when it is first needed, once for all metrics.

    Attributes:
        run: The run.
        place: In it.
    """

    run: RunReader
    place: CellKey

    @property
    def clusters(self) -> Mapping[str, str]:
        """Of each example."""
        return self.run.clusters(self.place)

    @property
    def files(self) -> Mapping[tuple[str, int], str]:
        """(example, seed) to the picture, or to the folder of its unit."""
        return self._outputs[0]

    @property
    def prompts(self) -> Mapping[str, object]:
        """What each example was asked with, as far as it is text."""
        return self._outputs[1]

    @cached_property
    def _outputs(self) -> tuple[dict[tuple[str, int], str], dict[str, object]]:
        files: dict[tuple[str, int], str] = {}
        prompts: dict[str, object] = {}
        for sample in self.run.samples(self.place):
            files[sample.key] = str(sample.picture or f"{sample.folder}/")
            prompts[sample.key[0]] = sample.record.get("prompt")
        return files, prompts


@dataclass(frozen=True, slots=True)
class Matched:
    """The values of both sides.

    Attributes:
        examples: N of them, in the order of the first side.
        seeds: Of the first and of the second side; the same, if they share any.
        first: (N, seeds) values.
        second: (N, seeds) values.
        only_first: Examples that the second has no value of.
        only_second: Examples that the first has no value of.
        incomplete: Examples that both have, but one of them not with all its seeds.
        notes: Sentences about what is not compared, and why.
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
        """Whether both sides were made with the same seeds, so that each pair has the same noise."""
        return self.seeds[0] == self.seeds[1]


def align_examples(cells: tuple[StoredCell, StoredCell], values: tuple[Values, Values], metric: str) -> Matched:
    """Join two cells by example, over the seeds that both have; if they share none, over all seeds of each.

    Raises:
        InputError: The metric was computed in two ways, or a value is not finite.
    """
    same = _same_examples(cells, values, metric)
    by_seed = [one.by_seed for one in values]
    shared = tuple(seed for seed in by_seed[0] if seed in by_seed[1])
    seeds = (shared, shared) if shared else (tuple(by_seed[0]), tuple(by_seed[1]))
    tables = [[each[seed] for seed in chosen] for each, chosen in zip(by_seed, seeds, strict=True)]
    there = [dict.fromkeys(name for column in table for name in column) for table in tables]
    whole = [{name for name in names if all(name in c for c in t)} for names, t in zip(there, tables, strict=True)]
    both = [name for name in there[0] if name in there[1]]
    examples = tuple(name for name in both if name in whole[0] and name in whole[1])
    arrays = [
        np.array([column[name] for name in examples for column in table], dtype=np.float64).reshape(-1, len(table))
        for table in tables
    ]
    for cell, array in zip(cells, arrays, strict=True):
        if not np.isfinite(array).all():
            row = int(np.argwhere(~np.isfinite(array))[0, 0])
            raise InputError(
                f"{cell.run.folder}: {'/'.join(cell.place)} {metric}: the value of example {examples[row]} is not a"
                f" finite number; score it again with: {command('score', cell.run.folder)}"
            )
    return Matched(
        examples,
        seeds,
        arrays[0],
        arrays[1],
        tuple(name for name in there[0] if name not in there[1]),
        tuple(name for name in there[1] if name not in there[0]),
        tuple(name for name in both if name not in whole[0] or name not in whole[1]),
        (
            *([] if same else _other_examples(cells, examples)),
            *_seed_notes(by_seed, shared),
            *_failures(cells, metric),
        ),
    )


def _same_examples(cells: tuple[StoredCell, StoredCell], values: tuple[Values, Values], metric: str) -> bool:
    """Whether both sides were asked the same examples; refuses two ways of computing."""
    first, second = (one.signature for one in values)
    if first == second:
        return True
    fields = signature_differences(first, second)
    if all(name in _DRAWN or (name == "data" and _another_split(a, b)) for name, a, b in fields):
        return False
    raise InputError(
        f"{'/'.join(cells[0].place)} and {'/'.join(cells[1].place)}, {metric}: computed in two ways, so that no"
        f" difference means anything: {describe_differences(first, second)}"
    )


def _other_examples(cells: tuple[StoredCell, StoredCell], examples: Sequence[str]) -> list[str]:
    """Notes for sides that were asked other examples, as with another --limit."""
    found = ["the sides were asked other examples: what they share is compared"]
    other = sum(cells[0].prompts.get(name) != cells[1].prompts.get(name) for name in examples)
    return [*found, f"{other} of the shared examples were asked with another prompt"] if other else found


def _another_split(first: str, second: str) -> bool:
    """Whether two names of data, such as vist/val and vist/test, differ in the split alone."""
    return first.rpartition("/")[0] == second.rpartition("/")[0] != ""


def _seed_notes(by_seed: Sequence[Mapping[int, object]], shared: tuple[int, ...]) -> list[str]:
    if not shared:
        return ["the sides share no seed, so that their noise differs: means over the seeds of each are compared"]
    lone = [[seed for seed in each if seed not in shared] for each in by_seed]
    return [
        f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))} of {name} left out: {other} does not have"
        f" {'them' if len(seeds) > 1 else 'it'}"
        for name, other, seeds in zip("AB", "BA", lone, strict=True)
        if seeds
    ]


def _failures(cells: tuple[StoredCell, StoredCell], metric: str) -> list[str]:
    found = []
    for name, cell in zip("AB", cells, strict=True):
        rows = cell.run.rows[cell.place, metric]
        for what, most in (
            ("failed", max(row.n_failed for row in rows)),
            ("were refused", max(row.n_refused for row in rows)),
            ("are not made yet", max(row.n_not_made for row in rows)),
            ("could not be asked (data missing)", max(row.n_missing for row in rows)),
        ):
            if most:
                found.append(f"{most} of {rows[0].n_expected} examples {what} in {name}")
    return found


def differences_of(matched: Matched) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Second minus first of each example, means over seeds; 0 where they differ by rounding alone."""
    first, second = matched.first.mean(axis=1), matched.second.mean(axis=1)
    found: np.ndarray[tuple[int], np.dtype[np.float64]] = second - first
    found[np.abs(found) <= ROUNDING * max(np.abs(first).max(), np.abs(second).max())] = 0.0
    return found


def largest_changes(matched: Matched, count: int) -> list[int]:
    """The places of the examples whose means differ most, largest first; none whose means are equal."""
    change = np.abs(differences_of(matched))
    order = np.argsort(-change, kind="stable")[:count]
    return [int(place) for place in order if change[place] > 0]
