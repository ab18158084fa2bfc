"""One harness for every registered metric: properties that hold whatever the metric computes.

A new metric needs an entry in `CASES`; see the recipe in `gill_bench/metrics/__init__.py`.
"""

from __future__ import annotations

import copy
import io
import math
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from gill_bench.cards.find import Value
from gill_bench.errors import GillBenchError, InputError
from gill_bench.metrics import BUILTIN, Question, Reference, metric
from gill_bench.metrics.lpips import build_mini
from gill_bench.metrics.picture import PictureMetric
from gill_bench.storage.images import load_image
from gill_bench.storage.read_ahead import read_ahead
from tests.support.backbones import pictures, write_alex, write_clip


@dataclass(frozen=True)
class Case:
    """A registered metric with the input that the harness gives it.

    Attributes:
        name: Registered name.
        settings: Settings of the metric.
        write_weights: Writes the weights to a path in a new folder and returns the path; None without a network.
        backbone: The name of the weights in a card.
        outputs: For a corpus metric, outputs by example id.
        references: For a corpus metric, references by example id.
        asks: For a corpus metric, the output kind that was asked for.
    """

    name: str
    settings: Mapping[str, Value] = field(default_factory=dict)
    write_weights: Callable[[Path], Path] | None = None
    backbone: str = ""
    outputs: Mapping[str, Any] = field(default_factory=dict)
    references: Mapping[str, Reference] = field(default_factory=dict)
    asks: str = ""


def write_lpips_mini(path: Path) -> Path:
    build_mini(path, 0)
    return path


LABELS = {"1": "gen", "2": "ret", "3": "gen"}
CASES: dict[str, Case] = {
    "clip-similarity": Case("clip-similarity", {}, write_clip, "mini"),
    "clip-similarity pooled": Case("clip-similarity", {"features": "pooled"}, write_clip, "mini"),
    "lpips": Case("lpips", {"size": 64}, write_alex, "alex.pth"),
    "lpips[mini]": Case("lpips", {}, write_lpips_mini, "mini"),
    "fid": Case("fid", {"network": "clip-vision", "min_samples": 3}, write_clip, "mini"),
    "answer-ranking": Case(
        "answer-ranking",
        outputs={"1:1": [-1.0, -2.0, -2.0], "1:2": [-3.0, -1.0, -2.0]},
        references={
            "1:1": Reference((), {"gt_index": "1"}),
            "1:2": Reference((), {"gt_index": "0", "dense": "yes", "relevance": "[0.5, 1.0, 0.0]"}),
        },
        asks="scores",
    ),
    "captions": Case(
        "captions",
        outputs={"1": "a dog on a beach", "2": "two squares"},
        references={"1": Reference(["a dog runs on a beach"], {}), "2": Reference(["two red squares"], {})},
        asks="texts",
    ),
    "macro-f1": Case(
        "macro-f1",
        outputs={"1": 0.2, "2": 0.9, "3": 0.7},
        references={
            name: Reference((), {"label": label, "part": "test", "votes": label}) for name, label in LABELS.items()
        },
        asks="decisions",
    ),
    "recall": Case("recall", outputs={"1": (0, 0, False), "2": (3, 1, False), "3": (9, 0, True)}, asks="embeddings"),
    "timing": Case("timing", outputs={"1": {"seconds": 2.0}, "2": {"seconds": 3.0}}, asks="nothing"),
    "vqa-accuracy": Case(
        "vqa-accuracy",
        outputs={"1": "Yes.", "2": "two"},
        references={
            "1": Reference(["yes"] * 9 + ["no"], {"answer_type": "yes/no"}),
            "2": Reference(["three"] * 7 + ["two"] * 3, {"answer_type": "number"}),
        },
        asks="texts",
    ),
}
"""Input of every registered metric; a metric may have several cases."""


def cases_of(kind: str) -> list[str]:
    return [name for name, case in CASES.items() if metric(case.name).kind == kind]


BATCHING = 1e-6
"""How far a value may be from that of the same pair in another batch: matrix products of other sizes round differently,
by 2.4e-7 at the most on 512 pairs with either network. With the same batches the values are equal to the last bit."""
Fresh = Callable[[], PictureMetric]


