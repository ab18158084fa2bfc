"""One harness for every registered metric: properties that hold whatever the metric computes.

The inputs are in `HARNESS` of each metric's test module; see the recipe in `gill_bench/metrics/__init__.py`.
"""

from __future__ import annotations

import copy
import importlib.util
import io
import math
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from gill_bench.errors import GillBenchError, InputError
from gill_bench.metrics import BUILTIN, Question, metric
from gill_bench.metrics.picture import PictureMetric
from gill_bench.storage.images import load_image
from gill_bench.storage.read_ahead import read_ahead
from tests.support.backbones import pictures
from tests.support.metric_cases import Case


def cases_of_all_metrics() -> dict[str, tuple[str, Case]]:
    """The cases of every registered metric with the metric's name; the key is the name of the parametrised test."""
    cases: dict[str, tuple[str, Case]] = {}
    for name, module in BUILTIN.items():
        tests = f"tests.metrics.test_{module.rpartition('.')[2]}"
        listed: tuple[Case, ...] = ()
        if importlib.util.find_spec(tests) is not None:
            listed = getattr(importlib.import_module(tests), "HARNESS", ())
        cases |= {f"{name}-{number}": (name, case) for number, case in enumerate(listed)}
    return cases


CASES = cases_of_all_metrics()


def cases_of(kind: str) -> list[str]:
    return [key for key, (name, _) in CASES.items() if metric(name).kind == kind]


BATCHING = 1e-6
"""How far a value may be from that of the same pair in another batch: matrix products of other sizes round differently,
by 2.4e-7 at the most on 512 pairs with either network. With the same batches the values are equal to the last bit."""
Fresh = Callable[[], PictureMetric]


def test_every_registered_metric_has_a_case() -> None:
    missing = sorted(set(BUILTIN) - {name for name, _ in CASES.values()})
    assert not missing, (
        f"no case for the metric {', '.join(missing)}: list one as HARNESS in its test module in tests/metrics;"
        " the recipe in gill_bench/metrics/__init__.py says what a new metric needs"
    )


@pytest.fixture(scope="module")
def weights_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Case], Path | None]:
    base = tmp_path_factory.mktemp("weights")
    written: dict[str, Path] = {}

    def weights(case: Case) -> Path | None:
        if case.write_weights is None:
            return None
        if case.write_weights.__name__ not in written:
            path = base / (case.backbone if "." in case.backbone else case.write_weights.__name__)
            written[case.write_weights.__name__] = case.write_weights(path)
        return written[case.write_weights.__name__]

    return weights


def chosen(key: str) -> tuple[str, Case]:
    name, case = CASES[key]
    if case.program and shutil.which(case.program) is None:
        pytest.skip(f"no {case.program} on PATH")
    return name, case


@pytest.mark.parametrize("key", CASES)
def test_settings_are_checked_and_named_in_the_signature(key: str, weights_of: Callable[[Case], Path | None]) -> None:
    name, case = chosen(key)
    module = metric(name)
    module.check(weights_of(case), case.settings, case.backbone)
    signature = module.signature(case.settings, case.backbone)
    assert signature.startswith((f"{name}|", f"{name}[mini]|"))
    assert "\n" not in signature
    with pytest.raises(InputError, match=f"{name}: settings: "):
        module.check(weights_of(case), {**case.settings, "no_such_setting": 1}, case.backbone)


@pytest.mark.parametrize("key", cases_of("corpus"))
def test_scores_of_all_outputs_depend_on_no_order_and_change_nothing(key: str) -> None:
    name, case = chosen(key)
    module: Any = metric(name)
    question = Question(case.asks, "context", 0)
    before = copy.deepcopy((case.outputs, case.references))
    scores = module.scores(case.outputs, case.references, case.settings, question)
    assert (case.outputs, case.references) == before
    assert len({score.metric for score in scores}) == len(scores) >= 1
    for score in scores:
        assert score.value is not None
        assert math.isfinite(score.value)
        assert 0 < score.scored <= len(case.outputs)
        assert score.each is None or score.each.keys() <= case.outputs.keys()
        facts = [reference.facts for reference in case.references.values()]
        assert score.where is None or score.where[1] in {fact.get(score.where[0]) for fact in facts}
    backwards = module.scores(dict(list(case.outputs.items())[::-1]), case.references, case.settings, question)
    assert {score.metric: score.value for score in backwards} == pytest.approx(
        {score.metric: score.value for score in scores}
    )
    nothing = module.scores({}, case.references, case.settings, question)
    assert {(score.value, score.scored) for score in nothing} == {(None, 0)}
    directions = {score.metric: score.higher_is_better for score in scores}
    assert all(directions[score.metric] is score.higher_is_better for score in nothing)


@pytest.mark.parametrize("key", cases_of("distribution"))
def test_distances_of_sets_depend_on_no_blocks(key: str, weights_of: Callable[[Case], Path | None]) -> None:
    name, case = chosen(key)
    module: Any = metric(name)
    network = module.load(weights_of(case), case.settings, "cpu")
    generated, reference = network(pictures(8)), network(pictures(9, seed=1))
    assert generated.shape == (8, network.dim)
    samples = [SimpleNamespace(flagged=number < 2, truncated=number < 3) for number in range(8)]
    whole = module.compare([generated], [reference], case.settings, samples)
    parts = module.compare([generated[:3], generated[3:]], [reference[:1], reference[1:]], case.settings, samples)
    assert [score.metric for score in parts] == [score.metric for score in whole]
    assert [score.value for score in parts] == pytest.approx([score.value for score in whole], rel=1e-9)
    assert {(score.scored, score.flagged, score.truncated) for score in whole} == {(8, 2, 3)}
    too_few = module.compare([generated[:2]], [reference], case.settings, samples[:2])
    assert [(score.metric, score.value) for score in too_few] == [(score.metric, None) for score in whole]


