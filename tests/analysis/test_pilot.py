"""A pilot measures what nothing stored tells; it keeps nothing, and a model that fails does not hide the others."""

from __future__ import annotations

import json
import weakref
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
from PIL import Image

import gill_bench.analysis.pilot as module
from gill_bench.analysis.forecast import CellForecast, Forecast, forecast
from gill_bench.analysis.pilot import with_pilot
from gill_bench.cli import main
from gill_bench.cli.forecast_messages import forecast_lines, need_in_words
from gill_bench.generation.generate import generate_unit
from gill_bench.interfaces import Noise, RefusedError, UnavailableError
from gill_bench.planning.plan import Plan, make_plan
from gill_bench.planning.request import RunRequest
from gill_bench.prompt import Prompt
from tests.support import able
from tests.support.runs import CARDS, half, picture_digests, run_request
from tests.support.stories import small_vist

CONTEXTS = ("1-caption", "5-captions")
BROKEN = """
from PIL import Image

class Broken:
    def __init__(self, device="cpu", loads=True):
        if not loads:
            raise RuntimeError("no such network")

    def generate_images(self, prompts, noise):
        raise ValueError("a planted failure")
"""


class Served:
    """A model that takes three calls at once, as one behind a server does; `answer` is what it returns or raises."""

    at_once = 3
    alive: ClassVar[list[weakref.ref[Served]]] = []

    def __init__(self, device: str = "cpu", answer: str = "picture") -> None:
        self.answer = answer
        self.alive.append(weakref.ref(self))

    def generate_images(self, prompts: Sequence[Prompt], noise: Sequence[Sequence[Noise]]) -> Any:
        if self.answer == "gone":
            raise UnavailableError("its server is gone")
        if self.answer == "refusal":
            raise RefusedError("not that")
        return [[Image.new("RGB", (8, 8)) for _ in seeds] for seeds in noise] if self.answer == "picture" else "words"


def planned(folder: Path, **changes: Any) -> Plan:
    return make_plan(run_request(folder / "new", **{"contexts": CONTEXTS, **changes}), dry=True)


def piloted(plan: Plan) -> Forecast:
    return with_pilot(plan, forecast(plan))


def by_context(known: Forecast) -> dict[str, CellForecast]:
    return {cell.cell_key.context: cell for cell in known.cells}


