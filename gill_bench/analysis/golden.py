"""Golden files: what a run's numbers were when somebody was content with them, and whether they still hold.

A golden file holds, per task, model, context and metric, the mean over seeds, its signature and, where the metric has
values of single examples, those too. With them the gate is statistical: a loss counts only if the paired interval
excludes zero, also after allowing for the number of metrics (Holm), and the loss exceeds the tolerance. Without them
(FID, BLEU) it is the tolerance alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from gill_bench.errors import IncompleteError, InputError, command, did_you_mean
from gill_bench.rundir.reader import RunReader
from gill_bench.rundir.records import CellKey
from gill_bench.rundir.rows import Counts, Row
from gill_bench.rundir.signatures import signature_differences
from gill_bench.statistics.bootstrap import paired_interval
from gill_bench.statistics.significance import clustered_t_p, holm
from gill_bench.storage.files import write_atomic
from gill_bench.storage.json import from_json, to_json

SCHEMA_VERSION = 1
LEVEL = 0.05  # of the whole table
ROUNDING = 1e-6  # relative: another machine or library rounds otherwise

_TIMES = ("seconds", "tokens-per-second")  # another machine is no regression

State = Literal["ok", "better", "regression", "incomplete", "changed"]


@dataclass(frozen=True, slots=True)
class RegressionVerdict:
    """One number against its golden.

    Attributes:
        name: task/model/context/metric.
        state: "incomplete" if it is not there or not all of it, "changed" if it was computed in another way.
        was: The golden value.
        now: The run's value.
        note: What a reader needs to know, such as the interval of the difference.
    """

    name: str
    state: State
    was: float | None
    now: float | None
    note: str = ""


def golden_of(run: RunReader) -> dict[str, Any]:
    """A run's numbers as the content of a golden file.

    Raises:
        IncompleteError: The run is not complete.
        InputError: It has no numbers.
    """
    entries = []
    for (place, metric), rows in sorted(run.rows.items()):
        lacking = list(Counts.of(rows).in_words().values())
        if lacking:
            raise IncompleteError(
                f"{run.folder}: {'/'.join(place)} is not complete: {'; '.join(lacking)}; run the same command again"
            )
        mean = _mean(rows)
        if mean is None or metric.startswith(_TIMES):
            continue
        values = run.values(place, metric)
        entry: dict[str, Any] = {
            "task": place[0],
            "model": place[1],
            "context": place[2],
            "metric": metric,
            "value": mean,
            "seeds": [row.seed for row in rows],
            "higher_is_better": rows[0].higher_is_better,
            "signature": rows[0].signature,
        }
        if values is not None:
            clusters = run.clusters(place)
            entry["examples"] = {
                name: [round(value, 9), clusters.get(name, name)] for name, value in values.means().items()
            }
        entries.append(entry)
    if not entries:
        raise InputError(f"{run.folder}: has no numbers to keep")
    return {"schema_version": SCHEMA_VERSION, "numbers": entries}


def write_golden(file: Path, run: RunReader) -> None:
    """Write a run's numbers as a golden file.

    Raises:
        InputError: The file cannot be written.
    """
    content = (to_json(golden_of(run), indent=1) + "\n").encode()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(file, content)
    except OSError as error:
        raise InputError(f"{file}: cannot be written ({error.strerror}); name another golden file") from error


def read_golden(file: Path, run: Path | None = None) -> list[dict[str, Any]]:
    """The numbers of a golden file.

    Args:
        file: The golden file.
        run: The run that is checked, for the command that writes the file.

    Raises:
        InputError: Absent, damaged, or of another version.
    """
    try:
        raw = from_json(file.read_text(encoding="utf-8"))
        if raw["schema_version"] != SCHEMA_VERSION:
            raise InputError(f"{file}: schema_version = {raw['schema_version']!r}, expected {SCHEMA_VERSION}")
        numbers: list[dict[str, Any]] = raw["numbers"]
        for one in numbers:
            _ = _name(one), float(one["value"]), one["signature"], one["higher_is_better"]
            _ = [(float(value), str(cluster)) for value, cluster in one.get("examples", {}).values()]
    except FileNotFoundError as error:
        update = command("check", run or "RUN", "--against", file, "--update")
        raise InputError(f"{file}: no such golden file; write it with: {update}") from error
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror}); expected a golden file") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{file}: damaged ({error!r}); restore it, or write it anew with --update") from error
    return numbers


Tolerance = float | Mapping[str, float]
"""A loss up to this is none, in the metric's own units: for every metric, or by metric, with or without a stand-in's
brackets, where "" is for all others (else 0)."""


def check(run: RunReader, golden: Sequence[Mapping[str, Any]], tolerance: Tolerance = 0.0) -> list[RegressionVerdict]:
    """Compare a run with golden numbers; what the run has besides is not looked at.

    Args:
        run: The run.
        golden: As `read_golden` returns them.
        tolerance: See `Tolerance`.

    Raises:
        InputError: A tolerance is negative, not finite, or of a metric that the golden does not have.
    """
    allowed = _allowed(tolerance, {one["metric"] for one in golden})
    found = [_check(run, one, allowed[one["metric"]]) for one in golden]
    suspects = [one for one in found if isinstance(one, tuple)]
    adjusted = dict(zip(map(id, suspects), holm([p for _, p in suspects]), strict=True))
    verdicts = []
    for one in found:
        if isinstance(one, RegressionVerdict):
            verdicts.append(one)
        elif one[0].state in ("regression", "better") and adjusted[id(one)] > LEVEL:
            verdict = one[0]
            verdicts.append(
                RegressionVerdict(verdict.name, "ok", verdict.was, verdict.now, f"{verdict.note}, within chance")
            )
        else:
            verdicts.append(one[0])
    return verdicts


def _allowed(tolerance: Tolerance, metrics: Iterable[str]) -> dict[str, float]:
    """The tolerance of each metric."""
    given = tolerance if isinstance(tolerance, Mapping) else {"": tolerance}
    names = list(metrics)
    known = {"", *names, *(name.partition("[")[0] for name in names)}
    for name, value in given.items():
        if name not in known:
            raise InputError(f"tolerance of {name}: the golden has no such metric; {did_you_mean(name, known - {''})}")
        if not (math.isfinite(value) and value >= 0):
            raise InputError(f"tolerance{f' of {name}' if name else ''}: {value}; expected a number from 0 on")
    return {name: given.get(name, given.get(name.partition("[")[0], given.get("", 0.0))) for name in names}


def _check(
    run: RunReader, one: Mapping[str, Any], tolerance: float
) -> RegressionVerdict | tuple[RegressionVerdict, float]:
    """A verdict; with the p-value of the difference where the gate is statistical."""
    name, was = _name(one), float(one["value"])
    place = CellKey(one["task"], one["model"], one["context"])
    rows = run.rows.get((place, one["metric"]), [])
    now = _mean(rows)
    if now is None or any(row.n_lost for row in rows):
        lacking = "; ".join(Counts.of(rows).in_words().values()) or "not all of it is there"
        return RegressionVerdict(name, "incomplete", was, now, f"{lacking}; run the same command again")
    if rows[0].signature != one["signature"]:
        fields = signature_differences(one["signature"], rows[0].signature)[:3]
        words = "; ".join(f"{field}:{old} -> {field}:{new}" for field, old, new in fields)
        return RegressionVerdict(name, "changed", was, now, f"computed in another way: {words}")
    loss = (was - now) * (1 if one["higher_is_better"] else -1)
    if "examples" not in one:
        large = loss > max(tolerance, ROUNDING * abs(was))
        gain = -loss > max(tolerance, ROUNDING * abs(was))
        return RegressionVerdict(
            name, "regression" if large else "better" if gain else "ok", was, now, f"loss {loss:+.4g}"
        )
    values = run.values(place, one["metric"])
    means = values.means() if values else {}
    lost = sorted(set(one["examples"]) - set(means))
    if lost:
        return RegressionVerdict(
            name, "incomplete", was, now, f"{len(lost)} examples are missing: {', '.join(lost[:3])}"
        )
    names = list(one["examples"])
    sign = 1 if one["higher_is_better"] else -1
    losses = [sign * (one["examples"][example][0] - means[example]) for example in names]
    clusters = [one["examples"][example][1] for example in names]
    if all(abs(value) <= ROUNDING * max(1.0, abs(was)) for value in losses) or len(set(clusters)) < 2:
        large = loss > max(tolerance, ROUNDING * max(1.0, abs(was)))
        return RegressionVerdict(name, "regression" if large else "ok", was, now, f"loss {loss:+.4g}")
    interval = paired_interval(losses, clusters)
    note = f"loss {interval.mean:+.4g} [{interval.low:+.4g}, {interval.high:+.4g}]"
    state: State = (
        "regression"
        if interval.low > 0 and interval.mean > max(tolerance, ROUNDING * max(1.0, abs(was)))
        else "better"
        if interval.high < 0
        else "ok"
    )
    return RegressionVerdict(name, state, was, now, note), clustered_t_p(losses, clusters)


def _mean(rows: Sequence[Row]) -> float | None:
    values = [row.value for row in rows if row.value is not None]
    return sum(values) / len(values) if values and len(values) == len(rows) else None


def _name(one: Mapping[str, Any]) -> str:
    return f"{one['task']}/{one['model']}/{one['context']}/{one['metric']}"
