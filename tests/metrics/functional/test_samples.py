from __future__ import annotations

import numpy as np
import pytest

from gill_bench.errors import InputError
from gill_bench.metrics.functional.frechet import FeatureStatistics
from gill_bench.metrics.functional.samples import remarks, require_samples


def statistics(n: int, d: int, scale: float = 1.0) -> FeatureStatistics:
    return FeatureStatistics.of(scale * np.random.default_rng(n).normal(size=(n, d)))


def test_too_few_samples_say_how_to_go_on() -> None:
    require_samples(1000, 1000, "coco-fid", "FID")
    expected = r"coco-fid: FID: 999 samples, but at least 1000 .* --set coco-fid\.min_samples=999$"
    with pytest.raises(InputError, match=expected):
        require_samples(999, 1000, "coco-fid", "FID")
    with pytest.raises(InputError, match="no distance is defined below 2"):
        require_samples(1, 2, "coco-fid", "FID")


def test_remarks() -> None:
    assert remarks(statistics(50, 8), statistics(60, 8)) == []
    (few,) = remarks(statistics(8, 8), statistics(60, 8))
    assert few.startswith("8 samples for 8 dimensions: covariances are singular")
    (constant,) = remarks(statistics(50, 8, 0.0), statistics(60, 8))
    assert constant == "all 50 samples of a side have the same features"
