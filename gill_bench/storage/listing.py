"""Listings of folders in an object store, and copies of small files on this machine.

A run of ten thousand units has hundreds of thousands of objects, and each question about one object is a request. One
request lists a thousand objects. The small files that are read again and again (unit.json, samples.jsonl, scores,
vectors) are fetched many at a time, once for each machine, and kept in the cache under their URL, version and size.
Pictures are not kept.

A listing says only what was in the store when it was made. Where a file is not in the listing, the store is asked; the
files that this process writes afterwards are taken out of the listing.
"""

from __future__ import annotations

import errno
import hashlib
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from gill_bench.errors import InputError
from gill_bench.storage.cache import VARIABLE, cache_folder
from gill_bench.storage.digests import digest
from gill_bench.storage.paths import temporary_beside
from gill_bench.storage.store_urls import StoreUrl, reaching

_KEPT = (".json", ".jsonl", ".npy")
_TOGETHER = 256  # files that are fetched at a time and held in memory together
_VERSIONS = ("ETag", "etag", "md5Hash", "generation")  # the stores' names for the version of an object's content


class _File(NamedTuple):
    name: str
    version: str  # "" for files of which no copy is kept
    size: int


class _Listing:
    """The names, versions and sizes of the files in a folder and its subfolders.

    Each folder's files are lines of one text, because hundreds of thousands of records would take much memory.
    """

    def __init__(self, root: StoreUrl, objects: Mapping[str, Mapping[str, Any]]) -> None:
        self._root, self._copies = root, _Copies()
        lines: dict[str, list[str]] = {}
        start = len(root.key) + 1
        for key in sorted(objects):
            *folders, name = key[start:].split("/")
            # Names that gill-bench does not write are left out, so that the store is asked about them.
            if len(folders) <= 1 and name and not {"\t", "\n"} & set(name):
                version = _version(objects[key]) if name.endswith(_KEPT) else ""
                lines.setdefault("/".join(folders), []).append(f"{name}\t{version}\t{objects[key]['size']}")
        self._texts = {folder: "\n".join(of) for folder, of in lines.items()}
        self._changed: dict[str, set[str]] = {}

    @cached_property
    def _folders(self) -> list[str]:
        return sorted(folder for folder in self._texts if folder)

    def names(self, folder: str) -> list[str] | None:
        """The names directly in a folder; None if it was not listed, or this process wrote into it."""
        if not self._texts or (folder and folder not in self._texts):
            return None
        if folder in self._changed or (not folder and self._changed):
            return None
        files = [line.partition("\t")[0] for line in self._texts.get(folder, "").split("\n") if line]
        return files if folder else sorted([*files, *self._folders])

    def file(self, folder: str, name: str) -> _File | None:
        """A file as it was listed; None if it was not listed, or this process wrote it since."""
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
        """Take files that this process wrote or removed out of the listing."""
        self._changed.setdefault(folder, set()).update(names)

    def forget(self, folder: str) -> None:
        """Take all files of a folder out of the listing, and remove the copies of them."""
        names = [line.partition("\t")[0] for line in self._texts.get(folder, "").split("\n") if line]
        for name in names:
            file = self.file(folder, name)
            if file is not None and file.version:
                self._copies.path(self._root / folder / name, file).unlink(missing_ok=True)
        self.changed(folder, names)

    def content(self, folder: str, name: str) -> bytes | None:
        """A file's content, or None if the store must be asked.

        Files of the same name in the next folders are fetched with it, since they are usually read next.
        """
        file = self.file(folder, name)
        if file is None or not file.version:
            return None
        url = self._root / folder / name
        content = self._copies.read(url, file)
        if content is not None:
            return content
        due = {}
        start = bisect_left(self._folders, folder) // _TOGETHER * _TOGETHER
        for neighbour in self._folders[start : start + _TOGETHER] if folder else (folder,):
            listed = self.file(neighbour, name)
            neighbour_url = self._root / neighbour / name
            if listed is not None and listed.version and not self._copies.path(neighbour_url, listed).exists():
                due[neighbour_url] = listed
        due[url] = file
        try:
            return _fetch(due, self._copies)[url]
        except KeyError as error:
            raise FileNotFoundError(errno.ENOENT, "no such object", str(url)) from error


_listings: dict[StoreUrl, _Listing] = {}


