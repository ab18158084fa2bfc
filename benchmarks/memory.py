"""Peak memory of a whole run against the number of stories.

    python benchmarks/memory.py [--stories 100,1000,4000]

Each run is a process of its own. The stories of the mini world are repeated under new ids; the model costs nothing
(tests/cards), so any growth comes from the harness: plan, units, scores, rows. Aim: peaks within 10 % of each other.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CARDS = Path(__file__).resolve().parents[1] / "tests" / "cards"


def write_stories(folder: Path, count: int) -> None:
    """Copy the mini world's VIST, with its stories repeated until there are `count`."""
    from gill_bench.mini.embedded import world_folder

    shutil.copytree(world_folder() / "vist", folder)
    file = folder / "sis" / "test.story-in-sequence.json"
    content = json.loads(file.read_text())
    sentences = [record[0] for record in content["annotations"]]
    per_story = len(sentences) // 5
    content["annotations"] = [
        [
            {
                **sentences[5 * (number % per_story) + index],
                "story_id": str(number),
                "storylet_id": f"{number}-{index}",
            }
        ]
        for number in range(count)
        for index in range(5)
    ]
    file.write_text(json.dumps(content))


def measure(folder: Path) -> None:
    """Run in this process and print its peak memory."""
    from gill_bench.evaluate import execute
    from gill_bench.planning.plan import make_plan
    from gill_bench.planning.request import RunRequest

    ask = RunRequest(
        tasks=("vist",),
        out=folder / "run",
        models=("noisy",),
        contexts=("1-caption",),
        seeds=1,
        data=str(folder / "vist"),
        split="test",
        device="cpu",
        card_folders=(CARDS,),
    )
    start = time.perf_counter()
    rows = execute(make_plan(ask)).results.rows
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"stories": rows[0].n_scored, "peak_MiB": round(peak), "seconds": round(seconds, 1)}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stories", default="100,1000,4000")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.folder:
        measure(options.folder)
        return
    for count in map(int, options.stories.split(",")):
        with tempfile.TemporaryDirectory(prefix="gill-bench-memory-") as name:
            write_stories(Path(name) / "vist", count)
            command = [sys.executable, __file__, "--folder", name]
            print(subprocess.run(command, capture_output=True, text=True, check=True).stdout, end="")


if __name__ == "__main__":
    main()
