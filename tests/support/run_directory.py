"""`docs/run-directory.md`, made from the records of `gill_bench/rundir/`.

After a change of a record: `python -c "from tests.support.run_directory import write; write()"`.
"""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import NamedTuple

from gill_bench.rundir import probes, records, rows

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "run-directory.md"


class FileKind(NamedTuple):
    """A kind of file of a run: its path, when it is written, and the records that it holds."""

    path: str
    written: str
    records: tuple[type, ...]


CELL = "units/<task>/<model>/<context>"
FILES = (
    FileKind(
        "spec.json",
        "By `run` before anything is generated, and once more with the results. Sealed.",
        (records.Spec, records.SpecTask, records.SpecCell),
    ),
    FileKind("env.json", "By `run` when it begins: one session more. Not sealed.", (records.Session,)),
    FileKind(
        "experiment.toml",
        "By `run` when it begins: the commands that make the run, as a file that `gill-bench run` takes, with paths\n"
        "relative to it (docs/experiments.md). Not sealed, and nothing else reads it.",
        (),
    ),
    FileKind(
        f"{CELL}/<key>/unit.json",
        "Last of all files of a unit: a unit's folder without it does not count.",
        (records.Unit, records.Commit),
    ),
    FileKind(
        f"{CELL}/<key>/samples.jsonl",
        "With the unit, before `unit.json`: one JSON object a line. Pictures lie beside it as `*.png`, vectors of all"
        " samples in `vectors.npy` (samples, width), float32.",
        (records.Sample,),
    ),
    FileKind(
        f"{CELL}/<key>/score-<metric>-<key>.json",
        "When a metric of single pictures has scored the unit. Sealed.",
        (records.PictureScores,),
    ),
    FileKind(
        f"{CELL}/<key>/features-<metric>-<key>.npy",
        "When a metric that compares sets of pictures has read the unit: an array (pictures, width), float32; behind it"
        " the digest of the unit's files and the SHA-256 of the file.",
        (),
    ),
    FileKind(
        f"{CELL}/score-<metric>-<key>-<seed>.json",
        "When a metric over all outputs of the cell has scored it. Sealed.",
        (records.CellScores,),
    ),
    FileKind(
        f"{CELL}/failed-<key>.json",
        "When the model raised or declined for an example; removed when the sample is stored. Sealed.",
        (records.FailureRecord, records.Reason),
    ),
    FileKind(
        "probes.json",
        "By `run --probe`, after each probe: all of them, sorted by task, model and context. Sealed.",
        (probes.ContextProbe, probes.ProbedPart),
    ),
    FileKind(
        "results.json",
        "After scoring, by `run` and `score`. Sealed.",
        (rows.Results, rows.Row, rows.Missing, rows.Unmade),
    ),
)


def document() -> str:
    """The text of the document."""
    parts = [
        "# The run directory, file by file",
        "Made from `gill_bench/rundir/records.py`, `rows.py` and `probes.py` by\n"
        "`tests/support/run_directory.py`: change these.\n"
        "A sealed file is a JSON object with its own SHA-256 under `sha256`. [design/runs.md](design/runs.md) says\n"
        "what is promised.",
    ]
    for kind in FILES:
        parts += [f"## `{kind.path}`", kind.written]
        for record in kind.records:
            parts += _described(record)
    return "\n\n".join(parts) + "\n"


def write() -> None:
    """Write the document anew."""
    DOCUMENT.write_text(document(), encoding="utf-8")


def _described(record: type) -> list[str]:
    text, _, attributes = (inspect.getdoc(record) or "").partition("\nAttributes:\n")
    kinds = record.__annotations__
    entries = re.findall(r"^    (\w+): (.*?)(?=^    \w+: |\Z)", attributes, flags=re.MULTILINE | re.DOTALL)
    assert [name for name, _ in entries] == list(kinds), f"{record.__name__}: its docstring describes other fields"
    lines = [f"- `{name}` ({kinds[name]}): {' '.join(words.split())}" for name, words in entries]
    return [f"**{record.__name__}.** {' '.join(text.split())}", "\n".join(lines)]
