"""Kill a run at random moments and resume it, again and again: the finished run must always be the same.

    python benchmarks/kills.py [--kills 100] [--seed 0] [--limit 16] [--out DIR] [-- --workers 2 ...]

One run is not killed: it gives the expected bytes, and the time within which the kills fall. Then another run is
started, killed (-9) at a random moment and started again with the same command until it ends by itself; more runs
follow until there were enough kills. Each kill ends the first process alone, or its whole group, as when a machine goes
down. Arguments after `--`, such as `--engine ray`, are passed to `gill-bench run` unchanged. A finished run must hold
the same files with the same bytes, except env.json, which describes the machine, and `made` in unit.json, which holds
durations; otherwise the exit code is 1. Files whose name begins with a dot do not count, since a kill may leave one
that was being written. With --out, the same command continues where it was stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

MODEL = '''"""A model that costs nothing but time."""

import hashlib
import time

from PIL import Image

from gill_bench.interfaces import GeneratedImage


class Sleeper:
    def __init__(self, pause: float = 0.05) -> None:
        self.pause = pause

    def generate_images(self, prompts, noise):
        time.sleep(self.pause * len(prompts))
        return [[GeneratedImage(_picture(p.text, one)) for one in seeds] for p, seeds in zip(prompts, noise)]


def _picture(text, noise):
    return Image.frombytes("RGB", (8, 8), hashlib.sha256(f"{text}{noise.seed}".encode()).digest() * 6)
'''
_LONGEST = 600.0  # seconds that a run may take

Phase = Literal["starting", "generating", "scoring"]


@dataclass
class Tally:
    """The counts of kills, finished runs and differences.

    Attributes:
        kills: Number of kills by the phase in which the run was.
        runs: Number of runs that ended by themselves, each after some kills.
        differing: Names of the files that differ from the run that was not killed, by run.
        failed: Exit codes other than 0 of runs that ended by themselves, with their last output.
    """

    kills: Counter[Phase] = field(default_factory=Counter)
    runs: int = 0
    differing: dict[str, list[str]] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)

    @property
    def identical(self) -> bool:
        """True if every finished run has the same files as the run that was not killed."""
        return not self.differing and not self.failed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=int, default=16)
    parser.add_argument("--out", type=Path)
    options, rest = parser.parse_known_args()
    arguments = ["--limit", str(options.limit), *(word for word in rest if word != "--")]
    with tempfile.TemporaryDirectory(prefix="gill-bench-kills-") as temporary:
        tally = kill_and_resume(options.out or Path(temporary), options.kills, options.seed, arguments)
    for phase, count in sorted(tally.kills.items()):
        print(f"{count:4} kills while {phase}")
    print(f"{tally.runs:4} runs finished, {len(tally.differing)} of them not identical, {len(tally.failed)} failed")
    for name, files in tally.differing.items():
        print(f"{name}: {', '.join(files[:5])}")
    for said in tally.failed:
        print(said)
    return 0 if tally.identical else 1


def kill_and_resume(folder: Path, kills: int, seed: int, arguments: list[str], log: bool = True) -> Tally:
    """Kill and resume runs until there were `kills` kills and the last run has ended by itself.

    Args:
        folder: Folder of the runs; runs that an earlier call left in this folder are continued.
        kills: Number of kills in all.
        seed: Seed of the random moments.
        arguments: Further arguments of `gill-bench run`.
        log: True = report each kill on stderr.
    """
    folder.mkdir(parents=True, exist_ok=True)
    model = folder / "sleeper.py"
    model.write_text(MODEL, encoding="utf-8")
    base = ["run", "vist", "--models", f"{model}:Sleeper", "--seeds", "2", "--device", "cpu", *arguments]
    expected, seconds = _left_alone(folder, base)
    tally, rng = _earlier(folder), random.Random(seed)
    for _ in range(tally.kills.total()):  # the moments that were used already
        _moment(rng, seconds)
    while tally.kills.total() < kills:
        out = folder / f"run-{tally.runs:03d}"
        while True:
            moment, group = _moment(rng, seconds) if tally.kills.total() < kills else (_LONGEST, False)
            code, said = _run([*base, "--out", str(out)], moment, group)
            if code != -signal.SIGKILL:
                break
            phase = phase_of(out)
            tally.kills[phase] += 1
            _remember(folder, tally)
            if log:
                sys.stderr.write(f"kill {tally.kills.total()} of {out.name} after {moment:.1f} s, {phase}\n")
        if code:
            tally.failed.append(f"{out.name}: exit code {code}: {said}")
        differing = different(expected, content_of(out))
        if differing:
            tally.differing[out.name] = differing
        tally.runs += 1
        _remember(folder, tally)
    return tally


def content_of(run: Path) -> dict[str, bytes]:
    """Return every file of a run whose bytes are promised."""
    contents = {}
    for file in sorted(run.rglob("*")):
        if file.is_file() and file.name != "env.json" and not file.name.startswith("."):
            content = file.read_bytes()
            if file.name == "unit.json":
                content = json.dumps({**json.loads(content), "made": None}).encode()
            contents[file.relative_to(run).as_posix()] = content
    return contents


def different(expected: dict[str, bytes], contents: dict[str, bytes]) -> list[str]:
    """Return the names of files that are missing, additional or different."""
    return sorted(name for name in expected.keys() | contents.keys() if expected.get(name) != contents.get(name))


def phase_of(run: Path) -> Phase:
    """Return the phase in which a run was, judged by its files."""
    if next(run.glob("units/*/*/*/*/score-*.json"), None):
        return "scoring"
    return "generating" if next(run.glob("units/*/*/*/*"), None) else "starting"


def _left_alone(folder: Path, base: list[str]) -> tuple[dict[str, bytes], float]:
    """Return the bytes of a run that is not killed, and the seconds that it takes."""
    out, clock = folder / "whole", folder / "seconds.json"
    if not clock.exists():
        start = time.monotonic()
        code, said = _run([*base, "--out", str(out)], _LONGEST, False)
        if code:
            raise SystemExit(f"the run that was left alone ended with exit code {code}: {said}")
        clock.write_text(json.dumps(time.monotonic() - start))
    return content_of(out), float(json.loads(clock.read_text()))


def _moment(rng: random.Random, seconds: float) -> tuple[float, bool]:
    """Return the seconds until the next kill, and True if the whole group is to be killed."""
    return rng.uniform(0, seconds), rng.random() < 0.5


def _run(words: list[str], moment: float, group: bool) -> tuple[int, str]:
    """Run a command, kill it after `moment` seconds, and return its exit code and its last output."""
    command = [sys.executable, "-m", "gill_bench", *words]
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said, start_new_session=True)
        try:
            process.wait(moment)
        except subprocess.TimeoutExpired:
            if group:
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()
            process.wait()
        said.seek(0)
        return process.returncode, said.read()[-400:]


def _earlier(folder: Path) -> Tally:
    file = folder / "tally.json"
    if not file.exists():
        return Tally()
    raw = json.loads(file.read_text())
    return Tally(Counter(raw["kills"]), raw["runs"], raw["differing"], raw["failed"])


def _remember(folder: Path, tally: Tally) -> None:
    content = {"kills": tally.kills, "runs": tally.runs, "differing": tally.differing, "failed": tally.failed}
    (folder / "tally.json").write_text(json.dumps(content))


if __name__ == "__main__":
    sys.exit(main())
