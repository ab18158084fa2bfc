"""A pilot: a few calls of each model whose time nothing stored tells, so that a forecast has a number.

The models are loaded in this process, and asked as a run asks them. Nothing of it is kept, and nothing is written into
the run directory.
"""

from __future__ import annotations

import tempfile
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from gill_bench.analysis.forecast import CellForecast, Forecast
from gill_bench.devices import device_is_here, free_memory, measure_peak_memory, peak_memory, use_threads
from gill_bench.engines.job import loaded_on
from gill_bench.errors import GillBenchError
from gill_bench.generation.calls import (
    PROMPTS_PER_CALL,
    CallError,
    FailedExamplesError,
    calls_at_once,
    usual_batch_size,
)
from gill_bench.generation.generate import generate_unit, store_unit
from gill_bench.generation.jobs import ModelLoadable
from gill_bench.generation.reasons import reason_of
from gill_bench.planning.cells import CellPlan
from gill_bench.planning.plan import Plan
from gill_bench.progress import say, say_when_debugging
from gill_bench.rundir.records import CellKey

LONGEST = 120.0
"""Seconds that the calls after the first may take, at the pace of the first."""


class _Measured(NamedTuple):
    """The samples, seconds and number of a pilot's calls that count; `size` is the bytes of their outputs on disk."""

    cell_key: CellKey
    samples: int
    seconds: float
    size: int
    calls: int


def with_pilot(plan: Plan, known: Forecast) -> Forecast:
    """A forecast with the time, and where it is unknown the disk, of cells whose time is unknown, by a pilot.

    For each model, task and kind of output the context with the longest prompt is asked. A first call, with one prompt
    and one seed, warms up; the batch after it counts. The batch has as many prompts as a call of the run, or fewer if
    it would take longer than `LONGEST`; if one prompt would, the first call is all that counts.

    Args:
        plan: The plan.
        known: Its forecast, by what is stored.
    """
    unknown = {cell.cell_key for cell in known.cells if cell.samples and cell.seconds is None}
    models: dict[str, dict[tuple[str, str], list[CellPlan]]] = {}  # by the model; by task and kind of output
    for planned in plan.share:
        cell = planned.cell
        if cell.key in unknown:
            models.setdefault(cell.model_digest, {}).setdefault((cell.key.task, cell.asks), []).append(planned)
    if models and not device_is_here(plan.device):
        error = f"--pilot: this machine has no {plan.device}; measure on a machine like those of the run"
        return replace(known, pilot_errors=(error,))
    use_threads(plan.options.threads)
    by_cell: dict[CellKey, _Measured] = {}
    errors: list[str] = []
    peaks: dict[str, int] = {}
    for digest, kinds in models.items():
        name = plan.models[digest].card.name
        measure_peak_memory(plan.device)
        for alike, result in _pilot(plan, digest, list(kinds.values())):
            if isinstance(result, _Measured):
                by_cell |= {planned.cell.key: result for planned in alike}
            else:
                errors.append(f"the pilot of {name} failed: {result}")
        peak = peak_memory(plan.device)
        if peak is not None:
            peaks[name] = max(peak, peaks.get(name, 0))
        free_memory(plan.device)
    return replace(
        known,
        cells=tuple(_extrapolated(cell, by_cell.get(cell.cell_key)) for cell in known.cells),
        models=tuple(replace(model, peak=peaks.get(model.model)) for model in known.models),
        pilot_errors=tuple(errors),
    )


def _pilot(
    plan: Plan, digest: str, groups: Sequence[Sequence[CellPlan]]
) -> Iterator[tuple[Sequence[CellPlan], _Measured | str]]:
    """Load a model and ask it once for each group of cells; a sentence says what failed. At the end it is freed."""
    cells = {group[0].cell.asks: group[0].cell for group in groups}
    loadable = ModelLoadable(digest, plan.models[digest], tuple(cells.values()))
    say(f"{loadable.name}: loading for a pilot")
    try:
        loaded = loaded_on(loadable, plan.device)
    except GillBenchError as error:
        say_when_debugging(traceback.format_exc())
        yield (), str(error)
        return
    for group in groups:
        longest = max(group, key=_length)
        try:
            yield group, _measured(loaded, longest, plan)
        except (CallError, FailedExamplesError) as error:
            causes = error.causes.values() if isinstance(error, FailedExamplesError) else [error.__cause__ or error]
            reason = reason_of(next(iter(causes)), loaded)
            say_when_debugging(reason.traceback)
            yield group, f"{longest.cell.key}: {reason}" + (f" at {reason.where}" if reason.where else "")
        except GillBenchError as error:
            say_when_debugging(traceback.format_exc())
            yield group, f"{longest.cell.key}: {error}"


def _length(planned: CellPlan) -> tuple[int, int]:
    """The pictures and the characters of the first prompt to make."""
    cell = planned.cell
    example, _ = planned.pending[0].examples[0]
    parts = cell.task.segments(cell.usable[example].example, cell.context)
    texts = [part for part in parts if isinstance(part, str)]
    return len(parts) - len(texts), sum(map(len, texts))


def _measured(loaded: object, planned: CellPlan, plan: Plan) -> _Measured:
    """Time a model's calls for the first unit to make; raises as `generate_unit`."""
    cell, unit, device = planned.cell, planned.pending[0], plan.device
    at_once, prompts = calls_at_once(loaded), plan.request.batch_size
    timed = replace(unit, examples=unit.examples[:1], seeds=unit.seeds[:1])
    outputs = generate_unit(timed, cell, loaded, prompts, device)
    usual = PROMPTS_PER_CALL if cell.timed else usual_batch_size(cell.asks, cell.unit_size, device)
    within = int(LONGEST / max(outputs.seconds, 0.001) / len(unit.seeds))
    count = min(at_once or prompts or usual, len(unit.examples), within)
    if count:
        timed = replace(unit, examples=unit.examples[-count:])
        outputs = generate_unit(timed, cell, loaded, prompts, device)
    in_a_call = 1 if cell.asks == "scores" else outputs.batch_size
    calls = timed.size if at_once else -(-len(timed.examples) // in_a_call)
    with tempfile.TemporaryDirectory() as folder:
        store_unit(timed, cell, outputs, Path(folder), {})
        size = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())
    say(f"{cell.key}: {timed.size} samples of a pilot in {outputs.seconds:.3g} s")
    return _Measured(cell.key, timed.size, outputs.seconds, size, calls)


def _extrapolated(cell: CellForecast, measured: _Measured | None) -> CellForecast:
    if measured is None:
        return cell
    times = cell.samples / measured.samples
    return replace(
        cell,
        seconds=measured.seconds * times,
        size=round(measured.size * times) if cell.size is None else cell.size,
        measured=measured.samples,
        others=measured.cell_key != cell.cell_key,
        pilot_calls=measured.calls,
    )
