"""Units of work: a fixed list of examples with all their seeds, and the folder that holds what a model made of them.

    units/<task>/<model>/<context>/<key>/   samples.jsonl, *.png or vectors.npy, unit.json (written last: the commit)

A folder without `unit.json` does not exist: whatever it holds is left over from a kill and is made again.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gill_bench.errors import GillBenchError, InputError
from gill_bench.rundir.records import COMMIT as COMMIT
from gill_bench.rundir.records import SAMPLES as SAMPLES
from gill_bench.rundir.records import SCHEMA_VERSION, CellKey
from gill_bench.rundir.records import VECTORS as VECTORS
from gill_bench.rundir.records import Sample as Sample
from gill_bench.rundir.records import Unit as Unit
from gill_bench.storage.digests import digest, digest_file
from gill_bench.storage.files import forget_list, remove_folder, writing
from gill_bench.storage.json import from_json, to_json
from gill_bench.storage.names import name_problem
from gill_bench.storage.paths import is_remote
from gill_bench.storage.sealed import check_is_file, read_file, reason_of, remove_anything

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

MEND = "gill-bench verify RUN withdraws its unit, and the same command makes it again"
_OWN_KEYS = frozenset({"example", "seed", "image", "output", "flagged", "truncated"})
_KEY = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class Output:
    """What a model made of one example with one seed, not stored yet: a picture, a vector or plain values.

    Attributes:
        image: RGB.
        vector: (p,), float32; all outputs of a unit have one, or none has.
        values: Such as {"text": "two dogs"}: JSON.
        flagged: The model's safety checker blackened the picture.
        truncated: The prompt was longer than the model reads.
    """

    image: Image | None = None
    vector: NDArray[np.float32] | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    flagged: bool = False
    truncated: bool = False


class DamagedUnitError(GillBenchError):
    """A committed unit is not as it was written; its samples must be made again."""


def cell_folder(run: Path, cell_key: CellKey) -> Path:
    """The folder of a cell's units, the one place where names of tasks, models and contexts become a path.

    Args:
        run: The run directory.
        cell_key: Names from cards, or from files of a run that came from somewhere else.

    Raises:
        InputError: A name would lead out of the run, or a symbolic link does.
    """
    for kind, name in zip(CellKey._fields, cell_key, strict=True):
        problem = name_problem(name)
        if problem:
            raise InputError(f"{run}: the name of a {kind}, {name[:80]!r}, {problem}; nothing of it is read or written")
    folder = run.joinpath(*cell_key.path.parts)
    if not is_remote(run) and not folder.resolve().is_relative_to(run.resolve()):
        raise InputError(
            f"{folder}: a symbolic link leads out of the run, and links out of a run are not followed;"
            " put the folder itself there"
        )
    return folder


def is_unit_name(name: str) -> bool:
    """Whether a folder can be that of a unit; anything else among units is not ours and is left alone."""
    return _KEY.fullmatch(name) is not None


def unit_folders(cell: Path) -> list[Path]:
    """The committed units of a cell's folder, whole or not, in order."""
    if not cell.is_dir():
        return []
    folders = [entry for entry in sorted(cell.iterdir()) if is_unit_name(entry.name) and is_done(entry)]
    return [folder for folder in folders if is_remote(folder) or not folder.is_symlink()]


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
        DamagedUnitError: `unit.json`, `samples.jsonl` or `vectors.npy` is damaged, or a file is missing.
    """
    try:
        return _read_unit(folder)
    except DamagedUnitError:
        if not is_remote(folder):
            raise
        # It may be that this machine's copies are damaged, or that it was listed while it was written.
        forget_list(folder)
        return _read_unit(folder)


def _read_unit(folder: Path) -> Unit:
    file = folder / COMMIT
    raw = _read_commit(folder)
    try:
        unit = Unit(
            raw["task"],
            raw["model"],
            raw["context"],
            raw["recipe"],
            tuple((name, content) for name, content in raw["examples"]),
            tuple(raw["seeds"]),
        )
        if unit.key != folder.name:
            raise DamagedUnitError(f"{file} is damaged: its examples, seeds or recipe are not those of this unit")
        files: dict[str, str] = raw["files"]
        missing = sorted(set(files) - {entry.name for entry in folder.iterdir()})
        if missing:
            raise DamagedUnitError(f"{folder / missing[0]} is missing")
        for name in (SAMPLES, *({VECTORS} & files.keys())):
            file = folder / name
            check_is_file(file)
            if digest_file(file) != files[name]:
                raise DamagedUnitError(f"{file} is damaged (its SHA-256 differs)")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedUnitError(f"{file} is damaged ({_reason(error)})") from error
    return unit


def _read_commit(folder: Path) -> dict[str, Any]:
    """The content of `unit.json`, of which every name in `files` is that of a file in the unit's folder."""
    file = folder / COMMIT
    try:
        raw: dict[str, Any] = from_json(read_file(file).decode("utf-8"))
        for name in raw["files"]:
            problem = name_problem(name)
            if problem:
                raise ValueError(f"files: {name[:80]!r} {problem}")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedUnitError(f"{file} is damaged ({_reason(error)})") from error
    return raw


