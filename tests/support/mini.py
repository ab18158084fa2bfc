"""Helpers for tests of the mini world."""

from __future__ import annotations

from pathlib import Path

from gill_bench.storage.digests import digest_file


def digests(folder: Path) -> dict[str, str]:
    """The SHA-256 of every file in a folder, by its path."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): digest_file(path) for path in files}
