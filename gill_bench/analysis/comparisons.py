"""What a comparison found: records, as `gill_bench.analysis.compare` makes them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gill_bench.statistics.bootstrap import Interval

LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class Change:
    """One example's two values, means over the seeds compared, and where to look.

    Attributes:
        seed: With which the two differ most.
        files: With this seed the first's and the second's picture; the folder of its unit for other outputs.
    """

    example: str
    first: float
    second: float
    seed: int
    files: tuple[str, str]


@dataclass(frozen=True, slots=True)
class Comparison:
    """One metric of one task and context.

    Attributes:
        models: First and second.
        metric: As in the rows.
        means: Of the examples that both have.
        difference: Second minus first over these examples, with its 95 % interval.
        p: Approximate randomisation over clusters.
        p_holm: The same, adjusted for all comparisons made.
        p_bootstrap: By paired bootstrap over clusters, as sacrebleu counts it; not adjusted.
        p_mcnemar: For right-or-wrong values of independent examples, else None.
        effect_size: Cohen's d_z over clusters; None where it has no bounds.
        wins: Examples in which the second is better.
        losses: Examples in which it is worse.
        ties: Examples in which both are the same.
        seeds: Compared; of the first side, if they share none.
        changes: Examples that changed most, largest first.
        only_first: Examples that the second has no value of.
        only_second: Examples that the first has no value of.
        incomplete: Examples that one side does not have with every seed; not compared.
        notes: Sentences about what is not compared, and why.
    """

    task: str
    context: str
    models: tuple[str, str]
    metric: str
    higher_is_better: bool
    means: tuple[float, float]
    difference: Interval
    p: float
    p_holm: float
    p_bootstrap: float
    p_mcnemar: float | None
    effect_size: float | None
    wins: int
    losses: int
    ties: int
    seeds: tuple[int, ...]
    changes: tuple[Change, ...]
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]
    incomplete: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def better(self) -> bool | None:
        """Whether the second is better; None unless the whole interval is on one side of zero, and p at most 0.05."""
        if self.difference.low <= 0 <= self.difference.high or self.p > LEVEL:
            return None
        return (self.difference.low > 0) == self.higher_is_better


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A metric that both sides have, but that was not compared.

    Attributes:
        means: Of the rows, over seeds.
        reason: Why.
    """

    task: str
    context: str
    models: tuple[str, str]
    metric: str
    means: tuple[float | None, float | None]
    reason: str


@dataclass(frozen=True)
class Comparisons:
    """What was compared, to be gone through, and what was not.

    Attributes:
        made: In the order of the first side's rows.
        left_out: What could not be.
        lone: task/model/context/metric that one side alone has, with its name, A or B.
    """

    made: tuple[Comparison, ...]
    left_out: tuple[LeftOut, ...]
    lone: tuple[tuple[str, str], ...]

    def __iter__(self) -> Iterator[Comparison]:
        return iter(self.made)

    def __len__(self) -> int:
        return len(self.made)
