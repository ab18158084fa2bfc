"""The outputs in a folder that was made elsewhere, matched to the examples of a cell.

A folder has a list of its outputs (`manifest.jsonl`), or names that say whose output a file is: `<seed>/<id>.png`,
`<id>_<seed>.png`, or `<id>.png` for seed 0. Texts are `.txt` files. Only a list can name examples whose ids cannot be
the name of a file, or that two of these names would stand for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gill_bench.datasets import Picture, dataset
from gill_bench.datasets.pictures import EXTENSIONS, Checked, check_pictures
from gill_bench.datasets.prompt_lines import utf8_text
from gill_bench.errors import InputError
from gill_bench.exchange.manifest import MANIFEST, ManifestEntry, read_manifest
from gill_bench.planning.cells import Cell
from gill_bench.planning.resolved import data_folder
from gill_bench.storage.digests import digest, digest_file
from gill_bench.storage.names import name_problem

Key = tuple[str, int]
"""The id of an example and a seed."""
_SHOWN = 3
_MOST_DIGITS = 6  # of a seed in a name


@dataclass(frozen=True, slots=True)
class Incoming:
    """An output that was made elsewhere.

    Attributes:
        where: The file, or file and line of the list, for errors.
        file: The picture's or text's file; None for a text of the list.
        text: The output, if it is a text.
        sha256: The SHA-256 of the picture's file, or of the text.
        entry: The line of the list, or what the name of the file says.
    """

    where: str
    file: Path | None
    text: str | None
    sha256: str
    entry: ManifestEntry


@dataclass
class Faults:
    """The faults of a folder of outputs, by kind, each with its cases, and a sentence that helps with them."""

    cases: dict[str, list[str]] = field(default_factory=dict)
    hint: str = ""

    def add(self, kind: str, case: str) -> None:
        """Note a case."""
        self.cases.setdefault(kind, []).append(case)

    def error(self, folder: Path) -> InputError:
        """The error that names the first cases of each kind."""
        parts = [
            f"{len(cases)} {kind} ({'; '.join(cases[:_SHOWN])}{'; ...' if len(cases) > _SHOWN else ''})"
            for kind, cases in self.cases.items()
        ]
        hint = f"\n{self.hint}" if self.hint else ""
        return InputError(f"{folder}: nothing was imported: {', '.join(parts)}{hint}")


@dataclass(frozen=True)
class IncomingOutputs:
    """The outputs of a folder for a cell.

    Attributes:
        outputs: By example and seed.
        seeds: All seeds, ascending.
        missing: Examples and seeds without an output, in the order of the data.
        ignored: The number of outputs of examples that the data has, but the command did not ask for.
    """

    outputs: Mapping[Key, Incoming]
    seeds: tuple[int, ...]
    missing: tuple[Key, ...]
    ignored: int

    def content(self) -> str:
        """16 hexadecimal digits of the digest of all outputs."""
        parts = [
            [*key, item.sha256, item.entry.flagged, item.entry.truncated] for key, item in sorted(self.outputs.items())
        ]
        return digest(parts)[:16]


def incoming_outputs(
    folder: Path, cell: Cell, progress: Callable[[str, int], Callable[[int], None]]
) -> IncomingOutputs:
    """Find, match and check the outputs of a folder.

    Args:
        folder: The folder.
        cell: The cell that asks for them: pictures, or texts.
        progress: Starts to show progress.

    Raises:
        InputError: Outputs are of no example, twice there, unreadable, or made in another context; or a list of them
            is malformed.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder of outputs")
    faults = Faults()
    pictures = cell.asks == "images"
    listed = (folder / MANIFEST).exists()
    usable, known = cell.usable, _all_ids(cell)
    entries = read_manifest(folder / MANIFEST) if listed else _by_names(folder, cell, known, pictures, faults)
    chosen: dict[Key, tuple[str, ManifestEntry]] = {}
    ignored = 0
    for where, entry in entries:
        key = entry.id, entry.seed
        if entry.id not in usable and entry.id in known:
            ignored += 1
        elif entry.id not in usable:
            faults.add("of no example of the task", f"{where}: {entry.id[:80]!r}")
        elif key in chosen:
            faults.add("twice there", f"{where}, and {chosen[key][0]}")
        elif problem := _other_origin(entry, cell):
            faults.add("made for something else", f"{where}: {problem}")
        elif not pictures and entry.seed:
            faults.add("with a seed, although texts have none", where)
        elif pictures and not entry.file:
            faults.add("no pictures, but texts", where)
        else:
            chosen[key] = where, entry
    outputs = dict(_read(folder, chosen, pictures, faults, progress))
    if faults.cases:
        raise faults.error(folder)
    if not outputs:
        raise InputError(_nothing(folder, pictures))
    seeds = tuple(sorted({seed for _, seed in outputs}))
    missing = tuple((name, seed) for name in cell.usable for seed in seeds if (name, seed) not in outputs)
    return IncomingOutputs(outputs, seeds, missing, ignored)


