"""The benchmark of how busy a device is measures a run of each kind."""

from __future__ import annotations

import json

import pytest
from PIL import Image

from benchmarks import busy
from gill_bench.planning.resolved import ResolvedModel


@pytest.mark.parametrize(
    ("kind", "calls"),
    [
        ("texts", 2),
        pytest.param("pictures", 3 * 2, marks=pytest.mark.slow),  # in three contexts
        pytest.param("pictures --contexts 5-captions", 2, marks=pytest.mark.slow),
        pytest.param("embeddings", 2 + 2, marks=pytest.mark.slow),  # of 20 candidates, 16 in a call, and of prompts
    ],
)
def test_each_kind_is_measured(kind: str, calls: int, capsys: pytest.CaptureFixture[str]) -> None:
    load = ResolvedModel.load
    busy.main(["--kinds", *kind.split(), "--units", "2", "--calls", "2", "--pause", "0.001"])
    line = json.loads(capsys.readouterr().out)
    assert (line["kind"], line["unit"], line["calls"]) == (kind.split()[0], 2, calls)
    assert 0 < line["busy"] <= 1
    assert ResolvedModel.load is load


def test_without_test_data_there_is_a_picture_as_large_as_a_photo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GILL_BENCH_TEST_DATA", raising=False)
    [photo] = busy.photos()
    assert isinstance(photo, Image.Image)
    assert photo.size == (640, 480)


def test_the_share_is_that_of_the_time_from_the_first_call_to_the_last() -> None:
    calls = [(1.0, 2.0, 0.0, 0.1), (2.5, 4.5, 0.2, 0.3), (5.0, 6.0, 0.6, 0.7)]
    assert busy.shares(calls, 1.0) == {
        "calls": 3,
        "busy": 0.8,
        "asleep": 0.6,
        "between ms": 500.0,
        "of it processor ms": 200.0,
    }


def test_a_device_sleeps_for_each_prompt_if_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("benchmarks.busy.time.sleep", slept.append)
    picture = Image.new("RGB", (4, 4))
    for a_prompt in (False, True):
        assert len(busy.Device(0.5, a_prompt, picture).embed_images([picture, picture])) == 2
    assert slept == [0.5, 1.0]


def test_pictures_of_another_side_stand_in_place_of_photos() -> None:
    [photo] = busy.photos(64)
    assert isinstance(photo, Image.Image)
    assert photo.size == (64, 64)
