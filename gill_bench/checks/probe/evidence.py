"""The evidence of a probe: the trials of each part, from which verdicts are made."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from gill_bench.checks.probe.ask import Answer
from gill_bench.checks.probe.compare import differs, distance
from gill_bench.checks.probe.material import Site

Change = Literal["replaced", "dropped", "blanked"]


@dataclass
class Tally:
    """The trials of one change of a prompt: an output of the changed prompt beside that of the untouched one.

    Attributes:
        trials: How many outputs were compared.
        changed: How many of them the change had changed; with a model that is not repeatable, how many differ from
            every output of the untouched prompt.
        clearly: How many of these changes are larger than rounding makes.
        total: The sum of their distances to the outputs of the untouched prompt.
        significant: With a model that is not repeatable, whether the change shows above what repeating changes;
            None if the model is repeatable, whose every change shows.
    """

    trials: int = 0
    changed: int = 0
    clearly: int = 0
    total: float = 0.0
    significant: bool | None = None

    def add(self, plain: list[Answer], altered: list[Answer]) -> bool:
        """Add trials; returns whether any output changed."""
        pairs = list(zip(plain, altered, strict=True))
        changed = sum(differs(*pair) for pair in pairs)
        self.trials += len(pairs)
        self.changed += changed
        self.clearly += sum(differs(*pair, levels=1) for pair in pairs)
        self.total += sum(distance(*pair) for pair in pairs)
        return changed > 0

    def add_unchanged(self, trials: int) -> None:
        """Add trials in which this change, with others at once, changed nothing."""
        self.trials += trials

    @property
    def rate(self) -> float:
        """The share of trials in which the output changed."""
        return self.changed / self.trials if self.trials else 0.0

    @property
    def mean(self) -> float:
        """The mean distance."""
        return self.total / self.trials if self.trials else 0.0

    @property
    def shows(self) -> bool:
        """Whether the change makes any difference."""
        return self.changed > 0 if self.significant is None else self.significant


@dataclass
class Evidence:
    """Everything that the calls of one probe have shown.

    Attributes:
        sites: The parts of the prompts.
        same_again: Whether the same call gave the same outputs.
        batch_dependent: Whether a prompt's output depended on the other prompts and pictures of its call.
        tallies: The trials of each part, by the way in which it was changed.
        exchanged: The trials of each pair of neighbours that changed places.
        everything: The trials in which all parts were replaced at once.
        unit: The distance that counts as 1 in effects.
        unit_is: The change that has this distance, in words.
        examples: The examples of the probe, by id.
        pictures: Pictures to compare by networks too: the part (None = another seed), and the two pictures.
    """

    sites: list[Site]
    same_again: bool = True
    batch_dependent: bool = False
    tallies: dict[tuple[Site, Change], Tally] = field(default_factory=dict)
    exchanged: dict[tuple[Site, Site], Tally] = field(default_factory=dict)
    everything: Tally = field(default_factory=Tally)
    unit: float = 0.0
    unit_is: str = "another seed"
    examples: dict[str, None] = field(default_factory=dict)
    pictures: list[tuple[Site | None, Answer, Answer]] = field(default_factory=list)

    def tally(self, site: Site, change: Change = "replaced") -> Tally:
        """The trials of a change of a part; new ones if there are none yet."""
        return self.tallies.setdefault((site, change), Tally())

    def effect(self, tally: Tally) -> float:
        """The mean distance of some trials in units of what another seed, or another prompt, changes."""
        return tally.mean / self.unit if self.unit > 0 else 0.0


def at_most(trials: int) -> float:
    """The greatest probability of a change with which none in so many trials would still be seen once in twenty times.

    >>> round(at_most(24), 2)
    0.12
    """
    return float(1 - np.power(0.05, 1 / trials)) if trials else 1.0
