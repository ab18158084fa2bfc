"""The design for a repeatable model: every change of an output, however small, proves that the changed part is read.

First each part is replaced in a few examples. A part that then seems unread gets many more trials, together with the
others of its kind: where replacing all of them changes nothing, each of them is unread; else each is tried alone.
"""

from __future__ import annotations

from itertools import chain

from gill_bench.checks.probe.ask import Answer, Asker, ProbeQuestion
from gill_bench.checks.probe.compare import spread_of
from gill_bench.checks.probe.evidence import Change, Evidence, Tally
from gill_bench.checks.probe.material import Material, Site
from gill_bench.datasets import Example
from gill_bench.prompt import Prompt

SEEDS = 4
"""The pictures of a prompt in the first trials, each from noise of its own."""
OUTPUTS = 8
"""The outputs of a call in the many trials of parts that seem unread: pictures of a prompt, or prompts."""
TRIALS_UNREAD, TRIALS_SOMETIMES = 72, 32
"""The trials after which a part that never changed anything, or that sometimes did, is tried no more."""
MOST_EXAMPLES = 6
"""The greatest number of examples in the first trials."""
KEPT_CALLS = 10
"""Calls that are kept for parts that seem unread, when the number of examples is chosen."""


class ExactDesign:
    """The trials of a repeatable model.

    Args:
        asker: Asks the model.
        material: Examples and prompts.
        evidence: Where the trials are noted.
        first_seed: The first of the numbers that noise is made of.
        plain: The outputs of the untouched prompts that are known already, by example id, under the first seeds.
    """

    def __init__(
        self, asker: Asker, material: Material, evidence: Evidence, first_seed: int, plain: dict[str, list[Answer]]
    ) -> None:
        self._asker, self._material, self._evidence, self._plain = asker, material, evidence, plain
        self._first_seed = first_seed
        self._seeds = tuple(range(first_seed, first_seed + SEEDS)) if asker.draws else (first_seed,)
        self._round = 0
        self._apart: set[str] = set()  # kinds whose parts must be tried one by one
        pictures = sum(site.kind == "picture" for site in evidence.sites)
        once = len(material.neighbours()) + len(evidence.sites) + pictures
        room = asker.left - once - KEPT_CALLS + len(plain)
        self._count = max(1, min(MOST_EXAMPLES, room // (len(evidence.sites) + 2), len(material.examples)))

    def run(self) -> None:
        """Use the calls that are left, in the order in which they tell most."""
        examples = [self._material.example(number) for number in range(self._count)]
        self._replace(examples[0])
        self._exchange(examples[0])
        for example in examples[1:]:
            self._replace(example)
        read = [site for site in self._evidence.sites if self._evidence.tally(site).changed]
        self._leave_out(examples[0], read)
        self._try_on()
        self._leave_out(examples[0], [site for site in self._evidence.sites if site not in read])

    def note_unit(self) -> None:
        """Note the distance that counts as 1; called when no more calls follow."""
        outputs = list(self._plain.values())
        evidence = self._evidence
        if self._asker.draws:
            evidence.unit = sum(map(spread_of, outputs)) / len(outputs)
            evidence.pictures += [(None, group[0], group[1]) for group in outputs]
        if not evidence.unit:
            means = [evidence.tally(site).mean for site in evidence.sites]
            evidence.unit, evidence.unit_is = max(evidence.everything.mean, *means), "another prompt"

    def _ask(self, example: Example, prompt: Prompt) -> list[Answer]:
        self._evidence.examples[example.id] = None
        return self._asker.ask([ProbeQuestion(example, prompt, self._seeds)])[0]

    def _plain_of(self, example: Example) -> list[Answer]:
        if example.id not in self._plain:
            self._plain[example.id] = self._ask(example, self._material.plain(example))
        return self._plain[example.id]

    def _replace(self, example: Example) -> None:
        plain = self._plain_of(example)
        sites = self._evidence.sites
        for site in sites:
            altered = self._ask(example, self._material.replaced(example, [site]))
            self._evidence.tally(site).add(plain, altered)
            if self._asker.draws:
                self._evidence.pictures.append((site, plain[0], altered[0]))
        self._evidence.everything.add(plain, self._ask(example, self._material.replaced(example, sites)))

    def _exchange(self, example: Example) -> None:
        plain = self._plain_of(example)
        for pair in self._material.neighbours():
            prompt = self._material.exchanged(example, [pair])
            if prompt is not None:
                self._evidence.exchanged.setdefault(pair, Tally()).add(plain, self._ask(example, prompt))

    def _leave_out(self, example: Example, sites: list[Site]) -> None:
        plain = self._plain_of(example)
        for site in sites:
            prompts: list[tuple[Change, Prompt | None]] = [("dropped", self._material.without(example, site))]
            if site.kind == "picture":
                prompts.append(("blanked", self._material.blanked(example, site)))
            for change, prompt in prompts:
                if prompt is not None:
                    self._evidence.tally(site, change).add(plain, self._ask(example, prompt))

    def _try_on(self) -> None:
        """Many more trials of the parts that never, or only sometimes, changed anything."""
        while groups := self._groups():
            if self._asker.left < 2:
                return
            examples, seeds = self._next()
            plain = self._all([self._material.plain(example) for example in examples], examples, seeds)
            for group in groups:
                altered = self._all_replaced(examples, seeds, group)
                if len(group) == 1:
                    self._evidence.tally(group[0]).add(plain, altered)
                elif not Tally().add(plain, altered):
                    for site in group:
                        self._evidence.tally(site).add_unchanged(len(plain))
                else:
                    self._apart.add(group[0].kind)
                    for site in group:
                        self._evidence.tally(site).add(plain, self._all_replaced(examples, seeds, [site]))

    def _groups(self) -> list[list[Site]]:
        """The parts to try next: those of one kind that seem unread together, others by themselves."""
        groups: dict[object, list[Site]] = {}
        for site in self._evidence.sites:
            tally = self._evidence.tally(site)
            if not tally.changed and tally.trials < TRIALS_UNREAD:
                groups.setdefault(site if site.kind in self._apart else site.kind, []).append(site)
            elif 0 < tally.changed < tally.trials < TRIALS_SOMETIMES:
                groups[site] = [site]
        return list(groups.values())

    def _next(self) -> tuple[list[Example], tuple[int, ...]]:
        """The examples and the noise of the next trials: one example; of outputs without noise, several."""
        self._round += 1
        if self._asker.draws:
            start = self._first_seed + SEEDS + (self._round - 1) * OUTPUTS
            return [self._material.example(self._count + self._round - 1)], tuple(range(start, start + OUTPUTS))
        count = 1 if self._evidence.batch_dependent else OUTPUTS
        start = self._count + (self._round - 1) * count
        return [self._material.example(start + number) for number in range(count)], (self._first_seed,)

    def _all_replaced(self, examples: list[Example], seeds: tuple[int, ...], group: list[Site]) -> list[Answer]:
        return self._all([self._material.replaced(example, group) for example in examples], examples, seeds)

    def _all(self, prompts: list[Prompt], examples: list[Example], seeds: tuple[int, ...]) -> list[Answer]:
        self._evidence.examples.update(dict.fromkeys(example.id for example in examples))
        questions = [ProbeQuestion(example, prompt, seeds) for example, prompt in zip(examples, prompts, strict=True)]
        return list(chain.from_iterable(self._asker.ask(questions)))