@pytest.fixture(params=cases_of("pairs"))
def fresh(request: pytest.FixtureRequest, weights_of: Callable[[Case], Path | None]) -> Fresh:
    name, case = chosen(request.param)
    weights = weights_of(case)

    def load() -> PictureMetric:
        module: Any = metric(name)
        module.check(weights, case.settings, case.backbone)
        loaded: PictureMetric = module.load(weights, case.settings, "cpu")
        assert loaded.name == module.signature(case.settings, case.backbone).partition("|")[0]
        return loaded

    return load


@pytest.fixture
def best(fresh: Fresh, request: pytest.FixtureRequest) -> float:
    """The value of two equal pictures."""
    module: Any = metric(fresh().name.partition("[")[0])
    return 1.0 if module.higher_is_better else 0.0


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
    assert all(torch.equal(feature, again) for feature, again in zip(whole, scorer.embed(prepared), strict=True))
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
    generated, reference = pictures(40), pictures(40, seed=1)  # more than one batch
    together, single, backwards = fresh(), fresh(), fresh()
    together.update(generated, reference)
    for picture, target in zip(generated, reference, strict=True):
        single.update([picture], [target])
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


def test_values_of_several_processes_are_concatenated(fresh: Fresh) -> None:
    scorer = fresh()
    scorer.update(pictures(3), pictures(3, seed=1))
    values = scorer.per_sample().clone()
    scorer.sync(dist_sync_fn=lambda value, group=None: [value, value + 1], distributed_available=lambda: True)
    torch.testing.assert_close(scorer.per_sample(), torch.cat([values, values + 1]))
    scorer.unsync()
    assert torch.equal(scorer.per_sample(), values)


def test_a_metric_without_pictures_or_after_a_reset_has_no_values(fresh: Fresh) -> None:
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


def test_unequal_numbers_of_pictures_are_refused(fresh: Fresh) -> None:
    scorer = fresh()
    with pytest.raises(ValueError, match="2 generated pictures, but 1 references"):
        scorer.update(pictures(2), pictures(1))
    with pytest.raises(ValueError, match="3 generated pictures, but 2 references"):
        scorer.compare(scorer.features(pictures(3)), scorer.features(pictures(2)))


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "1", "CMYK"])
def test_pictures_of_other_modes_are_refused_unless_the_loader_read_them(fresh: Fresh, mode: str) -> None:
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
def test_pictures_of_extreme_sizes_have_a_value(fresh: Fresh, size: tuple[int, int]) -> None:
    scorer = fresh()
    scorer.update([pictures(1)[0].resize(size)], pictures(1, seed=1))
    assert torch.isfinite(scorer.per_sample()).all()


def test_loading_and_scoring_change_no_global_state(fresh: Fresh) -> None:
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
    parameters = list(scorer.parameters())
    for parameter in parameters:
        parameter.data.fill_(bad)
    if parameters:
        with pytest.raises(GillBenchError, match="is nan; the metric has a network"):
            scorer.update(pictures(2), pictures(2, seed=1))
    assert scorer.per_sample().shape == (0,)


@pytest.mark.parametrize("name", sorted({CASES[key][0] for key in cases_of("pairs") if CASES[key][1].write_weights}))
def test_signature_names_the_stand_in(name: str) -> None:
    real, mini = (metric(name).signature({}, label) for label in ("published", "mini"))
    assert mini.startswith(f"{name}[mini]|")
    assert real.startswith(f"{name}|")
    assert "published" in real
    assert real.endswith("|v:1")


def test_real_photos_are_nearest_to_themselves(fresh: Fresh, best: float, real_data: Path) -> None:
    files = sorted((real_data / "photos").rglob("*.[jp][pn]g"))[:4]
    if len(files) < 2:
        pytest.skip("real test data: no photos")
    photos = [load_image(file) for file in files]
    scorer = fresh()
    same = scorer.compare(scorer.features(photos), scorer.features(photos))
    other = scorer.compare(scorer.features(photos), scorer.features([photos[-1], *photos[:-1]]))
    torch.testing.assert_close(same, torch.full((len(photos),), best), atol=1e-5, rtol=0)
    assert ((other - best).abs() > 1e-3).all()


def test_signatures_import_no_heavy_library() -> None:
    code = (
        "import sys; from gill_bench.metrics import BUILTIN, metric\n"
        "for name in BUILTIN: metric(name).signature({}, 'mini')\n"
        "heavy = {'torch', 'torchmetrics', 'torchvision', 'transformers', 'sklearn', 'pandas'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_pickled_metric_keeps_its_values(fresh: Fresh) -> None:
    import pickle

    scorer: Any = fresh()
    scorer.update(pictures(2), pictures(2, seed=1))
    again = pickle.loads(pickle.dumps(scorer))
    again.update(pictures(1), pictures(1, seed=1))
    torch.testing.assert_close(again.per_sample()[:2], scorer.per_sample())


def test_pictures_of_one_colour_have_a_value(fresh: Fresh) -> None:
    scorer = fresh()
    flat = [Image.new("RGB", (40, 40), colour) for colour in ("black", "white", "red")]
    scorer.update(flat, flat[::-1])
    assert torch.isfinite(scorer.per_sample()).all()