def list_now(folder: StoreUrl) -> None:
    """List a folder and its subfolders; questions about them are answered from this listing until the next one."""
    _listings.pop(folder, None)
    with reaching(folder):
        objects = folder.store().find(folder.key, detail=True)
    _listings[folder] = _Listing(folder, objects)


def forget(folder: StoreUrl) -> None:
    """Ask the store about a folder again, also about files of which this machine has copies."""
    listing, name = _listing_of(folder)
    if listing is not None:
        listing.forget(name)


def is_listed(url: StoreUrl) -> bool:
    """Whether a file was in the store when its folder was listed."""
    listing, folder = _listing_of(url.parent)
    return listing is not None and listing.file(folder, url.name) is not None


def was_absent(url: StoreUrl) -> bool:
    """Whether a file was not in the store when its folder was listed, and this process did not write it since."""
    listing, folder = _listing_of(url.parent)
    return listing is not None and listing.lacks(folder, url.name)


def listed_names(folder: StoreUrl) -> list[str] | None:
    """The names directly in a folder, by its listing; None if the store must be asked."""
    listing, name = _listing_of(folder)
    return None if listing is None else listing.names(name)


def listed_content(url: StoreUrl) -> bytes | None:
    """The content of a listed file of which this machine keeps a copy; None if the store must be asked."""
    listing, folder = _listing_of(url.parent)
    return None if listing is None else listing.content(folder, url.name)


def wrote(folder: StoreUrl, names: Iterable[str]) -> None:
    """Say that this process wrote or removed files, so that the listing no longer answers for them."""
    listing, name = _listing_of(folder)
    if listing is not None:
        listing.changed(name, names)


def keep_copy(url: StoreUrl, content: bytes) -> Path:
    """A file of this machine that holds the content of an object, written unless the cache has it."""
    listing, folder = _listing_of(url.parent)
    file = None if listing is None else listing.file(folder, url.name)
    if file is None or not file.version or file.size != len(content):
        file = _File(url.name, hashlib.sha256(content).hexdigest(), len(content))
    copies = _Copies()
    return copies.path(url, file) if copies.read(url, file) is not None else copies.keep(url, file, content)


def _listing_of(folder: StoreUrl) -> tuple[_Listing | None, str]:
    """The listing that covers a folder, if there is one, and the folder's name in that listing."""
    if folder in _listings:
        return _listings[folder], ""
    return _listings.get(folder.parent), folder.name


def _fetch(files: Mapping[StoreUrl, _File], copies: _Copies) -> dict[StoreUrl, bytes]:
    """Fetch files in parallel and keep copies of them; files that are no longer in the store are left out."""
    keys = [url.key for url in files]
    first = next(iter(files))
    with reaching(first):
        # fsspec's `cat` takes brackets in names for patterns.
        answers = first.store().cat_ranges(keys, [None] * len(keys), [None] * len(keys), on_error="return")
        for answer in answers:
            if isinstance(answer, BaseException) and not isinstance(answer, FileNotFoundError):
                raise answer
    contents = {url: answer for url, answer in zip(files, answers, strict=True) if isinstance(answer, bytes)}
    for url, content in contents.items():
        if len(content) == files[url].size:  # another size: the object was written again since the listing
            copies.keep(url, files[url], content)
    return contents


class _Copies:
    """Copies of objects in the cache of this machine, by URL, version and size."""

    def __init__(self) -> None:
        self._folder = cache_folder() / "objects"

    def path(self, url: StoreUrl, file: _File) -> Path:
        name = digest([str(url), file.version, file.size])[:40]
        return self._folder / name[:2] / f"{name}{url.suffix}"

    def read(self, url: StoreUrl, file: _File) -> bytes | None:
        """A copy's content; None if there is no whole copy."""
        try:
            content = self.path(url, file).read_bytes()
        except FileNotFoundError:
            return None
        return content if len(content) == file.size else None

    def keep(self, url: StoreUrl, file: _File, content: bytes) -> Path:
        """Write a copy without flushing it to disk: a copy cut by a power failure has another size, and is replaced."""
        copy = self.path(url, file)
        temporary = temporary_beside(copy)
        try:
            copy.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(content)
            temporary.replace(copy)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise InputError(
                f"{copy.parent}: cannot keep a copy of {url} ({error.strerror}); name another folder with {VARIABLE}"
            ) from error
        return copy


def _version(properties: Mapping[str, Any]) -> str:
    return next((str(properties[name]).strip('"') for name in _VERSIONS if properties.get(name)), "")