def files(folder: Path) -> list[str]:
    """All files and folders below a folder, without the byte code that Python keeps of a model's file."""
    paths = (file.relative_to(folder) for file in folder.rglob("*"))
    return sorted(str(path) for path in paths if "__pycache__" not in path.parts)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Have every sample take two seconds by the clock of the pilot; returns (examples, seeds) of what was asked."""
    asked_for: list[tuple[int, int]] = []
    generate = generate_unit

    def timed(unit: Any, *args: Any) -> Any:
        asked_for.append((len(unit.examples), len(unit.seeds)))
        return generate(unit, *args)._replace(seconds=2.0 * unit.size)

    monkeypatch.setattr(module, "generate_unit", timed)
    return asked_for


def test_the_longest_context_is_measured_for_all_of_its_kind(tmp_path: Path, slow: list[tuple[int, int]]) -> None:
    known = piloted(planned(tmp_path))
    shorter, longest = by_context(known)["1-caption"], by_context(known)["5-captions"]
    assert slow == [(1, 1), (4, 2)]  # a first call, and the batch of the run, which counts
    for cell, others in ((shorter, True), (longest, False)):
        assert (cell.seconds, cell.measured, cell.pilot_calls, cell.others) == (24.0, 8, 1, others)
        assert cell.size is not None
        assert cell.size > 12 * 8 * 8 * 3  # pictures of noise
    assert need_in_words(longest).startswith("about 24 s by a pilot (1 call, 8 samples), ")
    assert need_in_words(shorter).startswith("about 24 s by a pilot (1 call, 8 samples, of another context), ")
    assert known.seconds == 48.0
    assert "a pilot made a few calls on this machine (cpu)" in "\n".join(forecast_lines(known))
    assert files(tmp_path) == []


@pytest.mark.parametrize(
    ("longest", "changes", "calls", "measured"),
    [
        (15.0, {}, [(1, 1), (3, 2)], (6, 1)),  # as many prompts as fit into the time
        (15.0, {"batch_size": 1}, [(1, 1), (1, 2)], (2, 1)),
        (3.0, {}, [(1, 1)], (1, 1)),  # not one prompt with both seeds: the first call is all there is
    ],
)
def test_a_pilot_is_short(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    slow: list[tuple[int, int]],
    longest: float,
    changes: dict[str, Any],
    calls: list[tuple[int, int]],
    measured: tuple[int, int],
) -> None:
    monkeypatch.setattr(module, "LONGEST", longest)
    (cell,) = piloted(planned(tmp_path, contexts=("1-caption",), **changes)).cells
    assert slow == calls
    assert (cell.measured, cell.pilot_calls, cell.seconds) == (*measured, 24.0)


def test_what_is_known_is_not_measured_and_resuming_is_as_without_a_pilot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slow: list[tuple[int, int]]
) -> None:
    folder = half(tmp_path / "new")
    before = files(folder), picture_digests(folder)
    known = piloted(planned(tmp_path))
    assert slow == []
    assert all(cell.pilot_calls == 0 and cell.seconds is not None for cell in known.cells)
    known = piloted(planned(tmp_path, settings=("noisy.style=striped",)))
    assert all(cell.pilot_calls == 1 for cell in known.cells)
    assert (files(folder), picture_digests(folder)) == before
    half(folder)
    assert (files(folder), picture_digests(folder)) == before


def of_served(folder: Path, answer: str) -> Forecast:
    request = RunRequest.of(
        ["vist"],
        folder / "new",
        models=[Served],
        settings={"served.answer": answer},
        data=small_vist(),
        split="test",
        contexts=["1-caption"],
        limit=6,
        seeds=2,
        device="cpu",
    )
    return piloted(make_plan(request, dry=True))


def test_a_model_that_takes_several_calls_at_once_is_given_so_many_prompts_and_is_freed(
    tmp_path: Path, slow: list[tuple[int, int]]
) -> None:
    Served.alive.clear()
    (cell,) = of_served(tmp_path, "picture").cells
    assert slow == [(1, 1), (3, 2)]
    assert (cell.pilot_calls, cell.measured) == (6, 6)
    assert [reference() for reference in Served.alive] == [None]
    assert files(tmp_path) == []


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("gone", "its server is gone"),
        ("refusal", "vist/served/1-caption: RefusedError: not that at test_pilot.py:"),
        ("words", "Served.generate_images returned"),
    ],
)
def test_what_a_model_does_in_place_of_an_answer_is_said(tmp_path: Path, answer: str, message: str) -> None:
    known = of_served(tmp_path, answer)
    (error,) = known.pilot_errors
    assert error.startswith("the pilot of served failed: vist/served/1-caption: ")
    assert message in error
    assert [cell.seconds for cell in known.cells] == [None]
    assert files(tmp_path) == []


@pytest.mark.parametrize("task", ["vqav2", "visdial-answers", "vist-retrieval", "speed", "partiprompts"])
def test_every_kind_of_output_is_measured(task: str, tmp_path: Path) -> None:
    known = piloted(make_plan(able.run_request(tmp_path / "run", task, limit=8), dry=True))
    assert known.pilot_errors == ()
    assert known.cells
    assert all(cell.seconds is not None and cell.size and cell.pilot_calls for cell in known.cells)
    assert files(tmp_path) == []


def test_the_peak_of_an_accelerator_is_measured_from_before_loading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[str] = []
    monkeypatch.setattr(module, "measure_peak_memory", begun.append)
    monkeypatch.setattr(module, "peak_memory", lambda device: 17_000_000 * len(begun))
    known = piloted(planned(tmp_path))
    assert begun == ["cpu"]
    assert [(model.model, model.peak) for model in known.models] == [("noisy", 17_000_000)]
    assert "memory in the pilot, with activations: noisy 17" in "\n".join(forecast_lines(known))


def test_a_device_that_is_not_on_this_machine_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "device_is_here", lambda device: False)
    plan = planned(tmp_path)
    known = with_pilot(replace(plan, options=replace(plan.options, devices=("cuda",))), forecast(plan))
    assert known.pilot_errors == ("--pilot: this machine has no cuda; measure on a machine like those of the run",)
    assert all(cell.seconds is None for cell in known.cells)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ((), "the pilot of broken failed: vist/broken/1-caption: ValueError: a planted failure at broken.py:10"),
        (
            ("--set", "Broken.loads=false"),
            "the pilot of broken failed: broken.py:Broken: could not be constructed: line 7: RuntimeError: no such"
            " network",
        ),
    ],
)
def test_a_model_that_fails_is_named_after_the_forecast_of_the_others(
    settings: tuple[str, ...], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken.py").write_text(BROKEN, encoding="utf-8")
    words = ["run", "vist", "--data", str(small_vist()), "--split", "test", "--cards", str(CARDS), "--device", "cpu"]
    words += ["--models", f"noisy,{tmp_path / 'broken.py'}:Broken", "--contexts", "1-caption", "--limit", "2"]
    words += ["--seeds", "1", *settings, "--out", str(tmp_path / "run"), "--dry-run"]
    assert main([*words, "--json"]) == 0
    said = capsys.readouterr()
    assert "(cpu) are stored in the run directory or beside it; --pilot loads the models and measures it" in said.err
    assert all(cell["seconds"] is None and cell["pilot_calls"] == 0 for cell in json.loads(said.out)["cells"])
    assert main([*words, "--json", "--pilot", "--save", str(tmp_path / "e.toml")]) == 1
    said = capsys.readouterr()
    assert said.err.splitlines()[-1] == f"error: {message}"
    assert "vist/noisy/1-caption: 2 examples x 1 seeds: 0 stored, 2 to do in 1 units, about 1 s by a pilot" in said.err
    assert "beside it; their pilot failed" in said.err
    plan = json.loads(said.out)
    seconds = {cell["model"]: (cell["seconds"], cell["pilot_calls"], cell["measured"]) for cell in plan["cells"]}
    assert seconds["broken"] == (None, 0, 0)
    assert seconds["noisy"][0] >= 0
    assert seconds["noisy"][1:] == (1, 2)
    assert plan["forecast"][0]["pilot_errors"] == [message]
    assert "pilot" not in (tmp_path / "e.toml").read_text()
    assert files(tmp_path) == ["broken.py", "e.toml"]


def test_a_pilot_without_a_dry_run_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["run", "vist", "--pilot", "--out", str(tmp_path / "run")]) == 2
    assert capsys.readouterr().err.startswith("error: --pilot: measures what --dry-run says and keeps nothing")
    assert files(tmp_path) == []
