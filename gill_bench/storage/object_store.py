"""A run's folder in an object store: what pathlib does with folders, done with as few requests as it takes.

An object store has no folders, no rename and no locks; it has whole objects under names, each put in one piece. fsspec
speaks to all of them. Paths are pure paths, so everything that only handles names is the standard library's; what asks
the store is here. `docs/design/object-stores.md` says why this is not universal_pathlib.
"""

from __future__ import annotations

import errno
import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Any, NoReturn, TextIO

from gill_bench.errors import GillBenchError, InputError

_EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs"}
# Else s3fs asks for the size of each object before it reads it, since it reads large ones in parts side by side.
_OPTIONS = {"s3": {"max_concurrency": 1}, "s3a": {"max_concurrency": 1}}
_CREDENTIALS = ("NoCredentials", "PartialCredentials", "ProfileNotFound", "DefaultCredentials", "TokenRetrieval")
_UNREACHABLE = ("Connect", "Timeout", "Closed", "Incomplete", "Disconnected", "DNS", "HTTPClient")


class StorePath(PurePosixPath):
    """`s3://bucket/runs/one`, with the parts `s3:`, `bucket`, `runs`, `one`.

    It has the methods of `pathlib.Path` that run folders need. A file is written whole or not at all. What was listed
    (`gill_bench.storage.listing`) is answered from the listing, and what was not there then is asked again.
    """

    __slots__ = ()

    def __str__(self) -> str:
        """As a URL; what is left by `relative_to` as a relative path."""
        first, *others = self.parts or (".",)
        return "/".join([f"{first}/" if first.endswith(":") else first, *others])

    def __fspath__(self) -> NoReturn:
        """Nothing of the operating system can open it: better an error here than a file that is not found there."""
        raise TypeError(f"{self} is in an object store: read it with its own methods")

    @property
    def key(self) -> str:
        """As its file system names it."""
        return str(self.store()._strip_protocol(str(self)))

    def store(self) -> Any:
        """The file system of fsspec that it is in."""
        return store_of(self.parts[0].removesuffix(":"))

    def read_bytes(self) -> bytes:
        """The content; from the copy that this machine keeps, if it was listed and is one of a kind that is kept.

        Raises:
            FileNotFoundError: There is no such object.
        """
        from gill_bench.storage.listing import listed_content

        content = listed_content(self)
        if content is None:
            with reaching(self):
                content = bytes(self.store().cat_file(self.key))
        return content

    def read_text(self, encoding: str = "utf-8") -> str:
        """The content as text."""
        return self.read_bytes().decode(encoding)

    def open(self, mode: str = "r", encoding: str = "utf-8") -> io.BytesIO | TextIO:
        """The content as a stream to read, in memory.

        Raises:
            ValueError: Another mode than "r" or "rb".
        """
        if mode not in ("r", "rb"):
            raise ValueError(f"{self}: mode {mode!r}; objects are written whole: write_bytes")
        content = io.BytesIO(self.read_bytes())
        return content if mode == "rb" else io.TextIOWrapper(content, encoding)

    def write_bytes(self, content: bytes) -> int:
        """Put the object: it is there as a whole, or the old one is."""
        self.parent.write_together({self.name: content})
        return len(content)

    def write_text(self, text: str, encoding: str = "utf-8") -> int:
        """Put the object."""
        return self.write_bytes(text.encode(encoding))

    def write_together(self, contents: Mapping[str, bytes]) -> None:
        """Put several objects below it side by side, in no order; all are there when it returns."""
        from gill_bench.storage.listing import wrote

        with reaching(self):
            self.store().pipe({(self / name).key: content for name, content in contents.items()})
        wrote(self, contents)

    def resolve(self) -> StorePath:
        """Itself: there are neither links nor current folders."""
        return self

    def exists(self) -> bool:
        """Whether there is an object of this name, or one below it."""
        return self._kind() != ""

    def is_file(self) -> bool:
        """Whether there is an object of this name."""
        return self._kind() == "file"

    def is_dir(self) -> bool:
        """Whether there is an object below it."""
        return self._kind() == "directory"

    def _kind(self) -> str:
        """What the store says there is: a "file", a "directory", or "" for nothing."""
        from gill_bench.storage.listing import is_listed, listed_names

        if is_listed(self):
            return "file"
        if listed_names(self):
            return "directory"
        try:
            with reaching(self):
                # Not `isfile` and the like, to which an unreachable store is one without the file.
                return str(self.store().info(self.key)["type"])
        except FileNotFoundError:
            return ""

    def iterdir(self) -> Iterator[StorePath]:
        """What is directly below it.

        Raises:
            FileNotFoundError: Nothing is.
        """
        from gill_bench.storage.listing import listed_names

        names: Sequence[str] | None = listed_names(self)
        if names is None:
            with reaching(self):
                found = {str(name).rstrip("/") for name in self.store().ls(self.key, detail=False)}
            # A folder that a console made has an object of its own name.
            names = sorted(name.rpartition("/")[2] for name in found - {self.key.rstrip("/")})
        return (self / name for name in names)

    def glob(self, pattern: str) -> Iterator[StorePath]:
        """What is below it and matches, in order; nothing where there is nothing."""
        if "/" in pattern:  # by hand, since to fsspec's own a bracket in the folder's name would be a pattern too
            depth = len(self.parts) + len(PurePosixPath(pattern).parts)
            return (path for path in self.rglob("*") if len(path.parts) == depth and path.match(pattern))
        try:
            below = list(self.iterdir())
        except FileNotFoundError:
            below = []
        return iter(sorted(path for path in below if fnmatchcase(path.name, pattern)))

    def rglob(self, pattern: str) -> Iterator[StorePath]:
        """All objects below it whose name matches, in order."""
        with reaching(self):
            found = self.store().find(self.key)
        paths = (self / str(name)[len(self.key) + 1 :] for name in found)
        return iter(sorted(path for path in paths if fnmatchcase(path.name, pattern)))

    def mkdir(self, parents: bool = False, exist_ok: bool = False) -> None:
        """Nothing: a folder is there as soon as something is in it."""

    def unlink(self, missing_ok: bool = False) -> None:
        """Remove the object."""
        from gill_bench.storage.listing import wrote

        with reaching(self):
            try:
                self.store().rm_file(self.key)
            except FileNotFoundError:
                if not missing_ok:
                    raise
        wrote(self.parent, (self.name,))

    def remove_below(self) -> None:
        """Remove all objects below it."""
        from gill_bench.storage.listing import wrote

        with reaching(self):
            store = self.store()
            found = store.find(self.key)
            for name in found:  # its own for many takes brackets in names for patterns
                store.rm_file(name)
        for name in found:
            path = self / str(name)[len(self.key) + 1 :]
            wrote(path.parent, (path.name,))


