"""What was in a folder of an object store when it was listed, and copies of its small files on this machine.

A run of ten thousand units has hundreds of thousands of objects, and each question about one is a request. One listing
answers for a thousand; the small files that are read again and again (unit.json, samples.jsonl, scores, vectors) are
fetched many at a time, once for each machine, and kept in the cache by URL, version and size. Pictures are not kept.

A listing says only what was there: whoever finds nothing in it asks the store. What this process writes is taken out.
"""

from __future__ import annotations

import errno
import hashlib
import os
import threading
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from gill_bench.errors import InputError
from gill_bench.storage.cache import VARIABLE, cache_folder
from gill_bench.storage.files import digest
from gill_bench.storage.object_store import StorePath, reaching

_KEPT = (".json", ".jsonl", ".npy")
_TOGETHER = 256  # files fetched at a time: what bounds memory
_VERSIONS = ("ETag", "etag", "md5Hash", "generation")  # what stores call the version of a content


class _File(NamedTuple):
    name: str
    version: str  # "" of files of which no copy is kept
    size: int


class _Listing:
    """A folder and its subfolders; a text for each, since hundreds of thousands of records would not be small."""

    def __init__(self, root: StorePath, found: Mapping[str, Mapping[str, Any]]) -> None:
        self._root, self._copies = root, _Copies()
        lines: dict[str, list[str]] = {}
        start = len(root.key) + 1
        for path in sorted(found):
            *folders, name = path[start:].split("/")
            if len(folders) <= 1 and name and not {"\t", "\n"} & set(name):  # about others' files the store is asked
                version = _version(found[path]) if name.endswith(_KEPT) else ""
                lines.setdefault("/".join(folders), []).append(f"{name}\t{version}\t{found[path]['size']}")
        self._texts = {folder: "\n".join(of) for folder, of in lines.items()}
        self._changed: dict[str, set[str]] = {}

    @cached_property
    def _folders(self) -> list[str]:
        return sorted(folder for folder in self._texts if folder)

    def names(self, folder: str) -> list[str] | None:
        """What is directly in a folder; None if it was not listed, or this process wrote into it."""
        if not self._texts or (folder and folder not in self._texts):
            return None
        if folder in self._changed or (not folder and self._changed):
            return None
        files = [line.partition("\t")[0] for line in self._texts.get(folder, "").split("\n") if line]
        return files if folder else sorted([*files, *self._folders])

    def file(self, folder: str, name: str) -> _File | None:
        """A file as it was listed; None if it was not, or this process wrote it."""
        if name in self._changed.get(folder, ()):
            return None
        text = f"\n{self._texts.get(folder, '')}\n"
        start = text.find(f"\n{name}\t") + 1
        if not start:
            return None
        _, version, size = text[start : text.index("\n", start)].split("\t")
        return _File(name, version, int(size))

    def lacks(self, folder: str, name: str) -> bool:
        """Whether a folder was listed without a file that this process did not write since."""
        written = self._changed.get(folder, ())
        return folder in self._texts and name not in written and self.file(folder, name) is None

    def changed(self, folder: str, names: Iterable[str]) -> None:
        """This process wrote or removed files."""
        self._changed.setdefault(folder, set()).update(names)

    def forget(self, folder: str) -> None:
        """Ask the store about a folder from now on, and keep no copies of its files."""
        names = [line.partition("\t")[0] for line in self._texts.get(folder, "").split("\n") if line]
        for name in names:
            file = self.file(folder, name)
            if file is not None and file.version:
                self._copies.place(self._root / folder / name, file).unlink(missing_ok=True)
        self.changed(folder, names)

    def content(self, folder: str, name: str) -> bytes | None:
        """A file's content, fetched together with the files of that name in the next folders; None: ask the store."""
        file = self.file(folder, name)
        if file is None or not file.version:
            return None
        path = self._root / folder / name
        content = self._copies.read(path, file)
        if content is not None:
            return content
        due = {}
        start = bisect_left(self._folders, folder) // _TOGETHER * _TOGETHER
        for other in self._folders[start : start + _TOGETHER] if folder else (folder,):
            listed = self.file(other, name)
            beside = self._root / other / name
            if listed is not None and listed.version and not self._copies.place(beside, listed).exists():
                due[beside] = listed
        due[path] = file
        try:
            return _fetch(due, self._copies)[path]
        except KeyError as error:
            raise FileNotFoundError(errno.ENOENT, "no such object", str(path)) from error


_listings: dict[StorePath, _Listing] = {}


