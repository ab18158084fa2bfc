"""Small runs of the model `noisy` (tests/cards), which costs nothing, on a small VIST, and changes of their files."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.promised import promised_files
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
tree = promised_files


def run_request(out: Path, **changes: Any) -> RunRequest:
    """Request a run of `noisy` on six stories with two seeds; `changes` replace fields of the request."""
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
    return execute(make_plan(run_request(out, **changes)))


def half(out: Path, **changes: Any) -> Path:
    """Make half of a run: four stories in the first of two contexts, eight samples in one unit, nothing scored."""
    run(out, **{"contexts": ("1-caption", "5-captions"), "limit": 4, "shard": (1, 2), **changes})
    return out


def whole(out: Path) -> Path:
    """Make a finished run of one context, whose values are made up, so that no metric is loaded."""
    spec = read_spec(half(out))
    (cell,) = (cell for cell in spec.cells if cell.context == "1-caption")
    write_spec(out, replace(spec, cells=(cell,)))
    rows = seeds("noisy", "1-caption", "clip-similarity", [0.5, 0.6], n_available=4, n_expected=4, n_scored=4)
    write_results(out, Results(tuple(rows)))
    return out


def results(out: Path) -> dict[str, Any]:
    """Read results.json of a run."""
    content: dict[str, Any] = json.loads((out / "results.json").read_text())
    return content


def picture_digests(out: Path) -> dict[str, str]:
    """SHA-256 of every picture of a run by its sample; kills, workers and batches must not change it."""
    digests = {}
    for file in out.glob("units/*/*/*/*/samples.jsonl"):
        for line in file.read_text().splitlines():
            sample = json.loads(line)
            key = "/".join([*file.parts[-5:-2], sample["example"], str(sample["seed"])])
            digests[key] = hashlib.sha256((file.parent / sample["image"]).read_bytes()).hexdigest()
    return digests


def write_made_up_spec(folder: Path, cells: Sequence[Mapping[str, Any]]) -> None:
    """Write a spec.json with the given fields of cells; other fields have usual values."""
    usual: dict[str, Any] = {"task_as": "vist@0", "seeds": (0,), "recipe": {}, "notes": ()}
    task = SpecTask({"name": "vist"}, "mini", 0, "mini")
    write_spec(folder, Spec({"vist@0": task}, tuple(SpecCell(**{**usual, **cell}) for cell in cells)))


def seal_again(folder: Path) -> None:
    """Compute the seals and hashes of a run again after a test changed its files, as if the run had written them so."""
    for file in (folder / "results.json", folder / "spec.json", *folder.rglob("score-*.json")):
        content = json.loads(file.read_text())
        write_sealed(file, {name: value for name, value in content.items() if name != "sha256"}, indent=1)
    for file in folder.rglob("unit.json"):
        content = json.loads(file.read_text())
        for name in content["files"]:
            if (file.parent / name).is_file():
                content["files"][name] = hashlib.sha256((file.parent / name).read_bytes()).hexdigest()
        file.write_text(json.dumps(content))


def change_a_score(file: Path) -> None:
    """Change a value of a score file to another valid one, and leave the seal as it was."""
    content = json.loads(file.read_text())
    content["values"][0][2] += 0.25
    file.write_text(json.dumps(content))


def change_a_result(file: Path) -> None:
    """Change a value of results.json to another valid one, and leave the seal as it was."""
    content = json.loads(file.read_text())
    content["rows"][0]["value"] += 0.25
    file.write_text(json.dumps(content))


def cut(file: Path) -> None:
    """Cut off the second half of a file."""
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def change_a_byte(file: Path) -> None:
    """Change the fifth byte from the end of a file, whose length stays."""
    content = bytearray(file.read_bytes())
    content[-5] ^= 64
    file.write_bytes(content)


def change_a_feature(file: Path) -> None:
    """Change a number of stored features to another valid one."""
    features = np.load(file, mmap_mode="r+")
    features[0, 0] += 1
    features.flush()


def command_line(out: Path) -> list[str | Path]:
    """The words of a `gill-bench run` of sixteen stories with two seeds into a folder, without "gill-bench"."""
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
    """Wait at most five minutes until a number of units is committed."""
    for _ in range(3000):
        if len(list(out.glob("units/*/*/*/*/unit.json"))) >= count:
            return
        time.sleep(0.1)
    raise AssertionError(f"no {count} units after five minutes")
