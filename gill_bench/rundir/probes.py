"""The records of a probe: which parts of a context a model reads, with the number behind each verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, Literal

from gill_bench.rundir.records import CellKey

PROBES = "probes.json"
Verdict = Literal["read", "weakly read", "not read"]
Order = Literal["read", "not read", "not applicable"]


@dataclass(frozen=True, slots=True)
class ProbedPart:
    """A part of the prompt, at one position.

    Attributes:
        kind: "caption", "picture", "round" or "question"; "text" in a context that does not say more of its texts.
        position: The position among the parts of the same kind, from 1.
        verdict: "read"; "weakly read": only in some trials, or with an effect far below that of other parts; "not
            read".
        effect: The mean change of the output when the part is replaced by that of another cluster; 1 is the change by
            what `unit` of the probe says.
        trials: Outputs with the part replaced that were compared with those of the untouched prompt.
        changed: How many of them the replacement had changed.
        at_most: For "not read", the largest share of outputs that could depend on the part and still leave all trials
            unchanged in one probe of twenty; null for other verdicts, and for a model that is not repeatable.
        dropped: The effect of leaving the part out; null if it was not tried.
        blanked: The effect of a grey picture in its place; null for texts, and if it was not tried.
        exchanged: The effect of exchanging the part with the next one of its kind; null for the last one, and if it
            was not tried.
        measures: The effect of replacing in other measures, by the name of the metric.
    """

    kind: str
    position: int
    verdict: Verdict
    effect: float
    trials: int
    changed: int
    at_most: float | None
    dropped: float | None
    blanked: float | None
    exchanged: float | None
    measures: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class ContextProbe:
    """The probe of a cell: an entry of `probes` in `probes.json`, and what `gill-bench probe --json` prints.

    Attributes:
        model: Name of the model card.
        task: Name of the task card.
        context: Canonical name of the context.
        calls: Calls of the model's method.
        parts: The parts of the prompt, in reading order.
        order: Whether exchanging neighbours changes the output: "not read" if it does not for some kind of parts whose
            contents are read; "not applicable" where no kind has two parts.
        repeatable: Whether a prompt gives the same output under the same noise, again and in any batch.
        orders: The same as `order` for each kind with two or more parts.
        same_again: Whether the same call gives the same output.
        batch_dependent: Whether a prompt's output depends on the other prompts and pictures of its call.
        unit: The change whose size is 1 in effects: "another seed" or "another prompt".
        seed: The seed of the probe, which decides noise and examples.
        prompts: Prompts in all calls.
        outputs: Outputs of all calls.
        examples: The examples, by id.
        notes: Sentences about what could not be measured.
        recipe: Digest of the cell's recipe, without which a probe in a run does not count.
    """

    model: str
    task: str
    context: str
    calls: int
    parts: tuple[ProbedPart, ...]
    order: Order
    repeatable: bool
    orders: Mapping[str, Order]
    same_again: bool
    batch_dependent: bool
    unit: str
    seed: int
    prompts: int
    outputs: int
    examples: tuple[str, ...]
    notes: tuple[str, ...] = ()
    recipe: str = ""

    @property
    def cell_key(self) -> CellKey:
        """The cell that was probed."""
        return CellKey(self.task, self.model, self.context)

    @property
    def in_full(self) -> bool:
        """Whether every part is read, those of a kind in their order, and outputs can be repeated."""
        ordered = "not read" not in self.orders.values()
        return self.repeatable and ordered and all(part.verdict == "read" for part in self.parts)

    def in_words(self) -> str:
        """The parts that are read, in words, such as "reads captions 1 to 4 of 5; pictures none"."""
        kinds = dict.fromkeys(part.kind for part in self.parts)
        said = "reads " + "; ".join(self._kind_in_words(kind) for kind in kinds)
        if not self.same_again:
            said += "; the same call gives another output each time"
        return f"{said}; its outputs depend on their batch" if self.batch_dependent else said

    def _kind_in_words(self, kind: str) -> str:
        parts = [part for part in self.parts if part.kind == kind]
        read, weak = (
            [part.position for part in parts if part.verdict == verdict] for verdict in ("read", "weakly read")
        )
        said = f"{kind}{'s' * (len(parts) > 1)} {_positions(read, len(parts))}"
        if weak:
            said += f", weakly {_positions(weak, len(parts))}"
        return f"{said}, in no order" if len(read) > 1 and self.orders.get(kind) == "not read" else said


def probe_json(probe: ContextProbe) -> dict[str, Any]:
    """A probe as JSON data, with its summary in words under `summary`."""
    return {**asdict(probe), "summary": probe.in_words()}


def _positions(positions: Sequence[int], of: int) -> str:
    """Positions in words.

    >>> _positions([1, 2, 4], 5), _positions([1, 2], 2), _positions([], 4)
    ('1 to 2 and 4 of 5', '1 to 2 of 2', 'none')
    """
    if not positions:
        return "none"
    starts = [positions[0], *(after for before, after in pairwise(positions) if after > before + 1)]
    ends = [*(before for before, after in pairwise(positions) if after > before + 1), positions[-1]]
    spans = [str(start) if start == end else f"{start} to {end}" for start, end in zip(starts, ends, strict=True)]
    return f"{' and '.join(spans)} of {of}"
