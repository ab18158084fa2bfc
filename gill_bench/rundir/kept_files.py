"""The files that scoring leaves beside what they are of, by their names; any other file there is not ours."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

_SCORE = re.compile(r"score-(.+?)-[0-9a-f]{12}(?:-([0-9]+))?\.json")
_FEATURES = re.compile(r"features-.+-[0-9a-f]{12}\.npy")


class KeptScores(NamedTuple):
    """A file with scores.

    Attributes:
        path: Of the file.
        metric: Registered name.
        seed: Of the numbers of a cell; None for the values of a unit's pictures.
    """

    path: Path
    metric: str
    seed: int | None


def cell_paths(run: Path) -> list[Path]:
    """The folders in which a run has units, numbers or failures of cells; in an object store only files exist."""
    units = {file.parent.parent for file in run.glob("units/*/*/*/*/unit.json")}
    others = (file for name in ("score", "failed") for file in run.glob(f"units/*/*/*/{name}-*.json"))
    return sorted(units | {file.parent for file in others})


def kept_scores(folder: Path) -> list[KeptScores]:
    """The score files in the folder of a unit or a cell, in order."""
    found = []
    for path in _listed(folder):
        match = _SCORE.fullmatch(path.name)
        if match:
            found.append(KeptScores(path, match[1], int(match[2]) if match[2] else None))
    return found


def kept_features(folder: Path) -> list[Path]:
    """The files with features in the folder of a unit, in order."""
    return [path for path in _listed(folder) if _FEATURES.fullmatch(path.name)]


def _listed(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []
