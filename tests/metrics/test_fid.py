"""FID as a task's metric: settings, refusals, and numbers against scipy."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.linalg import sqrtm

from gill_bench.cards.find import Value
from gill_bench.errors import InputError
from gill_bench.metrics import fid as card
from tests.support.backbones import write_clip
from tests.support.metric_cases import Case

HARNESS = (Case({"network": "clip-vision", "min_samples": 3}, write_clip, "mini"),)
FEW: dict[str, Value] = {"min_samples": 2}


class Sample(NamedTuple):
    flagged: bool
    truncated: bool


def features(count: int, shift: float = 0.0) -> NDArray[np.float32]:
    mix = np.random.default_rng(1).normal(size=(6, 6))
    return (np.random.default_rng(count).normal(size=(count, 6)) @ mix + shift).astype(np.float32)


def test_fid_of_features_in_blocks_is_that_of_scipy() -> None:
    generated, reference = features(90), features(120, 0.3)
    samples = [Sample(index < 2, index < 5) for index in range(90)]
    scores = card.compare([generated[:50], generated[50:]], [reference[:7], reference[7:]], FEW, samples)
    assert [score.metric for score in scores] == ["fid", "kid", "kid-over-subsets-sd"]
    a, b = (np.cov(x.astype(np.float64), rowvar=False) for x in (generated, reference))
    difference = generated.mean(0, dtype=np.float64) - reference.mean(0, dtype=np.float64)
    expected = difference @ difference + np.trace(a + b - 2 * sqrtm(a @ b).real)
    assert scores[0].value == pytest.approx(expected, rel=1e-6)
    assert {(score.scored, score.flagged, score.truncated, score.higher_is_better) for score in scores} == {
        (90, 2, 5, False)
    }
    # The same picture every time has no covariance.
    mean = reference.mean(0, dtype=np.float64)
    nearest = np.square(reference - mean).sum(axis=1).min()
    assert scores[0].trivial == pytest.approx(nearest + np.trace(b), rel=1e-6)
    assert [bool(score.trivial_answer) for score in scores] == [True, True, False]


@pytest.mark.parametrize(("count", "others", "least"), [(9, 50, 10), (0, 50, 2), (1, 50, 2), (50, 1, 2), (50, 0, 2)])
def test_too_few_pictures_have_no_value(count: int, others: int, least: int) -> None:
    blocks = [features(count)] if count else []
    samples = [Sample(False, False)] * count
    scores = card.compare(blocks, [features(others)] if others else [], {"min_samples": least}, samples)
    assert [(score.value, score.scored) for score in scores] == [(None, count)] * 3


def test_too_few_pictures_are_refused_by_name() -> None:
    card.check_count(2048, {}, "coco-fid")
    with pytest.raises(InputError, match=r"^cc3m-fid: FID: 2047 samples, .* --set cc3m-fid.min_samples=2047$"):
        card.check_count(2047, {}, "cc3m-fid")
    with pytest.raises(InputError, match="no distance is defined below 2"):
        card.check_count(1, {"min_samples": 2}, "cc3m-fid")


def test_sides_are_prepared_by_their_own_setting() -> None:
    settings: dict[str, Value] = {"generated": "as-stored", "real": "bicubic-256-crop"}
    assert card.prepared(settings, "generated") == "as-stored"
    assert card.prepared(settings, "reference") == "bicubic-256-crop"
    changes: list[dict[str, Value]] = [
        {},
        {"mode": "clean"},
        {"network": "clip-vision"},
        {"generated": "as-stored"},
        {"real": "as-stored"},
    ]
    assert len({card.signature(change, "x") for change in changes}) == len(changes)
    assert card.signature({"min_samples": 5}, "x") == card.signature({}, "x")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mode": "dirty"}, "fid: settings: mode"),
        ({"min_samples": 1}, "fid: settings: min_samples"),
        ({"real": "crop"}, "crop"),
        ({"network": "vgg"}, "fid: settings: network"),
    ],
)
def test_wrong_settings_of_fid_are_refused(tmp_path: Path, settings: dict[str, Value], message: str) -> None:
    with pytest.raises(InputError, match=message):
        card.check(tmp_path, settings, "x")


def test_fid_without_a_network_is_refused(tmp_path: Path, mini_weights: Path) -> None:
    with pytest.raises(InputError, match="fid needs weights"):
        card.check(None, {}, "")
    with pytest.raises(InputError, match=str(tmp_path)):
        card.check(tmp_path, {}, "inception")
    small: dict[str, Value] = {"network": "clip-vision"}
    card.check(mini_weights / "clip-mini", small, "mini")
    assert card.load(mini_weights / "clip-mini", small, "cpu").dim > 1
