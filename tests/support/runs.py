"""Small runs of the model that costs nothing, on a small VIST."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from gill_bench.evaluate import Outcome, execute
from gill_bench.planning.plan import make_plan
from gill_bench.planning.request import RunRequest
from gill_bench.rundir.load import read_spec
from gill_bench.rundir.records import Spec, SpecCell, SpecTask
from gill_bench.rundir.rows import Results
from gill_bench.rundir.writer import write_results, write_spec
from gill_bench.storage.sealed import write_sealed
from tests.support.made_up import seeds
from tests.support.stories import small_vist

CARDS = Path(__file__).resolve().parents[1] / "cards"


def ask(out: Path, **changes: Any) -> RunRequest:
    """Six stories, two seeds, one model that costs nothing."""
    base = RunRequest(
        tasks=("vist",),
        out=out,
        models=("noisy",),
        seeds=2,
        limit=6,
        data=str(small_vist()),
        split="test",
        device="cpu",
        workers=1,
        card_folders=(CARDS,),
    )
    return replace(base, **changes)


def run(out: Path, **changes: Any) -> Outcome:
    return execute(make_plan(ask(out, **changes)))


def half(out: Path, **changes: Any) -> Path:
    """A run of four stories in two contexts of which the first is made: eight samples in a unit, nothing scored."""
    run(out, **{"contexts": ("1-caption", "5-captions"), "limit": 4, "shard": (1, 2), **changes})
    return out


def whole(out: Path) -> Path:
    """A finished run of one context, with made-up values, so that no metric is loaded."""
    spec = read_spec(half(out))
    (cell,) = (cell for cell in spec.cells if cell.context == "1-caption")
    write_spec(out, replace(spec, cells=(cell,)))
    rows = seeds("noisy", "1-caption", "clip-similarity", [0.5, 0.6], n_available=4, n_expected=4, n_scored=4)
    write_results(out, Results(tuple(rows)))
    return out


def results(out: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((out / "results.json").read_text())
    return content


def pictures(out: Path) -> dict[str, str]:
    """SHA-256 of every picture of a run by its sample: what must not depend on how the run went."""
    digests = {}
    for file in out.glob("units/*/*/*/*/samples.jsonl"):
        for line in file.read_text().splitlines():
            sample = json.loads(line)
            key = "/".join([*file.parts[-5:-2], sample["example"], str(sample["seed"])])
            digests[key] = hashlib.sha256((file.parent / sample["image"]).read_bytes()).hexdigest()
    return digests


def tree(out: Path) -> dict[str, bytes]:
    """Every file of a run whose bytes are promised: all but env.json and how long a unit took."""
    return {
        file.relative_to(out).as_posix(): file.read_bytes()
        for file in sorted(out.rglob("*"))
        if file.is_file() and file.name not in ("env.json", "unit.json", ".lock")
    }


def write_made_up_spec(folder: Path, cells: Sequence[Mapping[str, Any]]) -> None:
    """A `spec.json` with cells of which only some fields matter."""
    usual: dict[str, Any] = {"task_as": "vist@0", "seeds": (0,), "recipe": {}, "notes": ()}
    task = SpecTask({"name": "vist"}, "mini", 0, "mini")
    write_spec(folder, Spec({"vist@0": task}, tuple(SpecCell(**{**usual, **cell}) for cell in cells)))


def seal_again(folder: Path) -> None:
    """Make seals and hashes fit what a test changed, as if a run had written it so."""
    for file in (folder / "results.json", folder / "spec.json", *folder.rglob("score-*.json")):
        content = json.loads(file.read_text())
        write_sealed(file, {name: value for name, value in content.items() if name != "sha256"}, indent=1)
    for file in folder.rglob("unit.json"):
        content = json.loads(file.read_text())
        for name in content["files"]:
            if (file.parent / name).is_file():
                content["files"][name] = hashlib.sha256((file.parent / name).read_bytes()).hexdigest()
        file.write_text(json.dumps(content))


def other_value(file: Path) -> None:
    """Another number, as valid as the first."""
    content = json.loads(file.read_text())
    content["values"][0][2] += 0.25
    file.write_text(json.dumps(content))


def better(file: Path) -> None:
    """Another number in the tables, as valid as the first."""
    content = json.loads(file.read_text())
    content["rows"][0]["value"] += 0.25
    file.write_text(json.dumps(content))


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def alter(file: Path) -> None:
    """Change a byte in the middle, and not the length."""
    content = bytearray(file.read_bytes())
    content[-5] ^= 64
    file.write_bytes(content)


def other_feature(file: Path) -> None:
    """Another number, as valid as the first; nothing else changes."""
    features = np.load(file, mmap_mode="r+")
    features[0, 0] += 1
    features.flush()


def command(out: Path) -> list[str | Path]:
    return [
        "run",
        "vist",
        "--models",
        "noisy",
        "--cards",
        CARDS,
        "--limit",
        "16",
        "--seeds",
        "2",
        "--device",
        "cpu",
        "--data",
        small_vist(),
        "--split",
        "test",
        "--out",
        out,
    ]


def wait_for_units(out: Path, count: int) -> None:
    """Wait at most two minutes until a number of units is committed."""
    for _ in range(1200):
        if len(list(out.glob("units/*/*/*/*/unit.json"))) >= count:
            return
        time.sleep(0.1)
    raise AssertionError(f"no {count} units after two minutes")
