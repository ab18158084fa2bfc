"""Folders of runs in an object store: the methods of `pathlib.Path` that runs need, with as few requests as possible.

An object store has no folders, no rename and no locks; it has whole objects under names, and each write replaces a
whole object. fsspec gives access to all such stores. `StorePath` is a pure path, so the standard library handles names,
and only the methods below ask the store. `docs/design/object-stores.md` says why universal_pathlib is not used.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import TextIO

from gill_bench.storage.listing import is_listed, listed_content, listed_names, wrote
from gill_bench.storage.store_urls import StoreUrl, reaching


class StorePath(StoreUrl):
    """A file or folder in an object store, with the methods of `pathlib.Path` that run folders need.

    A file is written whole or not at all. A question about a folder that was listed (`gill_bench.storage.listing`) is
    answered from the listing; if the file was not in the listing, the store is asked.
    """

    __slots__ = ()

    def read_bytes(self) -> bytes:
        """The object's content, from this machine's copy where `listing` keeps one.

        Raises:
            FileNotFoundError: There is no such object.
        """
        content = listed_content(self)
        if content is None:
            with reaching(self):
                content = bytes(self.store().cat_file(self.key))
        return content

    def read_text(self, encoding: str = "utf-8") -> str:
        """The object's content as text."""
        return self.read_bytes().decode(encoding)

    def open(self, mode: str = "r", encoding: str = "utf-8") -> io.BytesIO | TextIO:
        """A stream in memory from which the object's content is read.

        Raises:
            ValueError: `mode` is neither "r" nor "rb".
        """
        if mode not in ("r", "rb"):
            raise ValueError(f"{self}: mode {mode!r}; objects are written whole: write_bytes")
        content = io.BytesIO(self.read_bytes())
        return content if mode == "rb" else io.TextIOWrapper(content, encoding)

    def write_bytes(self, content: bytes) -> int:
        """Write the object; a reader sees either the old content or the new one."""
        self.parent.write_together({self.name: content})
        return len(content)

    def write_text(self, text: str, encoding: str = "utf-8") -> int:
        """Write the object with the content of a text."""
        return self.write_bytes(text.encode(encoding))

    def write_together(self, contents: Mapping[str, bytes]) -> None:
        """Write several objects of this folder in parallel, in no order; all are stored when the method returns."""
        with reaching(self):
            self.store().pipe({(self / name).key: content for name, content in contents.items()})
        wrote(self, contents)

    def resolve(self) -> StorePath:
        """The path itself: an object store has neither links nor a current folder."""
        return self

    def exists(self) -> bool:
        """Whether there is an object of this name, or an object below it."""
        return self._kind() != ""

    def is_file(self) -> bool:
        """Whether there is an object of this name."""
        return self._kind() == "file"

    def is_dir(self) -> bool:
        """Whether there is an object below this path."""
        return self._kind() == "directory"

    def _kind(self) -> str:
        """Either "file" or "directory", or "" where the store has nothing."""
        if is_listed(self):
            return "file"
        if listed_names(self):
            return "directory"
        try:
            with reaching(self):
                # fsspec's `isfile` and the like return False when the store cannot be reached.
                return str(self.store().info(self.key)["type"])
        except FileNotFoundError:
            return ""

    def iterdir(self) -> Iterator[StorePath]:
        """The paths directly below this folder.

        Raises:
            FileNotFoundError: There is nothing below it.
        """
        names: Sequence[str] | None = listed_names(self)
        if names is None:
            with reaching(self):
                keys = {str(key).rstrip("/") for key in self.store().ls(self.key, detail=False)}
            # A folder that was made in a store's console is an object of the folder's own name.
            names = sorted(key.rpartition("/")[2] for key in keys - {self.key.rstrip("/")})
        return (self / name for name in names)

    def glob(self, pattern: str) -> Iterator[StorePath]:
        """The paths below this folder that match a pattern, in order; none where the folder is not there."""
        if "/" in pattern:  # fsspec's glob would take a bracket in the folder's own name for a pattern
            depth = len(self.parts) + len(PurePosixPath(pattern).parts)
            return (path for path in self.rglob("*") if len(path.parts) == depth and path.match(pattern))
        try:
            below = list(self.iterdir())
        except FileNotFoundError:
            below = []
        return iter(sorted(path for path in below if fnmatchcase(path.name, pattern)))

    def rglob(self, pattern: str) -> Iterator[StorePath]:
        """All objects below this folder whose name matches a pattern, in order."""
        with reaching(self):
            keys = self.store().find(self.key)
        paths = (self / str(key)[len(self.key) + 1 :] for key in keys)
        return iter(sorted(path for path in paths if fnmatchcase(path.name, pattern)))

    def mkdir(self, parents: bool = False, exist_ok: bool = False) -> None:
        """Do nothing: a folder exists as soon as there is an object in it."""

    def unlink(self, missing_ok: bool = False) -> None:
        """Remove the object.

        Raises:
            FileNotFoundError: There is none, and `missing_ok` is False.
        """
        with reaching(self):
            try:
                self.store().rm_file(self.key)
            except FileNotFoundError:
                if not missing_ok:
                    raise
        wrote(self.parent, (self.name,))

    def remove_below(self) -> None:
        """Remove all objects below this folder."""
        with reaching(self):
            store = self.store()
            keys = store.find(self.key)
            for key in keys:  # fsspec's `rm` of many objects takes brackets in names for patterns
                store.rm_file(key)
        for key in keys:
            path = self / str(key)[len(self.key) + 1 :]
            wrote(path.parent, (path.name,))
