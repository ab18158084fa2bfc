"""Unpacking archives of strangers: only regular files, only into the places that were asked for, and no bombs.

An archive with a member that an official one never has (a path that leads out of the folder, a link, a device) is
refused as a whole, before anything is written. Names in the archive decide nothing but the names of pictures inside
their folder.
"""

from __future__ import annotations

import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

from gill_bench.datasets.pictures import EXTENSIONS
from gill_bench.errors import GillBenchError
from gill_bench.fetching.sizes import check_room, readable_size
from gill_bench.progress import Bars
from gill_bench.storage.names import path_problem
from gill_bench.storage.paths import name_in_errors, temporary_beside

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
_DAMAGE = (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, OSError)
_HARMLESS, _RATIO = 64 << 20, 200
"""Files of more bytes than `_HARMLESS` that are `_RATIO` times as large as their archive are a bomb: captions in JSON
are compressed to a tenth, zeros to a thousandth."""


class Member(NamedTuple):
    """A file in an archive: its path there, its size in bytes as the archive says, and how it is opened."""

    name: str
    size: int
    open: Callable[[], IO[bytes]]


def is_archive(file: Path) -> bool:
    """Whether a file is a zip or tar archive, by its content."""
    return zipfile.is_zipfile(file) or tarfile.is_tarfile(file)


def unpack_files(archive: Path, wanted: Mapping[str, Path]) -> list[str]:
    """Unpack single files.

    Args:
        archive: The archive.
        wanted: The place of each file by its path in the data set's folder. In the archive, it may lie elsewhere, under
            the same name; a file at this path, or at the end of it, comes first.

    Returns:
        The paths of `wanted` that the archive lacks.

    Raises:
        GillBenchError: The archive is damaged, unsafe, or larger than the disk.
    """
    with _members(archive) as members:
        chosen = {path: _member_for(path, members) for path in wanted}
        copies = [(member, wanted[path]) for path, member in chosen.items() if member is not None]
        _copy(archive, copies, None)
    return [path for path, member in chosen.items() if member is None]


def unpack_pictures(archive: Path, folder: Path, progress: Bars | None = None) -> int:
    """Unpack all pictures into a folder; pictures that are there already stay as they are.

    A picture's path in the folder is its path in the archive below a folder of the same name, or else below the folder
    that holds all pictures.

    Returns:
        The number of pictures in the archive.

    Raises:
        GillBenchError: The archive is damaged, unsafe, or larger than the disk.
    """
    with _members(archive) as members:
        pictures = [member for member in members if _is_picture(member.name)]
        copies = [
            (member, folder / path)
            for member, path in zip(pictures, _paths_inside(pictures, folder.name), strict=True)
            if not (folder / path).exists()
        ]
        _copy(archive, copies, progress)
    return len(pictures)


def _is_picture(name: str) -> bool:
    path = PurePosixPath(name)
    hidden = path.name.startswith(".") or "__MACOSX" in path.parts
    return path.suffix.lower() in EXTENSIONS and not hidden


def _paths_inside(pictures: Sequence[Member], folder: str) -> list[PurePosixPath]:
    paths = [PurePosixPath(picture.name) for picture in pictures]
    parents = [path.parts[:-1] for path in paths]
    common = next(
        (depth for depth, names in enumerate(zip(*parents, strict=False)) if len(set(names)) > 1),
        min(map(len, parents), default=0),
    )
    return [
        PurePosixPath(*path.parts[path.parts[:-1].index(folder) + 1 if folder in path.parts[:-1] else common :])
        for path in paths
    ]


def _member_for(path: str, members: Sequence[Member]) -> Member | None:
    """The member that is a wanted file: at the same path, else at a path with the same end, else of the same name."""
    wanted = PurePosixPath(path)
    fitting = [member for member in members if PurePosixPath(member.name).name == wanted.name]
    fitting = [member for member in fitting if "__MACOSX" not in PurePosixPath(member.name).parts]
    same_end = [member for member in fitting if PurePosixPath(member.name).match(path)]
    return min(same_end or fitting, key=lambda member: len(member.name), default=None)


@contextmanager
def _members(archive: Path) -> Iterator[list[Member]]:
    """The regular files of an archive, which stays open while the context lasts; damage becomes an error."""
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as packed:
                files = [_zip_member(archive, packed, info) for info in packed.infolist()]
                yield [file for file in files if file is not None]
        else:
            with tarfile.open(archive) as tape:
                files = [_tar_member(archive, tape, info) for info in tape]
                while tape.fileobj is not None and tape.fileobj.read(1 << 20):
                    pass  # the checksum of a compressed tape is at its end
                yield [file for file in files if file is not None]
    except _DAMAGE as error:
        if isinstance(error, OSError) and error.errno is not None and not isinstance(error, zipfile.BadZipFile):
            raise  # the disk is full, or a place cannot be written
        archive.unlink(missing_ok=True)
        raise GillBenchError(
            f"{archive.name}: a damaged archive ({type(error).__name__}: {error}); it was deleted, and the same command"
            " downloads it again"
        ) from error


def _zip_member(archive: Path, packed: zipfile.ZipFile, info: zipfile.ZipInfo) -> Member | None:
    if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise _unsafe(archive, info.filename, "is a link or device")
    if info.flag_bits & 1:
        raise _unsafe(archive, info.filename, "is encrypted")
    _refuse_path(archive, info.orig_filename)
    return None if info.is_dir() else Member(info.filename, info.file_size, lambda: packed.open(info))


def _tar_member(archive: Path, tape: tarfile.TarFile, info: tarfile.TarInfo) -> Member | None:
    if not info.isreg() and not info.isdir():
        raise _unsafe(archive, info.name, "is a link or device")
    _refuse_path(archive, info.name)
    if info.isdir():
        return None

    def opened() -> IO[bytes]:
        content = tape.extractfile(info)
        assert content is not None  # None only for members that are no regular files
        return content

    return Member(info.name, info.size, opened)


def _refuse_path(archive: Path, name: str) -> None:
    problem = path_problem(name)
    if problem:
        raise _unsafe(archive, name, problem)


def _unsafe(archive: Path, name: str, problem: str) -> GillBenchError:
    archive.unlink(missing_ok=True)
    return GillBenchError(
        f"{archive.name}: {name!r:.100} {problem}: no official archive has such a member, and nothing was unpacked;"
        " the archive was deleted"
    )


def _copy(
    archive: Path,
    copies: Sequence[tuple[Member, Path]],
    progress: Bars | None,
) -> None:
    total = sum(member.size for member, _ in copies)
    if total > _HARMLESS and total > _RATIO * archive.stat().st_size:
        archive.unlink()
        raise GillBenchError(
            f"{archive.name}: {readable_size(total)} in an archive less than a {_RATIO}th of this size, a"
            " decompression bomb? nothing was unpacked, and the archive was deleted"
        )
    if not copies:
        return
    check_room(archive.parent, total, f"unpacking {archive.name}")
    step = progress(f"unpacking {archive.name}", len(copies), "pictures") if progress and len(copies) > 1 else None
    for member, target in copies:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = temporary_beside(target)
        try:
            with name_in_errors(target), member.open() as packed, temporary.open("wb") as file:
                shutil.copyfileobj(packed, file)
            if temporary.stat().st_size != member.size:
                raise EOFError(f"{member.name} is cut")
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
        if step is not None:
            step(1)
