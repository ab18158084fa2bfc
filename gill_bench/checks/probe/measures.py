"""The effects of replaced parts on pictures as networks see them: LPIPS and similarity, where their weights are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from gill_bench.checks.probe.ask import Answer
from gill_bench.checks.probe.material import Site
from gill_bench.errors import InputError
from gill_bench.planning.metrics import ResolvedMetric, metrics_of
from gill_bench.planning.resolved import ResolvedTask


def measured(
    pictures: Sequence[tuple[Site | None, Answer, Answer]], task: ResolvedTask, device: str
) -> tuple[dict[Site, dict[str, float]], tuple[str, ...]]:
    """The effect on each part's pictures in every measure of the task that compares two pictures.

    Args:
        pictures: The part (None = another seed), a picture of the untouched prompt, and a picture after the change.
        task: The task, whose card names the metrics.
        device: The torch device of their networks.

    Returns:
        By part and metric: the mean distance in units of that of another seed; and a sentence for each metric that
        could not be used.
    """
    if not any(site is None for site, _, _ in pictures):
        return {}, ()
    effects: dict[Site, dict[str, float]] = {}
    notes: list[str] = []
    try:
        metrics = [metric for metric in metrics_of(task) if metric.kind == "pairs"]
    except InputError as error:
        return {}, (f"Pictures were compared by their pixels alone: {str(error).splitlines()[0]}",)
    for metric in metrics:
        try:
            distances = _distances(metric, pictures, device)
        except InputError as error:
            notes.append(f"Pictures were not compared by {metric.name}: {str(error).splitlines()[0]}")
            continue
        by_site: dict[Site | None, list[float]] = {}
        for (site, _, _), value in zip(pictures, distances, strict=True):
            by_site.setdefault(site, []).append(value)
        unit = float(np.mean(by_site.pop(None)))
        for site, values in by_site.items():
            if site is not None and unit > 0:
                effects.setdefault(site, {})[metric.name] = float(f"{np.mean(values) / unit:.4g}")
    return effects, tuple(notes)


def _distances(
    metric: ResolvedMetric, pictures: Sequence[tuple[Site | None, Answer, Answer]], device: str
) -> Sequence[float]:
    """The distance of each pair: LPIPS as it is, a similarity as its difference to 1."""
    scorer = metric.load(device)
    first, second = ([Image.fromarray(np.asarray(group[column])) for group in pictures] for column in (1, 2))
    values = scorer.compare(scorer.features(second), scorer.features(first)).double().cpu().numpy()
    return list(1 - values if metric.pairs.higher_is_better else values)
