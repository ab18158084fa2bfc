"""The folders and files of a run directory by their names; a file of another name is never read or removed."""

from __future__ import annotations

from pathlib import Path

from gill_bench.errors import InputError


def not_a_run(folder: Path) -> InputError:
    """The reason why a path cannot be read as a run directory, with what may have been meant."""
    try:
        if folder.is_file():
            return InputError(f"{folder}: a file; expected the folder of a run, which holds spec.json")
        if not folder.exists():
            return InputError(f"{folder}: no such folder; expected the folder of a run, which holds spec.json")
        below = sorted(file.parent for file in folder.glob("*/spec.json"))
    except OSError as error:
        return InputError(f"{folder}: cannot be read ({error.strerror})")
    others = "; runs below it: " + ", ".join(map(str, below[:3])) if below else ""
    return InputError(f"{folder}: no spec.json; this is not the folder of a run{others}")
