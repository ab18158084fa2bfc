"""Golden files: the numbers of a run that somebody accepted, and the check whether a later run still reaches them.

A golden file holds, per task, model, context and metric, the mean over seeds and its signature; also the values of
single examples, if the metric has them. With values of single examples the check is a statistical test: a loss counts
only if its paired interval excludes zero, also after allowing for the number of metrics (Holm), and if it exceeds the
tolerance. Without them (FID, BLEU) a loss counts if it exceeds the tolerance.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
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
LEVEL = 0.05  # the level of significance, for all numbers of a golden file together
ROUNDING = 1e-6  # the relative difference that counts as rounding, since another machine or library rounds differently

_TIMES = ("seconds", "tokens-per-second")  # metrics that are not checked, since they differ on every machine

State = Literal["ok", "better", "regression", "incomplete", "changed"]


@dataclass(frozen=True, slots=True)
class RegressionVerdict:
    """The result of checking one number of a run against a golden file.

    Attributes:
        name: The number's name, task/model/context/metric.
        state: "incomplete" if the number is missing or examples lack it, "changed" if it was computed in another way.
        was: The golden value.
        now: The run's value.
        note: Details for the reader, such as the interval of the difference.
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
        InputError: The run has no numbers.
    """
    entries = []
    for (key, metric), rows in sorted(run.rows.items()):
        lacking = list(Counts.of(rows).in_words().values())
        if lacking:
            raise IncompleteError(
                f"{run.folder}: {'/'.join(key)} is not complete: {'; '.join(lacking)}; run the same command again"
            )
        mean = _mean(rows)
        if mean is None or metric.startswith(_TIMES):
            continue
        values = run.values(key, metric)
        entry: dict[str, Any] = {
            "task": key.task,
            "model": key.model,
            "context": key.context,
            "metric": metric,
            "value": mean,
            "seeds": [row.seed for row in rows],
            "higher_is_better": rows[0].higher_is_better,
            "signature": rows[0].signature,
        }
        if values is not None:
            clusters = run.clusters(key)
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
        InputError: The file is absent, damaged, or of another version.
    """
    try:
        raw = from_json(file.read_text(encoding="utf-8"))
        if raw["schema_version"] != SCHEMA_VERSION:
            raise InputError(f"{file}: schema_version = {raw['schema_version']!r}, expected {SCHEMA_VERSION}")
        numbers: list[dict[str, Any]] = raw["numbers"]
        for number in numbers:
            _ = _name(number), float(number["value"]), number["signature"], number["higher_is_better"]
            _ = [(float(value), str(cluster)) for value, cluster in number.get("examples", {}).values()]
    except FileNotFoundError as error:
        update = command("check", run or "RUN", "--against", file, "--update")
        raise InputError(f"{file}: no such golden file; write it with: {update}") from error
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror}); expected a golden file") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{file}: damaged ({error!r}); restore it, or write it anew with --update") from error
    return numbers


Tolerance = float | Mapping[str, float]
"""The largest loss that is accepted, in the metric's own units: one number for every metric, or numbers by metric. A
metric is named with or without the brackets of a stand-in; "" stands for all metrics that are not named (else 0)."""


def check(run: RunReader, golden: Sequence[Mapping[str, Any]], tolerance: Tolerance = 0.0) -> list[RegressionVerdict]:
    """Compare a run with golden numbers; numbers that only the run has are not checked.

    Args:
        run: The run.
        golden: The numbers that `read_golden` returns.
        tolerance: The accepted losses; see `Tolerance`.

    Raises:
        InputError: A tolerance is negative, not finite, or of a metric that the golden does not have.
    """
    allowed = _allowed(tolerance, {number["metric"] for number in golden})
    checked = [_check(run, number, allowed[number["metric"]]) for number in golden]
    adjusted = iter(holm([p for _, p in checked if p is not None]))
    verdicts = []
    for verdict, p in checked:
        chance = p is not None and next(adjusted) > LEVEL and verdict.state in ("regression", "better")
        verdicts.append(replace(verdict, state="ok", note=f"{verdict.note}, within chance") if chance else verdict)
    return verdicts


