"""The examples that a probe asks about, their prompts with parts changed, and the parts of other clusters."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice, pairwise
from typing import NamedTuple

import numpy as np

from gill_bench.datasets import Example
from gill_bench.datasets.parts import Part, blanked, in_parts
from gill_bench.errors import InputError
from gill_bench.generation.prompts import prompt_of
from gill_bench.planning.cells import Cell
from gill_bench.prompt import Prompt

READ = 64
"""The number of usable examples that are read, from the start of the data."""


class Site(NamedTuple):
    """A part of a prompt by its kind and its position among the parts of that kind, from 1."""

    kind: str
    position: int


class Material:
    """The examples, in an order that the seed decides, of distinct clusters while there are any left.

    Args:
        cell: The cell that is probed: task, model and context.
        seed: Which examples come first, and whose parts replace others.

    Attributes:
        sites: The parts of each prompt, in reading order; all examples have the same.

    Raises:
        InputError: There is no part that a probe could change, or no other cluster to take parts from.
    """

    def __init__(self, cell: Cell, seed: int) -> None:
        self._cell, self._context, self._settings = cell, in_parts(cell.context), cell.task.card.prompt
        self._size = cell.picture_size
        where = f"{cell.key.task}/{cell.key.context}"
        usable = [item.example for item in islice(cell.usable.values(), READ)]
        most = max((len(self._parts(example)) for example in usable), default=0)
        if not most:
            raise InputError(f"{where}: its prompts have no part that could be changed")
        if len({example.cluster for example in usable}) < 2:
            raise InputError(
                f"{where}: a probe needs examples of two clusters whose pictures are there, to"
                f" take parts of one for the other; there are {len(usable)} examples of one"
            )
        self._usable: list[Example] = [
            usable[number] for number in np.random.default_rng(seed).permutation(len(usable))
        ]
        whole = [example for example in self._usable if len(self._parts(example)) == most]
        firsts = {example.cluster: example for example in reversed(whole)}
        distinct = [example for example in whole if firsts[example.cluster] is example]
        self.examples: list[Example] = [
            *distinct,
            *(example for example in whole if firsts[example.cluster] is not example),
        ]
        self.sites = self._sites(self._parts(self.examples[0]))
        self._turn = 0

    def example(self, number: int) -> Example:
        """The example of a number; after the last the first comes again."""
        return self.examples[number % len(self.examples)]

    def plain(self, example: Example) -> Prompt:
        """The untouched prompt of an example."""
        return self._prompt(self._parts(example))

    def replaced(self, example: Example, sites: Sequence[Site]) -> Prompt:
        """A prompt with some parts replaced by those of examples of other clusters; another call takes others.

        Raises:
            InputError: No other example has a part that differs.
        """
        parts = self._parts(example)
        for number, site in enumerate(self._sites(parts)):
            if site in sites:
                parts[number] = self._foreign(example, parts, number, site)
        return self._prompt(parts)

    def without(self, example: Example, site: Site) -> Prompt | None:
        """A prompt without one part; None if nothing is left of it."""
        parts = self._parts(example)
        del parts[self._sites(parts).index(site)]
        segments = self._context.join(parts, self._settings)
        return prompt_of(segments, self._size) if any(segments) else None

    def blanked(self, example: Example, site: Site) -> Prompt:
        """A prompt with a grey picture of the same size in place of one picture."""
        parts = self._parts(example)
        number = self._sites(parts).index(site)
        parts[number] = blanked(parts[number])
        return self._prompt(parts)

    def exchanged(self, example: Example, pairs: Sequence[tuple[Site, Site]]) -> Prompt | None:
        """A prompt in which parts have changed places in pairs; None if the two of every pair are the same."""
        parts, sites = self._parts(example), self.sites
        differ = False
        for first, second in pairs:
            begin, end = sites.index(first), sites.index(second)
            differ |= self._content(parts[begin]) != self._content(parts[end])
            parts[begin], parts[end] = parts[end], parts[begin]
        return self._prompt(parts) if differ else None

    def neighbours(self) -> list[tuple[Site, Site]]:
        """Parts of one kind that follow one another among those of their kind."""
        kinds = dict.fromkeys(site.kind for site in self.sites)
        groups = [[site for site in self.sites if site.kind == kind] for kind in kinds]
        return [pair for group in groups for pair in pairwise(group)]

    def _parts(self, example: Example) -> list[Part]:
        return list(self._context.parts(example, self._settings))

    def _prompt(self, parts: Sequence[Part]) -> Prompt:
        return prompt_of(self._context.join(parts, self._settings), self._size)

    def _sites(self, parts: Sequence[Part]) -> list[Site]:
        seen: dict[str, int] = {}
        for part in parts:
            seen[part.kind] = seen.get(part.kind, 0) + 1
        count = dict.fromkeys(seen, 0)
        sites = []
        for part in parts:
            count[part.kind] += 1
            sites.append(Site(part.kind, count[part.kind]))
        return sites

    def _foreign(self, example: Example, parts: Sequence[Part], number: int, site: Site) -> Part:
        own = {self._content(part) for part in parts if part.kind == site.kind}
        shown = {picture.id for picture in example.pictures}
        self._turn += 1
        for step in range(len(self._usable)):
            donor = self._usable[(self._turn + step) % len(self._usable)]
            if donor.cluster == example.cluster or shown & {picture.id for picture in donor.pictures}:
                continue
            parts_of_donor = self._parts(donor)
            offered = [part for part in parts_of_donor if part.kind == site.kind]
            same_position = offered[site.position - 1 : site.position]
            for part in (*same_position, *offered):
                if self._content(part) not in own:
                    return part
        raise InputError(
            f"{self._cell.key.task}/{self._cell.key.context}: no example of another cluster has a {site.kind} that"
            f" differs from those of example {example.id}; {len(self._usable)} examples were read"
        )

    def _content(self, part: Part) -> object:
        """A value that is equal for parts that no model can tell apart: texts of the same words, equal pictures."""
        if isinstance(part.content, str):
            return " ".join(sorted(part.content.lower().split()))
        return self._cell.task.checked[part.content.id].sha256