def _nothing(folder: Path, pictures: bool) -> str:
    kind = "pictures" if pictures else "texts"
    return f"{folder}: no {kind} of this task; expected {MANIFEST}, or files named {_forms(pictures)}"


def _forms(pictures: bool) -> str:
    ending = "png" if pictures else "txt"
    return f"<seed>/<id>.{ending}, <id>_<seed>.{ending} or <id>.{ending}"


def _all_ids(cell: Cell) -> Collection[str]:
    """The ids of all examples of the data, also of those that the command does not ask for."""
    card = cell.task.card
    loaded = dataset(card.data.format).load(data_folder(card, cell.task.data), card.data.split, card.data.options)
    return {example.id for example in loaded.examples}


def _other_origin(entry: ManifestEntry, cell: Cell) -> str:
    """The task, context or prompt that an output was made for, if that is not the cell's; "" if it is."""
    for name, own in (("task", cell.key.task), ("context", cell.key.context)):
        named = getattr(entry, name)
        if named and named != own:
            return f"{name} is {named[:80]!r}, and these are imported for {own!r}"
    if entry.given and entry.given != cell.usable[entry.id].digest:
        return "the model was given another text or picture than the task has for this example"
    return ""


def _by_names(
    folder: Path, cell: Cell, ids: Collection[str], pictures: bool, faults: Faults
) -> Iterator[tuple[str, ManifestEntry]]:
    """The outputs by the names of their files; files of other kinds, and hidden ones, do not count."""
    unnamed = next((name for name in cell.usable if name_problem(name)), None)
    if unnamed is not None:
        raise InputError(
            f"{folder}: the id {unnamed[:80]!r} cannot be the name of a file; list the outputs in {MANIFEST}, with id,"
            " seed and file of each"
        )
    endings = EXTENSIONS if pictures else (".txt",)
    for file in sorted(folder.rglob("*")):
        path = file.relative_to(folder)
        if file.suffix.lower() not in endings or any(part.startswith(".") for part in path.parts):
            continue
        readings = list(_readings(path, ids))
        if len(readings) > 1:
            faults.add("of two examples by their names", f"{file}: {MANIFEST} can say whose it is")
        elif not readings:
            faults.add("of no example of the task", str(file))
            faults.hint = f"files are named {_forms(pictures)}, by the ids of the examples; or {MANIFEST} lists them"
        else:
            yield str(file), ManifestEntry(*readings[0], file=path.as_posix())


def _readings(path: Path, ids: Collection[str]) -> Iterator[Key]:
    """Every example and seed that the name of a file can stand for."""
    stem = path.stem
    if len(path.parts) == 2 and _is_seed(path.parts[0]) and stem in ids:
        yield stem, int(path.parts[0])
    if len(path.parts) == 1:
        if stem in ids:
            yield stem, 0
        name, _, seed = stem.rpartition("_")
        if _is_seed(seed) and name in ids:
            yield name, int(seed)


def _is_seed(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS


def _read(
    folder: Path,
    chosen: Mapping[Key, tuple[str, ManifestEntry]],
    pictures: bool,
    faults: Faults,
    progress: Callable[[str, int], Callable[[int], None]],
) -> Iterator[tuple[Key, Incoming]]:
    """Read every output once; one that cannot be read, or does not have the listed content, is a fault."""
    files = {entry.file: folder / entry.file for _, entry in chosen.values() if entry.file}
    checked = _checked(files, progress) if pictures else {}
    for key, (where, entry) in chosen.items():
        file = files.get(entry.file)
        try:
            text = None if pictures else entry.text if file is None else utf8_text(file).removesuffix("\n")
        except InputError as error:
            faults.add("unreadable", str(error))
            continue
        if pictures and file is not None and checked[entry.file].problem:
            faults.add("unreadable", f"{file}: {checked[entry.file].problem}")
            continue
        own = hashlib.sha256((text or "").encode()).hexdigest() if file is None else digest_file(file)
        if entry.sha256 and entry.sha256 != own:
            faults.add("changed since they were listed", f"{where}: the SHA-256 differs")
            continue
        yield key, Incoming(where, file, text, own, entry)


def _checked(files: Mapping[str, Path], progress: Callable[[str, int], Callable[[int], None]]) -> Mapping[str, Checked]:
    pictures: Iterable[Picture] = [Picture(name, file) for name, file in files.items()]
    return check_pictures(pictures, progress("reading outputs", len(files)))
