"""Units of work: a fixed list of examples with all their seeds, and the folder that holds what a model made of them.

    units/<task>/<model>/<context>/<key>/   samples.jsonl, *.png, unit.json (written last: the commit)

A folder without `unit.json` does not exist: whatever it holds is left over from a kill and is made again.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gill_bench.errors import GillBenchError
from gill_bench.files import digest, digest_file, sync_folder, to_json, write_atomic
from gill_bench.interfaces import GeneratedImage

SCHEMA_VERSION = 1
COMMIT = "unit.json"
SAMPLES = "samples.jsonl"


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit of work.

    Attributes:
        examples: (example id, digest of what the model is given for it), in the order of the data.
        seeds: The seeds wanted for each of them.
        recipe: Digest of the cell's recipe.
    """

    task: str
    model: str
    context: str
    recipe: str
    examples: tuple[tuple[str, str], ...]
    seeds: tuple[int, ...]

    @property
    def key(self) -> str:
        """Hash over recipe, examples and seeds: 16 hexadecimal digits."""
        return digest([SCHEMA_VERSION, self.recipe, self.examples, self.seeds])[:16]

    def folder(self, cell: Path) -> Path:
        """Where it is stored."""
        return cell / self.key


@dataclass(frozen=True, slots=True)
class Sample:
    """One stored output.

    Attributes:
        example: Its id.
        seed: Its seed.
        image: The picture's file, relative to the unit's folder.
    """

    example: str
    seed: int
    image: str
    flagged: bool
    truncated: bool


class DamagedUnitError(GillBenchError):
    """A committed unit is not as it was written; its samples must be made again."""


def is_done(folder: Path) -> bool:
    """Whether a unit's folder is committed."""
    return (folder / COMMIT).is_file()


def is_whole(folder: Path) -> bool:
    """Whether a unit's folder is committed and as it was written, pictures' content aside (scoring checks that)."""
    try:
        return is_done(folder) and bool(read_unit(folder))
    except DamagedUnitError:
        return False


def read_unit(folder: Path) -> Unit:
    """Read a committed unit's description, and see that its files are there.

    Raises:
        DamagedUnitError: `unit.json` or `samples.jsonl` is damaged, or a file is missing.
    """
    file = folder / COMMIT
    try:
        raw: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        unit = Unit(
            raw["task"],
            raw["model"],
            raw["context"],
            raw["recipe"],
            tuple((name, content) for name, content in raw["examples"]),
            tuple(raw["seeds"]),
        )
        files: dict[str, str] = raw["files"]
        missing = sorted(set(files) - {entry.name for entry in folder.iterdir()})
        if missing:
            raise DamagedUnitError(f"{folder / missing[0]} is missing")
        if digest_file(folder / SAMPLES) != files[SAMPLES]:
            raise DamagedUnitError(f"{folder / SAMPLES} is damaged")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedUnitError(f"{file} is damaged ({error!r})") from error
    return unit


def read_samples(folder: Path) -> list[Sample]:
    """Read a committed unit's samples, in the order in which they were asked."""
    file = folder / SAMPLES
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
        records = [json.loads(line) for line in lines]
        return [Sample(r["example"], r["seed"], r["image"], r["flagged"], r["truncated"]) for r in records]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DamagedUnitError(f"{file} is damaged ({error!r})") from error


def write_unit(
    folder: Path,
    unit: Unit,
    outputs: Sequence[Sequence[GeneratedImage]],
    details: Sequence[Mapping[str, Any]],
    made: Mapping[str, Any],
) -> None:
    """Write a unit: pictures and samples first, `unit.json` last.

    Args:
        folder: The unit's folder; leftovers of a killed attempt are removed.
        unit: The unit.
        outputs: Per example and seed.
        details: Per example, what to note with its samples (cluster, prompt).
        made: How it was made (seconds, device): not part of the key.
    """
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    lines: list[str] = []
    files: dict[str, str] = {}
    for place, ((example, _), pictures, detail) in enumerate(zip(unit.examples, outputs, details, strict=True)):
        for seed, picture in zip(unit.seeds, pictures, strict=True):
            name = f"{place:03d}-{_readable(example)}-{seed}.png"
            files[name] = _write(folder / name, _png(picture))
            sample = {
                "example": example,
                "seed": seed,
                "image": name,
                "flagged": picture.flagged,
                "truncated": picture.truncated,
                **detail,
            }
            lines.append(to_json(sample))
    files[SAMPLES] = _write(folder / SAMPLES, ("\n".join(lines) + "\n").encode())
    sync_folder(folder)
    commit = {
        "schema_version": SCHEMA_VERSION,
        "key": unit.key,
        "task": unit.task,
        "model": unit.model,
        "context": unit.context,
        "recipe": unit.recipe,
        "examples": unit.examples,
        "seeds": unit.seeds,
        "files": files,
        "made": dict(made),
    }
    write_atomic(folder / COMMIT, (to_json(commit, indent=1) + "\n").encode())
    sync_folder(folder.parent)


def _png(picture: GeneratedImage) -> bytes:
    buffer = io.BytesIO()
    picture.image.convert("RGB").save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _write(path: Path, content: bytes) -> str:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return hashlib.sha256(content).hexdigest()


def _readable(example: str) -> str:
    """An example id made safe as part of a file name; the place before it keeps names distinct."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", example)[:40]
