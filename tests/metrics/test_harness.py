"""One harness for all picture metrics: what must hold whatever the backbone is."""

from __future__ import annotations

import io
import math
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from gill_bench.cards.find import Value
from gill_bench.errors import GillBenchError
from gill_bench.metrics import metric
from gill_bench.metrics.lpips import build_mini
from gill_bench.metrics.picture import PictureMetric
from gill_bench.storage.images import load_image
from gill_bench.storage.read_ahead import read_ahead
from tests.support.backbones import pictures, write_alex, write_clip

CASES = ["clip-similarity", "clip-similarity pooled", "lpips", "lpips[mini]"]
BATCHING = 1e-6
"""How far a value may be from that of the same pair in another batch: matrix products of other sizes round differently,
by 2.4e-7 at the most on 512 pairs with either metric. With the same batches it is the same to the last bit."""
Fresh = Callable[[], PictureMetric]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("backbones")
    write_clip(base / "clip")
    write_alex(base / "alex.pth")
    build_mini(base / "lpips-mini", 0)
    return base


@pytest.fixture(params=CASES)
def fresh(request: pytest.FixtureRequest, folder: Path) -> Fresh:
    cases: dict[str, tuple[str, Path, dict[str, Value]]] = {
        "clip-similarity": ("clip-similarity", folder / "clip", {}),
        "clip-similarity pooled": ("clip-similarity", folder / "clip", {"features": "pooled"}),
        "lpips": ("lpips", folder / "alex.pth", {"size": 64}),
        "lpips[mini]": ("lpips", folder / "lpips-mini", {}),
    }
    name, weights, settings = cases[request.param]

    def load() -> PictureMetric:
        module: Any = metric(name)
        module.check(weights, settings, "alex.pth" if name == "lpips" and weights.is_file() else "mini")
        loaded: PictureMetric = module.load(weights, settings, "cpu")
        assert loaded.higher_is_better is module.higher_is_better
        return loaded

    return load


def test_update_is_features_and_compare(fresh: Fresh) -> None:
    scorer = fresh()
    generated, reference = pictures(6), pictures(6, seed=1)
    scorer.update(generated, reference)
    values = scorer.compare(scorer.features(generated), scorer.features(reference))
    assert values.shape == (6,)
    assert values.dtype == torch.float32
    assert torch.equal(scorer.per_sample(), values)
    assert float(scorer.compute()) == pytest.approx(float(values.double().mean()), abs=1e-12)
    assert scorer.compute().dtype == torch.float64
    assert values.std() > 0.01


@pytest.mark.parametrize("size", [1, 2, 5, 32, 64])
def test_features_are_embedded_preparations_in_batches_of_any_size(fresh: Fresh, size: int) -> None:
    scorer = fresh()
    generated, reference = pictures(64), scorer.features(pictures(64, seed=1))
    prepared = list(read_ahead(scorer.prepare, generated))
    whole = scorer.features(generated)
    assert all(torch.equal(one, again) for one, again in zip(whole, scorer.embed(prepared), strict=True))
    parts = [scorer.embed(prepared[start : start + size]) for start in range(0, 64, size)]
    batched = [torch.cat(tensors) for tensors in zip(*parts, strict=True)]
    expected = scorer.compare(whole, reference)
    torch.testing.assert_close(scorer.compare(batched, reference), expected, atol=BATCHING, rtol=0)


def test_one_reference_serves_all(fresh: Fresh) -> None:
    scorer = fresh()
    generated, [reference] = pictures(5), pictures(1, seed=1)
    broadcast = scorer.compare(scorer.features(generated), scorer.features([reference]))
    repeated = scorer.compare(scorer.features(generated), scorer.features([reference] * 5))
    torch.testing.assert_close(broadcast, repeated, atol=BATCHING, rtol=0)


def test_batches_one_by_one_and_order_give_the_same_values(fresh: Fresh) -> None:
    generated, reference = pictures(40), pictures(40, seed=1)  # more than one call of the backbone
    together, single, backwards = fresh(), fresh(), fresh()
    together.update(generated, reference)
    for one, other in zip(generated, reference, strict=True):
        single.update([one], [other])
    backwards.update(generated[::-1], reference[::-1])
    torch.testing.assert_close(single.per_sample(), together.per_sample(), atol=BATCHING, rtol=0)
    torch.testing.assert_close(backwards.per_sample().flip(0), together.per_sample(), atol=BATCHING, rtol=0)
    assert float(single.compute()) == pytest.approx(float(together.compute()), abs=BATCHING)


def test_merging_puts_the_other_values_first(fresh: Fresh) -> None:
    generated, reference = pictures(6), pictures(6, seed=1)
    first, second, empty, whole = fresh(), fresh(), fresh(), fresh()
    first.update(generated[:4], reference[:4])
    second.update(generated[4:], reference[4:])
    whole.update(generated, reference)
    second.merge_state(first)
    second.merge_state(empty)
    torch.testing.assert_close(second.per_sample(), whole.per_sample(), atol=BATCHING, rtol=0)
    assert float(second.compute()) == pytest.approx(float(whole.compute()), abs=BATCHING)


def test_values_of_processes_are_concatenated(fresh: Fresh) -> None:
    scorer = fresh()
    scorer.update(pictures(3), pictures(3, seed=1))
    values = scorer.per_sample().clone()
    scorer.sync(dist_sync_fn=lambda value, group=None: [value, value + 1], distributed_available=lambda: True)
    torch.testing.assert_close(scorer.per_sample(), torch.cat([values, values + 1]))
    scorer.unsync()
    assert torch.equal(scorer.per_sample(), values)


