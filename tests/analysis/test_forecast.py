"""A plan's time and disk follow from stored units of the same model and device, and are unknown without them."""

from __future__ import annotations

import json
import shutil
from collections import namedtuple
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import gill_bench.analysis.forecast as module
from gill_bench.analysis.forecast import CellForecast, Forecast, forecast
from gill_bench.cli.forecast_messages import forecast_lines
from gill_bench.generation.jobs import generation_jobs
from gill_bench.planning.plan import Plan, make_plan
from tests.support.runs import half, run_request

CONTEXTS = ("1-caption", "5-captions")
Usage = namedtuple("Usage", "total used free")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one run, of eight samples in the context 1-caption; tests copy it before they change it."""
    folder = tmp_path_factory.mktemp("forecast")
    half(folder / "before")
    return folder


def planned(folder: Path, **changes: Any) -> Plan:
    return make_plan(run_request(folder / "new", **{"contexts": CONTEXTS, **changes}), dry=True)


def with_record(runs: Path, to: Path, **changes: Any) -> Path:
    """A copy of the runs whose only unit was made otherwise."""
    shutil.copytree(runs, to)
    (file,) = to.rglob("unit.json")
    content = json.loads(file.read_text())
    content["made"] |= {"seconds": 16.0, **changes}
    file.write_text(json.dumps(content))
    return to


def by_context(known: Forecast) -> dict[str, CellForecast]:
    return {cell.cell_key.context: cell for cell in known.cells}


def lines_of(known: Forecast) -> str:
    return "\n".join(forecast_lines(known))


def test_without_stored_units_time_and_disk_are_unknown(tmp_path: Path) -> None:
    known = forecast(planned(tmp_path))
    assert [(cell.samples, cell.seconds, cell.size) for cell in known.cells] == [(12, None, None)] * 2
    assert (known.seconds, known.runs) == (None, ())
    assert "time in all: unknown for 2 of 2 lines" in lines_of(known)
    assert "disk in all: unknown" in lines_of(known)
    assert "beside it; --pilot loads the models and measures it" in lines_of(known)


def test_time_and_disk_follow_from_the_runs_beside(runs: Path, tmp_path: Path) -> None:
    folder = with_record(runs, tmp_path / "runs")
    known = forecast(planned(folder))
    same, other = by_context(known)["1-caption"], by_context(known)["5-captions"]
    assert (same.seconds, same.measured, same.others) == (24.0, 8, False)
    assert (other.seconds, other.measured, other.others) == (24.0, 8, True)
    (unit,) = (file.parent for file in folder.rglob("unit.json"))
    assert same.size == round(sum(file.stat().st_size for file in unit.iterdir()) / 8 * 12)
    assert known.runs == (folder / "before",)
    assert "time in all: about 48 s for one worker (" in lines_of(known)
    assert f"follow from stored samples in {folder / 'before'}" in lines_of(known)


def test_the_run_itself_counts_and_what_is_stored_needs_nothing(runs: Path, tmp_path: Path) -> None:
    folder = with_record(runs, tmp_path / "runs")
    (folder / "before").rename(folder / "new")
    known = forecast(planned(folder, limit=4))
    assert [(cell.samples, cell.seconds) for cell in known.cells] == [(0, 0.0), (8, 16.0)]
    assert known.runs == (folder / "new",)
    nothing = forecast(planned(folder, limit=4, contexts=("1-caption",)))
    assert (nothing.seconds, nothing.size, lines_of(nothing)) == (0.0, 0, "")


@pytest.mark.parametrize("changes", [{"settings": ("noisy.side=16",)}, {"models": ("noisy-text",)}])
def test_units_of_another_model_do_not_count(runs: Path, tmp_path: Path, changes: dict[str, Any]) -> None:
    known = forecast(planned(with_record(runs, tmp_path / "runs"), contexts=("1-caption",), **changes))
    assert [(cell.seconds, cell.size) for cell in known.cells] == [(None, None)]


def test_units_of_another_kind_of_device_count_for_the_disk_alone(runs: Path, tmp_path: Path) -> None:
    known = forecast(planned(with_record(runs, tmp_path / "runs", device="cuda:0")))
    assert [(cell.seconds, bool(cell.size)) for cell in known.cells] == [(None, True)] * 2


@pytest.mark.parametrize(("name", "seconds"), [({"device_name": "B"}, 24.0), ({"device_name": "A"}, None), ({}, 24.0)])
def test_an_accelerator_is_compared_by_its_name_where_the_unit_has_it(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: dict[str, str], seconds: float | None
) -> None:
    monkeypatch.setattr(module, "device_is_here", lambda device: True)
    monkeypatch.setattr(module, "device_name", lambda device: "B")
    plan = planned(with_record(runs, tmp_path / "runs", device="cuda:1", **name))
    plan = replace(plan, options=replace(plan.options, devices=("cuda:0",)))
    assert by_context(forecast(plan))["1-caption"].seconds == seconds


def test_a_new_unit_says_the_accelerators_name_and_that_of_a_cpu_has_no_more_than_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.get_device_name", lambda device: f"the name of {device}")
    plan = planned(tmp_path)
    (group,) = generation_jobs(plan.cells, plan.models, 0, lambda count: None, plan.request.out)
    job: Any = next(iter(group.jobs))
    assert job._record(object(), "cuda:1") == {"device": "cuda:1", "device_name": "the name of cuda:1"}
    assert job._record(object(), "cpu") == {"device": "cpu"}


def test_damaged_runs_beside_are_passed_over(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = with_record(runs, tmp_path / "runs")
    shutil.copytree(folder / "before", folder / "damaged")
    (folder / "damaged" / "spec.json").write_text("{")
    assert forecast(planned(folder)).runs == (folder / "before",)
    assert "its units say nothing about time and disk" in capsys.readouterr().err


def test_a_disk_that_is_too_small_is_a_warning(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = planned(with_record(runs, tmp_path / "runs"))
    assert "warning" not in lines_of(forecast(plan))
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: Usage(10, 0, 10))
    known = forecast(plan)
    assert f"warning: the outputs need about {known.size / 1000:.1f} kB, and 10 bytes are free" in lines_of(known)


def test_a_part_of_a_run_counts_its_own_units(runs: Path, tmp_path: Path) -> None:
    known = forecast(planned(with_record(runs, tmp_path / "runs"), shard=(2, 2)))
    assert [cell.samples for cell in known.cells] == [4, 4]
    assert "time of part 2 of 2: about 16 s" in lines_of(known)


def test_several_workers_share_the_time_at_best(runs: Path, tmp_path: Path) -> None:
    known = forecast(planned(with_record(runs, tmp_path / "runs"), workers=4))
    assert "about 48 s for one worker, at best 12 s for 4" in lines_of(known)


@pytest.mark.parametrize(("dtype", "share"), [("float32", 1.0), ("float16", 0.5), ("auto", 1.0)])
def test_the_memory_of_weights_follows_the_precision(tmp_path: Path, dtype: str, share: float) -> None:
    def weights(name: str) -> int:
        request = run_request(
            tmp_path / "run",
            models=("stable-diffusion",),
            data="mini",
            card_folders=(),
            contexts=("1-caption",),
            settings=(f"stable-diffusion.dtype={name}",),
        )
        (model,) = forecast(make_plan(request, dry=True)).models
        return model.weights

    assert weights(dtype) == pytest.approx(share * weights("float32"), rel=0.02)
    assert weights(dtype) > 10_000
