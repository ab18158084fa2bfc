"""Number of prompts in a call of a model, and the handling of calls for which memory runs out."""

from __future__ import annotations

import pytest

from gill_bench.generation import calls
from gill_bench.generation.calls import Call, CallError, ask_in_turn, usual_batch_size
from gill_bench.interfaces import OutputKind
from gill_bench.rundir.kept import KeptOutputs
from gill_bench.rundir.records import Unit
from gill_bench.rundir.writer import Output

UNIT = Unit("task", "model", "context", "recipe", tuple((f"e{number}", "") for number in range(10)), (0, 1))


@pytest.fixture(autouse=True)
def _nothing_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "_fitting", {})


def sizes(asks: OutputKind, most: int, *, batch_size: int = 0, device: str = "cpu") -> tuple[list[int], int]:
    """The numbers of prompts of all calls, and what is recorded, of a model whose memory lasts for `most` prompts."""
    tried: list[int] = []

    def ask(call: Call) -> list[list[Output]]:
        tried.append(len(call.numbers))
        if len(call.numbers) > most:
            raise CallError(len(call.numbers)) from RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")
        return [[Output(values={"number": number}) for _ in call.seeds] for number in call.numbers]

    kept = KeptOutputs(None, UNIT)
    size = batch_size or usual_batch_size(asks, len(UNIT.examples), device)
    size = ask_in_turn(ask, UNIT, ("digest", asks), size, device, kept)
    assert [kept[name, 1].values["number"] for name, _ in UNIT.examples] == list(range(10))
    return tried, size


def test_pictures_of_a_unit_are_made_in_one_call() -> None:
    assert sizes("images", 10) == ([10], 10)
    assert sizes("images", 10, batch_size=4) == ([4, 4, 2], 4)


def test_all_outputs_of_a_unit_are_made_in_one_call_on_an_accelerator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "PROMPTS_PER_CALL", 3)
    assert sizes("texts", 10) == ([3, 3, 3, 1], 3)
    assert sizes("texts", 10, device="cuda:1") == ([10], 10)


def test_a_batch_is_halved_when_memory_runs_out_and_that_is_remembered(capsys: pytest.CaptureFixture[str]) -> None:
    assert sizes("images", 4) == ([10, 5, 2, 2, 2, 2, 2], 2)
    assert "out of memory with 10 prompts in one call: from now on there are 5" in capsys.readouterr().err
    assert sizes("images", 4) == ([2] * 5, 2)
    assert sizes("embeddings", 10) == ([10], 10)  # another kind of output needs other memory


def test_errors_that_are_not_of_memory_are_raised() -> None:
    def planted(call: Call) -> list[list[Output]]:
        raise CallError(len(call.numbers)) from ValueError("planted")

    with pytest.raises(CallError) as raised:
        ask_in_turn(planted, UNIT, ("digest", "images"), 10, "cpu", KeptOutputs(None, UNIT))
    assert (raised.value.prompts, str(raised.value.__cause__)) == (10, "planted")
    with pytest.raises(CallError) as raised:
        sizes("images", 0)
    assert raised.value.prompts == 1  # a single prompt cannot be halved
