"""The design for a model whose outputs differ when the same call is repeated: changes are judged against repetitions.

Each call asks one prompt several times under the same noise. The untouched prompt is asked in many calls, which tell
what repeating changes; a part is read if the calls with the part replaced lie further from them than they lie from one
another (`separation`). What counts is the mean of a call, so that a model whose calls differ as a whole is judged by
its calls, and not by their outputs as if these were independent.

A model that drops parts at random has few outputs that come again and again. There an output that the untouched prompt
never gave, in any of its calls, shows that the replaced part is read, at least sometimes.
"""

from __future__ import annotations

from functools import cached_property
from itertools import chain, combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gill_bench.checks.probe.ask import Answer, Asker, OutOfCallsError, ProbeQuestion
from gill_bench.checks.probe.compare import differs, mean_distance
from gill_bench.checks.probe.evidence import Evidence, Tally
from gill_bench.checks.probe.material import Material, Site
from gill_bench.checks.probe.separation import lie_apart
from gill_bench.prompt import Prompt

OUTPUTS = 8
"""The outputs of a call, all of the same prompt under the same noise."""
REPETITIONS, FEWEST_REPETITIONS = 10, 5
"""Calls with the untouched prompt, and the least number when the budget is small."""
TIMES = 3
"""Calls for each changed prompt."""
_MOST_SINGLE = 0.02
"""The share of outputs that occur in one call alone up to which outputs count as recurring."""

Call = list[Answer]


class _Compared(NamedTuple):
    """A call with a changed prompt: its mean distance to the calls with the untouched one, and its new outputs."""

    call: Call
    apart: float
    new: int


class NoisyDesign:
    """The trials of a model that is not repeatable, all of one example."""

    def __init__(self, asker: Asker, material: Material, evidence: Evidence, first_seed: int) -> None:
        self._asker, self._material, self._evidence, self._seed = asker, material, evidence, first_seed
        self._example = material.example(0)
        self._plain: list[Call] = []
        self._changed: dict[object, list[_Compared]] = {}

    def run(self) -> None:
        """Use the calls that are left: repetitions, each part in turn, order, and again the parts that do not show."""
        evidence, material, example = self._evidence, self._material, self._example
        sites = evidence.sites
        evidence.examples[example.id] = None
        by_kind: dict[str, list[tuple[Site, Site]]] = {}
        for pair in material.neighbours():
            by_kind.setdefault(pair[0].kind, []).append(pair)
        wanted = TIMES * (len(sites) + len(by_kind) + 1) + 1
        repetitions = max(FEWEST_REPETITIONS, min(REPETITIONS, self._asker.left - wanted))
        try:
            plain = material.plain(example)
            self._plain = [self._ask(plain) for _ in range(repetitions)]
            self._note_unit(plain)
            prompts: dict[object, Prompt | None] = {site: material.replaced(example, [site]) for site in sites}
            # Pairs that share a part cannot change places at once: every second one does.
            prompts |= {kind: material.exchanged(example, pairs[::2]) for kind, pairs in by_kind.items()}
            prompts[None] = material.replaced(example, sites)
            for what, prompt in list(prompts.items()) * TIMES:
                self._try(what, prompt)
            while unseen := [what for what in (*by_kind, *sites) if prompts[what] and not self._tally(what).shows]:
                for what in unseen:
                    self._try(what, prompts[what])
        except OutOfCallsError:
            pass
        for site in sites:
            evidence.tallies[site, "replaced"] = self._tally(site)
        for kind, pairs in by_kind.items():
            if kind in self._changed:
                evidence.exchanged[pairs[0]] = self._tally(kind)
        evidence.everything = self._tally(None)

    def _ask(self, prompt: Prompt) -> Call:
        if self._asker.draws:
            return self._asker.ask([ProbeQuestion(self._example, prompt, (self._seed,) * OUTPUTS)])[0]
        return list(
            chain.from_iterable(self._asker.ask([ProbeQuestion(self._example, prompt, (self._seed,))] * OUTPUTS))
        )

    def _try(self, what: object, prompt: Prompt | None) -> None:
        """Ask a changed prompt; `what` is the part, the kind of exchanged parts, or None for all parts."""
        if prompt is None:
            return
        call = self._ask(prompt)
        new = sum(all(differs(output, plain) for repeat in self._plain for plain in repeat) for output in call)
        compared = _Compared(call, float(np.mean([_apart(call, plain) for plain in self._plain])), new)
        self._changed.setdefault(what, []).append(compared)

    def _note_unit(self, plain: Prompt) -> None:
        """Note what another seed changes or, where outputs know no seed, another prompt."""
        evidence = self._evidence
        if self._asker.draws:
            seeds = tuple(range(self._seed + 1, self._seed + 1 + OUTPUTS))
            others = self._asker.ask([ProbeQuestion(self._example, plain, seeds)])[0]
        else:
            others = self._ask(self._material.replaced(self._example, evidence.sites))
            evidence.unit_is = "another prompt"
        evidence.unit = mean_distance([(first, second) for first in self._plain[0] for second in others])

    @cached_property
    def _repeated(self) -> NDArray[np.float64]:
        """For each call with the untouched prompt the mean of its distances to the others."""
        count = len(self._plain)
        apart = np.zeros((count, count))
        for first, second in combinations(range(count), 2):
            apart[first, second] = apart[second, first] = _apart(self._plain[first], self._plain[second])
        means: NDArray[np.float64] = apart.sum(axis=1) / (count - 1)
        return means

    @cached_property
    def _recurs(self) -> bool:
        """Whether the outputs of the untouched prompt are a few that come again in call after call."""
        single = 0
        for own, call in enumerate(self._plain):
            others = [output for number, other in enumerate(self._plain) if number != own for output in other]
            single += sum(all(differs(output, other) for other in others) for output in call)
        return single <= _MOST_SINGLE * len(self._plain) * OUTPUTS

    def _tally(self, what: object) -> Tally:
        calls = self._changed.get(what, [])
        trials = len(calls) * OUTPUTS
        if not calls:
            return Tally(significant=False)
        excess = max(0.0, float(np.mean([call.apart for call in calls]) - self._repeated.mean()))
        if self._recurs:
            new = sum(call.new for call in calls)
            return Tally(trials, new, new, excess * trials, new > 1)
        shows = lie_apart([call.call for call in calls], self._plain)
        return Tally(trials, shows * trials, shows * trials, excess * trials, shows)


def _apart(first: Call, second: Call) -> float:
    return mean_distance(list(zip(first, second, strict=True)))
