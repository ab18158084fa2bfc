"""A metric of kind "pairs" without a network."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from gill_bench.errors import GillBenchError
from gill_bench.metrics.picture import FunctionMetric
from tests.support.backbones import pictures


def distance(generated: NDArray[np.float32], target: NDArray[np.float32]) -> float:
    assert generated.shape == target.shape == (16, 16, 3)
    assert 0 <= generated.min() <= generated.max() <= 1
    return float(np.abs(generated - target).mean())


def nothing(generated: NDArray[np.float32], target: NDArray[np.float32]) -> float:
    return float("nan")


def test_a_metric_without_a_network_is_a_function_of_pixels() -> None:
    metric = FunctionMetric("pixel-distance", distance, size=16)
    generated, targets = pictures(4), pictures(4, seed=1)
    metric.update(generated, targets)
    squashed = [np.asarray(image.resize((16, 16), 3), np.float32) / 255 for image in [*generated, *targets]]
    expected = [np.abs(squashed[number] - squashed[4 + number]).mean() for number in range(4)]
    assert metric.per_sample().tolist() == pytest.approx(expected, abs=1e-6)
    features = metric.features(generated)
    one_target = metric.compare(features, metric.features(targets[:1]))
    torch.testing.assert_close(one_target, metric.compare(features, metric.features(targets[:1] * 4)))
    again = pickle.loads(pickle.dumps(metric))
    assert torch.equal(again.per_sample(), metric.per_sample())
    assert again.name == "pixel-distance"


def test_a_function_that_gives_no_number_is_an_error() -> None:
    metric = FunctionMetric("nothing", nothing, size=16)
    with pytest.raises(GillBenchError, match="nothing: the value of pair 0 of 1 is nan; the metric cannot compare"):
        metric.update(pictures(1), pictures(1))