def store_of(protocol: str) -> Any:
    """The fsspec file system of a protocol, set up by the environment (`FSSPEC_S3_...`, `AWS_...`).

    Raises:
        InputError: There is no such protocol, or the package that speaks it is not installed.
    """
    try:
        import fsspec
    except ImportError as error:
        raise _not_installed(protocol) from error
    try:
        # Each command lists what it needs itself; a listing that is kept would hide what other processes wrote.
        return fsspec.filesystem(protocol, use_listings_cache=False, **_OPTIONS.get(protocol, {}))
    except ImportError as error:
        raise _not_installed(protocol) from error
    except ValueError as error:
        raise InputError(f"{protocol}://: no such kind of object store ({error}); expected s3:// or gs://") from error


def _not_installed(protocol: str) -> InputError:
    extra = _EXTRAS.get(protocol)
    what = f"pip install 'gill-bench[{extra}]'" if extra else "install the package by which fsspec reads it"
    return InputError(f"{protocol}://: this Python cannot read such URLs; {what}")


def _code(error: BaseException | None) -> str:
    """What S3 calls an error."""
    response = getattr(error, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""


@contextmanager
def reaching(path: StorePath) -> Iterator[None]:
    """Turn whatever a store's client raises into one error that names the URL; that a file is not there stays so.

    Raises:
        InputError: The store cannot be reached, refuses, or answers something else.
    """
    try:
        yield
    except GillBenchError:
        raise
    except FileNotFoundError as error:
        if _code(error.__cause__) == "NoSuchBucket":
            bucket = path.parts[1]
            raise InputError(f"{path}: there is no bucket {bucket!r}; make it first, or correct the URL") from error
        raise FileNotFoundError(errno.ENOENT, "no such object", str(path)) from error
    except Exception as error:  # of botocore, aiohttp, google.auth, ...: each client has its own
        kind, reason = type(error).__name__, (str(error).splitlines() or [""])[0]
        if any(word in kind for word in _CREDENTIALS):
            advice = (
                "no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or those of your store"
            )
        elif isinstance(error, PermissionError):
            advice = f"access denied ({reason}); check the credentials and what they may do with this bucket"
        elif isinstance(error, (ConnectionError, TimeoutError)) or any(word in kind for word in _UNREACHABLE):
            advice = (
                f"cannot reach the store ({reason}); check AWS_ENDPOINT_URL and the network\n"
                "nothing that was committed is lost: the same command goes on"
            )
        else:
            advice = f"the store failed ({kind}: {reason})"
        raise InputError(f"{path}: {advice}") from error
