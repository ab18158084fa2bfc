"""Cost of the harness as runs grow: workers, overhead, memory, resume, scoring. One table, in about fifteen minutes.

    python benchmarks/scale.py [--folder DIR] [--only throughput,overhead,growth] [--samples 1000,100000]

The model costs nothing or sleeps (tests/cards), so the time is that of the harness and the metrics' small networks.
Every line of the table is measured in processes of its own and kept in DIR/scale.json: the same command again measures
the missing lines.

- throughput: one and two workers, local and Ray, on a model that sleeps half a second a prompt; the time
counts from the first output of the last worker, so it does not include the start of processes. Aims: 1.8 times; the
engine's own share of the time under 5 %.
- overhead: milliseconds a sample of a model that costs nothing, from an empty run directory to the last unit, on disk
  and in memory (/dev/shm, where flushing costs nothing). Aim: 1 ms.
- growth: peak memory, scoring and resume against the number of samples. Aims: memory within 10 %; from the start of a
  command to the first new sample under 5 s more than in an empty directory.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
CARDS = ROOT / "tests" / "cards"
SEEDS = 5
PAUSE = 0.5
MEMORY = Path("/dev/shm")


def ask_for(folder: Path, out: Path, stories: int) -> Any:
    """Return a request for one model, one context, five seeds and a number of stories."""
    from gill_bench.planning.request import RunRequest

    return RunRequest(
        tasks=("vist",),
        out=out,
        models=("noisy",),
        contexts=("1-caption",),
        seeds=SEEDS,
        data=str(world(folder, stories)),
        split="test",
        device="cpu",
        threads=1,
        card_folders=(CARDS,),
    )


def world(folder: Path, stories: int) -> Path:
    """Write the mini world's VIST, with its stories repeated under new ids."""
    from benchmarks.memory import write_stories

    data = folder / f"vist-{stories}"
    if not data.is_dir():
        write_stories(folder / "new", stories)
        (folder / "new").rename(data)
    return data


def throughput(folder: Path, engine: str, workers: int) -> dict[str, Any]:
    """Return the samples per second while all workers are busy, and the time beyond the model's sleep."""
    from gill_bench import evaluate as running
    from gill_bench.planning.plan import make_plan
    from gill_bench.rundir.rows import Results

    os.environ["NOISY_PAUSE"] = str(PAUSE)
    stories = 24 * workers
    how: dict[str, Any] = {"engine": engine, "workers": workers}
    if engine == "local":
        how = {"device": ",".join(["cpu"] * workers)}
    plan = make_plan(replace(ask_for(folder, folder / f"sleep-{engine}-{workers}", stories), **how))
    setattr(running, "finish", lambda *rest, **options: Results(()))  # noqa: B010
    running.execute(plan)
    units = sorted(file.stat().st_mtime for file in plan.request.out.rglob("unit.json"))
    first = units[workers - 1]  # the last to begin has answered, if none was twice as fast
    count = len(units) - workers
    per_unit = (units[-1] - first) / count * workers
    asleep = PAUSE * plan.cells[0].cell.unit_size
    samples = SEEDS * plan.cells[0].cell.unit_size
    return {
        "samples_a_second": round(samples * count / (units[-1] - first), 2),
        "engine_share_percent": round(100 * (1 - asleep / per_unit), 2),
    }


def overhead(folder: Path, parent: Path) -> dict[str, Any]:
    """Return the milliseconds per sample, and the part of them that waits for the disk."""
    from gill_bench import evaluate as running
    from gill_bench.engines.worker import Worker
    from gill_bench.planning.plan import make_plan
    from gill_bench.rundir.rows import Results

    setattr(running, "finish", lambda *rest, **options: Results(()))  # noqa: B010
    spent: list[float] = []
    reply = Worker.reply

    def timed(worker: Worker) -> Any:
        start = time.perf_counter()
        try:
            return reply(worker)
        finally:
            spent.append(time.perf_counter() - start)

    setattr(Worker, "reply", timed)  # noqa: B010
    with tempfile.TemporaryDirectory(prefix="gill-bench-scale-", dir=parent) as name:
        plan = make_plan(ask_for(folder, Path(name) / "run", 400))
        start = time.perf_counter()
        running.execute(plan)
        seconds = time.perf_counter() - start
    # The first unit loads the model and imports; it is no part of what grows.
    steady = sum(spent[1:]) / (len(spent) - 1) * len(spent)
    return {
        "ms_a_sample": round(1000 * (seconds - spent[0] + steady / len(spent)) / plan.samples_pending, 3),
        "of_it_in_units_ms": round(1000 * steady / plan.samples_pending, 3),
    }


