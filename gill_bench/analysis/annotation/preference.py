"""Which of two models people prefer: votes as values of single examples, compared as `gill-bench compare` does."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from gill_bench.analysis.annotation.study import GENERATED, QUESTIONS, SAME, Study, read_study, studies_in
from gill_bench.analysis.annotation.tally import answers
from gill_bench.analysis.annotation.votes import Votes, read_votes
from gill_bench.analysis.compare import Comparison, Comparisons, LeftOut
from gill_bench.analysis.side import Side
from gill_bench.errors import InputError
from gill_bench.rundir.load import read_spec
from gill_bench.rundir.reader import RunReader
from gill_bench.rundir.records import CellKey
from gill_bench.rundir.rows import Results
from gill_bench.statistics.bootstrap import paired_interval
from gill_bench.statistics.significance import bootstrap_p, effect_size, holm, randomisation_p

_HALF = 0.5


def compare_by_people(first: str, second: str, votes_folder: Path | None = None) -> Comparisons:
    """Compare two sides of studies by the votes of annotators, on relevance and on realism.

    The value of an example is the share of its annotators who prefer the side's picture; "the same" counts half for
    each side. Interval and p-value are those of `gill_bench.analysis.compare`, over clusters of examples: all votes on
    an example stay together, as they are not independent.

    Args:
        first: A: the name of a side in the votes, or `RUN:MODEL`, whose stored pictures must be those that were shown.
        second: B, as A.
        votes_folder: The folder of a study; None for all studies of these two in the run of A.

    Raises:
        InputError: There are no votes on these two, or on other pictures of them than those of the run.
    """
    sides = Side.parse(first), Side.parse(second)
    names = sides[0].model or first, sides[1].model or second
    if votes_folder is None and not sides[0].model:
        raise InputError(f"{first}: expected RUN:MODEL, as votes are looked for in the run; or name them: --votes DIR")
    source = votes_folder or sides[0].run
    studies = {folder: read_study(folder) for folder in studies_in(source)}
    known = [[side.name for side in study.sides] for study in studies.values()]
    matching = {folder: study for folder, study in studies.items() if {*names} == {side.name for side in study.sides}}
    if not matching:
        pairs = "; ".join(" and ".join(pair) for pair in known) or "nothing"
        raise InputError(f"{source}: no votes on {names[0]} and {names[1]}; there are votes on {pairs}")
    outcomes: list[Comparison | LeftOut] = []
    for folder, study in matching.items():
        numbers = [[side.name for side in study.sides].index(name) for name in names]
        for side, number in zip(sides, numbers, strict=True):
            if side.model and study.sides[number].kind == GENERATED:
                _check_pictures(side, study, number, folder)
        votes = read_votes(folder, study)
        outcomes += [_compare(study, votes, question, (numbers[0], numbers[1])) for question in QUESTIONS]
    compared = [outcome for outcome in outcomes if isinstance(outcome, Comparison)]
    left_out = [outcome for outcome in outcomes if isinstance(outcome, LeftOut)]
    if not compared:
        raise InputError(f"{source}: {left_out[0].reason}: ask annotators with gill-bench annotate")
    adjusted = holm([comparison.p for comparison in compared])
    with_holm = tuple(replace(comparison, p_holm=p) for comparison, p in zip(compared, adjusted, strict=True))
    return Comparisons(with_holm, tuple(left_out), ())


def _check_pictures(side: Side, study: Study, number: int, folder: Path) -> None:
    """Refuse votes on other pictures than those that the run has now."""
    run = RunReader(side.run, Results(()), read_spec(side.run), unscored=True)
    of_task = [cell for cell in run.spec.cells if cell.task == study.task]
    # The side "generated" is no model's name: its pictures are those of any model of the run.
    of_model = [cell for cell in of_task if cell.model == side.model] or of_task
    stored = {
        sample.sha256
        for cell in of_model
        for sample in run.samples(CellKey(cell.task, cell.model, cell.context))
        if sample.seed == study.seed
    }
    other = [item.example for item in study.items if item.sha256[number] not in stored]
    if other:
        raise InputError(
            f"{folder}: votes on other pictures than {side.run} has of {side.model}: {len(other)} of {len(study.items)}"
            f" differ, such as example {other[0]}; name the votes on these with --votes DIR"
        )


def _compare(study: Study, votes: Votes, question: str, numbers: tuple[int, int]) -> Comparison | LeftOut:
    import numpy as np

    names = study.sides[numbers[0]].name, study.sides[numbers[1]].name
    metric = f"human-{question}"
    by_example = answers(study, votes, question)
    clusters = [item.cluster for item in study.items if item.example in by_example]
    if len(set(clusters)) < 2:
        reason = "nobody has voted yet" if not clusters else "votes on examples of one cluster, and a test needs two"
        return LeftOut(study.task, study.context, names, metric, (None, None), reason)
    shares = [_share(cast, names[1]) for cast in by_example.values()]
    # The share of the first side is 1 minus that of the second: ties count half for both.
    differences = np.array([2 * share - 1 for share in shares])
    count = len(shares)
    mean = math.fsum(shares) / count
    cast = sum(map(len, by_example.values()))
    ties = sum(answer == SAME for of_example in by_example.values() for answer in of_example)
    return Comparison(
        task=study.task,
        context=study.context,
        models=names,
        metric=metric,
        higher_is_better=True,
        means=(1 - mean, mean),
        difference=paired_interval(differences, clusters),
        p=randomisation_p(differences, clusters),
        p_holm=1.0,
        p_bootstrap=bootstrap_p(differences, clusters),
        p_mcnemar=None,
        effect_size=effect_size(differences, clusters),
        wins=int((differences > 0).sum()),
        losses=int((differences < 0).sum()),
        ties=int((differences == 0).sum()),
        seeds=(study.seed,),
        changes=(),
        only_first=(),
        only_second=(),
        incomplete=(),
        notes=(
            f'{cast} votes of {sum(map(bool, votes.values()))} annotators; {ties} of them "the same", which count half'
            " for each side",
        ),
    )


def _share(cast: Sequence[str], name: str) -> float:
    return math.fsum(1.0 if answer == name else _HALF if answer == SAME else 0.0 for answer in cast) / len(cast)
