"""What a distance between sets can be expected to say, given how many samples there are and what they look like."""

from __future__ import annotations

from gill_bench.errors import InputError
from gill_bench.metrics.functional.frechet import FeatureStatistics


def require_samples(n: int, minimum: int, task: str, what: str) -> None:
    """Refuse a distance of too few samples, which is biased upwards by more than models differ.

    Args:
        n: Samples there are.
        minimum: Samples that the task asks for.
        task: Its name, as `--set` takes it.
        what: Which distance.

    Raises:
        InputError: There are fewer; says how to ask for it anyway.
    """
    if n < minimum:
        anyway = f"to have it anyway: --set {task}.min_samples={n}" if n > 1 else "no distance is defined below 2"
        raise InputError(
            f"{task}: {what}: {n} samples, but at least {minimum} are needed for a meaningful value; {anyway}"
        )


def remarks(one: FeatureStatistics, other: FeatureStatistics) -> list[str]:
    """What a reader of the distance has to know, one sentence each; empty if there is nothing.

    Args:
        one: Statistics of at least two samples.
        other: The same.
    """
    found = []
    dim, fewest = len(one.mean), min(one.n, other.n)
    if fewest <= dim:
        found.append(
            f"{fewest} samples for {dim} dimensions: covariances are singular and the value is biased upwards, "
            "compare it only with values of as many samples"
        )
    for side in (one, other):
        if side.total_variance == 0:
            found.append(f"all {side.n} samples of a side have the same features")
    return found