def growth(folder: Path, samples: int) -> dict[str, Any]:
    """Measure a whole run: seconds of generating and of scoring its samples, and peak memory."""
    from gill_bench import evaluate as running
    from gill_bench.planning.plan import make_plan

    out = folder / f"growth-{samples}"
    shutil.rmtree(out, ignore_errors=True)
    plan = make_plan(ask_for(folder, out, samples // SEEDS))
    planned = _peak()
    marks = [time.perf_counter()]
    finish = running.finish

    def marked(*rest: Any) -> Any:
        marks.append(time.perf_counter())
        return finish(*rest)

    setattr(running, "finish", marked)  # noqa: B010
    running.execute(plan)
    marks.append(time.perf_counter())
    return {
        "peak_MiB": _peak(),
        "peak_after_planning_MiB": planned,
        "make_ms_a_sample": round(1000 * (marks[1] - marks[0]) / samples, 2),
        "score_ms_a_sample": round(1000 * (marks[2] - marks[1]) / samples, 2),
    }


def resume(folder: Path, samples: int) -> dict[str, Any]:
    """Measure a resumed run with one missing unit: seconds from the imported library to the first model call."""
    from gill_bench import evaluate as running
    from gill_bench.generation import jobs as generating
    from gill_bench.planning.plan import make_plan

    out = folder / f"growth-{samples}"
    ask = ask_for(folder, out, samples // SEEDS)
    make_plan(replace(ask, out=folder / "nothing-yet", limit=4))  # imports
    unit = next(out.glob("units/*/*/*/*/unit.json"), None)
    if unit is not None:
        shutil.rmtree(unit.parent)

    class ReachedError(Exception):
        pass

    def reached(*rest: Any) -> Any:
        raise ReachedError

    setattr(generating, "ask", reached)  # noqa: B010
    setattr(generating.GenerateUnit, "do", reached)  # noqa: B010
    start = time.perf_counter()
    plan = make_plan(ask)
    planned = time.perf_counter() - start
    try:
        running.execute(plan)
    except ReachedError:
        pass
    else:
        raise AssertionError("nothing was missing")
    return {"seconds": round(time.perf_counter() - start, 2), "of_it_planning": round(planned, 2)}


def _peak() -> int:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def measures(sizes: list[int]) -> dict[str, Callable[[Path], dict[str, Any]]]:
    """Return the measurement of each line of the table, by name."""
    by_name: dict[str, Callable[[Path], dict[str, Any]]] = {}
    for engine in ("local", "ray"):
        for workers in (1, 2):
            by_name[f"throughput {engine} {workers}"] = lambda f, e=engine, w=workers: throughput(f, e, w)  # type: ignore[misc]
    by_name["overhead disk"] = lambda folder: overhead(folder, folder)
    by_name["overhead memory"] = lambda folder: overhead(folder, MEMORY)
    for size in sizes:
        by_name[f"growth {size}"] = lambda folder, n=size: growth(folder, n)  # type: ignore[misc]
        by_name[f"growth resume {size}"] = lambda folder, n=size: resume(folder, n)  # type: ignore[misc]
    return by_name


def table(measured: dict[str, dict[str, Any]]) -> str:
    """Return the table of the results, with the ratios that have aims."""
    lines = [
        f"{name:24} " + "  ".join(f"{key} {value}" for key, value in line.items()) for name, line in measured.items()
    ]
    for engine in ("local", "ray"):
        pair = [measured.get(f"throughput {engine} {workers}") for workers in (1, 2)]
        if pair[0] and pair[1]:
            ratio = pair[1]["samples_a_second"] / pair[0]["samples_a_second"]
            lines.append(f"{'ratio':24} two workers over one, {engine}: {ratio:.2f}")
    peaks = {name: line["peak_MiB"] for name, line in measured.items() if "peak_MiB" in line}
    if len(peaks) > 1:
        lines.append(f"{'ratio':24} memory, largest run over smallest: {max(peaks.values()) / min(peaks.values()):.3f}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("build/scale"))
    parser.add_argument("--only", default="throughput,overhead,growth")
    parser.add_argument("--samples", default="1000,100000")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    options.folder.mkdir(parents=True, exist_ok=True)
    folder = options.folder.resolve()
    todo = measures([int(size) for size in options.samples.split(",")])
    if options.one:
        print(json.dumps(todo[options.one](folder)))
        return
    kept = folder / "scale.json"
    measured: dict[str, dict[str, Any]] = json.loads(kept.read_text()) if kept.is_file() else {}
    for name in todo:
        if name.split()[0] in options.only.split(",") and name not in measured:
            command = [sys.executable, __file__, "--folder", str(folder), "--samples", options.samples, "--one", name]
            environment = {**os.environ, "OMP_NUM_THREADS": "1", "GILL_BENCH_CACHE": str(folder / "cache")}
            done = subprocess.run(command, capture_output=True, text=True, env=environment)
            if done.returncode:
                sys.exit(f"{name}: {done.stderr[-2000:]}")
            measured[name] = json.loads(done.stdout.splitlines()[-1])
            kept.write_text(json.dumps(measured, indent=1))
            print(f"{name}: {measured[name]}", file=sys.stderr)
    print(table({name: measured[name] for name in todo if name in measured}))


if __name__ == "__main__":
    main()
