"""Writes the files of a run, each atomically; equal records give equal bytes. No other module writes these files."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gill_bench.progress import say
from gill_bench.rundir.load import raw_sessions, read_spec
from gill_bench.rundir.load_units import is_whole
from gill_bench.rundir.probes import PROBES, ContextProbe
from gill_bench.rundir.records import (
    COMMIT,
    ENVIRONMENT,
    EXPERIMENT,
    RESULTS,
    SAMPLES,
    SCHEMA_VERSION,
    SPEC,
    SPEC_FORMAT,
    UNITS,
    VECTORS,
    CellScores,
    PictureScores,
    Reason,
    Session,
    Spec,
    Unit,
)
from gill_bench.rundir.rows import Results
from gill_bench.storage.files import forget_list, remove_folder, writing
from gill_bench.storage.json import to_json
from gill_bench.storage.paths import is_remote
from gill_bench.storage.read_ahead import read_ahead
from gill_bench.storage.sealed import (
    SEAL,
    DamagedFileError,
    put_aside,
    read_sealed,
    remove_anything,
    replace_file,
    write_sealed,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image


@dataclass(frozen=True, slots=True)
class Output:
    """The output of a model for one example and seed, before it is stored: a picture, a vector or plain values.

    Attributes:
        image: The picture, which is stored as RGB; None if the output is none.
        vector: (p,), float32; either all outputs of a unit have a vector, or none has.
        values: Values that JSON can hold, such as {"text": "two dogs"}.
        flagged: Whether the model's safety checker blackened the picture.
        truncated: Whether the prompt was longer than the model reads.
    """

    image: Image | None = None
    vector: NDArray[np.float32] | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    flagged: bool = False
    truncated: bool = False


def write_spec(run: Path, spec: Spec) -> None:
    """Write `spec.json`, sealed."""
    cells = [asdict(cell) for cell in spec.cells]
    for cell in cells:
        for name in ("row_seeds", "usable"):
            if cell[name] is None:  # a cell of an older version
                del cell[name]
    value = {
        "schema_version": SCHEMA_VERSION,
        "format": SPEC_FORMAT,
        "tasks": {name: asdict(task) for name, task in spec.tasks.items()},
        "cells": cells,
    }
    write_sealed(run / SPEC, value, indent=1)


def seal_spec(run: Path) -> None:
    """Seal a `spec.json` of an older version, which has no seal; any other stays as it is.

    Raises:
        InputError: The file is damaged, or of another version.
    """
    spec = read_spec(run)
    if SEAL not in read_sealed(run / SPEC, "", seal=False):
        write_spec(run, spec)


def spec_to_renew(run: Path) -> Spec:
    """The content of `spec.json`, for a command that writes the file again; a damaged file is put aside.

    Raises:
        InputError: The file is of another version, or damaged in a folder that holds nothing else of a run.
    """
    try:
        return read_spec(run)
    except DamagedFileError as error:
        if not (run / UNITS).is_dir() and not (run / ENVIRONMENT).is_file():
            raise
        aside = put_aside(run / SPEC)
        say(
            f"warning: {run / SPEC}: damaged: {error.reason}; it is written anew with the cells of this command, and"
            f" the old one is {aside.name}; run the other commands on this folder again too"
        )
        return Spec()


def add_session(run: Path, session: Session) -> None:
    """Add a session to `env.json`; a damaged file is put aside."""
    try:
        sessions = raw_sessions(run)
    except DamagedFileError as error:
        aside = put_aside(run / ENVIRONMENT)
        say(f"warning: {run / ENVIRONMENT}: damaged: {error.reason}; it is begun anew, and the old one is {aside.name}")
        sessions = []
    content = {"schema_version": SCHEMA_VERSION, "sessions": [*sessions, asdict(session)]}
    replace_file(run / ENVIRONMENT, (to_json(content, indent=1) + "\n").encode())


def write_experiment(run: Path, text: str) -> None:
    """Write `experiment.toml`, the run as a file."""
    replace_file(run / EXPERIMENT, text.encode())


def write_unit(
    folder: Path,
    unit: Unit,
    outputs: Sequence[Sequence[Output]],
    details: Sequence[Mapping[str, Any]],
    record: Mapping[str, Any],
) -> None:
    """Write a unit: pictures, vectors and samples first, `unit.json` last.

    Args:
        folder: The unit's folder; leftovers of a killed attempt are removed. In an object store there are no locks:
            if another machine committed the unit in the meantime, its files stay, and nothing is written.
        unit: The unit.
        outputs: For each example a list with one output per seed.
        details: For each example the facts that stand with its samples (cluster, target, prompt).
        record: How the unit was made (device, batch size, seconds); it is not part of the unit's key.
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
            remove_anything(folder / COMMIT)  # this goes first: a folder without it is no unit
        remove_anything(folder)
    folder.mkdir(parents=True)
    lines: list[str] = []
    files: dict[str, str] = {}
    with writing(folder, last=COMMIT) as write:

        def put(name: str, content: bytes) -> None:
            write(name, content)
            files[name] = hashlib.sha256(content).hexdigest()

        pictures = [output.image for results in outputs for output in results if output.image is not None]
        encoded = iter(list(read_ahead(_png, pictures)))  # all at once, so that no thread is left if writing fails
        for number, ((example, _), results, detail) in enumerate(zip(unit.examples, outputs, details, strict=True)):
            for seed, output in zip(unit.seeds, results, strict=True):
                sample: dict[str, Any] = {"example": example, "seed": seed}
                if output.image is not None:
                    name = sample["image"] = f"{number:03d}-{_readable(example)}-{seed}.png"
                    put(name, next(encoded))
                if output.values:
                    sample["output"] = dict(output.values)
                sample |= {"flagged": output.flagged, "truncated": output.truncated, **detail}
                lines.append(to_json(sample))
        vectors = [output.vector for results in outputs for output in results if output.vector is not None]
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
            "made": dict(record),
        }
        write(COMMIT, (to_json(commit, indent=1) + "\n").encode())