def test_empty_and_reset(fresh: Fresh) -> None:
    scorer = fresh()
    scorer.update([], [])
    assert scorer.per_sample().shape == (0,)
    assert math.isnan(scorer.compute())
    scorer.update(pictures(1), pictures(1, seed=1))
    scorer.reset()
    assert scorer.per_sample().shape == (0,)
    for nothing in (scorer.features, scorer.embed):
        with pytest.raises(ValueError, match="no pictures"):
            nothing([])


def test_wrong_numbers_of_pictures(fresh: Fresh) -> None:
    scorer = fresh()
    with pytest.raises(ValueError, match="2 generated pictures, but 1 references"):
        scorer.update(pictures(2), pictures(1))
    with pytest.raises(ValueError, match="3 generated pictures, but 2 references"):
        scorer.compare(scorer.features(pictures(3)), scorer.features(pictures(2)))


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "1", "CMYK"])
def test_other_modes_go_through_the_loader(fresh: Fresh, mode: str) -> None:
    scorer = fresh()
    picture = pictures(1)[0].convert(mode)
    with pytest.raises(ValueError, match=f"mode {mode}; read pictures with"):
        scorer.features([picture])
    file = io.BytesIO()
    picture.save(file, "TIFF")
    file.seek(0)
    scorer.update([load_image(file)], pictures(1, seed=1))
    assert torch.isfinite(scorer.per_sample()).all()


@pytest.mark.parametrize("size", [(1, 1), (300, 2), (7, 500)])
def test_extreme_sizes(fresh: Fresh, size: tuple[int, int]) -> None:
    scorer = fresh()
    scorer.update([pictures(1)[0].resize(size)], pictures(1, seed=1))
    assert torch.isfinite(scorer.per_sample()).all()


def test_nothing_global_is_touched(fresh: Fresh) -> None:
    random, numpy_random = torch.get_rng_state(), np.random.get_state()[1].copy()  # type: ignore[index]
    filters = list(warnings.filters)
    scorer = fresh()
    scorer.update(pictures(2), pictures(2, seed=1))
    assert torch.equal(torch.get_rng_state(), random)
    assert (np.random.get_state()[1] == numpy_random).all()  # type: ignore[index]
    assert torch.get_default_dtype() is torch.float32
    assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()
    assert warnings.filters == filters


def test_loading_and_scoring_say_nothing(fresh: Fresh, capfd: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fresh().update(pictures(2), pictures(2, seed=1))
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_values_that_are_not_finite_raise(fresh: Fresh, bad: float) -> None:
    scorer = fresh()
    reference = scorer.features(pictures(3, seed=1))
    broken = [feature.clone() for feature in reference]
    broken[0][1] = bad
    with pytest.raises(GillBenchError, match="the value of pair 1 of 3 is"):
        scorer.compare(broken, reference)
    for parameter in list(scorer.parameters()):
        parameter.data.fill_(bad)
    with pytest.raises(GillBenchError, match="is nan"):
        scorer.update(pictures(2), pictures(2, seed=1))
    assert scorer.per_sample().shape == (0,)


def test_signature_names_the_stand_in(folder: Path) -> None:
    for name in ("clip-similarity", "lpips"):
        real, mini = (metric(name).signature({}, label) for label in ("published", "mini"))
        assert mini.startswith(f"{name}[mini]|")
        assert real.startswith(f"{name}|")
        assert "published" in real
        assert real.endswith("|v:1")


def test_real_photos(fresh: Fresh, real_data: Path) -> None:
    files = sorted((real_data / "photos").rglob("*.[jp][pn]g"))[:4]
    if len(files) < 2:
        pytest.skip("real test data: no photos")
    photos = [load_image(file) for file in files]
    scorer = fresh()
    best = 1.0 if scorer.higher_is_better else 0.0
    same = scorer.compare(scorer.features(photos), scorer.features(photos))
    other = scorer.compare(scorer.features(photos), scorer.features([photos[-1], *photos[:-1]]))
    torch.testing.assert_close(same, torch.full((len(photos),), best), atol=1e-5, rtol=0)
    assert ((other - best).abs() > 1e-3).all()


def test_modules_are_light() -> None:
    code = (
        "import sys; from gill_bench.metrics import metric\n"
        "both = [metric(name) for name in ('clip-similarity', 'lpips')]\n"
        "print([one.signature({}, 'mini') != '' and one.higher_is_better for one in both])\n"
        "heavy = {'torch', 'torchmetrics', 'torchvision', 'transformers', 'numpy', 'PIL'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "[True, False]\n", "")


def test_states_survive_pickling(fresh: Fresh) -> None:
    import pickle

    scorer: Any = fresh()
    scorer.update(pictures(2), pictures(2, seed=1))
    again = pickle.loads(pickle.dumps(scorer))
    again.update(pictures(1), pictures(1, seed=1))
    torch.testing.assert_close(again.per_sample()[:2], scorer.per_sample())


def test_pictures_of_one_colour(fresh: Fresh) -> None:
    scorer = fresh()
    flat = [Image.new("RGB", (40, 40), colour) for colour in ("black", "white", "red")]
    scorer.update(flat, flat[::-1])
    assert torch.isfinite(scorer.per_sample()).all()
