"""The time, disk and memory of a plan as `gill-bench run --dry-run` says them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gill_bench.analysis.forecast import CellForecast, Forecast


def counted(noun: str, number: int) -> str:
    """A number with its noun.

    >>> counted("call", 1), counted("sample", 2)
    ('1 call', '2 samples')
    """
    return f"{number} {noun}{'s' * (number != 1)}"


def need_in_words(cell: CellForecast) -> str:
    """The need of one line of a plan, such as "about 12 min, 3.4 MB"."""
    from gill_bench.cli.status import in_words
    from gill_bench.fetching.sizes import readable_size

    time = "time unknown" if cell.seconds is None else f"about {in_words(cell.seconds)}"
    source = " by other contexts" if cell.others else ""
    if cell.pilot_calls:
        source = f" by a pilot ({counted('call', cell.pilot_calls)}, {counted('sample', cell.measured)}"
        source += ", of another context)" if cell.others else ")"
    return f"{time}{source}, {'disk unknown' if cell.size is None else readable_size(cell.size)}"


def forecast_lines(known: Forecast) -> Iterator[str]:
    """The need of a whole plan, where the numbers are from, and what does not fit."""
    from gill_bench.cli.status import in_words
    from gill_bench.fetching.sizes import readable_size

    pending = [cell for cell in known.cells if cell.samples]
    if not pending:
        return
    untimed = sum(cell.seconds is None for cell in pending)
    if known.seconds is None:
        time = f"unknown for {untimed} of {len(pending)} lines"
    else:
        time = f"about {in_words(known.seconds)} for one worker"
        if known.workers > 1:
            time += f", at best {in_words(known.seconds / known.workers)} for {known.workers}"
    number, parts = known.shard
    scope = "in all" if parts == 1 else f"of part {number} of {parts}"
    yield f"time {scope}: {time} (loading and scoring are not counted)"
    if untimed:
        advice = "--pilot loads the models and measures it" if not known.pilot_errors else "their pilot failed"
        yield (
            f"  no samples of these models on this kind of device ({known.device}) are stored in the run directory or"
            f" beside it; {advice}"
        )
    unsized = sum(cell.size is None for cell in pending)
    size = "unknown" if unsized == len(pending) else f"about {readable_size(known.size)}"
    if 0 < unsized < len(pending):
        size += f", and unknown for {unsized} of {len(pending)} lines"
    free = "" if known.free is None else f"; {readable_size(known.free)} are free"
    yield f"disk {scope}: {size}{free}"
    if known.free is not None and known.size > known.free:
        yield (
            f"warning: the outputs need about {readable_size(known.size)}, and {readable_size(known.free)} are free;"
            " make room, or choose another disk with --out"
        )
    if known.runs:
        yield f"  time and disk follow from stored samples in {', '.join(str(run) for run in known.runs)}"
    if any(cell.pilot_calls for cell in pending):
        yield f"  a pilot made a few calls on this machine ({known.device}), of which nothing is kept"
    weights = [model for model in known.models if model.weights]
    if weights:
        sizes = ", ".join(f"{model.model} {readable_size(model.weights)}" for model in weights)
        yield f"memory of the weights, one model at a time in each worker: {sizes} (activations are not counted)"
    peaks = [f"{model.model} {readable_size(model.peak)}" for model in known.models if model.peak is not None]
    if peaks:
        yield f"memory in the pilot, with activations: {', '.join(peaks)}"


def forecast_as_json(known: Forecast) -> dict[str, Any]:
    """The need of a whole plan, as `--dry-run --json` prints it; null is unknown."""
    return {
        "seconds": known.seconds,
        "workers": known.workers or None,
        "device": known.device,
        "bytes": known.size if known.sizes_known else None,
        "free_bytes": known.free,
        "from_runs": list(map(str, known.runs)),
        "weights_bytes": {model.model: model.weights for model in known.models},
        "peak_bytes": {model.model: model.peak for model in known.models},
        "pilot_errors": list(known.pilot_errors),
    }
