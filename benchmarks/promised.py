"""The files of a run whose bytes do not depend on the machine, the moment, or how the run was asked for."""

from __future__ import annotations

from pathlib import Path

NOT_PROMISED = ("env.json", "experiment.toml", "unit.json", ".lock")


def promised_files(run: Path) -> dict[str, bytes]:
    """Return the content of every file of a run whose bytes are promised, by its path in the run."""
    return {
        file.relative_to(run).as_posix(): file.read_bytes()
        for file in sorted(run.rglob("*"))
        if file.is_file() and file.name not in NOT_PROMISED
    }
