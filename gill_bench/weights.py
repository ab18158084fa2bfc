"""Where a component's weights are (the folder of `--weights`, the hub, or the embedded ones), and their digest."""

from __future__ import annotations

import json
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from gill_bench.cache import cache_folder
from gill_bench.cards import Component
from gill_bench.errors import InputError
from gill_bench.files import digest, digest_file, write_atomic
from gill_bench.hub import hub_folder, readable

MINI = "mini"
MARK = "gill-bench-mini.json"
"""A file that every embedded weights' folder has: what stands in for the real thing never passes for it."""
_NO_WEIGHTS = frozenset({".md", ".npy", ".pkl", ".png", ".jpg", ".jpeg", ".pdf"})
_LARGE = 1 << 26  # bytes above which a file's digest is remembered


@dataclass(frozen=True, slots=True)
class Weights:
    """One component, found.

    Attributes:
        label: What it is called in signatures: the hub id or folder name of the real one, "mini" for the embedded.
        path: Local folder or file.
        files: Names or patterns of what counts in a folder of the hub's cache, whatever else is there; () = everything.
    """

    label: str
    path: Path
    files: tuple[str, ...] = ()

    @property
    def stand_in(self) -> bool:
        """Whether it is the small embedded one."""
        return self.label == MINI

    def digest(self) -> str:
        """SHA-256 over names and content of all files that matter."""
        files = [self.path] if self.path.is_file() else sorted(p for p in self.path.rglob("*") if _counts(p, self.path))
        names = {file.relative_to(self.path).as_posix(): file for file in files}
        wanted = [name for name in readable(names) if any(fnmatch(name, one) for one in self.files or ("*",))]
        return digest({name: file_digest(names[name]) for name in wanted})


def find_weights(component: Component, source: str) -> Weights:
    """Find a component's weights.

    Args:
        component: As named in a card.
        source: "mini", or the folder given as `--weights`.

    Returns:
        The folder or file inside `source` named by the card (by folder name, or by hub id), else the hub's.

    Raises:
        InputError: It is nowhere; says what to download and where to put it.
    """
    if source == MINI:
        if not component.mini:
            raise InputError(
                f"{component.folder}: there are no embedded weights for it; give a folder with --weights DIR"
            )
        from gill_bench.mini.embedded import weights_folder

        return Weights(MINI, weights_folder() / component.mini)
    folder = Path(source)
    if not folder.is_dir():
        raise InputError(
            f"{folder}: no such folder (given by --weights); use a folder, or 'mini' for the embedded weights"
        )
    label = component.id or component.folder
    for name in (component.folder, component.id):
        if name and (folder / name).exists():
            embedded = (folder / name / MARK).is_file()  # wherever it was copied, and whatever it is called there
            return Weights(MINI if embedded else label, folder / name)
    return Weights(label, _from_hub(component, folder), component.files)


def _from_hub(component: Component, folder: Path) -> Path:
    url = component.url or (f"https://huggingface.co/{component.id}" if component.id else "its source")
    source = f"{url} ({component.size or 'size unknown'})"
    hint = f"download it from {source} to {folder / component.folder}"
    if not component.id:
        raise InputError(f"{folder}: has no {component.folder}; {hint}")
    try:
        return hub_folder(component.id, component.files)
    except InputError as error:
        raise InputError(f"{folder}: has no {component.folder}; {error}; {hint}") from error


def _counts(file: Path, root: Path) -> bool:
    """Whether a file can change what a model does: neither what people read nor embeddings of retrieval candidates."""
    hidden = any(part.startswith(".") for part in file.relative_to(root).parts)
    return file.is_file() and not hidden and file.suffix.lower() not in _NO_WEIGHTS and file.name != "LICENSE"


def file_digest(file: Path) -> str:
    """SHA-256 of a file; for large files remembered by path, size and time of change."""
    status = file.stat()
    if status.st_size < _LARGE:
        return digest_file(file)
    stamp = [str(file.resolve()), status.st_size, status.st_mtime_ns]
    memory = cache_folder() / "digests" / f"{digest(stamp)}.json"
    if memory.is_file():
        return str(json.loads(memory.read_text())["sha256"])
    found = digest_file(file)
    memory.parent.mkdir(exist_ok=True)
    write_atomic(memory, json.dumps({"sha256": found}).encode())
    return found