def list_now(folder: StorePath) -> None:
    """List a folder and its subfolders; until it is listed again, what is in the list is there."""
    _listings.pop(folder, None)
    with reaching(folder):
        found = folder.store().find(folder.key, detail=True)
    _listings[folder] = _Listing(folder, found)


def forget(folder: StorePath) -> None:
    """Ask the store about a folder again, also where a copy is kept here."""
    listing, name = _listing_of(folder)
    if listing is not None:
        listing.forget(name)


def is_listed(path: StorePath) -> bool:
    """Whether a file was there when its folder was listed."""
    listing, folder = _listing_of(path.parent)
    return listing is not None and listing.file(folder, path.name) is not None


def was_absent(path: StorePath) -> bool:
    """Whether a file was not there when its folder was listed, and this process did not write it since."""
    listing, folder = _listing_of(path.parent)
    return listing is not None and listing.lacks(folder, path.name)


def listed_names(folder: StorePath) -> list[str] | None:
    """What is directly in a folder, by its listing; None: ask the store."""
    listing, name = _listing_of(folder)
    return None if listing is None else listing.names(name)


def listed_content(path: StorePath) -> bytes | None:
    """The content of a listed file of which this machine keeps a copy; None: ask the store.

    Raises:
        FileNotFoundError: It was removed since.
    """
    listing, folder = _listing_of(path.parent)
    return None if listing is None else listing.content(folder, path.name)


def wrote(folder: StorePath, names: Iterable[str]) -> None:
    """This process wrote or removed files: the listing is no longer asked about them."""
    listing, name = _listing_of(folder)
    if listing is not None:
        listing.changed(name, names)


def local_copy(path: StorePath) -> Path:
    """A file of this machine with the content of an object.

    Raises:
        FileNotFoundError: There is no such object.
    """
    content = path.read_bytes()
    listing, folder = _listing_of(path.parent)
    file = None if listing is None else listing.file(folder, path.name)
    if file is None or not file.version or file.size != len(content):
        file = _File(path.name, hashlib.sha256(content).hexdigest(), len(content))
    copies = _Copies()
    place = copies.place(path, file)
    return place if copies.read(path, file) is not None else copies.keep(path, file, content)


def _listing_of(folder: StorePath) -> tuple[_Listing | None, str]:
    """The listing that a folder is in, if any, and what the folder is called there."""
    if folder in _listings:
        return _listings[folder], ""
    return _listings.get(folder.parent), folder.name


def _fetch(files: Mapping[StorePath, _File], copies: _Copies) -> dict[StorePath, bytes]:
    """Fetch files side by side, and keep copies; what is not there any more is left out."""
    paths = [path.key for path in files]
    first = next(iter(files))
    with reaching(first):
        # Not `cat`, which takes brackets in names for patterns.
        found = first.store().cat_ranges(paths, [None] * len(paths), [None] * len(paths), on_error="return")
        for content in found:
            if isinstance(content, BaseException) and not isinstance(content, FileNotFoundError):
                raise content
    contents = {path: content for path, content in zip(files, found, strict=True) if isinstance(content, bytes)}
    for path, content in contents.items():
        if len(content) == files[path].size:  # else it was written again since the listing
            copies.keep(path, files[path], content)
    return contents


class _Copies:
    """Contents in the cache of this machine, by URL, version and size."""

    def __init__(self) -> None:
        self._folder = cache_folder() / "objects"

    def place(self, path: StorePath, file: _File) -> Path:
        """Where a copy is, if there is one."""
        name = digest([str(path), file.version, file.size])[:40]
        return self._folder / name[:2] / f"{name}{path.suffix}"

    def read(self, path: StorePath, file: _File) -> bytes | None:
        """A copy's content; None if there is none."""
        try:
            content = self.place(path, file).read_bytes()
        except FileNotFoundError:
            return None
        return content if len(content) == file.size else None

    def keep(self, path: StorePath, file: _File, content: bytes) -> Path:
        """Not flushed to disk: a copy that a power failure cut has another size, and is fetched again."""
        place = self.place(path, file)
        temporary = place.with_name(f"{place.name}.{os.getpid()}.{threading.get_ident()}.tmp")
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(content)
            temporary.replace(place)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise InputError(
                f"{place.parent}: cannot keep a copy of {path} ({error.strerror}); name another folder with {VARIABLE}"
            ) from error
        return place


def _version(found: Mapping[str, Any]) -> str:
    return next((str(found[name]).strip('"') for name in _VERSIONS if found.get(name)), "")
