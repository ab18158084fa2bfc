"""The folder of a page: data files are named by their content, so that a kill at any moment harms nothing.

Everything that a browser loads on demand is a script that calls `gillBench(name, value)`, since browsers forbid pages
opened from disk to fetch files. A page that is renewed stays whole at every moment: data files never change, the HTML
pages that name them are replaced last, and files that no page names any more are removed after that.
"""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from gill_bench.errors import InputError
from gill_bench.reporting.page.thumbnails import SMALL_BYTES, VERSION, data_uri, full_size
from gill_bench.storage.digests import digest
from gill_bench.storage.files import write_atomic
from gill_bench.storage.paths import temporary_beside
from gill_bench.storage.sealed import check_is_file

MARKER = ".gill-bench-page"
_SUB_FOLDERS = ("data", "pictures", "figures", "originals")
_OURS = re.compile(
    r"(?:data|pictures)/[0-9a-f]{16}\.js|pictures/[0-9a-f]{16}\.(?:png|jpeg|gif)|figures/[0-9a-f]{16}\.(?:svg|png)"
    r"|originals/[0-9a-f]{16}\.jpg|gallery-[A-Za-z0-9._-]+\.html"
)
_AT_LEAST = 16


class PageFolder:
    """A folder that a page is written into.

    Args:
        path: A new or empty folder, or the folder of an earlier page, which is renewed.

    Raises:
        InputError: The folder holds something else, or cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._named: set[str] = set()
        try:
            path.mkdir(parents=True, exist_ok=True)
            if not (path / MARKER).is_file():
                if any(path.iterdir()):
                    raise InputError(
                        f"{path}: holds files that are not of a page of gill-bench; name a new or an empty folder"
                    )
                write_atomic(path / MARKER, b"A page of gill-bench: made anew by gill-bench report --html.\n")
            for name in _SUB_FOLDERS:
                if (path / name).is_symlink():
                    raise InputError(f"{path / name}: a symbolic link, which a page does not write through; remove it")
                (path / name).mkdir(exist_ok=True)
        except OSError as error:
            raise InputError(f"{path}: cannot write a page there: {error.strerror}") from error

    def has(self, name: str) -> bool:
        """Whether a file exists already; in any case the file belongs to the page from now on."""
        self._named.add(name)
        return (self.path / name).is_file()

    def data(self, value: Any) -> str:
        """Write a value that browsers load on demand; returns the name that loads it."""
        text = script_json(value)
        return self._script(f"data/{digest([text])[:16]}", lambda: text)

    def file(self, folder: str, suffix: str, content: bytes) -> str:
        """Write a file of any kind; returns the file's path in the page's folder."""
        name = f"{folder}/{digest([content.hex()])[:16]}{suffix}"
        if not self.has(name):
            _write(self.path / name, content)
        return name

    def picture(self, file: Path | None, sha256: str = "") -> str:
        """Write the thumbnail of a picture as a file of its own; returns its path, or "" if there is no picture."""
        uri = None if file is None else data_uri(file, sha256)
        if uri is None:
            return ""
        kind, _, content = uri.removeprefix("data:image/").partition(";base64,")
        return self.file("pictures", f".{kind}", base64.b64decode(content))

    def pictures(self, files: Sequence[_Picture]) -> str:
        """Write thumbnails that browsers load on demand, unless thumbnails of the same files exist already."""
        key = digest(script_json([VERSION, [[str(picture.file), *picture[1:]] for picture in files]]))[:16]
        return self._script(
            f"pictures/{key}", lambda: _list_of_uris([data_uri(picture.file, picture.sha256) for picture in files])
        )

    def original(self, picture: _Picture) -> str | None:
        """Write a picture of the data in full size, unless it was written before; None if its file is no picture."""
        key = digest(script_json([VERSION, str(picture.file), *picture[1:]]))[:16]
        name = f"originals/{key}.jpg"
        if not self.has(name):
            content = full_size(picture.file)
            if content is None:
                return None
            _write(self.path / name, content)
        return name

    def page(self, name: str, text: str) -> None:
        """Write an HTML page, or a file that all pages share; call it after the data that the page names is written."""
        self._named.add(name)
        # JSON may hold half of a surrogate pair, which has no bytes in UTF-8: it becomes a question mark.
        write_atomic(self.path / name, text.encode("utf-8", "replace"))

    @property
    def names(self) -> frozenset[str]:
        """The names of the files that belong to the page."""
        return frozenset(self._named)

    def sweep(self, kept: Collection[str] = ()) -> None:
        """Remove files of an earlier page that this page does not name, but for those that are kept."""
        for folder in (self.path, *(self.path / name for name in _SUB_FOLDERS)):
            for file in folder.iterdir():
                name = file.relative_to(self.path).as_posix()
                if name not in self._named and name not in kept and _OURS.fullmatch(name):
                    file.unlink(missing_ok=True)

    def _script(self, name: str, make: Callable[[], str]) -> str:
        file = f"{name}.js"
        if not self.has(file):
            _write(self.path / file, f'gillBench("{name}",{make()});\n'.encode("ascii"))
        return name


class _Picture(NamedTuple):
    """A picture's file, its size and time of modification, and the SHA-256 that its content must have ("" for any)."""

    file: Path
    size: int
    time: int
    sha256: str


