"""The samples of a run, written in another layout: a whole folder, or none."""

from __future__ import annotations

import glob
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

from gill_bench import __version__
from gill_bench.errors import GillBenchError, InputError, did_you_mean
from gill_bench.exchange.benchmarks import BENCHMARKS, benchmark_export
from gill_bench.exchange.data_sets import folder_export, hf_export
from gill_bench.exchange.export_files import Export, ExportFile, text_file
from gill_bench.exchange.exported_cell import ExportedCell, exported_cell
from gill_bench.progress import bar
from gill_bench.storage.files import sync_folder
from gill_bench.storage.json import to_json
from gill_bench.storage.paths import temporary_beside

LAYOUTS = (*BENCHMARKS, "hf-dataset", "folder")
"""The names of all layouts."""
PROVENANCE = "gill-bench.json"
"""The file that says what was exported; no judge reads it."""
_SPARE = 1.05  # of the bytes that are written: blocks of the disk


class Exported(NamedTuple):
    """An export that was written: the number of files, the samples, and sentences about what to do with them."""

    files: int
    samples: int
    advice: tuple[str, ...]


def export_run(
    run: Path,
    layout: str,
    out: Path,
    *,
    task: str = "",
    model: str = "",
    context: str = "",
    samples: int = 0,
    partial: bool = False,
    data: str | None = None,
) -> Exported:
    """Export the samples of one cell.

    Args:
        run: The run directory.
        layout: One of `LAYOUTS`.
        out: The folder that is written, whole or not at all; it must be empty or not exist.
        task: The task's name; "" where the run has one.
        model: The model's name, likewise.
        context: The context's name, likewise.
        samples: The number of samples of each prompt, for the layout of a benchmark; 0 for as many as it asks for.
        partial: Whether prompts of a benchmark may lack samples.
        data: The folder of the data, which layouts of benchmarks read again; None for the folder that the run names.

    Raises:
        InputError: The run does not have what the layout needs, or the folder cannot be written.
        GillBenchError: A stored picture is damaged, or the disk is full.
    """
    if layout not in LAYOUTS:
        raise InputError(f"--as {layout}: no such layout; {did_you_mean(layout, LAYOUTS)}")
    if layout not in BENCHMARKS and (samples or partial):
        raise InputError(f"--as {layout}: has all samples that are stored; leave --samples and --partial out")
    _check_out(out)
    cell = exported_cell(run, task, model, context, data)
    export = _export(layout, cell, out, samples, partial)
    _write(out, [*export.files, _provenance(layout, cell)])
    return Exported(len(export.files) + 1, export.samples, export.advice)


def _export(layout: str, cell: ExportedCell, out: Path, samples: int, partial: bool) -> Export:
    if layout == "folder":
        return folder_export(cell)
    if layout == "hf-dataset":
        return hf_export(cell)
    return benchmark_export(layout, cell, out, samples=samples, partial=partial)


def _provenance(layout: str, cell: ExportedCell) -> ExportFile:
    spec = {name: value for name, value in asdict(cell.spec).items() if name != "task_as"}
    return text_file(PROVENANCE, [to_json({"gill_bench": __version__, "layout": layout, **spec}, indent=1)])


def _check_out(out: Path) -> None:
    try:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise InputError(f"--out {out}: is not empty; name a folder that does not exist")
        out.absolute().parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out {out}: cannot be written ({error.strerror})") from error


def _write(out: Path, files: Sequence[ExportFile]) -> None:
    """Write files under a temporary name, flush them, and rename the folder."""
    temporary = temporary_beside(out.absolute())
    for leftover in temporary.parent.glob(f".{glob.escape(out.name)}.*.tmp"):
        if leftover.is_dir():  # of a killed export into this folder
            shutil.rmtree(leftover)
    needed, free = int(_SPARE * sum(file.size for file in files)), shutil.disk_usage(temporary.parent).free
    if needed > free:
        raise InputError(
            f"--out {out}: about {needed / 1e6:.0f} MB are to be written, and {free / 1e6:.0f} MB are free on that disk"
        )
    try:
        temporary.mkdir()
        with bar("exporting", len(files), "files") as step:
            for file in files:
                path = temporary / file.path
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("wb") as opened:
                    opened.write(file.content())
                    opened.flush()
                    os.fsync(opened.fileno())
                step(1)
        if out.exists():
            out.rmdir()
        temporary.rename(out.absolute())
        sync_folder(temporary.parent)
    except OSError as error:
        raise GillBenchError(
            f"--out {out}: cannot be written ({error.strerror or error}); nothing was exported"
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
