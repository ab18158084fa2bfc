"""Opens the files of a unit (`unit.json`, `samples.jsonl`, `vectors.npy`, pictures), and checks them by their hash."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gill_bench.errors import GillBenchError
from gill_bench.rundir.folders import is_done
from gill_bench.rundir.records import COMMIT, SAMPLES, VECTORS, Commit, Sample, Unit
from gill_bench.storage.arrays import read_array
from gill_bench.storage.digests import digest, digest_file
from gill_bench.storage.files import forget_list
from gill_bench.storage.json import from_json
from gill_bench.storage.names import name_problem
from gill_bench.storage.paths import is_remote
from gill_bench.storage.sealed import check_is_file, read_file, reason_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MEND = "gill-bench verify RUN withdraws its unit, and the same command makes it again"
_SAMPLE_KEYS = frozenset({"example", "seed", "image", "output", "flagged", "truncated"})
_WRONG = (ValueError, KeyError, TypeError, AttributeError)  # the errors of reading a field of another kind


class DamagedUnitError(GillBenchError):
    """A committed unit is not as it was written, and its samples must be made again."""


def is_whole(folder: Path) -> bool:
    """Whether a unit is committed and as it was written; the content of pictures is checked when they are scored."""
    try:
        return is_done(folder) and bool(read_unit(folder))
    except DamagedUnitError:
        return False


def read_unit(folder: Path) -> Unit:
    """Read a committed unit's description, and check that its files are there.

    Raises:
        DamagedUnitError: `unit.json`, `samples.jsonl` or `vectors.npy` is damaged, or a file is missing.
    """
    try:
        return _read_unit(folder)
    except DamagedUnitError:
        if not is_remote(folder):
            raise
        # This machine's copies may be damaged, or the folder was listed while it was written.
        forget_list(folder)
        return _read_unit(folder)


def _read_unit(folder: Path) -> Unit:
    file = folder / COMMIT
    commit = read_commit(folder)
    if commit.unit.key != folder.name:
        raise DamagedUnitError(f"{file} is damaged: its examples, seeds or recipe are not those of this unit")
    try:
        missing = sorted(set(commit.files) - {entry.name for entry in folder.iterdir()})
        if missing:
            raise DamagedUnitError(f"{folder / missing[0]} is missing")
        for name in (SAMPLES, *({VECTORS} & commit.files.keys())):
            file = folder / name
            check_is_file(file)
            if digest_file(file) != commit.files[name]:
                raise DamagedUnitError(f"{file} is damaged (its SHA-256 differs)")
    except (OSError, *_WRONG) as error:
        raise DamagedUnitError(f"{file} is damaged ({_reason(error)})") from error
    return commit.unit


def read_commit(folder: Path) -> Commit:
    """Read a committed unit's `unit.json`, and no other file of the unit.

    Raises:
        DamagedUnitError: The file is damaged, or names a file outside the unit's folder.
    """
    file = folder / COMMIT
    try:
        raw = from_json(read_file(file).decode("utf-8"))
        for name in raw["files"]:
            problem = name_problem(name)
            if problem:
                raise ValueError(f"files: {name[:80]!r} {problem}")
        unit = Unit(
            raw["task"],
            raw["model"],
            raw["context"],
            raw["recipe"],
            tuple((name, content) for name, content in raw["examples"]),
            tuple(raw["seeds"]),
        )
        return Commit(unit, dict(raw["files"]), raw.get("made", {}))
    except (OSError, *_WRONG) as error:
        raise DamagedUnitError(f"{file} is damaged ({_reason(error)})") from error


def read_samples(folder: Path) -> list[Sample]:
    """Read a committed unit's `samples.jsonl`, in the order in which the samples were made.

    Raises:
        DamagedUnitError: The file is damaged, or names a picture that `unit.json` does not.
    """
    file = folder / SAMPLES
    hashes = file_hashes(folder)
    try:
        content = read_file(file)
        if hashlib.sha256(content).hexdigest() != hashes[SAMPLES]:
            raise ValueError("its SHA-256 differs")
        # Split at line feeds alone: texts may hold characters that Python also takes for a line end, such as U+2028.
        lines = [line for line in content.decode("utf-8").split("\n") if line]
        return [_sample(folder, row, from_json(line), hashes) for row, line in enumerate(lines)]
    except (OSError, *_WRONG) as error:
        raise DamagedUnitError(f"{file} is damaged ({_reason(error)})") from error


def _sample(folder: Path, row: int, line: dict[str, Any], hashes: Mapping[str, str]) -> Sample:
    image = line.get("image", "")
    if image and image not in hashes:
        raise ValueError(f"{COMMIT} names no picture {image[:80]!r}")
    return Sample(
        folder,
        row,
        line["example"],
        line["seed"],
        image,
        line.get("output", {}),
        line["flagged"],
        line["truncated"],
        {name: value for name, value in line.items() if name not in _SAMPLE_KEYS},
        hashes.get(image, ""),
    )


def recipe_of(folder: Path) -> str:
    """The digest of a committed unit's recipe, from `unit.json` alone; raises as `read_commit`."""
    return read_commit(folder).unit.recipe


def read_vectors(folder: Path) -> NDArray[np.float32]:
    """Read a committed unit's vectors (samples, p), float32; raises `DamagedUnitError` if they are not as written."""
    file = folder / VECTORS
    try:
        content = read_file(file)
        if hashlib.sha256(content).hexdigest() != file_hashes(folder)[VECTORS]:
            raise changed_file(file)
        vectors: NDArray[np.float32] = read_array(io.BytesIO(content))
    except (OSError, ValueError, KeyError) as error:
        raise DamagedUnitError(f"{file} is damaged ({_reason(error)})") from error
    return vectors


def read_picture(file: Path, sha256: str) -> bytes:
    """Read a picture of a committed unit.

    Args:
        file: The picture's file.
        sha256: The SHA-256 with which the picture was committed.

    Raises:
        DamagedUnitError: The file is not there, or is not as it was written.
    """
    try:
        content = read_file(file)
    except OSError as error:
        raise DamagedUnitError(f"{file} is damaged ({_reason(error)}); {MEND}") from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise changed_file(file)
    return content


def changed_file(file: Path) -> DamagedUnitError:
    """The error for a file of a unit whose content is not the committed one."""
    return DamagedUnitError(f"{file}: its content is not what the model made (SHA-256 differs); {MEND}")


def file_hashes(folder: Path) -> Mapping[str, str]:
    """The SHA-256 of each file of a committed unit, as it was written."""
    return read_commit(folder).files


def unit_content(folder: Path) -> str:
    """The digest of the hashes of a unit's samples, vectors and pictures.

    It does not depend on when and where they were made. Scores and features of the unit are kept with this digest, and
    count only as long as it stays the same.
    """
    return digest(dict(file_hashes(folder)))


def _reason(error: Exception) -> str:
    return "not there" if isinstance(error, FileNotFoundError) else reason_of(error)
