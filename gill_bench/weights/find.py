"""Finding a component's weights in the folder of `--weights`, on the hub or among the embedded ones; their digest."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from gill_bench.cards.find import Component
from gill_bench.errors import InputError
from gill_bench.storage.cache import cache_folder
from gill_bench.storage.digests import digest, digest_file, file_stamp
from gill_bench.storage.files import write_atomic
from gill_bench.storage.paths import refuse_special
from gill_bench.weights.checkpoints import listed_shards
from gill_bench.weights.embedded import weights_folder
from gill_bench.weights.hub import hub_folder
from gill_bench.weights.network_files import readable

MINI = "mini"
MARK = "gill-bench-mini.json"
"""A file in every folder of embedded weights, so that a copy of them is never taken for the real weights."""
_NO_WEIGHTS = frozenset({".md", ".npy", ".pkl", ".png", ".jpg", ".jpeg", ".pdf", "LICENSE"})
_LARGE = 1 << 26  # bytes above which a file's digest is remembered
_SETTLED = 2_000_000_000  # nanoseconds after which the next change of a file surely gets another time
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Weights:
    """The folder or file of one component.

    Attributes:
        label: Name in signatures: the hub id or folder name of real weights, "mini" for embedded ones.
        path: Local folder or file.
        files: Names or patterns of the files that count in a folder of the hub's cache; () = all files.
        whole: Whether a user's own code reads the weights, so that every file counts that is not hidden.
        revision: The card's revision of the hub id, which is part of the digest; "" if the card names none.
    """

    label: str
    path: Path
    files: tuple[str, ...] = ()
    whole: bool = False
    revision: str = ""

    @property
    def stand_in(self) -> bool:
        """Whether these are the small embedded weights, which stand in for the real ones."""
        return self.label == MINI

    def digest(self) -> str:
        """SHA-256 over names and content of all files that a loader may read.

        Raises:
            InputError: A file or folder cannot be read.
        """
        try:
            _log.info("%s: SHA-256 of the files that count", self.path)
            files = {name: file_digest(file) for name, file in self.read_files().items()}
            return digest([self.revision, files] if self.revision else files)
        except OSError as error:
            raise InputError(f"{error.filename}: cannot be read: {error.strerror}") from error

    def read_files(self) -> dict[str, Path]:
        """The files that a loader may read, which count for the digest, by their paths in the folder."""
        files = {".": self.path} if self.path.is_file() else dict(sorted(_walk(self.path)))
        if self.files:
            # As the hub's client has it, a folder's name stands for all files in the folder.
            patterns = [f"{pattern}*" if pattern.endswith("/") else pattern for pattern in self.files]
            files = {name: file for name, file in files.items() if any(fnmatch(name, part) for part in patterns)}
        elif not self.whole and not self.path.is_file():
            # No loader reads documents, pictures, or embeddings of retrieval candidates.
            files = {name: file for name, file in files.items() if not _NO_WEIGHTS & {file.suffix.lower(), file.name}}
            files = {name: files[name] for name in readable(files, listed_shards(files))}
        return files


def find_weights(component: Component, source: str, *, whole: bool = False) -> Weights:
    """Find a component's weights.

    Args:
        component: The component of a card.
        source: "mini", or the folder given as `--weights`.
        whole: Whether a user's own code reads the weights, so that every file counts.

    Returns:
        The weights in `source` under the component's folder name, its hub id, or the folder name that the hub's cache
        uses for the id; else the weights from the hub.

    Raises:
        InputError: The weights are nowhere (the message says what to download and where to put it), or a pipe, socket
            or device is among them.
    """
    if source == MINI:
        if not component.mini:
            raise InputError(
                f"{component.folder}: there are no embedded weights for it; give a folder with --weights DIR"
            )
        return Weights(MINI, weights_folder() / component.mini, whole=whole)
    folder = Path(source)
    if not folder.is_dir():
        raise InputError(
            f"{folder}: no such folder (given by --weights); use a folder, or 'mini' for the embedded weights"
        )
    revision = component.revision
    label = f"{component.id}@{revision}" if revision else component.id or component.folder
    for name in (component.folder, component.id, f"models--{component.id.replace('/', '--')}"):
        if name and (folder / name).exists():
            path = _snapshot(folder / name, revision or "main")
            _refuse_special_files(path)
            embedded = (path / MARK).is_file()  # also in a copy under another name
            return Weights(MINI if embedded else label, path, whole=whole, revision="" if embedded else revision)
    return Weights(label, _from_hub(component, folder, whole), component.files, whole, revision)


def _from_hub(component: Component, folder: Path, whole: bool) -> Path:
    url = component.url or (f"https://huggingface.co/{component.id}" if component.id else "its source")
    source = f"{url} ({component.size or 'size unknown'})"
    hint = f"download it from {source} to {folder / component.folder}"
    if not component.id:
        raise InputError(f"{folder}: has no {component.folder}; {hint}")
    try:
        return hub_folder(component.id, component.files, revision=component.revision, whole=whole)
    except InputError as error:
        raise InputError(f"{folder}: has no {component.folder}; {error}; {hint}") from error


def _snapshot(folder: Path, revision: str) -> Path:
    """The snapshot of a revision in a folder with the layout of the hub's cache; any other path is returned unchanged.

    Raises:
        InputError: The cache lacks the revision; or it has several snapshots, and `refs/main` names none of them.
    """
    if not (folder / "snapshots").is_dir() or not (folder / "blobs").is_dir():
        return folder
    ref = folder / "refs" / revision
    commit = ref.read_text(encoding="utf-8", errors="replace").strip() if ref.is_file() else revision
    snapshots = sorted(path for path in (folder / "snapshots").iterdir() if path.is_dir())
    named = [path for path in snapshots if path.name == commit]
    if not named and revision != "main":
        raise InputError(f"{folder}: a repository in the hub's cache without revision {revision!r}; download it")
    named = named or snapshots
    if len(named) != 1:
        raise InputError(
            f"{folder}: a repository in the hub's cache with {len(snapshots)} snapshots, none of them refs/main;"
            " link or copy the folder of one snapshot instead"
        )
    return named[0]


def _walk(folder: Path, prefix: str = "", above: frozenset[Path] = frozenset()) -> Iterator[tuple[str, Path]]:
    """All files below a folder that are not hidden, with their paths in it; links are followed, but not in circles."""
    real = folder.resolve()
    if real in above:
        return
    for entry in folder.iterdir():
        name = prefix + entry.name
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from _walk(entry, f"{name}/", above | {real})
        elif entry.exists():
            yield name, entry


def _refuse_special_files(path: Path) -> None:
    """Refuse pipes, sockets and devices among weights before a library opens one and waits for ever."""
    for file in [path] if not path.is_dir() else [file for _, file in _walk(path)]:
        try:
            refuse_special(file)
        except OSError as error:
            raise InputError(f"{file}: {error.strerror}") from error


def file_digest(file: Path) -> str:
    """SHA-256 of a file; the digest of a large file is remembered in the cache.

    A remembered digest is used while the file's path, device, inode, size and both times are the same. No program can
    set the time of the last change of status; it changes when the file is written or another file takes its place.
    """
    status = file.stat()
    if status.st_size < _LARGE:
        return digest_file(file)
    stamp = file_stamp(file)
    memory = cache_folder() / "digests" / f"{digest(stamp)}.json"
    try:
        return str(json.loads(memory.read_bytes())["sha256"])
    except (OSError, ValueError, TypeError, LookupError):  # not remembered yet, or damaged
        _log.info("%s: reading %d bytes for its SHA-256, which is then remembered", file, status.st_size)
        computed = digest_file(file)
    settled = time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) > _SETTLED
    if settled and file_stamp(file) == stamp:
        memory.parent.mkdir(exist_ok=True)
        write_atomic(memory, json.dumps({"sha256": computed}).encode())
    return computed
