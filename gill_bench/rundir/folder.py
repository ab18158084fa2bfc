"""The run directory: spec.json (what was asked), env.json (where it ran), units, results.json; all paths relative."""

from __future__ import annotations

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
from gill_bench.cards.find import TaskCard, explain
from gill_bench.errors import InputError
from gill_bench.planning.cells import Cell
from gill_bench.progress import say
from gill_bench.rundir.lock import check_locks
from gill_bench.rundir.spec import FILE as SPEC
from gill_bench.rundir.spec import SCHEMA_VERSION, read_spec
from gill_bench.storage.digests import digest
from gill_bench.storage.files import remove_temporary
from gill_bench.storage.json import to_json
from gill_bench.storage.paths import is_remote
from gill_bench.storage.sealed import DamagedFileError, damaged, put_aside, read_sealed, replace_file
from gill_bench.weights.find import MINI

ENVIRONMENT = "env.json"
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


def merge_spec(run: Path, spec: Mapping[str, Any], cells: Sequence[Cell]) -> dict[str, Any]:
    """Replace the asked cells in a spec; those of earlier commands stay as they were asked."""
    asked = {cell.key for cell in cells}
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


def spec_to_renew(run: Path) -> dict[str, Any]:
    """What `spec.json` holds, for a command that writes it again; a damaged one is put aside with a word.

    Raises:
        InputError: It is of another version, or damaged in a folder in which nothing else is of a run.
    """
    try:
        return read_spec(run)
    except DamagedFileError as error:
        if not (run / "units").is_dir() and not (run / ENVIRONMENT).is_file():
            raise
        aside = put_aside(run / SPEC)
        say(
            f"warning: {run / SPEC}: damaged: {error.reason}; it is written anew with what this command asks for, and"
            f" the old one is {aside.name}; other commands on this folder: run them again too"
        )
        return {"schema_version": SCHEMA_VERSION, "tasks": {}, "cells": []}


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
            f"{run / SPEC}: a card that this gill-bench does not read ({explain(error, TaskCard)});"
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
    file = run / ENVIRONMENT
    sessions = _earlier_sessions(run)
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
    content = {"schema_version": SCHEMA_VERSION, "sessions": sessions}
    replace_file(file, (to_json(content, indent=1) + "\n").encode())


def read_sessions(run: Path) -> list[dict[str, Any]]:
    """The sessions in `env.json`, in order; none if it is not there.

    Raises:
        DamagedFileError: It is not as it was written.
    """
    file = run / ENVIRONMENT
    mend = "nothing depends on it: run the same command again, which puts it aside and begins it anew"
    try:
        content = read_sealed(file, mend, seal=False)
        sessions = content["sessions"]
        if not isinstance(sessions, list) or not all(isinstance(one, dict) for one in sessions):
            raise TypeError("sessions: expected a list of objects")
    except FileNotFoundError:
        return []
    except (KeyError, TypeError) as error:
        raise damaged(file, error, mend) from error
    return sessions


def threads_of_last_session(run: Path) -> int:
    """CPU threads of the command that last worked on a run, at most as many as this machine has; 0 if unknown."""
    try:
        threads = read_sessions(run)[-1]["threads"]
    except (DamagedFileError, IndexError, KeyError):
        return 0
    return min(threads, os.cpu_count() or 1) if isinstance(threads, int) and threads > 0 else 0


def _earlier_sessions(run: Path) -> list[dict[str, Any]]:
    try:
        return read_sessions(run)
    except DamagedFileError as error:
        aside = put_aside(run / ENVIRONMENT)
        say(f"warning: {run / ENVIRONMENT}: damaged: {error.reason}; it is begun anew, and the old one is {aside.name}")
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