def recipe_of(folder: Path) -> str:
    """Digest of the recipe of a committed unit; raises as `read_unit`, but sees to nothing else of it."""
    return str(_read_commit(folder).get("recipe"))


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
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
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
        {name: value for name, value in line.items() if name not in _OWN_KEYS},
        hashes.get(image, ""),
    )


def read_vectors(folder: Path) -> NDArray[np.float32]:
    """Read a committed unit's vectors (samples, p), and check that they are those that were written."""
    import numpy as np

    file = folder / VECTORS
    try:
        content = read_file(file)
        if hashlib.sha256(content).hexdigest() != file_hashes(folder)[VECTORS]:
            raise changed_file(file)
        vectors: NDArray[np.float32] = np.load(io.BytesIO(content), allow_pickle=False)
    except (OSError, ValueError, KeyError) as error:
        raise DamagedUnitError(f"{file} is damaged ({_reason(error)})") from error
    return vectors


def read_picture(file: Path, sha256: str) -> bytes:
    """The content of a committed unit's picture, as it was written.

    Raises:
        DamagedUnitError: It is not that any more, or not there.
    """
    try:
        content = read_file(file)
    except OSError as error:
        raise DamagedUnitError(f"{file} is damaged ({_reason(error)}); {MEND}") from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise changed_file(file)
    return content


def changed_file(file: Path) -> DamagedUnitError:
    """The error for a unit's file that is not the one that was committed."""
    return DamagedUnitError(f"{file}: its content is not what the model made (SHA-256 differs); {MEND}")


def file_hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of a committed unit's files, as they were written."""
    hashes: dict[str, str] = _read_commit(folder)["files"]
    return hashes


def unit_content(folder: Path) -> str:
    """Digest of what a committed unit holds: its samples, vectors and pictures, whenever and wherever they were made.

    Whatever is computed of a unit and kept (scores, features, numbers of a cell) is kept with this, and counts only
    as long as it is the same.
    """
    return digest(file_hashes(folder))


def _reason(error: Exception) -> str:
    return "not there" if isinstance(error, FileNotFoundError) else reason_of(error)


def write_unit(
    folder: Path,
    unit: Unit,
    outputs: Sequence[Sequence[Output]],
    details: Sequence[Mapping[str, Any]],
    made: Mapping[str, Any],
) -> None:
    """Write a unit: pictures, vectors and samples first, `unit.json` last.

    Args:
        folder: The unit's folder; leftovers of a killed attempt are removed. In an object store there are no locks:
            if another machine committed the unit in the meantime, its files stay, and nothing is written.
        unit: The unit.
        outputs: Per example and seed.
        details: Per example, what to note with its samples (cluster, prompt).
        made: How it was made (seconds, device): not part of the key.
    """
    forget_list(folder)
    if is_remote(folder):
        if folder.is_dir():
            if is_whole(folder):
                return
            (folder / COMMIT).unlink(missing_ok=True)
            remove_folder(folder)
    else:
        if not folder.is_symlink():
            remove_anything(folder / COMMIT)  # first: a folder without it is no unit
        remove_anything(folder)
    folder.mkdir(parents=True)
    lines: list[str] = []
    files: dict[str, str] = {}
    with writing(folder, last=COMMIT) as write:

        def put(name: str, content: bytes) -> None:
            write(name, content)
            files[name] = hashlib.sha256(content).hexdigest()

        for place, ((example, _), made_of_it, detail) in enumerate(zip(unit.examples, outputs, details, strict=True)):
            for seed, output in zip(unit.seeds, made_of_it, strict=True):
                sample: dict[str, Any] = {"example": example, "seed": seed}
                if output.image is not None:
                    name = sample["image"] = f"{place:03d}-{_readable(example)}-{seed}.png"
                    put(name, _png(output.image))
                if output.values:
                    sample["output"] = dict(output.values)
                sample |= {"flagged": output.flagged, "truncated": output.truncated, **detail}
                lines.append(to_json(sample))
        vectors = [output.vector for made_of_it in outputs for output in made_of_it if output.vector is not None]
        if vectors:
            put(VECTORS, _npy(vectors))
        put(SAMPLES, ("\n".join(lines) + "\n").encode())
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
        write(COMMIT, (to_json(commit, indent=1) + "\n").encode())


def _png(picture: Image) -> bytes:
    buffer = io.BytesIO()
    picture.convert("RGB").save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _npy(vectors: Sequence[NDArray[np.float32]]) -> bytes:
    import numpy as np

    buffer = io.BytesIO()
    np.save(buffer, np.stack(vectors).astype(np.float32, copy=False), allow_pickle=False)
    return buffer.getvalue()


def _readable(example: str) -> str:
    """An example id made safe as part of a file name; the place before it keeps names distinct."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", example)[:40]