def write_failure(cell: Path, unit: Unit, example: tuple[str, str], reason: Reason) -> Path:
    """Write the record of an example that has no output; the caller holds the lock of its unit.

    Args:
        cell: The folder of the cell.
        unit: The unit that the example belongs to.
        example: Id of the example and digest of what the model was given.
        reason: Why there is no output.

    Returns:
        The file.
    """
    file = cell / f"failed-{replace(unit, examples=(example,)).key}.json"
    value = {
        "schema_version": SCHEMA_VERSION,
        "task": unit.task,
        "model": unit.model,
        "context": unit.context,
        "example": example[0],
        "content": example[1],
        "recipe": unit.recipe,
        "seeds": list(unit.seeds),
        **asdict(reason),
    }
    cell.mkdir(parents=True, exist_ok=True)
    write_sealed(file, value, indent=1)
    return file


def write_scores(file: Path, scores: PictureScores | CellScores) -> None:
    """Write the scores of a unit's pictures, or of a cell."""
    file.parent.mkdir(parents=True, exist_ok=True)
    write_sealed(file, asdict(scores))


def write_features(file: Path, features: NDArray[np.float32], content: str = "") -> None:
    """Write features, and two digests behind the array, where readers of `.npy` do not look.

    Args:
        file: The file.
        features: The features (pictures, width).
        content: The digest of the unit's files (`load_units.unit_content`); "" if the file's name says which pictures.
    """
    import numpy as np

    buffer = io.BytesIO()
    np.save(buffer, features, allow_pickle=False)
    array = buffer.getvalue() + bytes.fromhex(content)
    replace_file(file, array + hashlib.sha256(array).digest())


def write_results(run: Path, results: Results) -> None:
    """Write `results.json`."""
    value = {
        "schema_version": SCHEMA_VERSION,
        "notes": list(results.notes),
        "rows": [asdict(row) for row in results.rows],
        "missing": [asdict(item) for item in results.missing],
        "unmade": [asdict(item) for item in results.unmade],
    }
    write_sealed(run / RESULTS, value, indent=1)


def write_probes(run: Path, probes: Iterable[ContextProbe]) -> None:
    """Write `probes.json`, sealed."""
    ordered = sorted(probes, key=lambda probe: probe.cell_key)
    value = {"schema_version": SCHEMA_VERSION, "probes": [asdict(probe) for probe in ordered]}
    write_sealed(run / PROBES, value, indent=1)


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
    """An example id as part of a file name; the number before it keeps names distinct."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", example)[:40]