class Shelf:
    """Numbers pictures, and writes their thumbnails into files of `size` thumbnails each.

    Args:
        at_once: The number of pictures that are usually shown together.
    """

    def __init__(self, at_once: int = 1) -> None:
        together = max(1, at_once)  # 0 where no picture is stored
        self.size = together * -(-_AT_LEAST // together)
        self._numbers: dict[tuple[Path, str], int | None] = {}
        self._files: list[_Picture] = []

    def add(self, file: Path | None, sha256: str = "") -> int | None:
        """Number a picture; None if its file does not exist.

        Args:
            file: The picture's file, or None.
            sha256: The SHA-256 that the content must have; "" for any (see `data_uri`).
        """
        if file is None:
            return None
        key = file, sha256
        if key not in self._numbers:
            status = _size_and_time(file, follow=not sha256)
            self._numbers[key] = len(self._files) if status else None
            if status:
                self._files.append(_Picture(file, *status, sha256))
        return self._numbers[key]

    def is_reduced(self, number: int) -> bool:
        """Whether the page has only a thumbnail of a picture."""
        return self._files[number].size > SMALL_BYTES

    def __len__(self) -> int:
        return len(self._files)

    def write(self, folder: PageFolder, step: Callable[[int], None]) -> list[str]:
        """Write the thumbnails of all pictures; returns the names that load them, `size` thumbnails each."""
        parts = [self._files[start : start + self.size] for start in range(0, len(self._files), self.size)]
        # Decoding and scaling leave Python's lock, so threads share the processors.
        with ThreadPoolExecutor(os.cpu_count()) as threads:
            return list(_stepping(threads.map(folder.pictures, parts), parts, step))

    def write_originals(self, folder: PageFolder) -> list[str | None]:
        """Write in full size the pictures of which the page has only thumbnails; returns their paths by number."""
        with ThreadPoolExecutor(os.cpu_count()) as threads:
            return list(
                threads.map(lambda file: folder.original(file) if file.size > SMALL_BYTES else None, self._files)
            )


def script_json(value: Any) -> str:
    r"""JSON in ASCII that is inert in a script and in HTML, whatever texts it holds.

    >>> print(script_json("</script>\u2028"))
    "\u003c/script\u003e\u2028"
    """
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", r"\u003c").replace(">", r"\u003e").replace("&", r"\u0026")


def _list_of_uris(uris: Sequence[str | None]) -> str:
    """JSON of texts that need no escapes: joining them is quick, and they are most of a page's bytes."""
    return f"[{','.join('null' if uri is None else f'{chr(34)}{uri}{chr(34)}' for uri in uris)}]"


def _size_and_time(file: Path, *, follow: bool) -> tuple[int, int] | None:
    """A file's size and modification time; (0, 0) in an object store, where files never change; None if absent."""
    if not isinstance(file, Path):
        return 0, 0
    try:
        if not follow:
            check_is_file(file)
        status = file.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


def _stepping(names: Iterator[str], parts: Sequence[Sequence[Any]], step: Callable[[int], None]) -> Iterator[str]:
    for name, part in zip(names, parts, strict=True):
        step(len(part))
        yield name


def _write(file: Path, content: bytes) -> None:
    """Write without waiting for the disk: a page can be made again, but half a file must not count as one."""
    temporary = temporary_beside(file)
    temporary.write_bytes(content)
    temporary.replace(file)
