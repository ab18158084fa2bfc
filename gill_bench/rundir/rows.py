"""Rows: the tidy results of a run, one per task, model, context, seed and metric; `results.json` holds them.

Everything that is shown (tables, comparisons, checks) is computed from rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from gill_bench.rundir.probes import ContextProbe
from gill_bench.rundir.records import CellKey, LossReason


@dataclass(frozen=True, slots=True, order=True)
class Row:
    """One number and what must be known to believe it.

    Attributes:
        task: Name of the task card.
        model: Name of the model card.
        context: Canonical name of the context, such as `5-captions-4-images`.
        seed: The seed, 0, 1, ...
        metric: Registered name; with a stand-in backbone its name in brackets, such as `lpips[mini]`.
        value: Mean over the scored examples; None if nothing was scored.
        higher_is_better: Whether a higher value is better.
        n_available: Examples in the data; more than `n_expected` where a limit was set.
        n_expected: Examples that the run was asked for.
        n_scored: Examples in `value`.
        n_missing: Examples left out because data is missing or unreadable (listed in results.json).
        n_failed: Examples on which the model raised, or whose output the metric could not score.
        n_refused: Examples that the model declined by policy.
        n_not_made: Examples that no model was asked about yet, since the run was stopped; the same command continues.
        n_truncated: Scored examples whose prompt the model had to cut.
        n_flagged: Scored examples whose picture the safety checker blackened.
        signature: Encoder, preprocessing, protocol and data. Numbers with different signatures never share a column.
        model_signature: How the model was run: adapter, settings, content of its weights. Numbers of a model with
            different ones never share a table.
        batch_size: The most prompts in one call of the model, as run: a number, or several between commas where units
            differ; "" if the files do not say. Outputs of different batches differ by rounding, pictures by a grey
            level or two.
        trivial: The value, on the same examples, of an answer that knows nothing of the prompt; None where there is no
            such answer, as for times, or where an older version scored.
        trivial_answer: That answer in words, such as "a random order", or "".
    """

    task: str
    model: str
    context: str
    seed: int
    metric: str
    value: float | None
    higher_is_better: bool
    n_available: int
    n_expected: int
    n_scored: int
    n_missing: int
    n_failed: int
    n_refused: int = field(default=0, kw_only=True)
    n_not_made: int = field(default=0, kw_only=True)
    n_truncated: int
    n_flagged: int
    signature: str
    model_signature: str
    batch_size: str = field(default="", kw_only=True)
    trivial: float | None = field(default=None, kw_only=True)
    trivial_answer: str = field(default="", kw_only=True)

    @property
    def cell_key(self) -> CellKey:
        """The cell that the number is of."""
        return CellKey(self.task, self.model, self.context)

    @property
    def n_lost(self) -> int:
        """The number of usable examples that have no value: failed, refused or not made."""
        return self.n_failed + self.n_refused + self.n_not_made


@dataclass(frozen=True, slots=True)
class Missing:
    """An example, candidate or reference picture whose data is missing or unreadable.

    Attributes:
        task: Name of the task card.
        example: The example's id; `candidate ID` or `reference ID` for a picture that is no example's.
        reason: The missing thing, or the reason why it cannot be read.
    """

    task: str
    example: str
    reason: str


@dataclass(frozen=True, slots=True)
class Unmade:
    """A group of usable examples of one cell that have no output, all for the same reason.

    Attributes:
        task: Name of the task card.
        model: Name of the model card.
        context: Canonical name of the context; "candidates" where the examples are the pictures that are searched.
        outcome: "failed", "refused" or "not made".
        seeds: The seeds without an output.
        examples: Ids of the examples.
        reason: Type and message of the exception; "" if nobody has asked the model yet.
        where: File and line in the model's own code that raised the exception, or "".
        record: The file in the run directory that holds the traceback, or "".
    """

    task: str
    model: str
    context: str
    outcome: LossReason
    seeds: tuple[int, ...]
    examples: tuple[str, ...]
    reason: str = ""
    where: str = ""
    record: str = ""

    @property
    def cell_key(self) -> CellKey:
        """The cell that has no output for the examples."""
        return CellKey(self.task, self.model, self.context)


@dataclass(frozen=True, slots=True)
class Results:
    """The content of `results.json`.

    Attributes:
        rows: The rows, sorted by task, model, context, metric and seed.
        missing: Examples that were left out since their data is missing, sorted by task, in the order of the data.
        notes: Sentences that every table must show, such as that the weights are small and random.
        unmade: Examples without an output, with the reason; empty in files of older versions.
        probes: What the cells' models read of their contexts, from `probes.json`; not in the file.
    """

    rows: tuple[Row, ...]
    missing: tuple[Missing, ...] = ()
    notes: tuple[str, ...] = ()
    unmade: tuple[Unmade, ...] = ()
    probes: tuple[ContextProbe, ...] = ()


@dataclass(frozen=True, slots=True)
class Counts:
    """Samples of several rows taken together; a sample that several metrics value counts once.

    Attributes:
        expected: Samples that the run was asked for.
        failed: Samples on which the model raised, or which the metric could not score.
        refused: Samples that the model declined by policy.
        not_made: Samples that no model was asked for yet.
    """

    expected: int
    failed: int
    refused: int
    not_made: int

    @classmethod
    def of(cls, rows: Iterable[Row]) -> Counts:
        """Add up rows; for each cell and seed, the metric that lacks the most samples counts."""
        most: dict[tuple[CellKey, int], tuple[int, ...]] = {}
        for row in rows:
            key = (row.cell_key, row.seed)
            counts = (row.n_expected, row.n_failed, row.n_refused, row.n_not_made)
            most[key] = max(most.get(key, counts), counts, key=lambda each: (sum(each[1:]), each))
        return cls(*(sum(column) for column in zip(*most.values(), strict=True))) if most else cls(0, 0, 0, 0)

    def in_words(self) -> dict[LossReason, str]:
        """A sentence for each reason why samples have no value; empty if all have one.

        >>> Counts(24, 1, 0, 16).in_words()
        {'failed': '1 of 24 samples failed', 'not made': '16 of 24 samples are not made yet'}
        """
        counts: dict[LossReason, int] = {"failed": self.failed, "refused": self.refused, "not made": self.not_made}
        words: dict[LossReason, str] = {"failed": "failed", "refused": "refused", "not made": "not made yet"}
        return {
            reason: f"{count} of {self.expected} samples {_verb(words[reason], count)}"
            for reason, count in counts.items()
            if count
        }


def _verb(word: str, count: int) -> str:
    return word if word == "failed" else f"{'is' if count == 1 else 'are'} {word}"