def test_every_registered_metric_has_a_case() -> None:
    missing = sorted(set(BUILTIN) - {case.name for case in CASES.values()})
    assert not missing, (
        f"no case for the metric {', '.join(missing)}: add one to CASES in tests/metrics/test_harness.py;"
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


def needed(case: Case) -> Case:
    if case.name == "captions" and shutil.which("java") is None:
        pytest.skip("no Java on PATH")
    return case


@pytest.mark.parametrize("name", CASES)
def test_settings_are_checked_and_named_in_the_signature(name: str, weights_of: Callable[[Case], Path | None]) -> None:
    case = needed(CASES[name])
    module = metric(case.name)
    module.check(weights_of(case), case.settings, case.backbone)
    signature = module.signature(case.settings, case.backbone)
    assert signature.startswith((f"{case.name}|", f"{case.name}[mini]|"))
    assert "\n" not in signature
    with pytest.raises(InputError, match=f"{case.name}: settings: "):
        module.check(weights_of(case), {**case.settings, "no_such_setting": 1}, case.backbone)


@pytest.mark.parametrize("name", cases_of("corpus"))
def test_scores_of_all_outputs_depend_on_no_order_and_change_nothing(name: str) -> None:
    case = needed(CASES[name])
    module: Any = metric(case.name)
    question = Question(case.asks, "context", 0)
    given = copy.deepcopy((case.outputs, case.references))
    scores = module.scores(case.outputs, case.references, case.settings, question)
    assert (case.outputs, case.references) == given
    assert len({score.metric for score in scores}) == len(scores) >= 1
    for score in scores:
        assert score.value is not None
        assert math.isfinite(score.value)
        assert 0 < score.scored <= len(case.outputs)
        assert score.each is None or score.each.keys() <= case.outputs.keys()
        assert score.where is None or score.where[1] in {
            one.facts.get(score.where[0]) for one in case.references.values()
        }
    backwards = module.scores(dict(list(case.outputs.items())[::-1]), case.references, case.settings, question)
    assert {one.metric: one.value for one in backwards} == pytest.approx({one.metric: one.value for one in scores})
    nothing = module.scores({}, case.references, case.settings, question)
    assert {(one.value, one.scored) for one in nothing} == {(None, 0)}
    directions = {one.metric: one.higher_is_better for one in scores}
    assert all(directions[one.metric] is one.higher_is_better for one in nothing)


@pytest.mark.parametrize("name", cases_of("distribution"))
def test_distances_of_sets_depend_on_no_blocks(name: str, weights_of: Callable[[Case], Path | None]) -> None:
    case = CASES[name]
    module: Any = metric(case.name)
    network = module.load(weights_of(case), case.settings, "cpu")
    generated, reference = network(pictures(8)), network(pictures(9, seed=1))
    assert generated.shape == (8, network.dim)
    samples = [SimpleNamespace(flagged=number < 2, truncated=number < 3) for number in range(8)]
    whole = module.compare([generated], [reference], case.settings, samples)
    parts = module.compare([generated[:3], generated[3:]], [reference[:1], reference[1:]], case.settings, samples)
    assert [one.metric for one in parts] == [one.metric for one in whole]
    assert [one.value for one in parts] == pytest.approx([one.value for one in whole], rel=1e-9)
    assert {(one.scored, one.flagged, one.truncated) for one in whole} == {(8, 2, 3)}
    too_few = module.compare([generated[:2]], [reference], case.settings, samples[:2])
    assert [(one.metric, one.value) for one in too_few] == [(one.metric, None) for one in whole]


@pytest.fixture(params=cases_of("pairs"))
def fresh(request: pytest.FixtureRequest, weights_of: Callable[[Case], Path | None]) -> Fresh:
    case = CASES[request.param]
    weights = weights_of(case)

    def load() -> PictureMetric:
        module: Any = metric(case.name)
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
    generated, reference = pictures(40), pictures(40, seed=1)  # more than one batch
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
    parameters = list(scorer.parameters())
    for parameter in parameters:
        parameter.data.fill_(bad)
    if parameters:
        with pytest.raises(GillBenchError, match="is nan; the metric has a network"):
            scorer.update(pictures(2), pictures(2, seed=1))
    assert scorer.per_sample().shape == (0,)


@pytest.mark.parametrize("name", sorted({CASES[name].name for name in cases_of("pairs") if CASES[name].write_weights}))
def test_signature_names_the_stand_in(name: str) -> None:
    real, mini = (metric(name).signature({}, label) for label in ("published", "mini"))
    assert mini.startswith(f"{name}[mini]|")
    assert real.startswith(f"{name}|")
    assert "published" in real
    assert real.endswith("|v:1")


def test_real_photos(fresh: Fresh, best: float, real_data: Path) -> None:
    files = sorted((real_data / "photos").rglob("*.[jp][pn]g"))[:4]
    if len(files) < 2:
        pytest.skip("real test data: no photos")
    photos = [load_image(file) for file in files]
    scorer = fresh()
    same = scorer.compare(scorer.features(photos), scorer.features(photos))
    other = scorer.compare(scorer.features(photos), scorer.features([photos[-1], *photos[:-1]]))
    torch.testing.assert_close(same, torch.full((len(photos),), best), atol=1e-5, rtol=0)
    assert ((other - best).abs() > 1e-3).all()


def test_modules_are_light() -> None:
    code = (
        "import sys; from gill_bench.metrics import BUILTIN, metric\n"
        "for name in BUILTIN: metric(name).signature({}, 'mini')\n"
        "heavy = {'torch', 'torchmetrics', 'torchvision', 'transformers', 'sklearn', 'pandas'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


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
