"""The run directory: spec.json (what was asked), env.json (where it ran), units, results.json; all paths relative."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gill_bench import __version__
from gill_bench.cards import TaskCard, explain
from gill_bench.errors import InputError
from gill_bench.files import digest, is_remote, remove_temporary, to_json, write_atomic
from gill_bench.progress import say
from gill_bench.reading import from_json
from gill_bench.runs.lock import check_locks
from gill_bench.runs.plan import Cell
from gill_bench.weights import MINI

SCHEMA_VERSION = 1
_PACKAGES = (
    "torch",
    "transformers",
    "diffusers",
    "torchmetrics",
    "lpips",
    "numpy",
    "pillow",
    "safetensors",
    "tokenizers",
)
_CELL = {"task", "task_as", "model", "context", "seeds", "recipe", "notes"}
_TASK = {"card", "data", "limit", "metric_weights"}
_IN_URL = re.compile(r"(?<=://)[^/@]*@|\?.*")  # what may be a secret: user and password, query
_SECRET = ("token", "key", "secret", "password")


def make_run_folder(folder: Path, *, locks: bool = True) -> None:
    """Make a run's folder and prove that it can be written and locked, before anything expensive.

    Raises:
        InputError: It cannot be made or written, or, with `locks`, its file system has no locks.
    """
    probe = folder / f".write-test.{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"gill-bench")
        try:
            if locks and not is_remote(folder):
                check_locks(probe)
        finally:
            probe.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(
            f"{folder}: cannot write there ({error.strerror or error}); choose another folder with --out"
        ) from error


def read_spec(run: Path) -> dict[str, Any]:
    """Read `spec.json`; an empty spec if there is none yet.

    Raises:
        InputError: It is damaged or of another version.
    """
    file = run / "spec.json"
    if not file.exists():
        return {"schema_version": SCHEMA_VERSION, "tasks": {}, "cells": []}
    try:
        spec: dict[str, Any] = from_json(file.read_text(encoding="utf-8"))
        found = spec["schema_version"]
        for entry in spec["cells"]:
            if not entry.keys() >= _CELL or not spec["tasks"][entry["task_as"]].keys() >= _TASK:
                raise KeyError("a field of a cell or task")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{file}: damaged ({error!r}); is {run} the folder of a run? If so, delete this one file and run the same"
            " command again: nothing else is lost"
        ) from error
    if found != SCHEMA_VERSION:
        raise InputError(
            f"{file}: schema_version = {found!r}, but this gill-bench reads {SCHEMA_VERSION};"
            " use another folder with --out"
        )
    return spec


def merge_spec(run: Path, spec: Mapping[str, Any], cells: Sequence[Cell]) -> dict[str, Any]:
    """Replace the asked cells in a spec; those of earlier commands stay as they were asked."""
    asked = {cell.name for cell in cells}
    kept = [entry for entry in spec["cells"] if (entry["task"], entry["model"], entry["context"]) not in asked]
    tasks = dict(spec["tasks"])
    for cell in cells:
        entry = _task_entry(run, cell)
        name = f"{cell.task.card.name}@{digest(entry)[:8]}"
        tasks[name] = entry
        kept.append(
            {
                "task": cell.task.card.name,
                "task_as": name,
                "model": cell.model,
                "context": cell.context.name,
                "seeds": list(cell.seeds),
                "row_seeds": list(cell.row_seeds),
                "recipe": dict(cell.recipe),
                "notes": list(cell.notes),
            }
        )
    kept.sort(key=lambda entry: (entry["task"], entry["model"], entry["context"]))
    used = {entry["task_as"] for entry in kept}
    return {
        "schema_version": SCHEMA_VERSION,
        "tasks": {name: task for name, task in sorted(tasks.items()) if name in used},
        "cells": kept,
    }


def write_spec(run: Path, spec: Mapping[str, Any]) -> None:
    """Write `spec.json`."""
    write_atomic(run / "spec.json", (to_json(spec, indent=1) + "\n").encode())


def remove_leftovers(run: Path) -> None:
    """Remove what a killed process left of the files that are written under the lock, which the caller holds.

    And of the proof that the folder can be written, which nobody misses.
    """
    remove_temporary(run, ".*.json.*.tmp")
    remove_temporary(run, ".write-test.*")


def task_from_entry(run: Path, entry: Mapping[str, Any], data: str | None = None) -> dict[str, Any]:
    """The arguments of `open_task` from a spec's task entry, with folders as they are seen from here.

    Raises:
        InputError: The entry was written by a version whose cards differ.
    """
    try:
        card = TaskCard.model_validate(entry["card"])
    except ValidationError as error:
        raise InputError(
            f"{run / 'spec.json'}: a card that this gill-bench does not read ({explain(error, TaskCard)});"
            " it is of another version: run the same command again to renew it"
        ) from error
    return {
        "card": card,
        "data": data or _data_from_run(run, entry["data"]),
        "limit": entry["limit"],
        "metric_weights": _from_run(run, entry["metric_weights"]),
    }


def record_environment(run: Path, device: str, batch_size: int) -> None:
    """Add this session to `env.json`: what is recorded, but never decides what a unit is."""
    file = run / "env.json"
    sessions = _earlier_sessions(file)
    sessions.append(
        {
            "gill_bench": __version__,
            "commit": _commit(),
            "python": platform.python_version(),
            "platform": f"{platform.system()} {platform.machine()}",
            "packages": {name: _version(name) for name in _PACKAGES},
            "device": device,
            "batch_size": batch_size,
            "cpus": os.cpu_count(),
            "threads": _torch_threads(),
            "argv": [_harmless(argument) for argument in sys.argv[1:]],
        }
    )
    write_atomic(file, (to_json({"schema_version": SCHEMA_VERSION, "sessions": sessions}, indent=1) + "\n").encode())


def _earlier_sessions(file: Path) -> list[Any]:
    if not file.exists():
        return []
    try:
        return list(json.loads(file.read_text(encoding="utf-8"))["sessions"])
    except (ValueError, KeyError, TypeError) as error:
        say(f"warning: {file}: damaged ({error!r}); it is begun anew, and nothing depends on it")
        return []


def _task_entry(run: Path, cell: Cell) -> dict[str, Any]:
    task = cell.task
    return {
        "card": task.card.model_dump(mode="json", by_alias=True),
        "data": _to_run(run, task.data),
        "limit": task.limit,
        "metric_weights": _to_run(run, task.metric_weights),
    }


def _to_run(run: Path, folder: str) -> str:
    """A folder as seen from the run; from the current folder, if the run is in an object store."""
    return folder if folder == MINI else Path(os.path.relpath(folder, None if is_remote(run) else run)).as_posix()


def _from_run(run: Path, folder: str) -> str:
    return folder if folder == MINI else os.path.normpath(folder if is_remote(run) else run / folder)


def _harmless(argument: str) -> str:
    """A command-line argument without credentials and without the machine's absolute paths."""
    name, equals, value = argument.partition("=")
    if any(word in name.lower() for word in _SECRET) and equals:
        return f"{name}=…"
    text = _IN_URL.sub("…", value if equals else name) if "://" in argument else value if equals else name
    if Path(text).is_absolute():
        text = f"…/{Path(text).name}"
    return f"{name}={text}" if equals else text


def _torch_threads() -> int:
    import torch

    return torch.get_num_threads()


def _data_from_run(run: Path, folder: str) -> str:
    found = _from_run(run, folder)
    if found != MINI and not Path(found).is_dir():
        seen = "the current folder" if is_remote(run) else run
        raise InputError(
            f"{found}: the run's data was there, seen from {seen}, and is not any more; say where: --data DIR"
        )
    return found


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _commit() -> str | None:
    """The checkout's commit, with "+dirty" if files differ from it; None outside a checkout of gill-bench."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    try:
        head = subprocess.run(["git", "-C", root, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)  # noqa: S603, S607
        state = subprocess.run(["git", "-C", root, "status", "--porcelain"], capture_output=True, text=True, check=True)  # noqa: S603, S607
    except (OSError, subprocess.CalledProcessError):
        return None  # no git on this machine, or no commit yet
    return head.stdout.strip() + ("+dirty" if state.stdout.strip() else "")