def _allowed(tolerance: Tolerance, metrics: Iterable[str]) -> dict[str, float]:
    tolerances = tolerance if isinstance(tolerance, Mapping) else {"": tolerance}
    names = list(metrics)
    allowed = {"", *names, *(name.partition("[")[0] for name in names)}
    for name, value in tolerances.items():
        if name not in allowed:
            hint = did_you_mean(name, allowed - {""})
            raise InputError(f"tolerance of {name}: the golden has no such metric; {hint}")
        if not (math.isfinite(value) and value >= 0):
            raise InputError(f"tolerance{f' of {name}' if name else ''}: {value}; expected a number from 0 on")
    return {
        name: tolerances.get(name, tolerances.get(name.partition("[")[0], tolerances.get("", 0.0))) for name in names
    }


def _check(run: RunReader, golden: Mapping[str, Any], tolerance: float) -> tuple[RegressionVerdict, float | None]:
    """The verdict on one golden number, and the p-value of the difference if it was tested."""
    name, was = _name(golden), float(golden["value"])
    key = CellKey(golden["task"], golden["model"], golden["context"])
    rows = run.rows.get((key, golden["metric"]), [])
    now = _mean(rows)
    if now is None or any(row.n_lost for row in rows):
        lacking = "; ".join(Counts.of(rows).in_words().values()) or "not all of it is there"
        return RegressionVerdict(name, "incomplete", was, now, f"{lacking}; run the same command again"), None
    if rows[0].signature != golden["signature"]:
        fields = signature_differences(golden["signature"], rows[0].signature)[:3]
        words = "; ".join(f"{field}:{old} -> {field}:{new}" for field, old, new in fields)
        return RegressionVerdict(name, "changed", was, now, f"computed in another way: {words}"), None
    sign = 1 if golden["higher_is_better"] else -1
    loss = (was - now) * sign
    if "examples" not in golden:
        large = loss > max(tolerance, ROUNDING * abs(was))
        gain = -loss > max(tolerance, ROUNDING * abs(was))
        state: State = "regression" if large else "better" if gain else "ok"
        return RegressionVerdict(name, state, was, now, f"loss {loss:+.4g}"), None
    values = run.values(key, golden["metric"])
    means = values.means() if values else {}
    lost = sorted(set(golden["examples"]) - set(means))
    if lost:
        note = f"{len(lost)} examples are missing: {', '.join(lost[:3])}"
        return RegressionVerdict(name, "incomplete", was, now, note), None
    losses = [sign * (value - means[example]) for example, (value, _) in golden["examples"].items()]
    clusters = [cluster for _, cluster in golden["examples"].values()]
    if all(abs(value) <= ROUNDING * max(1.0, abs(was)) for value in losses) or len(set(clusters)) < 2:
        large = loss > max(tolerance, ROUNDING * max(1.0, abs(was)))
        return RegressionVerdict(name, "regression" if large else "ok", was, now, f"loss {loss:+.4g}"), None
    interval = paired_interval(losses, clusters)
    note = f"loss {interval.mean:+.4g} [{interval.low:+.4g}, {interval.high:+.4g}]"
    large = interval.low > 0 and interval.mean > max(tolerance, ROUNDING * max(1.0, abs(was)))
    state = "regression" if large else "better" if interval.high < 0 else "ok"
    return RegressionVerdict(name, state, was, now, note), clustered_t_p(losses, clusters)


def _mean(rows: Sequence[Row]) -> float | None:
    values = [row.value for row in rows if row.value is not None]
    return sum(values) / len(values) if values and len(values) == len(rows) else None


def _name(golden: Mapping[str, Any]) -> str:
    return f"{golden['task']}/{golden['model']}/{golden['context']}/{golden['metric']}"
