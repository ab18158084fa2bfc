"""Metrics that compare pictures one by one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from gill_bench.errors import GillBenchError
from gill_bench.evaluate import score
from gill_bench.metrics.picture import PictureMetric
from gill_bench.planning.metrics import ResolvedMetric
from gill_bench.rundir.load import read_results
from gill_bench.rundir.load_units import read_samples
from gill_bench.scoring import pair_networks
from gill_bench.scoring.pair_networks import LoadedMetrics
from gill_bench.scoring.pictures import UnitPictures
from gill_bench.storage.images import load_image
from tests.support.runs import run


@pytest.fixture
def unscored(tmp_path: Path) -> Path:
    """A run of four stories in two contexts, without scores."""
    folder = tmp_path / "run"
    run(folder, contexts=("1-caption", "5-captions"), limit=4)
    for file in folder.rglob("score-*.json"):
        file.unlink()
    return folder


def test_an_error_in_a_metric_names_cell_and_example(unscored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compare = PictureMetric.compare

    def broken(metric: PictureMetric, *features: Any) -> torch.Tensor:
        if metric.name == "lpips[mini]":
            raise ZeroDivisionError("planted")
        return compare(metric, *features)

    monkeypatch.setattr(PictureMetric, "compare", broken)
    message = r"lpips\[mini\]: vist/noisy/1-caption, example \w+: ZeroDivisionError: planted\nall other scores are in"
    with pytest.raises(GillBenchError, match=message):
        score(unscored, "cpu")
    scored = {row.metric: row.n_scored for row in read_results(unscored / "results.json").rows}
    assert scored == {"clip-similarity[mini]": 4, "lpips[mini]": 0}


def test_each_picture_is_read_once_for_all_metrics(unscored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: Counter[str] = Counter()
    image = UnitPictures.image

    def counted(unit: UnitPictures, sample: Any) -> Image.Image:
        if sample.image not in unit.images:
            read[f"{unit.unit.cell.context.name} {sample.image}"] += 1
        return image(unit, sample)

    def counted_target(file: Path, squash: int) -> Image.Image:
        read[file.name] += 1
        return load_image(file, squash)

    monkeypatch.setattr(UnitPictures, "image", counted)
    monkeypatch.setattr("gill_bench.scoring.pair_networks.load_image", counted_target)
    outcome = score(unscored, "cpu")
    assert {row.n_scored for row in outcome.results.rows} == {4}
    samples = [sample for file in unscored.rglob("unit.json") for sample in read_samples(file.parent)]
    targets = {str(sample.details["target"]) for sample in samples}
    others = {file for file in read if file.endswith(".png") and file.removesuffix(".png").isdecimal()} - {
        f"{target}.png" for target in targets
    }
    assert len(read) == len(samples) + len(targets) + len(others)
    assert len(others) <= 4  # for the four stories: the targets of other stories
    assert {count for file, count in read.items() if file not in others} == {1}


def test_beside_each_mean_stands_that_of_other_examples_targets(unscored: Path) -> None:
    rows = score(unscored, "cpu").results.rows
    assert {row.trivial_answer for row in rows} == {"the picture of another example"}
    assert len({row.trivial for row in rows if row.metric == "lpips[mini]"}) == 1  # the same for contexts and seeds
    [similarity] = {row.trivial for row in rows if row.metric == "clip-similarity[mini]"}
    assert similarity is not None
    assert similarity < 0.9  # another picture, not the target itself


def test_only_the_metric_that_lacks_a_value_works(unscored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = score(unscored, "cpu").results
    for file in unscored.rglob("score-lpips*.json"):
        file.unlink()
    loaded: list[str] = []
    load = ResolvedMetric.load

    def noted(metric: ResolvedMetric, device: str) -> PictureMetric:
        loaded.append(metric.name)
        return load(metric, device)

    monkeypatch.setattr(ResolvedMetric, "load", noted)
    assert score(unscored, "cpu").results == before
    assert loaded == ["lpips[mini]"]


class Brightness(PictureMetric):
    """The difference of two pictures' first levels; counts the pictures of each call."""

    name = "brightness"

    def __init__(self, fails_above: int = 10**6) -> None:
        super().__init__()
        self.calls: list[int] = []
        self.compared: list[int] = []
        self.fails_above = fails_above

    def _prepare(self, image: Image.Image) -> torch.Tensor:
        return torch.tensor([float(image.getpixel((0, 0))[0])])  # type: ignore[index]

    def _embed(self, pixels: torch.Tensor) -> list[torch.Tensor]:
        self.calls.append(len(pixels))
        if len(pixels) > self.fails_above:
            raise torch.OutOfMemoryError("out of memory")
        return [pixels]

    def _compare(self, generated: list[torch.Tensor], reference: list[torch.Tensor]) -> torch.Tensor:
        self.compared.append(len(generated[0]))
        return (generated[0] - reference[0]).flatten()


@pytest.fixture
def units(unscored: Path) -> list[UnitPictures]:
    """The pictures of the run, two units of four stories with five seeds."""
    read: list[UnitPictures] = []

    def kept(metrics: LoadedMetrics, units: Sequence[UnitPictures]) -> list[list[list[float]]]:
        read.extend(units)
        raise GillBenchError("that is enough")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LoadedMetrics, "values", kept)
        with pytest.raises(GillBenchError, match="that is enough"):
            score(unscored, "cpu")
    return read[:2]


def values(metric: PictureMetric, device: str, units: list[UnitPictures]) -> list[list[list[float]]]:
    return LoadedMetrics([metric], 0, device).values(units)


def test_an_accelerator_compares_several_examples_in_a_call(units: list[UnitPictures]) -> None:
    alone, together = Brightness(), Brightness()
    [seeds] = {len(samples) for unit in units for _, samples in unit.by_example}
    stories = sum(len(unit.by_example) for unit in units)
    expected = values(alone, "cpu", units)
    assert alone.compared == [seeds] * stories
    assert values(together, "cuda", units) == expected
    assert sum(together.compared) == seeds * stories
    assert max(together.compared) > seeds
    assert max(together.calls) <= pair_networks._AT_ONCE
    assert len(together.calls) < len(alone.calls)


def test_a_batch_for_which_memory_does_not_last_is_halved(units: list[UnitPictures]) -> None:
    [seeds] = {len(samples) for unit in units for _, samples in unit.by_example}
    small = Brightness(fails_above=seeds)
    assert values(small, "cuda", units) == values(Brightness(), "cpu", units)
    assert set(small.compared) == {seeds}


def test_the_failing_example_of_a_batch_is_named(units: list[UnitPictures]) -> None:
    name = units[0].by_example[1][0]
    bad = {id(sample) for sample in units[0].by_example[1][1]}

    class Broken(Brightness):
        def _compare(self, generated: list[torch.Tensor], reference: list[torch.Tensor]) -> torch.Tensor:
            if -1.0 in generated[0]:
                raise ZeroDivisionError("planted")
            return super()._compare(generated, reference)

    class Marked(LoadedMetrics):
        def _prepare(self, picture: Any) -> list[torch.Tensor]:
            return [torch.tensor([-1.0])] if id(picture[1]) in bad else super()._prepare(picture)

    with pytest.raises(GillBenchError, match=f"example {name}: ZeroDivisionError: planted"):
        Marked([Broken()], 0, "cuda").values(units)


def test_features_of_few_targets_are_kept(units: list[UnitPictures], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pair_networks, "_TARGETS_KEPT", 1)
    few = Brightness()
    metrics = LoadedMetrics([few], 0, "cpu")
    assert metrics.values(units) == values(Brightness(), "cpu", units)
    assert len(metrics._features) == 1
